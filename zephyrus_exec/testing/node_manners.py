"""Ways in which real nodes differ from the one under test: they lag, they refuse small bumps."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, TypeAlias

from attrs import frozen

from ..errors import TransactionRejected
from ..evm.transactions import decode_transaction
from ..interfaces.chain import DecodedTransaction
from ..model import Json, JsonObject

Ask: TypeAlias = Callable[[str, Sequence[Json]], Awaitable[JsonObject]]
"""Returns what the node replies: an object with `result`, or with `error`."""

_BLOCK_AT: Final[Mapping[str, int]] = {
    "eth_getBlockByNumber": 0,
    "eth_call": 1,
    "eth_estimateGas": 1,
    "eth_feeHistory": 1,
    "eth_getBalance": 1,
    "eth_getCode": 1,
    "eth_getTransactionCount": 1,
    "eth_getStorageAt": 2,
}
"""Where a method's parameters name a block."""
_OF_TRANSACTIONS: Final = ("eth_getTransactionReceipt", "eth_getTransactionByHash")


@frozen
class Lag:
    """A node whose newest blocks have not come yet.

    Args:
        blocks: How many.
    """

    blocks: int

    async def ask(self, ask: Ask, method: str, params: Sequence[Json]) -> JsonObject:
        """Return what the node would have replied so many blocks ago."""
        head = max(0, _number((await ask("eth_blockNumber", []))["result"]) - self.blocks)
        if method == "eth_blockNumber":
            return {"result": hex(head)}
        if method in _OF_TRANSACTIONS:
            reply = await ask(method, params)
            return {"result": None} if _block_number(reply.get("result")) > head else reply
        place = _BLOCK_AT.get(method)
        if place is None or place >= len(params):
            return await ask(method, params)
        number = await self._named(ask, str(params[place]), head)
        if number > head:
            if method == "eth_getBlockByNumber":
                return {"result": None}
            return {"error": {"code": -32000, "message": "header not found"}}
        return await ask(method, [*params[:place], hex(number), *params[place + 1 :]])

    async def _named(self, ask: Ask, name: str, head: int) -> int:
        if name in ("latest", "pending"):
            return head
        if name in ("safe", "finalized", "earliest"):
            reply = await ask("eth_getBlockByNumber", [name, False])
            block = reply["result"]
            assert isinstance(block, Mapping), f"the node does not know the block {name}"
            return min(head, _number(block["number"]))
        return _number(name)


class ReplacementRule:
    """go-ethereum's rule: who replaces a waiting transaction pays at least 10 % more, in both fees.

    That is its setting `txpool.pricebump`; what waits is read from the node (`txpool_content`).
    """

    async def ask(self, ask: Ask, method: str, params: Sequence[Json]) -> JsonObject:
        """Return the node's reply to a raw transaction, or the refusal."""
        chain_id = _number((await ask("eth_chainId", []))["result"])
        try:
            offered = decode_transaction(bytes.fromhex(str(params[0])[2:]), chain_id=chain_id)
        except TransactionRejected:
            return await ask(method, params)
        waiting = await _waiting(ask, offered)
        if waiting is not None and not _may_replace(waiting, offered):
            message = "replacement transaction underpriced"
            return {"error": {"code": -32000, "message": message}}
        return await ask(method, params)


async def _waiting(ask: Ask, offered: DecodedTransaction) -> Mapping[str, Json] | None:
    """Return the transaction that waits in the place of this one."""
    pool = (await ask("txpool_content", []))["result"]
    assert isinstance(pool, Mapping), "the node does not show its pool"
    for part in pool.values():
        assert isinstance(part, Mapping)
        by_sender = {sender.lower(): by_nonce for sender, by_nonce in part.items()}
        by_nonce = by_sender.get(offered.sender.lower())
        found = by_nonce.get(str(offered.nonce)) if isinstance(by_nonce, Mapping) else None
        if isinstance(found, Mapping):
            return found
    return None


def _may_replace(old: Mapping[str, Json], new: DecodedTransaction) -> bool:
    if old["hash"] == new.hash:
        return True
    tip = new.fees.max_priority_fee_wei
    pairs = (
        (old.get("maxFeePerGas", old.get("gasPrice")), new.fees.max_fee_wei),
        (
            old.get("maxPriorityFeePerGas", old.get("gasPrice")),
            new.fees.max_fee_wei if tip is None else tip,
        ),
    )
    return all(after * 100 >= _number(before) * 110 for before, after in pairs)


def _block_number(found: Json) -> int:
    number = found.get("blockNumber") if isinstance(found, Mapping) else None
    return -1 if number is None else _number(number)


def _number(text: Json) -> int:
    return int(str(text), 16)
