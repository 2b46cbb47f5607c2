"""Going on with what processes that are gone have left."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from zephyrus_exec.engine.leases import OWNER
from zephyrus_exec.errors import InvocationError
from zephyrus_exec.interfaces.runner import RunContext
from zephyrus_exec.interfaces.store import Append, Delete, NewEvent, Put
from zephyrus_exec.model import Action, Json
from zephyrus_exec.testing.faulty_store import FaultyStore

from .conftest import Enter
from .world import (
    Gate,
    World,
    chain_agent,
    die,
    is_empty,
    plan,
    runner_agent,
    settle,
)

pytestmark = pytest.mark.usefixtures("may_leave_tasks")

TAKEN = 31
"""Seconds after which what a dead process left is taken up for sure."""


async def left_behind(world: World, *agents: str, runners: Any = None, **more: Any) -> list[str]:
    """Return executions that a process had when it was killed."""
    dying = world.faulty()
    dead = world.chain_engine(store=dying, runners=runners, **more)
    await dead.start()
    submitted = [await dead.submit(agent) for agent in agents]
    await settle()
    await die(dead, dying)
    return submitted


async def one_then_wait(context: RunContext) -> None:
    async def work() -> Json:
        return "done"

    await context.action("first", work, parameters={"n": 1})
    await asyncio.Event().wait()


async def test_what_a_dead_process_left_goes_on_where_its_journal_stands(enter: Enter) -> None:
    gate = Gate()
    ran: list[str] = []

    async def work(context: RunContext) -> Json:
        async def perform() -> Json:
            ran.append("first")
            return "done"

        assert await context.action("first", perform) == "done"
        assert [result.result for result in context.history] == ["done"]
        await gate(context)
        return "end"

    world = World(runner_agent("work"))
    [execution_id] = await left_behind(world, "work", runners={"work": work})
    living = await enter(world.engine(runners={"work": work}))
    asked = asyncio.create_task(living.result(execution_id))
    await world.clock.advance(TAKEN)
    taken = (await world.events(execution_id))[-1]
    assert (taken.kind, taken.data) == ("taken_over", {"owner": "e2-1", "from": "e1-1"})
    assert (await living.get_execution(execution_id)).status == "running"
    gate.open.set()
    body = await asked
    assert body == await world.ended(execution_id)
    assert body["outcome"] == "succeeded"
    assert ran == ["first"]
    assert is_empty(living)


async def test_who_waits_before_the_take_over_waits_on_after_it(enter: Enter) -> None:
    world = World(runner_agent("nothing"), runner_agent("forever"))
    [execution_id] = await left_behind(world, "forever")
    living = await enter(world.engine())
    seen: list[str] = []

    async def watch() -> None:
        seen.extend([event.kind async for event in living.watch(execution_id)])

    watching = asyncio.create_task(watch())
    await world.clock.advance(TAKEN)
    await living.cancel(execution_id)
    await watching
    assert seen == ["accepted", "started", "taken_over", "cancel_requested", "completed"]


async def test_what_waited_for_its_turn_waits_again(enter: Enter) -> None:
    gate = Gate()
    world = World(runner_agent("gate"))
    first, second, third = await left_behind(world, *["gate"] * 3, runners={"gate": gate})
    living = await enter(world.engine(runners={"gate": gate}))
    await world.clock.advance(TAKEN)
    assert gate.entered == 2  # once in each process
    stands = [(await living.get_execution(one)).status for one in (first, second, third)]
    assert stands == ["running", "queued", "queued"]
    gate.open.set()
    for execution_id in (first, second, third):
        assert (await living.result(execution_id))["outcome"] == "succeeded"
    assert await world.kinds(third) == ["accepted", "taken_over", "started", "completed"]


async def test_what_ran_and_has_to_wait_here_is_told_to_be_running(enter: Enter) -> None:
    gate = Gate()
    world = World(runner_agent("gate"))
    [execution_id] = await left_behind(world, "gate", runners={"gate": gate})
    living = await enter(world.engine(runners={"gate": gate}, max_queued=0))
    await living.submit("gate")
    await world.clock.advance(TAKEN)
    assert (await living.get_execution(execution_id)).status == "running"
    gate.open.set()
    await living.result(execution_id)
    assert await world.kinds(execution_id) == ["accepted", "started", "taken_over", "completed"]


async def test_a_cancel_that_was_journaled_is_kept(enter: Enter) -> None:
    world = World(runner_agent("stubborn"))

    over = asyncio.Event()

    async def stubborn(context: RunContext) -> None:
        while not over.is_set():
            with suppress(asyncio.CancelledError):
                await over.wait()

    async def obedient(context: RunContext) -> None:
        await asyncio.Event().wait()

    dying = world.faulty()
    dead = world.engine(dying, {"stubborn": stubborn})
    await dead.start()
    execution_id = await dead.submit("stubborn")
    await settle()
    await dead.cancel(execution_id, reason="enough")
    await die(dead, dying)
    await enter(world.engine(runners={"stubborn": obedient}))
    await world.clock.advance(TAKEN)
    body: Any = await world.ended(execution_id)
    assert (body["outcome"], body["error"]["details"]) == ("cancelled", {"reason": "enough"})
    over.set()


async def test_a_cancel_of_what_never_started_ends_it_at_once(enter: Enter) -> None:
    world = World(runner_agent("forever"))
    dying = world.faulty()
    dead = world.engine(dying)
    await dead.start()
    await dead.submit("forever")
    waiting = await dead.submit("forever")
    [record] = [r for r in await world.inner.scan("execution") if r.key == waiting]
    asked = NewEvent(1.0, "cancel_requested", '{"principal":"p","reason":""}')
    await world.inner.commit([Append(waiting, 2, (asked,))])
    assert record.version == 1
    await die(dead, dying)
    await enter(world.engine())
    await world.clock.advance(TAKEN)
    assert (await world.ended(waiting))["outcome"] == "cancelled"
    assert await world.kinds(waiting) == [
        *("accepted", "cancel_requested", "taken_over", "completed")
    ]


async def test_what_never_started_starts_here_if_there_is_room(enter: Enter) -> None:
    world = World(runner_agent("forever"), runner_agent("nothing"))
    _, waiting = await left_behind(world, "forever", "nothing", max_running=1)
    living = await enter(world.engine())
    await world.clock.advance(TAKEN)
    assert (await living.result(waiting))["outcome"] == "succeeded"
    assert await world.kinds(waiting) == ["accepted", "taken_over", "started", "completed"]


async def test_a_cancel_that_comes_too_late_for_what_only_had_to_be_repeated_changes_nothing(
    enter: Enter,
) -> None:
    over = asyncio.Event()

    async def stubborn(context: RunContext) -> None:
        await doing("a")(context)
        while not over.is_set():
            with suppress(asyncio.CancelledError):
                await over.wait()

    world = World(runner_agent("work"))
    changing = Changing(stubborn, doing("a"))
    dying = world.faulty()
    dead = world.engine(dying, {"work": changing})
    await dead.start()
    execution_id = await dead.submit("work")
    await settle()
    await dead.cancel(execution_id)
    await die(dead, dying)
    await enter(world.engine(runners={"work": changing}))
    await world.clock.advance(TAKEN)
    assert (await world.ended(execution_id))["outcome"] == "succeeded"
    over.set()


async def test_the_deadline_stays_what_it_was(enter: Enter) -> None:
    world = World(runner_agent("forever", max_concurrent=2))
    dying = world.faulty()
    dead = world.engine(dying)
    await dead.start()
    now = world.clock.now()
    past, future = [await dead.submit("forever", deadline=now + n) for n in (5, 60)]
    await settle()
    await die(dead, dying)
    await enter(world.engine())
    await world.clock.advance(TAKEN)
    assert (await world.ended(past))["outcome"] == "timed_out"
    assert (await world.kinds(future))[-1] == "taken_over"
    await world.clock.advance(30)
    assert (await world.ended(future))["outcome"] == "timed_out"


async def test_an_effect_under_way_is_watched_to_its_end_and_not_sent_anew(enter: Enter) -> None:
    world = World(chain_agent())
    world.chain.automine = False
    dying = world.faulty()
    dead = world.chain_engine(plan("set", "get"), store=dying)
    await dead.start()
    execution_id = await dead.submit("a")
    await settle()
    await die(dead, dying)
    living = await enter(world.chain_engine())
    await world.clock.advance(TAKEN)
    world.chain.mine()
    await world.clock.advance(5)
    body = await world.ended(execution_id)
    assert body["outcome"] == "succeeded"
    assert body["planned"] == 2
    assert sum(body["effects"].values()) == 1
    kinds = await world.kinds(execution_id)
    assert kinds.count("effect_signed") == 1
    assert len(set(world.chain.broadcasts)) == 1
    assert (await world.chain.account(world.signer.address)).nonce == 1
    assert is_empty(living)


async def test_a_cancelled_execution_with_bytes_in_flight_tells_what_became_of_them(
    enter: Enter,
) -> None:
    world = World(chain_agent())
    world.chain.automine = False
    dying = world.faulty()
    dead = world.chain_engine(plan("set", "get"), store=dying)
    await dead.start()
    execution_id = await dead.submit("a")
    await settle()
    asked = asyncio.create_task(dead.cancel(execution_id))
    await settle()
    await die(dead, dying)
    await asked
    await enter(world.chain_engine(settle_timeout=30))
    await world.clock.advance(TAKEN)
    assert (await world.kinds(execution_id))[-1] == "taken_over"
    world.chain.mine()
    await world.clock.advance(5)
    body = await world.ended(execution_id)
    assert body["outcome"] == "cancelled"
    [result] = body["results"]
    assert result["success"]


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("no runner", "runner_not_configured"),
        ("no snapshot", "snapshot_missing"),
        ("odd snapshot", "snapshot_unreadable"),
        ("newer events", "newer_journal"),
        ("odd events", "journal_unreadable"),
    ],
)
async def test_what_cannot_be_taken_up_is_ended_with_the_reason(
    enter: Enter, how: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(runner_agent("work"))
    [execution_id] = await left_behind(world, "work", runners={"work": one_then_wait})
    head = len(await world.events(execution_id))
    [snapshot] = await world.inner.scan("snapshot")
    if how == "no snapshot":
        await world.inner.commit([Delete("snapshot", snapshot.key, 1)])
    elif how == "odd snapshot":
        await world.inner.commit([Put("snapshot", snapshot.key, 1, '{"agent":{"idd":1}}')])
    elif how == "newer events":
        newer = NewEvent(1.0, "thought", "{}", schema=2)
        await world.inner.commit([Append(execution_id, head + 1, (newer,))])
    elif how == "odd events":
        odd = NewEvent(1.0, "action_started", '{"cycle":0}')
        await world.inner.commit([Append(execution_id, head + 1, (odd,))])
    runners = {} if how == "no runner" else {"work": one_then_wait}
    living = await enter(world.engine(runners=runners))
    asked = asyncio.create_task(living.result(execution_id))
    await world.clock.advance(TAKEN)
    body: Any = await asked
    assert body == await world.ended(execution_id)
    assert (body["outcome"], body["error"]["code"]) == ("interrupted", "interrupted")
    assert body["error"]["details"] == {"reason": reason}
    assert body["results"] == [
        {"function_name": "first", "parameters": {"n": 1}, "result": "done", "success": True}
    ]
    assert (await living.get_execution(execution_id)).outcome == "interrupted"
    assert [record.key for record in await world.inner.scan(OWNER)] == ["e2-1"]
    assert "ended as interrupted" in caplog.text


async def test_effects_of_what_cannot_be_taken_up_are_counted_as_they_stand(enter: Enter) -> None:
    world = World(chain_agent(max_concurrent=2, runner=runner_agent("work").runner))
    world.chain.automine = False

    async def work(context: RunContext) -> None:
        await context.invoke(Action("set"))

    known, unknown = await left_behind(world, "a", "a", runners={"work": work})
    for effect in await world.inner.scan("effect"):
        if effect.key.startswith(unknown):
            await world.inner.commit([Delete("effect", effect.key, effect.version)])
    await enter(world.engine())
    await world.clock.advance(TAKEN)
    for execution_id in (known, unknown):
        body = await world.ended(execution_id)
        assert (body["outcome"], body["effects"]["pending"]) == ("interrupted", 1)


async def test_many_are_taken_up_by_two_processes_each_once(enter: Enter) -> None:
    world = World(runner_agent("forever", max_concurrent=150))
    orphans = await left_behind(world, *["forever"] * 150)
    engines = [world.engine(world.faulty(turns=1)) for _ in range(2)]
    await asyncio.gather(*(engine.start() for engine in engines))
    await world.clock.advance(TAKEN)
    while await world.inner.get(OWNER, "e1-1") is not None:
        await world.clock.advance(1)
    for execution_id in orphans:
        assert await world.kinds(execution_id) == ["accepted", "started", "taken_over"]
    running = [len(engine._roster) for engine in engines]
    assert sum(running) == 150
    owners = {record.key for record in await world.inner.scan(OWNER)}
    assert owners == {engine._leases.owner for engine in engines}
    for engine in engines:
        await engine.aclose()
        assert is_empty(engine)
    assert await world.inner.scan(OWNER) == []


async def test_a_look_that_fails_is_repeated(
    enter: Enter, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(runner_agent("forever"))
    [execution_id] = await left_behind(world, "forever")
    store = world.faulty()
    await enter(world.engine(store))
    store.readable = False
    await world.clock.advance(TAKEN)
    assert "could not be looked after" in caplog.text
    assert await world.kinds(execution_id) == ["accepted", "started"]
    store.readable = True
    await world.clock.advance(TAKEN)
    assert (await world.kinds(execution_id))[-1] == "taken_over"


async def test_what_a_process_lost_and_gets_back_replaces_what_it_still_had(
    enter: Enter,
) -> None:
    gate = Gate()
    world = World(runner_agent("gate"))
    slow, dying = world.faulty(), world.faulty()
    zombie = await enter(world.engine(slow, {"gate": gate}))
    execution_id = await zombie.submit("gate")
    await settle()
    slow.writable = slow.readable = False
    other = world.engine(dying, {"gate": gate})
    await other.start()
    await world.clock.advance(TAKEN)
    slow.writable = slow.readable = True
    await die(other, dying)
    await world.clock.advance(TAKEN)
    assert await world.kinds(execution_id) == [*("accepted", "started", "taken_over", "taken_over")]
    assert len(zombie._roster) == 1
    gate.open.set()
    assert (await zombie.result(execution_id))["outcome"] == "succeeded"
    await world.ended(execution_id)
    assert is_empty(zombie)


async def test_a_process_that_drains_takes_nothing_up(enter: Enter) -> None:
    world = World(runner_agent("forever"))
    [execution_id] = await left_behind(world, "forever")
    engine = await enter(world.engine())
    assert await engine.drain()
    await world.clock.advance(TAKEN)
    assert await world.kinds(execution_id) == ["accepted", "started"]


async def test_closing_in_the_middle_of_a_take_over_leaves_it_to_the_next(enter: Enter) -> None:
    world = World(runner_agent("forever"))
    [execution_id] = await left_behind(world, "forever")
    store = HoldingStore(world.inner)
    engine = world.engine(store)
    await engine.start()
    await world.clock.advance(TAKEN)
    assert store.holding
    await engine.aclose()
    assert is_empty(engine)
    await enter(world.engine())
    await world.clock.advance(TAKEN)
    assert (await world.kinds(execution_id))[-1] == "taken_over"


class HoldingStore(FaultyStore):
    """Holds every commit that appends to a journal, until its caller is cancelled."""

    holding = False

    async def commit(self, writes: Any, **more: Any) -> int:
        if any(isinstance(one, Append) for one in writes):
            self.holding = True
            await asyncio.Event().wait()
        return await super().commit(writes, **more)


# --- replay: code that asks again ----------------------------------------------------------------


class Changing:
    """A runner whose code is another one in the next process."""

    def __init__(self, *bodies: Any) -> None:
        self.bodies = list(bodies)

    async def __call__(self, context: RunContext) -> Json:
        value: Json = await self.bodies.pop(0)(context)
        return value


async def resumed(enter: Enter, first: Any, then: Any) -> tuple[World, str, Any]:
    """Run the first code until it waits, kill its process, go on with the other code."""
    world = World(runner_agent("work"))
    changing = Changing(first, then)
    [execution_id] = await left_behind(world, "work", runners={"work": changing})
    await enter(world.engine(runners={"work": changing}))
    await world.clock.advance(TAKEN + 10)
    return world, execution_id, await world.ended(execution_id)


def doing(name: str, value: Json = None, **more: Any) -> Any:
    async def perform() -> Json:
        return value

    async def work(context: RunContext) -> Json:
        return await context.action(name, perform, **more)

    return work


async def forever(_context: RunContext) -> None:
    await asyncio.Event().wait()


def in_order(*parts: Any) -> Any:
    async def work(context: RunContext) -> None:
        for part in parts:
            await part(context)

    return work


@pytest.mark.parametrize(
    ("then", "asked"),
    [
        (doing("b"), "b"),
        (doing("a", parameters={"n": 2}), "a"),
        (in_order(), "its end"),
        (lambda context: context.decide(forever), "decision"),
    ],
)
async def test_code_that_asks_for_other_steps_than_the_journal_has_is_refused(
    enter: Enter, then: Any, asked: str
) -> None:
    world, execution_id, body = await resumed(
        enter, in_order(doing("a", parameters={"n": 1}), forever), then
    )
    assert (body["outcome"], body["error"]["code"]) == ("interrupted", "replay_mismatch")
    assert body["error"]["details"] == {"asked": asked, "journaled": "a"}
    assert len(body["results"]) == 1
    assert (await world.kinds(execution_id))[-2:] == ["taken_over", "completed"]


async def test_code_that_skips_a_journaled_decision_is_refused(enter: Enter) -> None:
    async def decide(context: RunContext) -> None:
        async def ask() -> dict[str, Json]:
            return {"choice": 1}

        await context.decide(ask)
        await asyncio.Event().wait()

    _, _, body = await resumed(enter, decide, doing("a"))
    assert body["error"]["details"] == {"asked": "a", "journaled": "decision"}


async def test_a_mismatch_ends_the_execution_even_if_the_code_goes_on(enter: Enter) -> None:
    async def careless(context: RunContext) -> Json:
        try:
            await doing("b")(context)
        except Exception:  # noqa: BLE001 - what careless code does
            return "fine"
        return None

    _, _, body = await resumed(enter, in_order(doing("a"), forever), careless)
    assert (body["outcome"], body["error"]["code"]) == ("interrupted", "replay_mismatch")


async def test_what_failed_fails_again_with_the_same_error(enter: Enter) -> None:
    async def fail() -> Json:
        raise InvocationError("no", function="f")

    raised: list[Any] = []

    async def work(context: RunContext) -> Json:
        try:
            await context.action("a", fail)
        except InvocationError as error:
            raised.append((type(error), error.message, error.details))
        if len(raised) == 1:
            await asyncio.Event().wait()
        return None

    _, _, body = await resumed(enter, work, work)
    assert raised[0] == raised[1]
    assert body["outcome"] == "succeeded"


async def test_what_a_time_out_of_the_runner_cancelled_is_cancelled_by_it_again(
    enter: Enter,
) -> None:
    times = 0

    async def hang() -> Json:
        nonlocal times
        times += 1
        await asyncio.Event().wait()
        return None

    async def work(context: RunContext) -> Json:
        try:
            async with asyncio.timeout(0):
                await context.action("slow", hang)
        except TimeoutError:
            await context.emit({"late": True})
        if times and not again:
            await asyncio.Event().wait()
        return "late"

    again: list[int] = []

    async def second(context: RunContext) -> Json:
        again.append(1)
        return await work(context)

    world = World(runner_agent("work"))
    changing = Changing(work, second)
    dying = world.faulty()
    dead = world.engine(dying, {"work": changing})
    await dead.start()
    execution_id = await dead.submit("work")
    while (await world.kinds(execution_id))[-1] != "progress":
        await asyncio.sleep(0.001)
    await die(dead, dying)
    living = await enter(world.engine(runners={"work": changing}))
    await world.clock.advance(TAKEN)
    assert (await living.result(execution_id))["outcome"] == "succeeded"
    assert times == 1
    assert (await world.kinds(execution_id)).count("progress") == 1


async def test_an_action_that_must_not_happen_twice_is_in_doubt_and_so_is_the_execution(
    enter: Enter,
) -> None:
    ran: list[int] = []

    async def pay() -> Json:
        ran.append(1)
        await asyncio.Event().wait()
        return None

    async def work(context: RunContext) -> Json:
        return await context.action("pay", pay, once=True)

    world, execution_id, body = await resumed(enter, work, work)
    assert (body["outcome"], body["error"]["code"]) == ("in_doubt", "action_in_doubt")
    [result] = body["results"]
    assert (result["success"], result["error"]["code"]) == (False, "action_in_doubt")
    assert ran == [1]
    assert (await world.inner.get("execution", execution_id)).data["outcome"] == "in_doubt"  # type: ignore[union-attr]


async def test_what_is_in_doubt_stays_so_though_the_code_goes_on_and_dies_again(
    enter: Enter,
) -> None:
    async def hang() -> Json:
        await asyncio.Event().wait()
        return None

    async def work(context: RunContext) -> Json:
        try:
            await context.action("pay", hang, once=True)
        except Exception as error:  # noqa: BLE001 - whatever it is, this code goes on
            await context.emit({"error": type(error).__name__})
        if world.clock.now() < end:
            await asyncio.Event().wait()
        return "went on"

    world = World(runner_agent("work"))
    end = world.clock.now() + 40
    [execution_id] = await left_behind(world, "work", runners={"work": work})
    dying = world.faulty()
    second = world.engine(dying, {"work": work})
    await second.start()
    await world.clock.advance(TAKEN)
    assert (await world.kinds(execution_id))[-1] == "progress"
    await die(second, dying)
    await enter(world.engine(runners={"work": work}))
    await world.clock.advance(TAKEN)
    body: Any = await world.ended(execution_id)
    assert (body["outcome"], body["error"]["code"]) == ("in_doubt", "action_in_doubt")
    assert body["results"][-1]["result"] == "went on"
    assert (await world.kinds(execution_id)).count("progress") == 1


async def test_parts_that_run_side_by_side_need_not_ask_in_the_same_order(enter: Enter) -> None:
    """A new step of one part waits until the others have asked for what the journal has."""
    slow = asyncio.Event()

    async def branch(context: RunContext, name: str, pause: asyncio.Event | None) -> None:
        for n in range(2):
            if n and pause is not None:
                await pause.wait()
            await doing(name, parameters={"n": n})(context)

    def work(pause_left: Any, pause_right: Any) -> Any:
        async def run(context: RunContext) -> None:
            await asyncio.gather(
                branch(context, "left", pause_left), branch(context, "right", pause_right)
            )

        return run

    world = World(runner_agent("work"))
    changing = Changing(work(asyncio.Event(), None), work(None, slow))
    [execution_id] = await left_behind(world, "work", runners={"work": changing})
    living = await enter(world.engine(runners={"work": changing}))
    await world.clock.advance(10)
    while (await world.kinds(execution_id))[-1] != "taken_over":
        await world.clock.advance(0.5)
    slow.set()
    assert (await living.result(execution_id))["outcome"] == "succeeded"
    names = [r["function_name"] for r in (await world.ended(execution_id))["results"]]
    assert sorted(names) == ["left", "left", "right", "right"]


async def test_a_decision_may_not_use_the_journals_own_name(enter: Enter) -> None:
    async def work(context: RunContext) -> None:
        async def ask() -> dict[str, Json]:
            return {"cycle": 7}

        await context.decide(ask)

    world = World(runner_agent("work"))
    engine = await enter(world.engine(runners={"work": work}))
    body: Any = await engine.result(await engine.submit("work"))
    assert body["error"]["code"] == "invalid_value"


# --- replay: calls of contract functions ---------------------------------------------------------


def invoking(*functions: str) -> Any:
    async def work(context: RunContext) -> None:
        for function in functions:
            await context.invoke(Action(function))

    return work


async def chain_resumed(
    enter: Enter, first: Any, then: Any, *, agent: Any = None, mine: bool = True, **more: Any
) -> tuple[World, Any]:
    world = World(agent or chain_agent(runner=runner_agent("work").runner))
    world.chain.automine = mine
    changing = Changing(first, then)
    dying = world.faulty()
    dead = world.chain_engine(store=dying, runners={"work": changing})
    await dead.start()
    execution_id = await dead.submit("a")
    await world.clock.advance(1)
    await die(dead, dying)
    await enter(world.chain_engine(runners={"work": changing}, **more))
    await world.clock.advance(TAKEN + 10)
    return world, await world.ended(execution_id)


async def test_finished_calls_are_not_made_again_and_their_blocks_are_remembered(
    enter: Enter,
) -> None:
    asked: list[int | None] = []

    async def then(context: RunContext) -> None:
        first = await context.invoke(Action("set"))
        assert first.success
        read = await context.invoke(Action("get"))
        asked.append(read.block_number)
        assert context._steps.min_block == first.block_number  # type: ignore[attr-defined]

    world, body = await chain_resumed(enter, in_order(invoking("set"), forever), then)
    assert body["outcome"] == "succeeded"
    assert (await world.chain.account(world.signer.address)).nonce == 1
    assert asked


async def test_a_call_that_was_refused_is_refused_again_though_it_would_be_valid_now(
    enter: Enter,
) -> None:
    """What a change of configuration makes valid was journaled under its plain parameters."""
    world = World(chain_agent(runner=runner_agent("work").runner))
    changing = Changing(in_order(invoking("set"), forever), invoking("set"))
    dying = world.faulty()
    dead = world.chain_engine(store=dying, runners={"work": changing}, chains={})
    await dead.start()
    execution_id = await dead.submit("a")
    await settle()
    await die(dead, dying)
    await enter(world.chain_engine(runners={"work": changing}))
    await world.clock.advance(TAKEN)
    body = await world.ended(execution_id)
    assert body["outcome"] == "succeeded"
    [result] = body["results"]
    assert result["error"]["code"] == "chain_not_configured"
    assert (await world.chain.account(world.signer.address)).nonce == 0


async def test_a_finished_call_is_remembered_although_it_would_not_be_valid_now(
    enter: Enter,
) -> None:
    _, body = await chain_resumed(
        enter, in_order(invoking("set"), forever), invoking("set"), chains={}
    )
    assert body["outcome"] == "succeeded"
    assert body["results"][0]["success"]


async def test_a_call_that_was_begun_and_is_not_valid_now_has_failed(enter: Enter) -> None:
    async def hang(method: str) -> None:
        await asyncio.Event().wait()

    world = World(chain_agent(runner=runner_agent("work").runner))
    changing = Changing(invoking("get"), invoking("get"))
    world.chain.before = hang
    dying = world.faulty()
    dead = world.chain_engine(store=dying, runners={"work": changing})
    await dead.start()
    execution_id = await dead.submit("a")
    await settle()
    await die(dead, dying)
    await enter(world.chain_engine(runners={"work": changing}, chains={}))
    await world.clock.advance(TAKEN)
    [result] = (await world.ended(execution_id))["results"]
    assert result["error"]["code"] == "chain_not_configured"


async def test_what_was_sent_and_cannot_be_followed_here_ends_as_interrupted(
    enter: Enter,
) -> None:
    _, body = await chain_resumed(enter, invoking("set"), invoking("set"), mine=False, chains={})
    assert body["outcome"] == "interrupted"
    assert body["error"]["details"] == {"reason": "chain_not_configured"}
    assert body["effects"]["pending"] == 1
