"""Requests to cancel reach whoever runs the execution, and what is answered is true."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

import pytest

from tests.unit.engine.conftest import Enter
from tests.unit.engine.world import Gate, World, die, runner_agent, settle
from zephyrus_exec.engine.cancels import CANCEL, ask_owner
from zephyrus_exec.errors import ExecutionNotFound, StoreUnavailable
from zephyrus_exec.interfaces.runner import RunContext
from zephyrus_exec.interfaces.store import Delete, Forget
from zephyrus_exec.model import OPERATOR, Principal
from zephyrus_exec.testing.faulty_store import Fault


async def test_a_request_reaches_the_process_that_runs_it(enter: Enter) -> None:
    world = World(runner_agent("forever"))
    runs, other = await enter(world.engine()), await enter(world.engine())
    execution_id = await runs.submit("forever")
    await settle()
    assert await other.cancel(execution_id, principal=OPERATOR, reason="enough") == "requested"
    assert await other.cancel(execution_id, reason="again") == "requested"
    await world.clock.advance(0.5)
    assert (await world.ended(execution_id))["error"]["details"] == {"reason": "enough"}
    asked = [e.data for e in await world.events(execution_id) if e.kind == "cancel_requested"]
    assert asked == [{"principal": "operator", "reason": "enough"}]
    assert await world.inner.scan(CANCEL) == []
    assert await other.cancel(execution_id) == "already_terminal"


async def test_a_request_reaches_what_waits_for_its_turn(enter: Enter) -> None:
    world = World(runner_agent("forever"))
    runs, other = await enter(world.engine()), await enter(world.engine())
    await runs.submit("forever")
    waiting = await runs.submit("forever")
    assert await other.cancel(waiting) == "requested"
    await world.clock.advance(0.5)
    assert await world.kinds(waiting) == ["accepted", "cancel_requested", "completed"]


async def test_a_request_may_be_left_by_who_has_no_engine(enter: Enter) -> None:
    world = World(runner_agent("forever"))
    execution_id = await (await enter(world.engine())).submit("forever")
    asked = [
        await ask_owner(world.inner, execution_id, principal=OPERATOR, reason="enough")
        for _ in range(2)
    ]
    await world.clock.advance(0.5)
    assert asked == ["requested", "requested"]
    assert (await world.ended(execution_id))["error"]["details"] == {"reason": "enough"}


async def test_only_who_may_cancel_asks_other_processes(enter: Enter) -> None:
    world = World(runner_agent("forever"))
    runs, other = await enter(world.engine()), await enter(world.engine())
    execution_id = await runs.submit("forever")
    with pytest.raises(ExecutionNotFound):
        await other.cancel(execution_id, principal=Principal("bob"))
    assert await world.inner.scan(CANCEL) == []


async def test_many_requests_are_all_found(enter: Enter) -> None:
    world = World(runner_agent("forever", max_concurrent=300))
    runs, other = await enter(world.engine()), await enter(world.engine())
    ids = [await runs.submit("forever") for _ in range(250)]
    assert {await other.cancel(one) for one in ids} == {"requested"}
    await world.clock.advance(0.5)
    assert {(await world.ended(one))["outcome"] for one in ids} == {"cancelled"}
    assert await world.inner.scan(CANCEL) == []


@pytest.mark.usefixtures("may_leave_tasks")
async def test_a_request_reaches_whoever_takes_the_execution_over(enter: Enter) -> None:
    world = World(runner_agent("forever"))
    store = world.faulty()
    dies = world.engine(store)
    await dies.start()
    execution_id = await dies.submit("forever")
    await settle()
    other = await enter(world.engine())
    await die(dies, store)
    assert await other.cancel(execution_id) == "requested"
    for _ in range(60):
        await world.clock.advance(1)
    assert (await world.ended(execution_id))["outcome"] == "cancelled"
    assert await world.inner.scan(CANCEL) == []


async def test_what_ends_while_it_is_asked_to_is_said_to_have_ended(enter: Enter) -> None:
    gate = Gate()
    world = World(runner_agent("gate"))
    runs = await enter(world.engine(runners={"gate": gate}))
    store = world.faulty()
    other = await enter(world.engine(store))
    execution_id = await runs.submit("gate")
    await settle()
    store.fail(Fault.HELD)
    asking = asyncio.ensure_future(other.cancel(execution_id))
    await settle()
    gate.open.set()
    await runs.result(execution_id)
    store.release()
    assert await asking == "already_terminal"
    assert await world.inner.scan(CANCEL) == []


async def test_a_request_that_came_to_nothing_is_removed(enter: Enter) -> None:
    async def deaf(_context: RunContext) -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    world = World(runner_agent("deaf"), runner_agent("gate", max_concurrent=2))
    gate = Gate()
    runs = await enter(world.engine(runners={"gate": gate, "deaf": deaf}))
    other = await enter(world.engine())
    ended, forgotten = await runs.submit("gate"), await runs.submit("gate")
    for one in (ended, forgotten):
        assert await other.cancel(one) == "requested"
    gate.open.set()
    await runs.drain()
    record = await world.inner.get("execution", forgotten)
    assert record is not None
    await world.inner.commit([Forget(forgotten), Delete("execution", forgotten, record.version)])
    assert len(await world.inner.scan(CANCEL)) == 2
    await world.clock.advance(0.5)
    assert await world.inner.scan(CANCEL) == []


async def test_what_is_ending_already_is_left_to_end(enter: Enter) -> None:
    world = World(runner_agent("gate"))
    gate = Gate()
    store = world.faulty()
    runs = await enter(world.engine(store, {"gate": gate}, lease_duration=1000))
    other = await enter(world.engine())
    execution_id = await runs.submit("gate")
    await settle()
    assert await other.cancel(execution_id) == "requested"
    store.writable = False
    gate.open.set()
    await settle()
    store.writable = True
    await runs._cancels._look()
    await world.clock.advance(5)
    assert (await world.ended(execution_id))["outcome"] == "succeeded"
    assert await world.inner.scan(CANCEL) == []


async def test_a_request_is_heeded_once_though_its_removal_conflicts(enter: Enter) -> None:
    world = World(runner_agent("forever"))
    store = world.faulty()
    runs = await enter(world.engine(store, lease_duration=1000))
    other = await enter(world.engine(lease_duration=1000))
    execution_id = await runs.submit("forever")
    await settle()
    await other.cancel(execution_id)
    store.fail(Fault.CONFLICT)
    await world.clock.advance(2)
    assert (await world.ended(execution_id))["outcome"] == "cancelled"
    assert await world.inner.scan(CANCEL) == []


async def test_looking_goes_on_after_trouble_with_the_store(
    enter: Enter, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(runner_agent("forever"))
    store = world.faulty()
    runs, other = await enter(world.engine(store)), await enter(world.engine())
    execution_id = await runs.submit("forever")
    await settle()
    store.readable = False
    await other.cancel(execution_id)
    with caplog.at_level(logging.INFO):
        await world.clock.advance(1)
    assert "could not be looked for" in caplog.text
    store.readable = True
    await world.clock.advance(0.5)
    assert (await world.ended(execution_id))["outcome"] == "cancelled"


async def test_a_request_that_cannot_be_written_is_not_said_to_be_made(enter: Enter) -> None:
    world = World(runner_agent("forever"))
    store = world.faulty()
    runs, other = await enter(world.engine()), await enter(world.engine(store))
    execution_id = await runs.submit("forever")
    store.writable = False
    with pytest.raises(StoreUnavailable):
        await other.cancel(execution_id)
    store.writable = True


async def test_a_closing_process_reaches_who_lives_and_nobody_else(enter: Enter) -> None:
    world = World(runner_agent("forever"))
    runs, other = await enter(world.engine()), await enter(world.engine())
    execution_id = await runs.submit("forever")
    await settle()
    await other.aclose()
    assert await other.cancel(execution_id) == "requested"
    await world.clock.advance(0.5)
    assert (await world.ended(execution_id))["outcome"] == "cancelled"


@pytest.mark.usefixtures("may_leave_tasks")
async def test_what_nobody_can_reach_is_not_cancellable(enter: Enter) -> None:
    world = World(runner_agent("forever"))
    store = world.faulty()
    dies = world.engine(store)
    await dies.start()
    execution_id = await dies.submit("forever")
    await settle()
    other = await enter(world.engine())
    await other.aclose()
    await die(dies, store)
    await world.clock.advance(60)
    assert await other.cancel(execution_id) == "not_cancellable"
    assert await world.inner.scan(CANCEL) == []


async def test_what_is_forgotten_while_it_is_asked_for_is_not_there(enter: Enter) -> None:
    world = World(runner_agent("gate"))
    gate = Gate()
    runs = await enter(world.engine(runners={"gate": gate}))
    store = world.faulty()
    other = await enter(world.engine(store))
    execution_id = await runs.submit("gate")
    await settle()
    store.fail(Fault.HELD)
    asking = asyncio.ensure_future(other.cancel(execution_id))
    await settle()
    gate.open.set()
    await runs.result(execution_id)
    record = await world.inner.get("execution", execution_id)
    assert record is not None
    await world.inner.commit(
        [Forget(execution_id), Delete("execution", execution_id, record.version)]
    )
    store.release()
    with pytest.raises(ExecutionNotFound):
        await asking
