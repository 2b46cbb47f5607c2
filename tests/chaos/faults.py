"""The faults of one case, at the one place where a process under test asks its node."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from attrs import frozen

from tests.chaos.cases import Case
from tests.chaos.node import SENDER, Node, NodeRefused
from zephyrus_exec.evm.rpc import NodeFailed, NodeState, Request, RpcError, Send
from zephyrus_exec.evm.transactions import decode_transaction
from zephyrus_exec.interfaces.chain import DecodedTransaction
from zephyrus_exec.model import Json, JsonObject
from zephyrus_exec.testing.node_manners import Lag

Ask: TypeAlias = Callable[[], Awaitable[Json]]

_SEND: Final = "eth_sendRawTransaction"
_RECEIPT: Final = "eth_getTransactionReceipt"
_LAG_BLOCKS: Final = 3
_SPIKE_WEI: Final = 20 * 10**9
_AT: Final = 2
"""Number of the transaction that meets what happens once."""


@frozen
class Marks:
    """What has happened already, whichever process of the case it happened to.

    Args:
        folder: The case's own.
    """

    folder: Path

    def first(self, name: str) -> bool:
        """Return True the first time, False afterwards."""
        try:
            (self.folder / f"mark-{name}").touch(exist_ok=False)
        except FileExistsError:
            return False
        return True

    def number(self, name: str, value: str) -> int:
        """Return the how-manieth different value this is, from 1."""
        for number in range(1, 1000):
            place = self.folder / f"mark-{name}-{number}"
            try:
                with place.open("x") as file:
                    file.write(value)
            except FileExistsError:
                if place.read_text() != value:
                    continue
            return number
        raise AssertionError("there are no cases that large")


class Faults:
    """Does to requests and replies what the case says.

    Args:
        case: What.
        node: For what happens at the node itself.
        marks: What happened already.
    """

    def __init__(self, case: Case, node: Node, marks: Marks) -> None:
        self._case = case
        self._node = node
        self._marks = marks

    async def request(self, request: Request, send: Send) -> Json:
        """Return the node's answer, or whatever comes instead of it."""
        method, params = request.method, request.params

        async def ask() -> Json:
            lags = self._case.endpoints == "lagging" and request.endpoint == 0
            return await (self._from_behind(request) if lags else send())

        if method == _SEND:
            return await self._send(str(params[0]), ask)
        if method == "eth_estimateGas" and self._case.foreign == "early":
            self._use_early()
        reply = await ask()
        if method == _RECEIPT and reply is not None:
            self._mined(str(params[0]))
        if method == "eth_getBlockByNumber" and self._case.foreign == "hidden":
            return self._without_foreign(reply)
        return reply

    async def _from_behind(self, request: Request) -> Json:
        """Return what a node answers that has not got the newest blocks yet."""

        async def ask(method: str, params: Sequence[Json]) -> JsonObject:
            return self._node.reply(method, *params)

        reply = await Lag(_LAG_BLOCKS).ask(ask, request.method, request.params)
        if "error" in reply:
            raise _rpc_error(reply["error"])
        return reply["result"]

    # --- sending

    async def _send(self, raw: str, ask: Ask) -> Json:
        sent = decode_transaction(bytes.fromhex(raw[2:]), chain_id=31337)
        nth = self._marks.number("sent", str(sent.nonce))
        first = self._marks.first(f"offered-{sent.hash}")
        if nth == _AT:
            self._at_the_second(sent)
        if self._case.pool == "geth":
            self._check_replacement(sent)
        reply = await self._offer(sent, ask, first=first)
        if first and self._case.reply == "twice":
            await _offer_again(ask)
        if first and self._case.reply == "lost":
            raise _lost(_SEND)
        if first and self._case.reply == "error":
            raise RpcError(-32000, "internal error; the transaction was not accepted")
        return reply

    async def _offer(self, sent: DecodedTransaction, ask: Ask, *, first: bool) -> Json:
        if self._case.pool != "dropped" or not first:
            return await ask()
        self._node.automine(False)
        try:
            reply = await ask()
            self._node.ask("anvil_dropTransaction", sent.hash)
        finally:
            self._node.automine(True)
        return reply

    def _at_the_second(self, sent: DecodedTransaction) -> None:
        if self._case.foreign in ("late", "hidden") and self._marks.first("foreign"):
            self._spend(sent.nonce)
        if self._case.fees == "spike" and self._marks.first("spike"):
            self._node.fee(_SPIKE_WEI)
            self._node.mine()

    def _check_replacement(self, sent: DecodedTransaction) -> None:
        """Refuse what geth refuses: the same again, or a replacement that pays hardly more."""
        pooled = self._pooled(sent.nonce)
        if pooled is None:
            return
        if pooled["hash"] == sent.hash:
            raise RpcError(-32000, "already known")
        for field, offered in (
            ("maxFeePerGas", sent.fees.max_fee_wei),
            ("maxPriorityFeePerGas", sent.fees.max_priority_fee_wei or 0),
        ):
            if offered * 100 < int(pooled[field], 16) * 110:
                raise RpcError(-32000, "replacement transaction underpriced")

    def _pooled(self, nonce: int) -> Mapping[str, Any] | None:
        content = self._node.ask("txpool_content")
        for part in ("pending", "queued"):
            for sender, by_nonce in content[part].items():
                if sender.lower() == SENDER.lower() and str(nonce) in by_nonce:
                    found: Mapping[str, Any] = by_nonce[str(nonce)]
                    return found
        return None

    # --- others, and history

    def _use_early(self) -> None:
        nonce = self._node.nonce()
        if nonce == _AT - 1 and self._marks.first("foreign"):
            self._spend(nonce)

    def _spend(self, nonce: int) -> None:
        try:
            used = self._node.spend(nonce)
        except NodeRefused:
            return  # ours was there before: then there is no foreign use
        (self._marks.folder / "foreign").write_text(used)

    def _without_foreign(self, block: Json) -> Json:
        place = self._marks.folder / "foreign"
        if not isinstance(block, dict) or not place.exists():
            return block
        used = place.read_text()
        kept = [
            t for t in block["transactions"] if (t if isinstance(t, str) else t["hash"]) != used
        ]
        return {**block, "transactions": kept}

    def _mined(self, transaction_hash: str) -> None:
        """Act on a transaction that was seen mined."""
        if self._case.reorg != "0":
            nth = self._marks.number("mined", transaction_hash)
            if nth == _AT and self._marks.first("reorg"):
                self._node.reorg(int(self._case.reorg))
        if self._case.reply == "lost" and self._marks.first(f"receipt-{transaction_hash}"):
            raise _lost(_RECEIPT)


def _hash(transaction: Json) -> Json:
    return transaction["hash"] if isinstance(transaction, dict) else transaction


async def _offer_again(ask: Ask) -> None:
    """Deliver the same bytes a second time; a node refuses them, or not."""
    try:
        await ask()
    except RpcError:
        return


def _lost(method: str) -> NodeFailed:
    return NodeFailed(NodeState.UNREACHABLE, f"lost its reply to {method}: this was asked for")


def _rpc_error(error: Json) -> RpcError:
    assert isinstance(error, Mapping)
    return RpcError(int(str(error["code"])), str(error["message"]), error.get("data"))
