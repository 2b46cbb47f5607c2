"""What is forgotten, and what is not."""

from __future__ import annotations

import logging

import pytest

from tests.unit.engine.conftest import Enter
from tests.unit.engine.world import World, chain_agent, plan, runner_agent
from zephyrus_exec.engine.journal import EXECUTION
from zephyrus_exec.engine.retention import Retention
from zephyrus_exec.errors import ExecutionNotFound
from zephyrus_exec.interfaces.store import Put
from zephyrus_exec.stores.memory import MemoryStore
from zephyrus_exec.testing.faulty_store import FaultyStore


async def test_the_oldest_ended_executions_are_forgotten_whole(enter: Enter) -> None:
    world = World(runner_agent("nothing"))
    engine = await enter(world.engine(keep_ended=10))
    ids = [await engine.submit("nothing") for _ in range(100)]
    await engine.drain()
    kept = [execution.id for execution in await engine.list_executions()]
    assert 10 <= len(kept) < 42
    assert kept == ids[: -len(kept) - 1 : -1]
    with pytest.raises(ExecutionNotFound):
        await engine.get_execution(ids[0])
    assert await world.inner.read(ids[0]) == []
    assert {event.stream for event in await world.inner.tail(0)} == set(kept)


async def test_a_durable_store_keeps_everything_and_memory_keeps_the_last_thousand(
    enter: Enter,
) -> None:
    world = World(runner_agent("nothing"))
    engine = await enter(world.engine())
    for _ in range(1100):
        await engine.result(await engine.submit("nothing"))
    assert 1000 <= len(await engine.list_executions(limit=9999)) < 1032
    durable = FaultyStore(world.inner)
    durable.durable = True
    other = await enter(world.engine(durable))
    for _ in range(1100):
        await other.result(await other.submit("nothing"))
    assert len(await engine.list_executions(limit=9999)) >= 2100


async def test_an_execution_with_a_transaction_under_way_is_not_forgotten(enter: Enter) -> None:
    world = World(chain_agent(), runner_agent("nothing"))
    world.chain.automine = False
    engine = await enter(world.chain_engine(plan("set"), keep_ended=1, settle_timeout=1))
    pending = await engine.submit("a", deadline=world.clock.now() + 1)
    await world.clock.advance(5)
    for _ in range(100):
        await engine.result(await engine.submit("nothing"))
    assert (await engine.get_execution(pending)).outcome == "timed_out"


async def test_forgetting_that_fails_is_told_and_ends_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = MemoryStore()
    await store.commit([Put(EXECUTION, f"x{n}", 0, "{}") for n in range(40)])
    retention = Retention(store, keep=1)
    await store.aclose()
    with caplog.at_level(logging.WARNING):
        for n in range(40):
            await retention.ended(f"x{n}")
    assert "could not be forgotten" in caplog.text


async def test_what_somebody_else_removed_is_forgotten_already() -> None:
    store = MemoryStore()
    retention = Retention(store, keep=1)
    for n in range(40):
        await retention.ended(f"x{n}")
    assert await store.scan(EXECUTION) == []
