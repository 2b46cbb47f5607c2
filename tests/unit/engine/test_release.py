"""Shutting down in good order: what has not ended is left to the next process."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from zephyrus_exec.engine.leases import OWNER
from zephyrus_exec.errors import ExecutionReleased, StoreUnavailable
from zephyrus_exec.interfaces.runner import RunContext
from zephyrus_exec.model import Json
from zephyrus_exec.testing.faulty_store import Fault, FaultyStore

from .conftest import Enter
from .world import Gate, World, chain_agent, is_empty, plan, runner_agent, settle


def durable(world: World) -> FaultyStore:
    """Return a way into the store that says it survives its process."""
    store = world.faulty()
    store.durable = True
    return store


async def test_what_runs_and_waits_is_left_open_and_the_next_process_takes_it_up_at_once(
    enter: Enter,
) -> None:
    gate = Gate()
    world = World(runner_agent("gate"))
    first = await enter(world.engine(durable(world), {"gate": gate}))
    running, queued = await first.submit("gate"), await first.submit("gate")
    await settle()
    await first.aclose()
    assert is_empty(first)
    assert await world.kinds(running) == ["accepted", "started"]
    assert await world.kinds(queued) == ["accepted"]
    second = await enter(world.engine(durable(world), {"gate": gate}))
    gate.open.set()
    for execution_id in (running, queued):
        assert (await second.result(execution_id))["outcome"] == "succeeded"
        await world.ended(execution_id)
    assert [record.key for record in await world.inner.scan(OWNER)] == ["e2-1"]


async def test_with_nothing_left_the_lease_is_gone(enter: Enter) -> None:
    world = World(runner_agent("nothing"))
    engine = await enter(world.engine(durable(world)))
    await engine.result(await engine.submit("nothing"))
    await engine.aclose()
    assert await world.inner.scan(OWNER) == []


async def test_what_is_being_released_is_not_said_to_have_ended(enter: Enter) -> None:
    async def slow_to_stop(_context: RunContext) -> Json:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        return None

    world = World(runner_agent("slow"))
    engine = await enter(world.engine(durable(world), {"slow": slow_to_stop}))
    execution_id = await engine.submit("slow")
    await settle()
    closing = asyncio.create_task(engine.aclose())
    await asyncio.sleep(0)
    while engine._roster.executions and not engine._roster.executions[execution_id].released:
        await asyncio.sleep(0)
    assert await engine.cancel(execution_id) == "not_cancellable"
    await closing


@pytest.mark.parametrize("turns", range(0, 60, 3))
async def test_a_start_that_is_cancelled_leaves_nothing_going(turns: int) -> None:
    before = asyncio.all_tasks()
    world = World()
    engine = world.engine(world.faulty(turns=3))
    starting = asyncio.create_task(engine.start())
    for _ in range(turns):
        await asyncio.sleep(0)
    starting.cancel()
    await asyncio.wait({starting})
    if not starting.cancelled():
        await engine.aclose()
    await settle()
    assert asyncio.all_tasks() == before
    assert not engine.running


async def test_a_start_whose_effects_cannot_be_listed_leaves_nothing_going() -> None:
    before = asyncio.all_tasks()
    world = World()
    store = world.faulty()
    store.readable = False
    with pytest.raises(StoreUnavailable):
        await world.engine(store).start()
    await settle()
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("turns", range(0, 40, 2))
async def test_a_close_that_is_cancelled_goes_on_and_the_next_waits_for_it(turns: int) -> None:
    before = asyncio.all_tasks()
    world = World(runner_agent("forever"))
    store = world.faulty(turns=3)
    store.durable = True
    engine = world.engine(store)
    await engine.start()
    await engine.submit("forever")
    closing = asyncio.create_task(engine.aclose())
    for _ in range(turns):
        await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait({closing})
    await engine.aclose()
    assert asyncio.all_tasks() == before
    assert [record.data for record in await world.inner.scan(OWNER)] == [{"released": True}]


async def test_who_waits_for_what_is_released_is_told_so(enter: Enter) -> None:
    world = World(runner_agent("forever"))
    engine = await enter(world.engine(durable(world)))
    other = await enter(world.engine())
    mine, foreign = await engine.submit("forever"), await other.submit("forever")
    waiting = [
        asyncio.create_task(work)
        for work in (engine.result(mine), _watch(engine, mine), engine.result(foreign))
    ]
    await settle()
    closing = asyncio.create_task(engine.aclose())
    await settle()
    await closing
    await world.clock.advance(1)
    for task in waiting:
        assert task.done()
        assert isinstance(task.exception(), ExecutionReleased)
    with pytest.raises(ExecutionReleased):
        await engine.result(mine)


async def _watch(engine: Any, execution_id: str) -> None:
    async for _ in engine.watch(execution_id):
        pass


async def test_what_ended_can_still_be_read_after_closing(enter: Enter) -> None:
    world = World(runner_agent("nothing"))
    engine = await enter(world.engine(durable(world)))
    execution_id = await engine.submit("nothing")
    body = await engine.result(execution_id)
    await engine.aclose()
    assert await engine.result(execution_id) == body


async def test_an_action_that_is_cut_off_is_not_told_as_finished_and_is_done_again(
    enter: Enter,
) -> None:
    gate = Gate()

    async def work(context: RunContext) -> Json:
        async def perform() -> Json:
            return await gate(context) or "done"

        return await context.action("act", perform)

    world = World(runner_agent("work"))
    first = await enter(world.engine(durable(world), {"work": work}))
    execution_id = await first.submit("work")
    await settle()
    await first.aclose()
    assert await world.kinds(execution_id) == ["accepted", "started", "action_started"]
    second = await enter(world.engine(durable(world), {"work": work}))
    gate.open.set()
    assert (await second.result(execution_id))["outcome"] == "succeeded"
    assert gate.entered == 2


async def test_an_effect_under_way_is_left_to_the_next_process_without_waiting(
    enter: Enter,
) -> None:
    world = World(chain_agent())
    world.chain.automine = False
    first = await enter(world.chain_engine(plan("set"), store=durable(world)))
    execution_id = await first.submit("a")
    await settle()
    await first.aclose()
    assert (await world.kinds(execution_id))[-1] == "effect_signed"
    second = await enter(world.chain_engine(store=durable(world)))
    await settle()
    world.chain.mine()
    await world.clock.advance(5)
    assert (await second.result(execution_id))["outcome"] == "succeeded"
    assert (await world.chain.account(world.signer.address)).nonce == 1


async def test_an_acceptance_under_way_is_left_to_the_next_process(enter: Enter) -> None:
    world = World(runner_agent("nothing"))
    store = durable(world)
    first = await enter(world.engine(store))
    store.fail(Fault.HELD)
    request = asyncio.create_task(first.submit("nothing"))
    await settle()
    closing = asyncio.create_task(first.aclose())
    await settle()
    assert not closing.done()
    store.release()
    await closing
    execution_id = await request
    assert is_empty(first)
    second = await enter(world.engine(durable(world)))
    assert (await second.result(execution_id))["outcome"] == "succeeded"


async def test_what_is_ending_at_that_moment_ends(enter: Enter) -> None:
    world = World(runner_agent("nothing"))
    store = durable(world)
    engine = await enter(world.engine(store))
    store.fail(Fault.HELD, nth=2)
    execution_id = await engine.submit("nothing")
    await settle()
    closing = asyncio.create_task(engine.aclose())
    await settle()
    store.release()
    await closing
    assert (await world.ended(execution_id))["outcome"] == "succeeded"
    assert await world.inner.scan(OWNER) == []


async def test_a_runner_that_does_not_stop_is_left_behind_and_taken_up_when_the_lease_runs_out(
    enter: Enter, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate()

    async def stubborn(context: RunContext) -> None:
        while not gate.open.is_set():
            try:
                await gate(context)
            except asyncio.CancelledError:
                continue

    world = World(runner_agent("stubborn"))
    first = await enter(world.engine(durable(world), {"stubborn": stubborn}, settle_timeout=1))
    execution_id = await first.submit("stubborn")
    await settle()
    closing = asyncio.create_task(first.aclose())
    await world.clock.advance(4)
    await closing
    assert "do not stop" in caplog.text
    assert is_empty(first)
    gate.open.set()
    second = await enter(world.engine(durable(world), {"stubborn": stubborn}))
    await world.clock.advance(31)
    assert (await second.result(execution_id))["outcome"] == "succeeded"


async def test_a_store_that_does_not_outlive_the_process_gets_an_end_for_everything(
    enter: Enter,
) -> None:
    world = World(runner_agent("forever"))
    engine = await enter(world.engine())
    execution_id = await engine.submit("forever")
    asked = asyncio.create_task(engine.result(execution_id))
    await settle()
    await engine.aclose()
    body: Any = await asked
    assert (body["outcome"], body["error"]["details"]) == ("interrupted", {"reason": "shutdown"})


async def test_an_engine_that_was_never_started_has_nothing_to_drain() -> None:
    assert await World().engine().drain()


async def test_a_watcher_sees_an_end_that_comes_while_it_looks_and_the_engine_closes() -> None:
    world = World(runner_agent("forever"))

    class Slow(FaultyStore):
        async def read(self, *args: Any, **more: Any) -> Any:
            events = await super().read(*args, **more)
            await engine.aclose()
            return events

    engine = world.engine(Slow(world.inner))
    await engine.start()
    execution_id = await engine.submit("forever")
    assert [event async for event in engine.watch(execution_id, after=99)] == []
