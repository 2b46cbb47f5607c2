"""Cancelling: at every moment, and always told truthfully."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from zephyrus_exec.interfaces.planner import Plan
from zephyrus_exec.interfaces.runner import RunContext
from zephyrus_exec.model import OPERATOR, Json

from .conftest import Enter
from .world import World, chain_agent, is_empty, plan, runner_agent, settle


async def test_a_request_to_end_is_journaled_with_who_asked_and_why(enter: Enter) -> None:
    world = World(runner_agent("forever"))
    engine = await enter(world.engine())
    execution_id = await engine.submit("forever")
    await settle()
    asked = await engine.cancel(execution_id, principal=OPERATOR, reason="enough")
    body = await engine.result(execution_id)
    assert asked == "requested"
    assert body["outcome"] == "cancelled"
    requested = (await world.events(execution_id))[2]
    assert (requested.kind, requested.data) == (
        "cancel_requested",
        {"principal": "operator", "reason": "enough"},
    )


async def test_what_has_ended_cannot_be_cancelled(enter: Enter) -> None:
    world = World(runner_agent("nothing"))
    engine = await enter(world.engine())
    execution_id = await engine.submit("nothing")
    await engine.result(execution_id)
    assert await engine.cancel(execution_id) == "already_terminal"


async def test_what_is_ending_at_this_moment_cannot_be_cancelled(enter: Enter) -> None:
    world = World(runner_agent("nothing"))
    store = world.faulty(turns=3)
    engine = await enter(world.engine(store))
    execution_id = await engine.submit("nothing")
    execution = engine._roster.executions[execution_id]
    for _ in range(20):
        if not execution.ended:
            await asyncio.sleep(0)
    assert not execution.done.done()
    assert await engine.cancel(execution_id) == "already_terminal"
    assert (await engine.result(execution_id))["outcome"] == "succeeded"


async def test_what_waits_for_its_turn_ends_at_once_and_never_starts(enter: Enter) -> None:
    world = World(runner_agent("forever"))
    engine = await enter(world.engine())
    await engine.submit("forever")
    waiting = await engine.submit("forever")
    await engine.cancel(waiting)
    await engine.result(waiting)
    assert await world.kinds(waiting) == ["accepted", "cancel_requested", "completed"]
    assert engine._roster.admission.queued == 0


async def test_what_was_accepted_but_has_not_begun_never_begins(enter: Enter) -> None:
    begun: list[str] = []

    async def begin(context: RunContext) -> None:
        begun.append(context.execution_id)

    world = World(runner_agent("begin"))
    engine = await enter(world.engine(runners={"begin": begin}))
    execution_id = await engine.submit("begin")
    await engine.cancel(execution_id)
    assert (await engine.result(execution_id))["outcome"] == "cancelled"
    assert begun == []


async def test_cancelling_twice_ends_it_once(enter: Enter) -> None:
    world = World(runner_agent("forever"))
    engine = await enter(world.engine())
    execution_id = await engine.submit("forever")
    assert await engine.cancel(execution_id, reason="first") == "requested"
    assert await engine.cancel(execution_id, reason="second") == "requested"
    await engine.result(execution_id)
    assert (await world.ended(execution_id))["error"]["details"] == {"reason": "first"}


async def test_a_runner_that_was_done_before_it_heard_succeeded(enter: Enter) -> None:
    async def deaf(_context: RunContext) -> Json:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return "done all the same"

    world = World(runner_agent("deaf"))
    engine = await enter(world.engine(runners={"deaf": deaf}))
    execution_id = await engine.submit("deaf")
    await settle()
    await engine.cancel(execution_id)
    assert (await engine.result(execution_id))["outcome"] == "succeeded"


async def test_a_runner_that_looks_can_stop_in_good_order(enter: Enter) -> None:
    async def polite(context: RunContext) -> Json:
        while not context.cancelled:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                await context.emit({"saved": True})
        return "stopped"

    world = World(runner_agent("polite"))
    engine = await enter(world.engine(runners={"polite": polite}))
    execution_id = await engine.submit("polite")
    await settle()
    await engine.cancel(execution_id)
    await engine.result(execution_id)
    assert (await world.kinds(execution_id))[2:] == ["cancel_requested", "progress", "completed"]


async def everything(context: RunContext) -> Json:
    """Do every kind of thing a context offers, with awaits in between."""

    async def work() -> Json:
        await asyncio.sleep(0)
        return 1

    async def ask() -> dict[str, Json]:
        await asyncio.sleep(0)
        return {"actions": [{}]}

    async def fail() -> Json:
        await asyncio.sleep(0)
        raise ValueError("no")

    await context.emit({"n": 1})
    await context.action("one", work)
    await context.decide(ask)
    try:
        await context.action("two", fail)
    except ValueError:
        await context.emit({"n": 2})
    await asyncio.gather(context.action("three", work), context.action("four", work))
    return "done"


@pytest.mark.parametrize("step", range(36))
async def test_cancelled_at_any_step_a_run_ends_once_and_its_journal_is_whole(
    enter: Enter, step: int
) -> None:
    world = World(runner_agent("everything"))
    store = world.faulty(turns=1)
    engine = await enter(world.engine(store, {"everything": everything}))
    execution_id = await engine.submit("everything")
    for _ in range(step):
        await asyncio.sleep(0)
    disposition = await engine.cancel(execution_id)
    told = await engine.result(execution_id)
    body = await world.ended(execution_id)
    assert told == body
    expected = {"requested": "cancelled", "already_terminal": "succeeded"}
    assert body["outcome"] == expected[disposition]
    finished = [
        {name: value for name, value in event.data.items() if name not in ("cycle", "step")}
        for event in await world.events(execution_id)
        if event.kind == "action_finished"
    ]
    runner = [result for result in body["results"] if result["function_name"] == "everything"]
    assert body["results"] == finished + runner
    assert is_empty(engine)


@pytest.mark.parametrize("step", range(40))
async def test_cancelled_at_any_step_an_effect_is_told_as_what_it_is(
    enter: Enter, step: int
) -> None:
    world = World(chain_agent())
    world.chain.before = world.chain.after = lambda _method: asyncio.sleep(0)
    store = world.faulty(turns=1)
    engine = await enter(world.chain_engine(plan("set", "get"), store=store))
    execution_id = await engine.submit("a")
    for _ in range(step):
        await asyncio.sleep(0)
    await engine.cancel(execution_id)
    ending = asyncio.create_task(engine.result(execution_id))
    while not ending.done():
        await world.clock.advance(0.01)
    body: Any = await world.ended(execution_id)
    events = await world.events(execution_id)
    signed = [event.data["transaction_hash"] for event in events if event.kind == "effect_signed"]
    assert body["effects"]["mined"] == len(signed) == len(world.chain.broadcasts)
    assert body["effects"]["pending"] == 0
    told = [r["transaction_hash"] for r in body["results"] if r["success"] and r["result"] != "7"]
    assert told == signed
    started = sum(event.kind == "action_started" for event in events)
    finished = sum(event.kind == "action_finished" for event in events)
    assert finished <= started <= finished + 1
    assert is_empty(engine)


@pytest.mark.parametrize("step", range(12))
async def test_a_request_withdrawn_at_any_step_runs_nothing_or_all_but_is_never_stuck(
    enter: Enter, step: int
) -> None:
    world = World(runner_agent("nothing"))
    store = world.faulty(turns=2)
    engine = await enter(world.engine(store))
    request = asyncio.create_task(engine.submit("nothing"))
    for _ in range(step):
        await asyncio.sleep(0)
    request.cancel()
    await asyncio.wait({request})
    await settle()
    assert is_empty(engine)
    for record in await world.inner.scan("execution"):
        body = await world.ended(record.key)
        assert body["outcome"] == ("cancelled" if request.cancelled() else "succeeded")
        assert record.group == "ended"


async def test_a_planner_that_is_thinking_is_interrupted(enter: Enter) -> None:
    class Thinker:
        async def plan(self, _request: object) -> Plan:
            await asyncio.Event().wait()
            raise AssertionError("never")

    world = World(chain_agent())
    engine = await enter(world.chain_engine(planners={"script": Thinker()}))
    execution_id = await engine.submit("a")
    await settle()
    await engine.cancel(execution_id)
    assert (await engine.result(execution_id))["outcome"] == "cancelled"
