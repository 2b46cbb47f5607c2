"""A sender that runs low is told, once, before a transaction fails for it."""

from __future__ import annotations

import asyncio
import logging

import pytest
from attrs import evolve

from zephyrus_exec.engine.funds import Funds
from zephyrus_exec.engine.records import LANE, Lane, LaneStatus
from zephyrus_exec.errors import ChainUnavailable
from zephyrus_exec.interfaces.chain import Chain

from .world import World, chain_agent, plan

COST = 60_000 * 3 * 10**9
"""What a transaction of the model chain may cost at most: its gas limit times its fee."""


async def sent(world: World) -> None:
    """Let the world's account send one transaction."""
    engine = world.chain_engine(plan("set"))
    async with engine:
        await engine.result(await engine.submit("a"))


def funds(world: World, factor: float = 10.0) -> Funds:
    chains: dict[int, Chain] = {1337: world.chain}
    return Funds(
        world.inner, world.clock, chains, [world.signer.address], factor=factor, look_every=60.0
    )


async def test_an_account_is_low_below_so_many_times_its_last_worst_cost() -> None:
    world = World(chain_agent())
    await sent(world)
    balance = world.chain.ledger.balance(world.signer.address)
    assert await funds(world, balance / COST - 1).look() == ()
    (low,) = await funds(world, balance / COST + 1).look()
    assert low.lane == f"1337:{world.signer.address}"
    assert low.balance_wei == balance < low.wanted_wei


async def test_what_changes_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    world = World(chain_agent())
    await sent(world)
    watched = funds(world, world.chain.ledger.balance(world.signer.address) / COST + 1)
    caplog.set_level(logging.INFO, "zephyrus_exec.engine.funds")
    await watched.look()
    await watched.look()
    world.chain.fund(world.signer.address)
    await watched.look()
    await watched.look()
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "send its account some" in caplog.records[0].getMessage()
    assert watched.low == ()


async def test_nobody_is_low_where_nothing_was_sent_or_nobody_asked() -> None:
    world = World(chain_agent())
    assert await funds(world, 10**9).look() == ()
    await sent(world)
    assert await funds(world, 0).look() == ()
    others = Funds(world.inner, world.clock, {1337: world.chain}, ["0x" + "22" * 20], factor=10**9)
    assert await others.look() == ()


async def test_an_account_stays_what_it_was_while_its_chain_does_not_answer() -> None:
    world = World(chain_agent())
    await sent(world)
    watched = funds(world, 10**9)
    (low,) = await watched.look()
    world.chain.fund(world.signer.address, 10**30)

    async def fail(_method: str) -> None:
        raise ChainUnavailable("no answer", chain_id=1337)

    world.chain.before = fail
    assert await watched.look() == (low,)


async def test_a_chain_that_never_answers_holds_nobody_up() -> None:
    world = World(chain_agent())
    await sent(world)

    async def hang(_method: str) -> None:
        await asyncio.Event().wait()

    world.chain.before = hang
    chains: dict[int, Chain] = {1337: world.chain}
    watched = Funds(
        world.inner, world.clock, chains, [world.signer.address], factor=10**9, patience=0.01
    )
    assert await watched.look() == ()


async def test_a_store_that_cannot_be_read_is_asked_again_later() -> None:
    world = World(chain_agent())
    await sent(world)
    store = world.faulty()
    store.readable = False
    watched = Funds(store, world.clock, {1337: world.chain}, [world.signer.address], factor=10**9)
    task = asyncio.create_task(watched.run())
    await world.clock.advance(60)
    assert not watched.low
    store.readable = True
    await world.clock.advance(60)
    assert len(watched.low) == 1
    task.cancel()
    await asyncio.wait({task})


async def test_a_lane_whose_newest_slot_is_not_ours_is_not_judged() -> None:
    """After somebody else's transactions the counter is beyond our own last slot."""
    world = World(chain_agent())
    await sent(world)
    key = f"1337:{world.signer.address}"
    record = await world.inner.get(LANE, key)
    assert record is not None
    moved = evolve(Lane.of(record), next_nonce=5)
    await world.inner.commit([moved.put(record.version)])
    assert await funds(world, 10**9).look() == ()
    record = await world.inner.get(LANE, key)
    assert record is not None
    retired = evolve(moved, next_nonce=1, status=LaneStatus.RETIRED)
    await world.inner.commit([retired.put(record.version)])
    assert await funds(world, 10**9).look() == ()
