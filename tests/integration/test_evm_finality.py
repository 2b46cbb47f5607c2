"""History on a real node: reorgs, what is final, who used a nonce, and what looking costs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import AsyncExitStack

import pytest
from attrs import frozen

from tests.anvil import KEYS, Anvil, running_anvil
from zephyrus_exec.errors import ChainUnavailable
from zephyrus_exec.evm import EvmChain, Finality, KeySigner
from zephyrus_exec.evm.consumer import ConsumerSearch, Question
from zephyrus_exec.evm.node import EvmNode
from zephyrus_exec.evm.rpc import RpcConnection
from zephyrus_exec.interfaces.chain import Fees
from zephyrus_exec.testing.fault_proxy import (
    Answer,
    Exchange,
    Fault,
    FaultProxy,
    Reply,
    error,
    result,
)

SIGNER = KeySigner.from_key(KEYS[0])
SENDER = SIGNER.address
OTHER = KeySigner.from_key(KEYS[1])
NONCE, HEADER = "eth_getTransactionCount", "eth_getBlockByNumber"


@frozen
class World:
    """A node that mines when told, a proxy that counts, and a chain."""

    chain: EvmChain
    proxy: FaultProxy
    url: str

    async def mine(self, blocks: int = 1) -> None:
        """Mine blocks on the node itself."""
        await self.proxy.ask("anvil_mine", hex(blocks))

    async def reorg(self, blocks: int) -> None:
        """Replace the newest blocks by empty ones."""
        await self.proxy.ask("anvil_reorg", blocks, [])

    async def send(self, nonce: int, *, signer: KeySigner = SIGNER) -> str:
        """Offer a transaction that does nothing, and return its hash."""
        call = self.chain.blank(signer.address)
        fees = Fees(10**10, 10**9)
        unsigned = self.chain.build(call, nonce=nonce, gas=21_000, fees=fees)
        signed = self.chain.assemble(unsigned, await signer.sign(unsigned.payload))
        await self.chain.broadcast(signed.raw)
        return signed.hash

    async def cost(self, work: Awaitable[object]) -> dict[str, int]:
        """Return how many requests the work makes, by method."""
        self.proxy.calls.clear()
        await work
        return dict(self.proxy.calls)


@pytest.fixture(scope="module")
def node() -> Iterator[Anvil]:
    with running_anvil("--no-mining", "--slots-in-an-epoch", "8") as anvil:
        yield anvil


@pytest.fixture
async def world(node: Anvil) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(FaultProxy(node.url))
        await proxy.ask("anvil_reset")
        chain = EvmChain(node.chain_id, [proxy.url], request_timeout=1.0, poll_interval=0.2)
        stack.push_async_callback(chain.aclose)
        await chain.head()
        proxy.calls.clear()
        yield World(chain, proxy, node.url)


# --- reorgs


@pytest.mark.parametrize("depth", [1, 3, 8])
async def test_a_reorg_takes_the_receipt_and_the_nonce_away(world: World, depth: int) -> None:
    await world.mine(20)
    sent = await world.send(0)
    await world.mine(depth)
    before = await world.chain.lookup([sent], sender=SENDER)
    assert (before.nonce, before.receipts[sent].block_number) == (1, 21)
    await world.reorg(depth)
    after = await world.chain.lookup([sent], sender=SENDER)
    assert (after.nonce, dict(after.receipts)) == (0, {})
    assert after.block.hash != before.block.hash
    stands = await world.chain.block(21)
    assert stands is not None
    assert stands.hash != before.receipts[sent].block_hash


@pytest.mark.parametrize("depth", [1, 3, 8])
async def test_bytes_that_a_reorg_took_out_are_mined_when_they_are_offered_again(
    world: World, depth: int
) -> None:
    await world.mine(20)
    sent = await world.send(0)
    await world.mine(depth)
    await world.reorg(depth)
    assert await world.send(0) == sent
    await world.mine()
    seen = await world.chain.lookup([sent], sender=SENDER)
    assert seen.receipts[sent].block_number == seen.block.number


async def test_a_reorg_of_eight_blocks_changes_nothing_that_is_final(world: World) -> None:
    await world.mine(40)
    final = await world.chain.final()
    await world.reorg(8)
    assert await world.chain.block(final.number) == final
    assert (await world.chain.final()).number >= final.number


# --- finality


@pytest.mark.parametrize(
    ("finality", "depth"),
    [("auto", 16), ("finalized", 16), ("safe", 8), (5, 5), (0, 0), ("instant", 0), (42, 42)],
)
async def test_final_is_what_the_chain_is_configured_to_call_so(
    world: World, finality: Finality, depth: int
) -> None:
    chain = EvmChain(world.chain.chain_id, [world.url], finality=finality)
    await world.mine(40)
    final = await chain.final()
    assert final.number == max(0, 40 - depth)
    assert final == await chain.block(final.number)
    await world.mine(3)
    assert (await chain.final()).number == 43 - depth
    await chain.aclose()


@pytest.mark.parametrize("answer", [error("unknown block", code=-39001), result(None)])
async def test_without_a_tag_a_depth_stands_in(world: World, answer: Fault) -> None:
    await world.mine(70)

    async def no_tag(exchange: Exchange) -> Answer:
        known = exchange.params[0] != "finalized"
        return await exchange.forward() if known else await answer(exchange)

    world.proxy.inject(HEADER, no_tag)
    assert (await world.chain.final()).number == 6


async def test_a_tag_that_was_there_once_is_not_replaced_by_a_depth(world: World) -> None:
    await world.mine(70)
    assert (await world.chain.final()).number == 54
    world.proxy.inject(HEADER, error("finalized block not found"))
    with pytest.raises(ChainUnavailable, match="finalized"):
        await world.chain.final()


async def test_a_tag_that_was_asked_for_is_not_replaced_at_all(world: World) -> None:
    chain = EvmChain(world.chain.chain_id, [world.proxy.url], finality="safe")
    world.proxy.inject(HEADER, result(None))
    with pytest.raises(ChainUnavailable, match="which block is safe"):
        await chain.final()
    await chain.aclose()


# --- who used a nonce


async def mined(world: World) -> tuple[str, str]:
    """Mine nonce 0 in block 31 and nonce 1 in block 52 of 90, others' transactions beside them."""
    await world.mine(30)
    await world.send(0, signer=OTHER)
    first = await world.send(0)
    await world.mine(21)
    await world.send(1, signer=OTHER)
    second = await world.send(1)
    await world.mine(39)
    world.proxy.calls.clear()
    return first, second


@pytest.mark.parametrize("forgetful", [False, True], ids=["keeps history", "pruned"])
async def test_who_used_a_nonce_is_found_in_its_block_and_nowhere_else(
    world: World, forgetful: bool
) -> None:
    first, second = await mined(world)
    if forgetful:
        world.proxy.inject(NONCE, error("missing trie node"))
    find = world.chain.find_consumer
    assert await find(SENDER, 0, after=-1, upto=90) == first
    assert await find(SENDER.lower(), 1, after=0, upto=90) == second
    assert await find(SENDER, 1, after=51, upto=52) == second
    assert await find(SENDER, 0, after=30, upto=31) == first
    assert await find(SENDER, 0, after=31, upto=90) is None
    assert await find(SENDER, 1, after=0, upto=51) is None
    assert await find(SENDER, 2, after=0, upto=90) is None
    assert await find(SENDER, 0, after=31, upto=31) is None


async def test_a_node_that_keeps_history_is_asked_few_questions(world: World) -> None:
    _, second = await mined(world)
    assert await world.chain.find_consumer(SENDER, 1, after=0, upto=90) == second
    assert world.proxy.calls[NONCE] <= 9
    assert world.proxy.calls[HEADER] == 3


async def test_a_range_beyond_the_head_cannot_be_searched(world: World) -> None:
    await mined(world)
    with pytest.raises(ChainUnavailable, match="has not reached block 91"):
        await world.chain.find_consumer(SENDER, 0, after=0, upto=91)


async def test_history_that_does_not_fit_the_blocks_is_not_believed(world: World) -> None:
    """As where a delegation (EIP-7702) used a nonce: then every block is read."""
    first, _ = await mined(world)

    async def one_block_late(exchange: Exchange) -> Reply:
        reply = await exchange.forward()
        number = int(str(exchange.params[1]), 16)
        return {"result": "0x0"} if number < 40 else reply

    world.proxy.inject(NONCE, one_block_late)
    assert await world.chain.find_consumer(SENDER, 0, after=0, upto=90) == first


async def test_a_transaction_that_a_reorg_took_out_used_nothing(world: World) -> None:
    await world.mine(20)
    await world.send(0)
    await world.mine(3)
    await world.reorg(3)
    assert await world.chain.find_consumer(SENDER, 0, after=0, upto=20) is None


def search_of_ten(world: World) -> tuple[ConsumerSearch, EvmNode]:
    """Return a search that reads ten blocks in one call, on a node without history."""
    world.proxy.inject(NONCE, error("missing trie node"))
    connection = RpcConnection(world.proxy.url, chain_id=world.chain.chain_id, request_timeout=5.0)
    node = EvmNode(connection)
    return ConsumerSearch(node, max_blocks=10), node


async def test_a_search_through_many_blocks_goes_on_where_it_stopped(world: World) -> None:
    await world.mine(22)
    sent = await world.send(0)
    await world.mine(2)
    search, node = search_of_ten(world)
    question = Question(world.chain.chain_id, SENDER, 0, after=0, upto=24)
    for left in (14, 4):
        with pytest.raises(ChainUnavailable, match=f"{left} blocks are left"):
            await search.find(question)
    assert await search.find(question) == sent
    assert world.proxy.calls[HEADER] == 24 + 3 + 1
    await node.aclose()


async def test_a_search_begins_anew_after_a_reorg(world: World) -> None:
    await world.mine(9)
    await world.send(0, signer=OTHER)
    await world.mine(3)
    search, node = search_of_ten(world)
    question = Question(world.chain.chain_id, SENDER, 0, after=0, upto=12)
    with pytest.raises(ChainUnavailable, match="2 blocks are left"):
        await search.find(question)
    await world.reorg(3)
    with pytest.raises(ChainUnavailable, match="2 blocks are left"):
        await search.find(question)
    assert await search.find(question) is None
    await node.aclose()


async def test_searches_that_nobody_goes_on_with_are_forgotten(world: World) -> None:
    """The oldest of 65 begins anew."""
    await world.mine(11)
    search, node = search_of_ten(world)
    questions = [Question(world.chain.chain_id, SENDER, n, after=0, upto=11) for n in range(65)]
    for question in questions:
        with pytest.raises(ChainUnavailable, match="1 blocks are left"):
            await search.find(question)
    assert await search.find(questions[64]) is None
    with pytest.raises(ChainUnavailable):
        await search.find(questions[0])
    await node.aclose()


async def test_a_search_during_a_reorg_is_of_no_use(world: World) -> None:
    await mined(world)
    reorged = False

    async def with_reorg(exchange: Exchange) -> Reply:
        nonlocal reorged
        reply = await exchange.forward()
        if not reorged:
            reorged = True
            await world.reorg(2)
        return reply

    world.proxy.inject(NONCE, with_reorg)
    with pytest.raises(ChainUnavailable, match="history"):
        await world.chain.find_consumer(SENDER, 0, after=0, upto=90)


# --- what looking costs


async def test_what_each_question_costs(world: World) -> None:
    """These numbers bound what an effect costs."""
    chain = world.chain
    hashes = [await world.send(nonce) for nonce in range(5)]

    waiting = await world.cost(chain.lookup((), sender=SENDER))
    assert waiting == {HEADER: 2, NONCE: 1}

    await world.mine()
    mined = await world.cost(chain.lookup(hashes, sender=SENDER))
    assert mined == {HEADER: 2, NONCE: 1, "eth_getTransactionReceipt": 5}

    await world.mine(3)
    deeper = await world.cost(chain.lookup(hashes, sender=SENDER))
    assert deeper == {HEADER: 3, NONCE: 1, "eth_getTransactionReceipt": 5}

    account = await world.cost(chain.account(SENDER))
    assert account == {HEADER: 2, NONCE: 1, "eth_getBalance": 1, "eth_getCode": 1}
    assert await world.cost(chain.quote()) == {HEADER: 1, "eth_maxPriorityFeePerGas": 1}
    assert await world.cost(chain.final()) == {HEADER: 1}
    assert await world.cost(chain.block(1)) == {HEADER: 1}
