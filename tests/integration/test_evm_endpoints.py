"""Several endpoints in front of one real node, each with troubles of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from attrs import evolve, frozen

from tests.anvil import KEYS, Anvil, running_anvil
from tests.kitchen import deploy_kitchen
from zephyrus_exec.errors import ChainUnavailable, TransactionRejected
from zephyrus_exec.evm import EvmChain, KeySigner
from zephyrus_exec.interfaces.chain import Fees, SignedTransaction
from zephyrus_exec.model import AgentFunction, Json
from zephyrus_exec.testing.fault_proxy import (
    BODIES,
    Exchange,
    Fault,
    FaultProxy,
    Reply,
    error,
    hang,
    hang_although_sent,
    lose_reply,
    result,
    swallow,
)

SIGNER = KeySigner.from_key(KEYS[0])
SEND = "eth_sendRawTransaction"
HEADER = "eth_getBlockByNumber"
CHEAP = Fees(10 * 10**9, 10**9)


@frozen
class World:
    """A node that mines when told, two proxies in front of it, and a chain that knows only them."""

    chain: EvmChain
    first: FaultProxy
    second: FaultProxy

    @property
    def states(self) -> list[str]:
        """How the chain finds its endpoints."""
        return [one.state for one in self.chain.endpoints]

    async def mine(self, blocks: int = 1) -> None:
        """Mine blocks on the node itself."""
        await self.first.ask("anvil_mine", hex(blocks))

    async def signed(self, nonce: int, fees: Fees = CHEAP) -> SignedTransaction:
        """Return a transaction that does nothing."""
        call = self.chain.blank(SIGNER.address)
        unsigned = self.chain.build(call, nonce=nonce, gas=21_000, fees=fees)
        return self.chain.assemble(unsigned, await SIGNER.sign(unsigned.payload))

    async def waiting(self) -> int:
        """Return how many transactions the node's pool has."""
        status: Any = await self.first.ask("txpool_status")
        return int(status["pending"], 16)


@pytest.fixture(scope="module")
def node() -> Iterator[Anvil]:
    with running_anvil("--no-mining", "--slots-in-an-epoch", "8") as anvil:
        yield anvil


@pytest.fixture
async def world(node: Anvil) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(FaultProxy(node.url))
        second = await stack.enter_async_context(FaultProxy(node.url))
        await first.ask("anvil_reset")
        chain = EvmChain(
            node.chain_id,
            [first.url, second.url],
            request_timeout=0.5,
            poll_interval=0.1,
            survey_every=3600.0,
        )
        stack.push_async_callback(chain.aclose)
        await chain.survey()
        first.calls.clear()
        second.calls.clear()
        yield World(chain, first, second)


# --- one that is of no use


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        (lose_reply, "unreachable"),
        (hang, "unreachable"),
        *((body, "garbage") for name, body in BODIES.items() if name not in ("html", "500", "429")),
        (BODIES["html"], "unreachable"),
        (BODIES["500"], "unreachable"),
        (BODIES["429"], "unreachable"),
        (result("0x10"), "garbage"),
        (result({"number": "0x1"}), "garbage"),
    ],
)
async def test_where_one_endpoint_fails_the_other_answers_and_is_asked_from_then_on(
    world: World, fault: Fault, state: str
) -> None:
    world.first.inject("*", fault)
    expected = await world.second.ask(HEADER, "latest", False)
    assert isinstance(expected, dict)
    for _ in range(3):
        assert (await world.chain.head()).hash == expected["hash"]
    assert world.states == [state, "ok"]
    assert world.first.calls.total() == 1


async def test_an_endpoint_that_lies_about_its_chain_is_left_out(world: World) -> None:
    world.first.inject("eth_chainId", result("0x1"))
    await world.chain.survey()
    await world.chain.broadcast((await world.signed(0)).raw)
    await world.chain.account(SIGNER.address)
    assert world.states == ["wrong_chain", "ok"]
    assert set(world.first.calls) == {"eth_chainId"}


async def test_one_that_is_well_again_is_used_again(world: World) -> None:
    world.first.down = True
    await world.chain.head()
    assert world.states == ["unreachable", "ok"]
    world.first.heal()
    await world.chain.survey()
    assert world.states == ["ok", "ok"]
    world.second.calls.clear()
    await world.chain.head()
    assert world.second.calls == {}


async def test_where_all_fail_the_chain_is_unavailable_and_all_are_tried_again(
    world: World,
) -> None:
    world.first.down = world.second.down = True
    with pytest.raises(ChainUnavailable, match="cannot be reached"):
        await world.chain.head()
    assert world.states == ["unreachable", "unreachable"]
    world.second.heal()
    await world.chain.head()
    assert world.states == ["unreachable", "ok"]


async def test_a_question_that_one_refuses_is_put_to_the_other(world: World) -> None:
    """It is no fault of the endpoint, which is asked again next time."""
    world.first.inject("eth_getBalance", error("limit exceeded", code=-32005))
    assert (await world.chain.account(SIGNER.address)).balance_wei > 0
    assert world.states == ["ok", "ok"]


# --- one that lags


async def test_an_endpoint_that_lacks_the_block_is_skipped(world: World) -> None:
    contract = await deploy_kitchen(world.chain, SIGNER, mining=True)
    world.first.lag_blocks = 3
    await world.mine(3)
    call = world.chain.encode(contract, AgentFunction("count"), {})
    seen = await world.chain.read(call, min_block=4)
    assert (seen.value, seen.block_number) == ("0", 4)
    account = await world.chain.account(SIGNER.address, min_block=4)
    assert (account.nonce, account.block.number) == (1, 4)


async def test_one_that_lags_is_left_out_until_it_has_caught_up(world: World) -> None:
    await world.mine(20)
    world.first.lag_blocks = 6
    assert (await world.chain.head()).number == 14
    await world.chain.survey()
    assert world.states == ["behind", "ok"]
    assert (await world.chain.head()).number == 20
    world.first.lag_blocks = 5
    await world.chain.survey()
    assert world.states == ["ok", "ok"]


async def test_one_that_lags_is_offered_transactions_all_the_same(world: World) -> None:
    await world.mine(20)
    world.first.lag_blocks = 6
    await world.chain.survey()
    await world.chain.broadcast((await world.signed(0)).raw)
    assert (world.first.calls[SEND], world.second.calls[SEND]) == (1, 1)


async def test_a_view_is_of_one_endpoint_even_where_that_lags(world: World) -> None:
    """The receipt of a block that it has not yet is not in the answer."""
    signed = await world.signed(0)
    await world.chain.broadcast(signed.raw)
    await world.mine()
    world.first.lag_blocks = 1
    behind = await world.chain.lookup([signed.hash], sender=SIGNER.address)
    assert (behind.block.number, behind.nonce, dict(behind.receipts)) == (0, 0, {})
    world.first.heal()
    seen = await world.chain.lookup([signed.hash], sender=SIGNER.address)
    assert (seen.block.number, seen.nonce, list(seen.receipts)) == (1, 1, [signed.hash])


async def test_a_block_that_one_has_not_yet_is_told_by_the_other(world: World) -> None:
    world.first.lag_blocks = 1
    await world.mine()
    block = await world.chain.block(1)
    assert block is not None
    assert block == await world.chain.block(1)
    assert await world.chain.block(2) is None


async def test_a_block_is_not_absent_because_somebody_did_not_answer(world: World) -> None:
    world.second.down = True
    with pytest.raises(ChainUnavailable):
        await world.chain.block(1)


# --- broadcasting


async def test_a_broadcast_reaches_every_endpoint(world: World) -> None:
    signed = await world.signed(0)
    await world.chain.broadcast(signed.raw)
    text = "0x" + signed.raw.hex()
    assert [one for one in world.first.requests if one[0] == SEND] == [(SEND, [text])]
    assert [one for one in world.second.requests if one[0] == SEND] == [(SEND, [text])]
    assert await world.waiting() == 1


@pytest.mark.parametrize(
    "fault",
    [lose_reply, hang, hang_although_sent, error("txpool is full"), error("no", sent=True)],
)
async def test_one_endpoint_that_takes_a_transaction_is_enough(world: World, fault: Fault) -> None:
    world.first.inject(SEND, fault)
    await world.chain.broadcast((await world.signed(0)).raw)
    assert await world.waiting() == 1


async def test_a_swallowed_transaction_is_there_when_it_is_offered_again(world: World) -> None:
    world.first.inject(SEND, swallow, times=1)
    world.second.inject(SEND, swallow, times=1)
    signed = await world.signed(0)
    await world.chain.broadcast(signed.raw)
    assert await world.waiting() == 0
    await world.chain.broadcast(signed.raw)
    assert await world.waiting() == 1


async def test_of_several_refusals_the_most_telling_is_told(world: World) -> None:
    world.second.inject(SEND, error("transaction pool overflow"))
    with pytest.raises(TransactionRejected) as caught:
        await world.chain.broadcast((await world.signed(0, Fees(10**30, 1))).raw)
    assert "insufficient funds" in str(caught.value.details["reason"]).lower()


async def test_a_refusal_is_told_even_where_the_other_does_not_answer(world: World) -> None:
    world.first.down = True
    world.second.inject(SEND, error("nonce too low"))
    with pytest.raises(TransactionRejected, match="nonce too low"):
        await world.chain.broadcast((await world.signed(0)).raw)


async def test_a_broadcast_nobody_answers_says_so(world: World) -> None:
    world.first.inject(SEND, lose_reply)
    world.second.down = True
    with pytest.raises(ChainUnavailable):
        await world.chain.broadcast((await world.signed(0)).raw)
    assert await world.waiting() == 1


@pytest.mark.parametrize(
    ("bump", "accepted"),
    [
        (Fees(11 * 10**9, 11 * 10**8), True),
        (Fees(11 * 10**9 - 1, 11 * 10**8), False),
        (Fees(11 * 10**9, 11 * 10**8 - 1), False),
        (CHEAP, True),
    ],
    ids=["both 10 %", "cap below", "tip below", "the same bytes"],
)
async def test_a_replacement_pays_a_tenth_more_in_both_fees(
    world: World, bump: Fees, accepted: bool
) -> None:
    for proxy in (world.first, world.second):
        proxy.geth_replacement = True
    await world.chain.broadcast((await world.signed(0)).raw)
    again = (await world.signed(0, bump)).raw
    if accepted:
        await world.chain.broadcast(again)
    else:
        with pytest.raises(TransactionRejected, match="replacement transaction underpriced"):
            await world.chain.broadcast(again)


async def test_a_dropped_transaction_is_replaced_at_any_price(world: World) -> None:
    for proxy in (world.first, world.second):
        proxy.geth_replacement = True
    first = await world.signed(0)
    await world.chain.broadcast(first.raw)
    await world.first.ask("anvil_dropTransaction", first.hash)
    await world.chain.broadcast((await world.signed(0, Fees(10**10 - 1, 1))).raw)
    with pytest.raises(TransactionRejected):
        await world.chain.broadcast(b"\x02 is no transaction")


# --- finality


async def test_finality_is_the_lowest_that_endpoints_tell(world: World) -> None:
    await world.mine(40)
    assert (await world.chain.final()).number == 24
    world.second.lag_blocks = 20
    assert (await world.chain.final()).number == 20
    await world.mine(2)
    assert (await world.chain.final()).number == 22


def forked(number: int) -> Fault:
    """Return the fault of having other blocks from this height on."""

    async def fault(exchange: Exchange) -> Reply:
        reply = await exchange.forward()
        block: Any = reply["result"]
        if block is None or int(block["number"], 16) < number:
            return reply
        return {"result": {**block, "hash": "0x" + "bad0" * 16}}

    return fault


@pytest.mark.parametrize("lag", [0, 20], ids=["at the same height", "at another height"])
async def test_nothing_is_final_on_which_endpoints_disagree(world: World, lag: int) -> None:
    await world.mine(40)
    world.second.lag_blocks = lag
    world.first.inject(HEADER, forked(18))
    with pytest.raises(ChainUnavailable, match="disagree about block"):
        await world.chain.final()
    world.first.heal()
    assert (await world.chain.final()).number == 24 - max(0, lag - 16)


async def test_what_is_forked_above_the_final_block_does_no_harm(world: World) -> None:
    await world.mine(40)
    world.first.inject(HEADER, forked(25))
    assert (await world.chain.final()).number == 24


async def test_who_does_not_answer_has_no_say(world: World) -> None:
    await world.mine(40)
    world.first.down = True
    assert (await world.chain.final()).number == 24
    world.second.down = True
    with pytest.raises(ChainUnavailable):
        await world.chain.final()


async def test_who_answers_only_the_first_question_has_no_say(world: World) -> None:
    await world.mine(40)
    world.second.lag_blocks = 20

    async def fails_by_number(exchange: Exchange) -> Reply | None:
        tagged = exchange.params[0] == "finalized"
        return await exchange.forward() if tagged else None

    world.first.inject(HEADER, fails_by_number)
    assert (await world.chain.final()).number == 20
    assert world.states == ["unreachable", "ok"]


async def test_one_that_does_not_know_the_tag_is_asked_for_its_block(node: Anvil) -> None:
    def no_tag(fork: Callable[[Reply], Json]) -> Fault:
        async def fault(exchange: Exchange) -> Reply:
            if exchange.params[0] == "finalized":
                return {"error": {"code": -32602, "message": "invalid tag"}}
            return {"result": fork(await exchange.forward())}

        return fault

    async with FaultProxy(node.url) as first, FaultProxy(node.url) as second:
        await first.ask("anvil_reset")
        await first.ask("anvil_mine", hex(40))
        first.inject(HEADER, no_tag(lambda reply: reply["result"]), times=3)
        urls = [first.url, second.url]
        chain = EvmChain(node.chain_id, urls, finality="finalized", survey_every=3600.0)
        await chain.survey()
        assert (await chain.final()).number == 24
        first.heal()
        other: Json = {
            "number": "0x18",
            "hash": "0x" + "0bad" * 16,
            "timestamp": "0x1",
            "gasLimit": "0x1",
        }
        first.inject(HEADER, no_tag(lambda _: other))
        with pytest.raises(ChainUnavailable, match="disagree about block 24"):
            await chain.final()
        await chain.aclose()


# --- surveys


async def test_use_starts_a_survey_when_it_is_due(node: Anvil) -> None:
    time = 100.0
    async with FaultProxy(node.url) as first, FaultProxy(node.url) as second:
        chain = EvmChain(
            node.chain_id, [first.url, second.url], survey_every=10.0, now=lambda: time
        )
        await chain.survey()
        await chain.head()
        assert second.calls["eth_blockNumber"] == 1
        time = 110.0
        for _ in range(20):
            await chain.head()
        assert second.calls["eth_blockNumber"] == 2
        await chain.aclose()


async def test_a_survey_that_is_under_way_ends_with_the_chain(node: Anvil) -> None:
    async with FaultProxy(node.url) as first, FaultProxy(node.url) as second:
        second.inject("*", hang)
        chain = EvmChain(node.chain_id, [first.url, second.url])
        head = await chain.head()
        assert await chain.block(head.number) == head
        await chain.aclose()


async def test_a_chain_of_one_endpoint_is_never_surveyed(node: Anvil) -> None:
    async with FaultProxy(node.url) as proxy:
        chain = EvmChain(node.chain_id, [proxy.url], survey_every=0.0)
        await chain.head()
        await chain.head()
        assert proxy.calls == {"eth_chainId": 1, HEADER: 2}
        await chain.aclose()


async def test_a_change_of_state_is_told_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "zephyrus_exec")
    world.first.down = True
    for _ in range(3):
        await world.chain.survey()
    world.first.heal()
    for _ in range(3):
        await world.chain.survey()
    assert [record.getMessage() for record in caplog.records] == [
        "chain 31337: endpoint 1 of 2 is unreachable: it cannot be reached "
        "(ServerDisconnectedError) when asked eth_chainId",
        "chain 31337: endpoint 1 of 2 is ok: it is well again",
    ]
    assert evolve(world.chain.endpoints[0], head=0) == evolve(
        world.chain.endpoints[0], index=0, state="ok", head=0
    )
