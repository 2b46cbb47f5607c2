"""A store that fails: before, during and after everything."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from zephyrus_exec.errors import Overloaded, StoreFenced, StoreUnavailable
from zephyrus_exec.interfaces.runner import RunContext
from zephyrus_exec.interfaces.store import Append, NewEvent, Put
from zephyrus_exec.model import Json, Overlap
from zephyrus_exec.testing.faulty_store import Fault

from .conftest import Enter
from .world import Gate, World, chain_agent, is_empty, plan, runner_agent, settle


async def steps(context: RunContext) -> Json:
    """Emit three times."""
    for n in range(3):
        await context.emit({"n": n})
    return "done"


async def test_while_the_journal_cannot_be_written_nothing_is_accepted(enter: Enter) -> None:
    world = World(runner_agent("nothing"))
    store = world.faulty()
    engine = await enter(world.engine(store))
    store.writable = False
    with pytest.raises(Overloaded, match="nothing was executed"):
        await engine.submit("nothing")
    assert is_empty(engine)
    assert await world.inner.tail(0) == []
    store.writable = True
    assert (await engine.result(await engine.submit("nothing")))["outcome"] == "succeeded"


async def test_an_acceptance_of_unknown_result_that_was_lost_is_refused(enter: Enter) -> None:
    world = World(runner_agent("nothing"))
    store = world.faulty()
    engine = await enter(world.engine(store))
    store.fail(Fault.UNKNOWN_LOST)
    with pytest.raises(Overloaded):
        await engine.submit("nothing")
    assert await world.inner.scan("execution") == []


async def test_an_acceptance_of_unknown_result_that_was_written_is_accepted(
    enter: Enter,
) -> None:
    world = World(runner_agent("nothing"))
    store = world.faulty()
    engine = await enter(world.engine(store))
    store.fail(Fault.UNKNOWN_WRITTEN)
    execution_id = await engine.submit("nothing")
    assert (await engine.result(execution_id))["outcome"] == "succeeded"
    await world.ended(execution_id)


async def test_an_id_that_was_used_before_is_refused_and_harms_nobody(enter: Enter) -> None:
    world = World(runner_agent("nothing"))
    engine = await enter(world.engine(new_id=lambda: "same"))
    await engine.result(await engine.submit("nothing"))
    with pytest.raises(StoreFenced):
        await engine.submit("nothing")
    await world.ended("same")
    assert is_empty(engine)


async def test_an_execution_waits_while_the_store_is_away_and_then_goes_on(enter: Enter) -> None:
    gate = Gate()

    async def wait(context: RunContext) -> None:
        await gate(context)
        await steps(context)

    world = World(runner_agent("wait"))
    store = world.faulty()
    engine = await enter(world.engine(store, {"wait": wait}))
    execution_id = await engine.submit("wait")
    await settle()
    store.writable = False
    gate.open.set()
    await world.clock.advance(10)
    assert await world.kinds(execution_id) == ["accepted", "started"]
    store.writable = True
    await world.clock.advance(1)
    assert (await world.ended(execution_id))["outcome"] == "succeeded"


@pytest.mark.parametrize("fault", [Fault.UNKNOWN_LOST, Fault.UNKNOWN_WRITTEN, Fault.UNAVAILABLE])
@pytest.mark.parametrize("nth", range(2, 6))
async def test_a_fault_at_any_commit_is_survived_without_gap_or_double(
    enter: Enter, fault: Fault, nth: int
) -> None:
    world = World(runner_agent("steps"))
    store = world.faulty()
    engine = await enter(world.engine(store, {"steps": steps}))
    store.fail(fault, nth=nth)
    execution_id = await engine.submit("steps")
    await world.clock.advance(2)
    assert (await world.ended(execution_id))["outcome"] == "succeeded"
    kinds = await world.kinds(execution_id)
    assert kinds == ["accepted", "started", *["progress"] * 3, "completed"]
    assert await engine.result(execution_id)


@pytest.mark.parametrize("fault", [Fault.HELD, Fault.HELD_LOST])
@pytest.mark.parametrize("nth", range(2, 6))
async def test_cancelled_while_a_commit_is_held_the_journal_stays_whole(
    enter: Enter, fault: Fault, nth: int
) -> None:
    world = World(runner_agent("steps"))
    store = world.faulty()
    engine = await enter(world.engine(store, {"steps": steps}))
    store.fail(fault, nth=nth)
    execution_id = await engine.submit("steps")
    await settle()
    cancelling = asyncio.create_task(engine.cancel(execution_id))
    await settle()
    store.release()
    await world.clock.advance(1)
    asked = await cancelling
    body = await world.ended(execution_id)
    assert body["outcome"] == ("cancelled" if asked == "requested" else "succeeded")
    assert is_empty(engine)


async def test_cancelled_while_the_store_is_away_it_still_ends_once_the_store_is_back(
    enter: Enter,
) -> None:
    world = World(runner_agent("steps"))
    store = world.faulty()
    engine = await enter(world.engine(store, {"steps": steps}))
    execution_id = await engine.submit("steps")
    store.writable = False
    await settle()
    cancelling = asyncio.create_task(engine.cancel(execution_id))
    await world.clock.advance(30)
    assert await world.kinds(execution_id) == ["accepted", "started"]
    store.writable = True
    await world.clock.advance(2)
    assert await cancelling == "requested"
    assert (await world.ended(execution_id))["outcome"] == "cancelled"
    assert await engine.result(execution_id) == await world.ended(execution_id)


async def test_a_request_withdrawn_while_its_acceptance_is_held_runs_nothing(
    enter: Enter,
) -> None:
    gate = Gate()
    world = World(runner_agent("gate"))
    store = world.faulty()
    engine = await enter(world.engine(store, {"gate": gate}))
    store.fail(Fault.HELD)
    request = asyncio.create_task(engine.submit("gate"))
    await settle()
    request.cancel()
    await asyncio.wait({request})
    store.release()
    await settle()
    [record] = await world.inner.scan("execution")
    body = await world.ended(record.key)
    assert (body["outcome"], body["error"]["details"]) == ("cancelled", {"reason": "withdrawn"})
    assert gate.entered == 0
    assert is_empty(engine)


async def test_a_request_withdrawn_before_anything_was_written_leaves_no_trace(
    enter: Enter,
) -> None:
    world = World(runner_agent("nothing"))
    store = world.faulty()
    engine = await enter(world.engine(store))
    store.fail(Fault.HELD_LOST)
    request = asyncio.create_task(engine.submit("nothing"))
    await settle()
    request.cancel()
    await asyncio.wait({request})
    await settle()
    assert await world.inner.tail(0) == []
    assert is_empty(engine)


async def test_whoever_joins_during_acceptance_gets_the_accepted_execution(enter: Enter) -> None:
    world = World(runner_agent("forever", overlap=Overlap.JOIN))
    store = world.faulty()
    engine = await enter(world.engine(store))
    store.fail(Fault.HELD)
    requests = [asyncio.create_task(engine.submit("forever")) for _ in range(3)]
    await settle()
    assert not any(request.done() for request in requests)
    store.release()
    assert len({await request for request in requests}) == 1
    assert len(engine._wakeups) == 0


async def test_whoever_joins_an_acceptance_that_fails_gets_an_execution_of_its_own(
    enter: Enter,
) -> None:
    world = World(runner_agent("forever", overlap=Overlap.JOIN))
    store = world.faulty(turns=3)
    engine = await enter(world.engine(store))
    store.fail(Fault.UNAVAILABLE)
    first, second = (asyncio.create_task(engine.submit("forever")) for _ in range(2))
    await asyncio.wait({first, second})
    assert isinstance(first.exception(), Overloaded)
    joined = await second
    [record] = await world.inner.scan("execution")
    assert record.key == joined
    assert {event.stream for event in await world.inner.tail(0)} == {joined}


async def test_whoever_joins_an_acceptance_that_is_withdrawn_gets_an_execution_of_its_own(
    enter: Enter,
) -> None:
    world = World(runner_agent("forever", overlap=Overlap.JOIN))
    store = world.faulty()
    engine = await enter(world.engine(store))
    store.fail(Fault.HELD)
    first, second = (asyncio.create_task(engine.submit("forever")) for _ in range(2))
    await settle()
    first.cancel()
    await settle()
    store.release()
    own = await second
    await settle()
    assert (await engine.get_execution(own)).status == "running"


async def test_an_acceptance_that_takes_long_does_not_lose_its_turn(enter: Enter) -> None:
    gate = Gate()
    world = World(runner_agent("gate"))
    store = world.faulty()
    engine = await enter(world.engine(store, {"gate": gate}))
    first = await engine.submit("gate")
    store.fail(Fault.HELD_LOST)
    request = asyncio.create_task(engine.submit("gate"))
    await settle()
    gate.open.set()
    await settle()
    store.release()
    second = await request
    await engine.result(second)
    assert await world.kinds(second) == ["accepted", "started", "completed"]
    assert await world.kinds(first) == ["accepted", "started", "completed"]


async def test_closing_during_an_acceptance_ends_what_was_accepted(enter: Enter) -> None:
    world = World(runner_agent("forever"))
    store = world.faulty()
    engine = await enter(world.engine(store))
    await engine.submit("forever")
    store.fail(Fault.HELD)
    request = asyncio.create_task(engine.submit("forever"))
    await settle()
    closing = asyncio.create_task(engine.aclose())
    await settle()
    store.release()
    await closing
    assert (await world.ended(await request))["outcome"] == "interrupted"


async def test_whoever_would_join_is_refused_once_the_engine_is_closing(enter: Enter) -> None:
    world = World(runner_agent("forever", overlap=Overlap.JOIN))
    store = world.faulty()
    engine = await enter(world.engine(store))
    store.fail(Fault.HELD_LOST)
    first, second = (asyncio.create_task(engine.submit("forever")) for _ in range(2))
    await settle()
    first.cancel()
    draining = asyncio.create_task(engine.drain())
    await asyncio.wait({second})
    assert type(second.exception()).__name__ == "Draining"
    await draining


async def test_cancel_and_result_wait_for_an_acceptance_that_is_under_way(enter: Enter) -> None:
    world = World(runner_agent("forever"))
    store = world.faulty()
    engine = await enter(world.engine(store))
    store.fail(Fault.HELD)
    request = asyncio.create_task(engine.submit("forever"))
    await settle()
    [execution_id] = engine._roster.executions
    cancelling = asyncio.create_task(engine.cancel(execution_id))
    await settle()
    store.release()
    assert await request == execution_id
    assert await cancelling == "requested"


async def test_an_execution_that_another_process_took_over_is_left_alone(enter: Enter) -> None:
    gate = Gate()

    async def wait(context: RunContext) -> None:
        await gate(context)
        await context.emit({})

    world = World(runner_agent("wait"))
    engine = await enter(world.engine(runners={"wait": wait}))
    execution_id = await engine.submit("wait")
    await settle()
    watching = asyncio.create_task(engine.result(execution_id))
    following = asyncio.create_task(_last(engine.watch(execution_id)))
    await settle()
    record = await world.inner.get("execution", execution_id)
    assert record is not None
    foreign = NewEvent(1.0, "completed", '{"outcome":"interrupted"}')
    ended = record.body.replace('"outcome":null', '"outcome":"interrupted"')
    await world.inner.commit(
        [
            Append(execution_id, 3, (foreign,)),
            Put("execution", execution_id, record.version, ended, "ended"),
        ]
    )
    gate.open.set()
    assert await watching == {"outcome": "interrupted"}
    assert (await following).kind == "completed"
    assert is_empty(engine)
    assert await world.kinds(execution_id) == ["accepted", "started", "completed"]


async def _last(events: Any) -> Any:
    return [event async for event in events][-1]


@pytest.mark.parametrize(
    ("outcome", "told"), [("interrupted", "already_terminal"), (None, "requested")]
)
async def test_cancelling_what_another_process_took_over_says_how_it_stands(
    enter: Enter, outcome: str | None, told: str
) -> None:
    world = World(runner_agent("forever"))
    engine = await enter(world.engine())
    execution_id = await engine.submit("forever")
    await settle()
    record = await world.inner.get("execution", execution_id)
    assert record is not None
    body = record.body
    if outcome:
        body = body.replace('"outcome":null', f'"outcome":"{outcome}"')
    await world.inner.commit(
        [
            Append(execution_id, 3, (NewEvent(1.0, "completed", "{}"),)),
            Put("execution", execution_id, record.version, body, "ended"),
        ]
    )
    assert await engine.cancel(execution_id) == told
    await settle()
    assert is_empty(engine)


async def test_closing_ends_although_the_store_does_not_come_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(runner_agent("forever", max_concurrent=2))
    store = world.faulty()
    engine = world.engine(store, settle_timeout=10)
    await engine.start()
    await engine.submit("forever")
    await engine.submit("forever")
    await settle()
    store.writable = False
    closing = asyncio.create_task(engine.aclose())
    await world.clock.advance(29)
    assert not closing.done()
    await world.clock.advance(2)
    await closing
    await settle()
    assert is_empty(engine)
    assert "2 executions do not stop, or could not be journaled" in caplog.text
    assert len(await world.inner.scan("owner")) == 1


async def test_a_request_withdrawn_after_the_engine_was_closed_over_it_changes_nothing() -> None:
    world = World(runner_agent("forever"))
    store = world.faulty()
    engine = world.engine(store, settle_timeout=10)
    await engine.start()
    store.fail(Fault.HELD_LOST)
    request = asyncio.create_task(engine.submit("forever"))
    await settle()
    closing = asyncio.create_task(engine.aclose())
    await world.clock.advance(31)
    await closing
    request.cancel()
    await asyncio.wait({request})
    await settle()
    assert await world.inner.tail(0) == []
    assert is_empty(engine)


async def test_closing_ends_although_an_acceptance_hangs() -> None:
    world = World(runner_agent("forever"))
    store = world.faulty()
    engine = world.engine(store, settle_timeout=10)
    await engine.start()
    store.fail(Fault.HELD)
    request = asyncio.create_task(engine.submit("forever"))
    await settle()
    closing = asyncio.create_task(engine.aclose())
    await world.clock.advance(31)
    await closing
    store.release()
    await asyncio.wait({request})
    await world.clock.advance(31)
    assert is_empty(engine)


async def test_whoever_waits_is_told_after_a_while_that_the_store_does_not_write(
    enter: Enter,
) -> None:
    gate = Gate()

    async def wait(context: RunContext) -> None:
        await gate(context)
        await steps(context)

    world = World(runner_agent("wait"))
    store = world.faulty()
    engine = await enter(world.engine(store, {"wait": wait}, store_grace=10))
    execution_id = await engine.submit("wait")
    early = asyncio.create_task(engine.result(execution_id))
    await settle()
    store.writable = False
    gate.open.set()
    await world.clock.advance(9.9)
    assert not early.done()
    await world.clock.advance(0.7)
    assert isinstance(early.exception(), StoreUnavailable)
    late = asyncio.create_task(engine.result(execution_id))
    await world.clock.advance(1)
    assert isinstance(late.exception(), StoreUnavailable)
    with pytest.raises(Overloaded):
        await engine.submit("wait")
    assert not (await engine.health()).ready
    assert await world.kinds(execution_id) == ["accepted", "started"]
    store.writable = True
    await world.clock.advance(1)
    assert (await engine.result(execution_id))["outcome"] == "succeeded"
    assert is_empty(engine)


async def test_a_store_that_comes_back_in_time_is_not_worth_a_word(enter: Enter) -> None:
    gate = Gate()

    async def wait(context: RunContext) -> None:
        for _ in range(3):
            gate.open.clear()
            await gate(context)
            await context.emit({})

    world = World(runner_agent("wait"))
    store = world.faulty()
    engine = await enter(world.engine(store, {"wait": wait}, store_grace=10))
    execution_id = await engine.submit("wait")
    waiting = asyncio.create_task(engine.result(execution_id))
    await settle()
    for _ in range(3):
        store.writable = False
        gate.open.set()
        await world.clock.advance(8)
        store.writable = True
        await world.clock.advance(1)
    assert (await waiting)["outcome"] == "succeeded"


async def test_while_the_store_does_not_write_nothing_is_sent(enter: Enter) -> None:
    world = World(chain_agent())
    store = world.faulty()
    engine = await enter(world.chain_engine(plan("set"), store=store))

    async def fill(_method: str) -> None:
        store.writable = False

    world.chain.before = fill
    execution_id = await engine.submit("a")
    await world.clock.advance(60)
    assert world.chain.broadcasts == []
    assert (await world.kinds(execution_id))[-1] == "action_started"
    world.chain.before = lambda _method: asyncio.sleep(0)
    store.writable = True
    await world.clock.advance(2)
    assert (await world.ended(execution_id))["outcome"] == "succeeded"
    assert len(set(world.chain.broadcasts)) == 1
