"""`EvmChain`: the `Chain` promises, kept over JSON-RPC by one or several endpoints."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from math import ceil
from typing import Final, TypeVar

from ..abi_types import AbiType
from ..errors import ChainUnavailable, ConfigurationError, InvalidArguments, TransactionRejected
from ..interfaces.chain import (
    Account,
    Block,
    Call,
    Chain,
    DecodedTransaction,
    EndpointHealth,
    Fees,
    Lookup,
    ReadResult,
    Shape,
    SignedTransaction,
    Simulation,
    UnsignedTransaction,
)
from ..model import AgentFunction, Contract, FunctionType, Json, JsonObject
from . import calls
from .abi import encode_call, find_function, shape_of
from .agreement import Disagreement, check_history, newest_final
from .broadcast import Broadcaster
from .consumer import ConsumerSearch, Question
from .endpoints import Endpoint, Endpoints, NoneOfUse
from .fees import quote
from .finality import FinalBlocks, Finality, check_finality
from .node import EvmNode
from .rpc import Around, NodeFailed, NodeState, RpcConnection, straight
from .transactions import decode_transaction, signed_transaction, unsigned_payload
from .values import BadValue, to_abi

_T = TypeVar("_T")

_ADDRESS: Final = AbiType("address", "address")
_BASE_GAS: Final = 21_000
_ZERO_BYTE_GAS: Final = 4
_OTHER_BYTE_GAS: Final = 16


class EvmChain(Chain):
    """An EVM chain behind JSON-RPC endpoints.

    What belongs together is always asked of one endpoint, the first that is well and has the
    blocks it needs; where it fails, the next is asked. Transactions are offered to all of them,
    and nothing counts as final on which they disagree.

    Args:
        chain_id: EIP-155 chain id; a node that serves another is of no use.
        rpc_urls: HTTP endpoints, at least one, best first.
        confirmations: Blocks after which a receipt counts by default, its own included.
        finality: When a block counts as final, see `Finality`.
        request_timeout: Seconds one request may take, and most that a wait for a block takes.
        legacy: Whether transactions offer a gas price (true) or EIP-1559 fees (false); null: as
            the head says.
        poll_interval: Seconds between two looks for a block that is not there yet.
        max_lag_blocks: How far behind another an endpoint may be before it is left out.
        survey_every: Seconds between two looks at how the endpoints are, where there are several.
        around: Awaited in place of every request, for counting and for faults.
        sleep: Waits that long; replaced in tests.
        now: Seconds on a clock that never goes back; replaced in tests.

    Raises:
        ConfigurationError: No URL is given, one is none of HTTP, or the finality is unknown.
    """

    def __init__(
        self,
        chain_id: int,
        rpc_urls: Sequence[str],
        *,
        confirmations: int = 1,
        finality: Finality = "auto",
        request_timeout: float = 10.0,
        legacy: bool | None = None,
        poll_interval: float = 0.25,
        max_lag_blocks: int = 5,
        survey_every: float = 10.0,
        around: Around = straight,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        if not rpc_urls or not all(url.startswith(("http://", "https://")) for url in rpc_urls):
            raise ConfigurationError(
                f"chain {chain_id} has no RPC URL that begins with http:// or https://; "
                f"set ZEPHYRUS_RPC_{chain_id}",
                chain_id=chain_id,
            )
        check_finality(finality)
        self.chain_id = chain_id
        self.confirmations = confirmations
        self._legacy = legacy
        self._poll_interval = poll_interval
        self._polls = max(1, ceil(request_timeout / poll_interval))
        self._sleep = sleep

        def endpoint(index: int, url: str) -> Endpoint:
            connection = RpcConnection(
                url,
                chain_id=chain_id,
                request_timeout=request_timeout,
                index=index,
                around=around,
            )
            node = EvmNode(connection)
            return Endpoint(index, node, FinalBlocks(node, finality), ConsumerSearch(node))

        self._endpoints = Endpoints(
            chain_id,
            [endpoint(index, url) for index, url in enumerate(rpc_urls)],
            max_lag_blocks=max_lag_blocks,
            survey_every=survey_every,
            now=now,
        )
        self._broadcaster = Broadcaster(self._endpoints)

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
        to = _address_of(contract, function)
        return encode_call(contract, function, parameters, to=to, value_wei=value_wei)

    def shape(self, contract: Contract, function: AgentFunction) -> Shape:
        """Return what the function is by the ABI; asks no node."""
        _address_of(contract, function)
        return shape_of(find_function(contract, function))

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

    # --- reading

    async def read(
        self, call: Call, *, sender: str | None = None, min_block: int | None = None
    ) -> ReadResult:
        """Return what the contract answers at the latest block, which is `min_block` or later."""
        return await self._at_one(lambda one: calls.read(one.node, call, sender, min_block))

    async def simulate(
        self, call: Call, *, sender: str, min_block: int | None = None
    ) -> Simulation:
        """Return what sending the call would do now; nothing is sent."""
        return await self._at_one(lambda one: calls.simulate(one.node, call, sender, min_block))

    async def quote(self, *, max_priority_fee_gwei: Decimal | None = None) -> Fees:
        """Return fees that should be included soon; the priority fee is at most the one given."""
        cap, legacy = max_priority_fee_gwei, self._legacy
        return await self._at_one(lambda one: quote(one.node, cap, legacy=legacy))

    async def lookup(self, hashes: Sequence[str], *, sender: str) -> Lookup:
        """Return the receipts of these hashes and the sender's nonce, as one endpoint has them."""

        async def work(one: Endpoint) -> Lookup:
            await check_history(self._endpoints, one)
            return await one.node.lookup(hashes, sender)

        return await self._at_one(work)

    async def account(self, address: str, *, min_block: int | None = None) -> Account:
        """Return the account at the latest block, which is `min_block` or later."""
        return await self._at_one(lambda one: one.node.account(address, min_block))

    async def head(self) -> Block:
        """Return the latest block."""
        return await self._at_one(lambda one: one.node.head())

    async def block(self, number: int) -> Block | None:
        """Return the block that stands at this height; null: no endpoint has reached it."""
        try:
            return await self._endpoints.ask(lambda one: one.node.standing(number))
        except NoneOfUse as none:
            if none.every(NodeState.BEHIND):
                return None
            raise self._unavailable(none) from None

    async def find_consumer(self, sender: str, nonce: int, *, after: int, upto: int) -> str | None:
        """Return the hash of the transaction that used this nonce, from blocks that stand now.

        A search through more blocks than one call may read raises `ChainUnavailable`; the same
        question asked again goes on from there.
        """
        question = Question(self.chain_id, sender, nonce, after, upto)
        return await self._at_one(lambda one: one.search.find(question))

    async def final(self) -> Block:
        """Return the newest block that is final at every endpoint that answers.

        Raises:
            ChainUnavailable: None answers, or they disagree about a block.
        """
        try:
            return await newest_final(self._endpoints)
        except NoneOfUse as none:
            raise self._unavailable(none) from None
        except Disagreement as error:
            raise ChainUnavailable(
                f"the nodes of chain {self.chain_id} disagree about block {error.number}; "
                "nothing counts as final until they agree",
                chain_id=self.chain_id,
            ) from None

    # --- sending

    async def broadcast(self, raw: bytes) -> None:
        """Offer signed bytes to all endpoints, once each; one that takes them is enough."""
        answer = await self._broadcaster.offer(raw)
        if isinstance(answer, NodeFailed):
            raise self._unavailable(NoneOfUse([answer]))
        if answer is not None:
            raise TransactionRejected(
                f"the node of chain {self.chain_id} refused the transaction: {answer}",
                reason=answer,
            )

    # --- endpoints

    @property
    def endpoints(self) -> tuple[EndpointHealth, ...]:
        """How each endpoint is, in configured order."""
        return self._endpoints.health

    async def survey(self) -> None:
        """Look at every endpoint now, instead of when it is next due."""
        await self._endpoints.survey()

    async def aclose(self) -> None:
        """Close the connections; the chain is of no use afterwards."""
        await self._broadcaster.aclose()
        await self._endpoints.aclose()

    async def _at_one(self, work: Callable[[Endpoint], Awaitable[_T]]) -> _T:
        """Return what one endpoint says, once there is one that has come far enough."""
        for poll in range(self._polls):
            if poll:
                await self._sleep(self._poll_interval)
            try:
                return await self._endpoints.ask(work)
            except NoneOfUse as none:
                why = none
            if not why.any(NodeState.BEHIND):
                break
        raise self._unavailable(why)

    async def _request(self, method: str, params: Sequence[Json]) -> Json:
        """Return the result of any one request, asked of one endpoint."""

        async def work(one: Endpoint) -> Json:
            return await one.node.ask(method, *params)

        return await self._at_one(work)

    def _unavailable(self, why: NoneOfUse) -> ChainUnavailable:
        problems = list(dict.fromkeys(one.problem for one in why.failures))
        return ChainUnavailable(
            f"the node of chain {self.chain_id} {'; another '.join(problems)}",
            chain_id=self.chain_id,
        )


def _address_of(contract: Contract, function: AgentFunction) -> str:
    """Return the contract's address, checksummed."""
    try:
        return str(to_abi(_ADDRESS, contract.address))
    except BadValue as error:
        raise InvalidArguments(
            f"the address of contract {contract.id[:100]} {error.problem}; {error.remedy}",
            function=function.name,
            field="$.contract.address",
            problem=error.problem,
        ) from None
