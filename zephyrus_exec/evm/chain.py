"""`EvmChain`: the `Chain` promises, kept over JSON-RPC."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from math import ceil
from statistics import median_low
from typing import Final, TypeVar

from ..errors import (
    ChainUnavailable,
    ConfigurationError,
    InsufficientFunds,
    InvalidArguments,
    NoCodeAtAddress,
    TransactionRejected,
    UnexpectedResult,
)
from ..interfaces.chain import (
    Account,
    Block,
    Call,
    Chain,
    DecodedTransaction,
    Fees,
    Lookup,
    ReadResult,
    Receipt,
    SignedTransaction,
    Simulation,
    UnsignedTransaction,
)
from ..model import AgentFunction, Contract, FunctionType, Json, JsonObject
from .abi import decode_outputs, encode_call
from .abi_types import AbiType
from .codec import BadData
from .fees import DEFAULT_PRIORITY_FEE_WEI, HISTORY_QUERY, dynamic_fees, median_reward
from .replies import Replies, is_known, revert_data
from .reverts import call_reverted, printable
from .rpc import RpcConnection, RpcError
from .transactions import decode_transaction, signed_transaction, unsigned_payload
from .values import BadValue, to_abi

_T = TypeVar("_T")

_ADDRESS: Final = AbiType("address", "address")
_DELEGATION: Final = bytes.fromhex("ef0100")
_DELEGATION_BYTES: Final = 23
"""A delegation designator: prefix and address (EIP-7702)."""
_BASE_GAS: Final = 21_000
_ZERO_BYTE_GAS: Final = 4
_OTHER_BYTE_GAS: Final = 16
_LOOKS: Final = 3
"""How often a view of several replies is taken before the chain counts as too restless."""


class EvmChain(Chain):
    """An EVM chain behind JSON-RPC nodes.

    Several replies that belong together name one block by its number, and that block's hash is
    compared before and after, so that they tell of one history.

    Args:
        chain_id: EIP-155 chain id; a node that serves another is of no use.
        rpc_urls: HTTP endpoints, at least one; the first is used.
        confirmations: Blocks after which a receipt counts by default, its own included.
        request_timeout: Seconds one request may take, and most that a wait for a block takes.
        legacy: Whether transactions offer a gas price (true) or EIP-1559 fees (false); null: as
            the head says.
        poll_interval: Seconds between two looks for a block that is not there yet.
        sleep: Waits that long; replaced in tests.

    Raises:
        ConfigurationError: No URL is given, or it is none of HTTP.
    """

    def __init__(
        self,
        chain_id: int,
        rpc_urls: Sequence[str],
        *,
        confirmations: int = 1,
        request_timeout: float = 10.0,
        legacy: bool | None = None,
        poll_interval: float = 0.25,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        if not rpc_urls or not rpc_urls[0].startswith(("http://", "https://")):
            raise ConfigurationError(
                f"chain {chain_id} has no RPC URL that begins with http:// or https://; "
                f"set ZEPHYRUS_RPC_{chain_id}",
                chain_id=chain_id,
            )
        self.chain_id = chain_id
        self.confirmations = confirmations
        self._legacy = legacy
        self._poll_interval = poll_interval
        self._polls = max(1, ceil(request_timeout / poll_interval))
        self._sleep = sleep
        self._replies = Replies(chain_id)
        self._connection = RpcConnection(
            rpc_urls[0], chain_id=chain_id, request_timeout=request_timeout
        )

    # --- without a node

    def encode(
        self,
        contract: Contract,
        function: AgentFunction,
        parameters: JsonObject,
        *,
        value_wei: int = 0,
    ) -> Call:
        """Return the call, its arguments checked against the ABI; asks no node."""
        try:
            to = to_abi(_ADDRESS, contract.address)
        except BadValue as error:
            raise InvalidArguments(
                f"the address of contract {contract.id[:100]} {error.problem}; {error.remedy}",
                function=function.name,
                field="$.contract.address",
                problem=error.problem,
            ) from None
        return encode_call(contract, function, parameters, to=to, value_wei=value_wei)

    def build(self, call: Call, *, nonce: int, gas: int, fees: Fees) -> UnsignedTransaction:
        """Return the sign-ready transaction; asks no node."""
        payload = unsigned_payload(call, nonce=nonce, gas=gas, fees=fees)
        return UnsignedTransaction(call, nonce, gas, fees, payload)

    def blank(self, sender: str) -> Call:
        """Return the call that only uses a nonce up: no value, no data, to the sender itself."""
        return Call(
            chain_id=self.chain_id,
            to=str(to_abi(_ADDRESS, sender)),
            data=b"",
            function="",
            type=FunctionType.WRITE,
            arguments={},
            abi={},
        )

    def intrinsic_gas(self, call: Call) -> int:
        """Return base and calldata costs (EIP-2028); newer forks only demand more (EIP-7623)."""
        zeros = call.data.count(0)
        return _BASE_GAS + _ZERO_BYTE_GAS * zeros + _OTHER_BYTE_GAS * (len(call.data) - zeros)

    def assemble(self, unsigned: UnsignedTransaction, signature: bytes) -> SignedTransaction:
        """Return the signed bytes and their hash; asks no node."""
        return signed_transaction(
            unsigned.call,
            nonce=unsigned.nonce,
            gas=unsigned.gas,
            fees=unsigned.fees,
            signature=signature,
        )

    def decode(self, raw: bytes) -> DecodedTransaction:
        """Return what signed bytes say, the recovered sender included; asks no node."""
        return decode_transaction(raw, chain_id=self.chain_id)

    # --- calls

    async def read(
        self, call: Call, *, sender: str | None = None, min_block: int | None = None
    ) -> ReadResult:
        """Return what the contract answers at the latest block, which is `min_block` or later."""
        number = await self._latest(min_block)
        data = await self._call(call, sender, number)
        value = self._outputs(call, data)
        return ReadResult(value, number)

    async def simulate(
        self, call: Call, *, sender: str, min_block: int | None = None
    ) -> Simulation:
        """Return what sending the call would do now; nothing is sent.

        A call that returns nothing where its ABI promises something is let through, with no
        value: well-known tokens do that, and a transaction's output matters to nobody.
        """
        number = await self._latest(min_block)
        if call.value_wei:
            await self._check_funds(call, sender, number)
        data = await self._call(call, sender, number)
        value = self._outputs(call, data) if data else None
        try:
            gas = await self._request("eth_estimateGas", [_message(call, sender), hex(number)])
        except RpcError as error:
            raise self._call_failed(call, error) from None
        return Simulation(value, self._replies.quantity(gas, "gas estimate"))

    async def _call(self, call: Call, sender: str | None, number: int) -> bytes:
        try:
            reply = await self._request("eth_call", [_message(call, sender), hex(number)])
        except RpcError as error:
            raise self._call_failed(call, error) from None
        data = self._replies.data(reply, "answer to a call")
        if not data and not await self._code(call.to, number):
            raise NoCodeAtAddress(
                f"there is no contract at {call.to} on chain {self.chain_id}; "
                "check the address and the chain id",
                address=call.to,
                chain_id=self.chain_id,
            )
        return data

    async def _check_funds(self, call: Call, sender: str, number: int) -> None:
        reply = await self._ask("eth_getBalance", sender, hex(number))
        balance = self._replies.quantity(reply, "balance")
        if balance < call.value_wei:
            raise InsufficientFunds(
                f"{sender} has {balance} wei and cannot send {call.value_wei}; send it some",
                sender=sender,
                balance_wei=str(balance),
                needed_wei=str(call.value_wei),
            )

    async def _code(self, address: str, number: int) -> bytes:
        reply = await self._ask("eth_getCode", address, hex(number))
        return self._replies.data(reply, "code")

    def _outputs(self, call: Call, data: bytes) -> Json:
        try:
            return decode_outputs(call.abi, data)
        except BadData:
            raise UnexpectedResult(
                f"what {call.function} returned does not fit the contract's ABI; "
                "check the outputs there, and the contract's address",
                chain_id=self.chain_id,
                function=call.function,
            ) from None

    def _call_failed(self, call: Call, error: RpcError) -> Exception:
        data = revert_data(error)
        if data is None:
            return self._refused("a call", error)
        return call_reverted(call, data, said=error.message)

    # --- fees

    async def quote(self, *, max_priority_fee_gwei: Decimal | None = None) -> Fees:
        """Return fees that should be included soon; the priority fee is at most the one given."""
        _, base_fee = await self._header("latest")
        legacy = base_fee is None if self._legacy is None else self._legacy
        if legacy:
            reply = await self._ask("eth_gasPrice")
            return Fees(self._replies.quantity(reply, "gas price"), None)
        if base_fee is None:
            raise self._replies.unavailable(
                "has no base fee (EIP-1559), but the chain is configured as not legacy"
            )
        return dynamic_fees(base_fee, await self._priority_fee(), max_priority_fee_gwei)

    async def _priority_fee(self) -> int:
        try:
            reply = await self._request("eth_maxPriorityFeePerGas", [])
        except RpcError:
            return await self._recent_priority_fee()
        return self._replies.quantity(reply, "priority fee")

    async def _recent_priority_fee(self) -> int:
        try:
            history = await self._request("eth_feeHistory", HISTORY_QUERY)
        except RpcError:
            return DEFAULT_PRIORITY_FEE_WEI
        rewards = [self._replies.quantity(one, "reward") for one in median_reward(history)]
        return median_low(rewards) if rewards else DEFAULT_PRIORITY_FEE_WEI

    # --- transactions

    async def broadcast(self, raw: bytes) -> None:
        """Offer signed bytes to the chain, once."""
        try:
            await self._request("eth_sendRawTransaction", ["0x" + raw.hex()])
        except RpcError as error:
            if is_known(error):
                return
            reason = printable(error.message) or f"error {error.code}"
            raise TransactionRejected(
                f"the node of chain {self.chain_id} refused the transaction: {reason}",
                reason=reason,
            ) from None

    async def lookup(self, hashes: Sequence[str], *, sender: str) -> Lookup:
        """Return the receipts of these hashes and the sender's nonce, as one endpoint has them.

        The nonce is read before the receipts: a transaction it counts has its receipt in the
        answer, if it is one of these. Receipts in later blocks, or in blocks that do not stand,
        are left out.
        """

        async def look(block: Block) -> tuple[int, list[Receipt]]:
            nonce = await self._nonce(sender, block)
            found = await asyncio.gather(*(self._receipt(one) for one in dict.fromkeys(hashes)))
            receipts = [one for one in found if one and one.block_number <= block.number]
            return nonce, await self._standing(receipts)

        block, (nonce, receipts) = await self._view(look, None)
        return Lookup(block, nonce, {one.transaction_hash: one for one in receipts})

    async def account(self, address: str, *, min_block: int | None = None) -> Account:
        """Return the account at the latest block, which is `min_block` or later."""

        async def look(block: Block) -> tuple[int, Json, bytes]:
            return await asyncio.gather(
                self._nonce(address, block),
                self._ask("eth_getBalance", address, hex(block.number)),
                self._code(address, block.number),
            )

        block, (nonce, balance, code) = await self._view(look, min_block)
        return Account(
            nonce=nonce,
            balance_wei=self._replies.quantity(balance, "balance"),
            has_code=bool(code),
            block=block,
            delegated=code.startswith(_DELEGATION) and len(code) == _DELEGATION_BYTES,
        )

    async def _nonce(self, address: str, block: Block) -> int:
        reply = await self._ask("eth_getTransactionCount", address, hex(block.number))
        return self._replies.quantity(reply, "nonce")

    async def _receipt(self, transaction_hash: str) -> Receipt | None:
        reply = await self._ask("eth_getTransactionReceipt", transaction_hash)
        return self._replies.receipt(reply, transaction_hash)

    async def _standing(self, receipts: Sequence[Receipt]) -> list[Receipt]:
        """Return the receipts whose block is the one that stands at its height."""
        numbers = list({one.block_number for one in receipts})
        blocks = await asyncio.gather(*(self._block(number) for number in numbers))
        hashes = dict(zip(numbers, (one.hash for one in blocks), strict=True))
        return [one for one in receipts if hashes[one.block_number] == one.block_hash]

    # --- blocks

    async def head(self) -> Block:
        """Return the latest block."""
        block, _ = await self._header("latest")
        return block

    async def final(self) -> Block:
        """Return the block of the tag `finalized`."""
        block, _ = await self._header("finalized")
        return block

    async def block(self, number: int) -> Block | None:
        """Return the block that stands at this height; null: the head is below it."""
        reply = await self._ask("eth_getBlockByNumber", hex(number), False)
        if reply is None:
            return None
        block, _ = self._replies.header(reply)
        if block.number != number:
            raise self._replies.nonsense("block.number")
        return block

    async def find_consumer(self, sender: str, nonce: int, *, after: int, upto: int) -> str | None:
        """Return the hash of the transaction that used this nonce, from blocks that stand now."""
        for number in range(max(0, after + 1), upto + 1):
            block = await self._ask("eth_getBlockByNumber", hex(number), True)
            for found, (by, used) in self._replies.senders(block, number).items():
                if (by, used) == (sender.lower(), nonce):
                    return found
        return None

    async def _view(
        self, look: Callable[[Block], Awaitable[_T]], min_block: int | None
    ) -> tuple[Block, _T]:
        """Return what was seen at the head, and the head, which stood before and after."""
        if min_block is not None:
            await self._latest(min_block)
        for _ in range(_LOOKS):
            block = await self.head()
            if block.number < (min_block or 0):
                continue
            seen = await look(block)
            if (await self._block(block.number)).hash == block.hash:
                return block, seen
        raise self._replies.unavailable("changes its history faster than it can be read")

    async def _latest(self, min_block: int | None) -> int:
        """Return the head's number once it is `min_block` or later."""
        for poll in range(self._polls):
            if poll:
                await self._sleep(self._poll_interval)
            number = self._replies.quantity(await self._ask("eth_blockNumber"), "block number")
            if min_block is None or number >= min_block:
                return number
        raise self._replies.unavailable(f"has not reached block {min_block} in time")

    async def _block(self, number: int) -> Block:
        block = await self.block(number)
        if block is None:
            raise self._replies.nonsense("block")
        return block

    async def _header(self, which: str) -> tuple[Block, int | None]:
        return self._replies.header(await self._ask("eth_getBlockByNumber", which, False))

    # --- the one way to a node

    async def aclose(self) -> None:
        """Close the connections; the chain is of no use afterwards."""
        await self._connection.aclose()

    async def _ask(self, method: str, *params: Json) -> Json:
        """Return the result of a request that no honest node refuses."""
        try:
            return await self._request(method, params)
        except RpcError as error:
            raise self._refused(method, error) from None

    async def _request(self, method: str, params: Sequence[Json]) -> Json:
        """Return the result of one request: every question to a node goes through here.

        Raises:
            RpcError: The node answered with an error.
            ChainUnavailable: There is no usable answer.
        """
        return await self._connection.request(method, params)

    def _refused(self, what: str, error: RpcError) -> ChainUnavailable:
        return self._replies.unavailable(f"refused {what} with error {error.code}")


def _message(call: Call, sender: str | None) -> Mapping[str, Json]:
    message: dict[str, Json] = {"to": call.to, "data": "0x" + call.data.hex()}
    if sender is not None:
        message["from"] = sender
    if call.value_wei:
        message["value"] = hex(call.value_wei)
    return message
