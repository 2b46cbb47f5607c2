"""Executions that are accepted, run and end as they should."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest

from zephyrus_exec.engine import CycleRunner, ExecutionEngine, SystemClock
from zephyrus_exec.errors import (
    AgentBusy,
    AgentNotFound,
    AgentStopped,
    ContractNotFound,
    Draining,
    ExecutionNotFound,
    InvalidValue,
    InvocationError,
    NotRunning,
    Overloaded,
)
from zephyrus_exec.interfaces.runner import RunContext
from zephyrus_exec.model import (
    Agent,
    AgentStatus,
    Component,
    EventKind,
    Json,
    Outcome,
    Overlap,
    Principal,
)
from zephyrus_exec.repositories.memory import MemoryRepository
from zephyrus_exec.stores.memory import MemoryStore

from .conftest import Enter
from .world import Gate, World, check_stream, forever, is_empty, runner_agent, settle


async def test_an_execution_is_accepted_started_and_completed(enter: Enter) -> None:
    world = World(runner_agent("nothing"))
    engine = await enter(world.engine())
    execution_id = await engine.submit("nothing")
    body = await engine.result(execution_id)
    assert body == await world.ended(execution_id)
    assert body["outcome"] == "succeeded"
    assert await world.kinds(execution_id) == ["accepted", "started", "completed"]
    assert is_empty(engine)


async def test_acceptance_tells_agent_principal_input_and_deadline(enter: Enter) -> None:
    world = World(runner_agent("nothing"))
    engine = await enter(world.engine(max_duration=100))
    asked = world.clock.now() + 7
    execution_id = await engine.submit(
        "nothing", principal=Principal("alice"), input={"n": [1]}, deadline=asked
    )
    accepted, started = (await world.events(execution_id))[:2]
    data = accepted.data
    snapshot = await world.inner.get("snapshot", str(data.pop("snapshot")))
    assert data == {
        "agent_id": "nothing",
        "principal": "alice",
        "input": {"n": [1]},
        "deadline": asked,
    }
    assert snapshot is not None
    assert started.data == {"owner": "e1-1"}


async def test_no_deadline_lies_beyond_the_longest_duration(enter: Enter) -> None:
    world = World(runner_agent("nothing"))
    engine = await enter(world.engine(max_duration=100))
    for asked in (None, world.clock.now() + 1000):
        execution_id = await engine.submit("nothing", deadline=asked)
        accepted = (await world.events(execution_id))[0]
        assert accepted.data["deadline"] == world.clock.now() + 100


@pytest.mark.parametrize("deadline", [float("nan"), float("inf"), float("-inf")])
async def test_a_deadline_that_is_no_time_is_refused(enter: Enter, deadline: float) -> None:
    world = World(runner_agent("nothing"))
    engine = await enter(world.engine())
    with pytest.raises(InvalidValue, match="deadline"):
        await engine.submit("nothing", deadline=deadline)
    assert is_empty(engine)


async def test_what_a_runner_returns_becomes_the_last_result(enter: Enter) -> None:
    async def answer(_context: RunContext) -> Json:
        return {"answer": 42}

    world = World(runner_agent("answer"))
    engine = await enter(world.engine(runners={"answer": answer}))
    body = await engine.result(await engine.submit("answer"))
    assert body["results"] == [
        {"function_name": "answer", "parameters": {}, "result": {"answer": 42}, "success": True}
    ]


async def test_a_runner_sees_what_it_runs_for(enter: Enter) -> None:
    seen: dict[str, Any] = {}

    async def look(context: RunContext) -> None:
        seen.update(vars(context), cancelled=context.cancelled, history=context.history)

    world = World(runner_agent("look", contract_id="c"))
    engine = await enter(world.engine(runners={"look": look}))
    execution_id = await engine.submit("look", principal=Principal("bob"), input=3)
    await engine.result(execution_id, principal=Principal("bob"))
    assert seen["execution_id"] == execution_id
    assert (seen["agent"].id, seen["contract"].id) == ("look", "c")
    assert (seen["principal"].id, seen["input"]) == ("bob", 3)
    assert (seen["cancelled"], seen["history"]) == (False, ())


@pytest.mark.parametrize(
    ("agent", "error"),
    [
        ("nobody", AgentNotFound),
        ("stopped", AgentStopped),
        ("homeless", ContractNotFound),
    ],
)
async def test_what_cannot_be_executed_is_refused_and_nothing_is_journaled(
    enter: Enter, agent: str, error: type[Exception]
) -> None:
    world = World(
        runner_agent("stopped", status=AgentStatus.STOPPED),
        runner_agent("homeless", contract_id="nowhere"),
    )
    engine = await enter(world.engine())
    with pytest.raises(error):
        await engine.submit(agent)
    assert await world.inner.tail(0) == []


async def test_a_paused_agent_runs_when_asked(enter: Enter) -> None:
    world = World(Agent("p", runner=Component("nothing"), status=AgentStatus.PAUSED))
    engine = await enter(world.engine())
    assert (await engine.result(await engine.submit("p")))["outcome"] == "succeeded"


async def test_input_that_is_no_json_is_refused_and_leaves_nothing(enter: Enter) -> None:
    world = World(runner_agent("nothing"))
    engine = await enter(world.engine())
    with pytest.raises(InvalidValue):
        await engine.submit("nothing", input={"n": float("nan")})
    with pytest.raises(InvalidValue):
        await engine.submit("nothing", deadline=float("nan"))
    assert is_empty(engine)
    assert await world.inner.tail(0) == []


async def test_an_unknown_runner_is_a_failure_that_says_which_there_are(enter: Enter) -> None:
    world = World(runner_agent("missing"))
    engine = await enter(world.engine())
    body = await engine.result(await engine.submit("missing"))
    error: Any = body["error"]
    assert (body["outcome"], error["code"]) == ("failed", "runner_not_configured")
    assert error["details"] == {"runner": "missing", "known": "cycle, forever, nothing"}


async def test_an_agent_that_names_no_planner_fails_saying_what_to_configure(
    enter: Enter,
) -> None:
    world = World(Agent("bare"))
    engine = await enter(world.engine())
    body = await engine.result(await engine.submit("bare"))
    error: Any = body["error"]
    assert (body["outcome"], error["code"]) == ("failed", "planner_not_configured")
    assert "planner.name" in error["message"]


async def test_a_runner_that_raises_fails_under_an_incident_that_the_log_has(
    enter: Enter, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(_context: RunContext) -> None:
        raise ValueError("secret detail")

    world = World(runner_agent("broken"))
    engine = await enter(world.engine(runners={"broken": broken}))
    body = await engine.result(await engine.submit("broken"))
    error: Any = body["error"]
    assert (body["outcome"], error["code"]) == ("failed", "runner_failed")
    assert "secret" not in str(body)
    assert error["details"]["incident"] in caplog.text
    assert "secret detail" in caplog.text


class _Odd(BaseException):
    """What pytest's own failures are, for example."""


@pytest.mark.parametrize("error", [_Odd, SystemExit])
async def test_a_runner_that_raises_what_is_no_exception_fails_too(
    enter: Enter, error: type[BaseException]
) -> None:
    async def broken(_context: RunContext) -> None:
        raise error

    world = World(runner_agent("broken"))
    engine = await enter(world.engine(runners={"broken": broken}))
    body: Any = await engine.result(await engine.submit("broken"))
    assert (body["outcome"], body["error"]["code"]) == ("failed", "runner_failed")
    assert is_empty(engine)


async def test_an_error_of_ours_is_told_with_its_own_code(enter: Enter) -> None:
    async def refuse(_context: RunContext) -> None:
        details: dict[str, Any] = {"amount": object}
        raise InvocationError("not today", **details)

    world = World(runner_agent("refuse"))
    engine = await enter(world.engine(runners={"refuse": refuse}))
    body = await engine.result(await engine.submit("refuse"))
    error: Any = body["error"]
    assert (body["outcome"], error["code"]) == ("failed", "invocation")
    assert error["details"] == {"amount": "<class 'object'>"}


@pytest.mark.parametrize("value", [object(), float("inf"), "\ud800", {1: {2}}])
async def test_a_runner_that_returns_no_json_fails(enter: Enter, value: Any) -> None:
    async def odd(_context: RunContext) -> Json:
        result: Json = value
        return result

    world = World(runner_agent("odd"))
    engine = await enter(world.engine(runners={"odd": odd}))
    execution_id = await engine.submit("odd")
    body = await engine.result(execution_id)
    error: Any = body["error"]
    assert (body["outcome"], error["code"]) == ("failed", "invalid_value")
    await world.ended(execution_id)


async def test_a_runner_that_cancels_itself_is_told_as_cancelled(enter: Enter) -> None:
    async def give_up(_context: RunContext) -> None:
        raise asyncio.CancelledError

    world = World(runner_agent("give_up"))
    engine = await enter(world.engine(runners={"give_up": give_up}))
    body = await engine.result(await engine.submit("give_up"))
    assert body["outcome"] == "cancelled"


async def test_a_task_that_somebody_cancels_from_outside_is_interrupted(enter: Enter) -> None:
    world = World(runner_agent("forever"))
    engine = await enter(world.engine())
    execution_id = await engine.submit("forever")
    await settle()
    task = engine._roster.executions[execution_id].task
    assert task is not None
    task.cancel()
    assert (await engine.result(execution_id))["outcome"] == "interrupted"


async def test_results_cannot_be_changed_after_they_were_journaled(enter: Enter) -> None:
    async def meddle(context: RunContext) -> Json:
        value: Any = {"n": 1}

        async def give() -> Json:
            result: Json = value
            return result

        await context.action("give", give)
        value["n"] = object()
        return None

    world = World(runner_agent("meddle"))
    engine = await enter(world.engine(runners={"meddle": meddle}))
    body: Any = await engine.result(await engine.submit("meddle"))
    assert body["outcome"] == "succeeded"
    assert body["results"][0]["result"] == {"n": 1}


# --- overlap, concurrency, queue -----------------------------------------------------------------


async def test_overlap_queue_runs_one_after_the_other_in_order(enter: Enter) -> None:
    gate = Gate()
    world = World(runner_agent("gate"))
    engine = await enter(world.engine(runners={"gate": gate}))
    first, second = await engine.submit("gate"), await engine.submit("gate")
    await settle()
    assert gate.entered == 1
    assert (await engine.get_execution(first)).status == "running"
    assert (await engine.get_execution(second)).status == "queued"
    assert await world.kinds(second) == ["accepted"]
    gate.open.set()
    await engine.result(second)
    assert await world.kinds(second) == ["accepted", "started", "completed"]
    assert (await engine.get_execution(second)).outcome is Outcome.SUCCEEDED


async def test_an_execution_whose_turn_came_is_told_to_be_running(enter: Enter) -> None:
    world = World(runner_agent("forever"))
    engine = await enter(world.engine())
    first, second = await engine.submit("forever"), await engine.submit("forever")
    await engine.cancel(first)
    await settle()
    assert (await engine.get_execution(second)).status == "running"
    assert await world.kinds(second) == ["accepted", "started"]


async def test_max_concurrent_executions_of_an_agent_run_at_once(enter: Enter) -> None:
    gate = Gate()
    world = World(runner_agent("gate", max_concurrent=3))
    engine = await enter(world.engine(runners={"gate": gate}))
    submitted = [await engine.submit("gate") for _ in range(5)]
    await settle()
    assert gate.entered == 3
    gate.open.set()
    for execution_id in submitted:
        await engine.result(execution_id)
    assert gate.entered == 5


async def test_different_agents_run_at_once_up_to_the_limit_of_the_engine(enter: Enter) -> None:
    gate = Gate()
    names = "abc"
    world = World(*(Agent(name, runner=Component("gate")) for name in names))
    engine = await enter(world.engine(runners={"gate": gate}, max_running=2))
    submitted = [await engine.submit(name) for name in names]
    await settle()
    assert gate.entered == 2
    gate.open.set()
    for execution_id in submitted:
        await engine.result(execution_id)


async def test_overlap_refuse_refuses_while_it_runs(enter: Enter) -> None:
    world = World(runner_agent("forever", overlap=Overlap.REFUSE))
    engine = await enter(world.engine())
    first = await engine.submit("forever")
    with pytest.raises(AgentBusy):
        await engine.submit("forever")
    await engine.cancel(first)
    await engine.result(first)
    await engine.submit("forever")


async def test_overlap_join_gives_the_execution_that_runs(enter: Enter) -> None:
    gate = Gate()
    world = World(runner_agent("gate", overlap=Overlap.JOIN))
    engine = await enter(world.engine(runners={"gate": gate}))
    joined = await asyncio.gather(*(engine.submit("gate") for _ in range(5)))
    assert len(set(joined)) == 1
    gate.open.set()
    await engine.result(joined[0])
    assert gate.entered == 1
    assert await engine.submit("gate") != joined[0]


async def test_nobody_joins_an_execution_that_was_asked_to_end(enter: Enter) -> None:
    world = World(runner_agent("forever", overlap=Overlap.JOIN))
    engine = await enter(world.engine())
    first = await engine.submit("forever")
    await engine.cancel(first)
    second = await engine.submit("forever")
    assert second != first
    await settle()
    assert (await engine.get_execution(second)).status == "running"


async def test_a_full_queue_refuses_and_nothing_is_journaled(enter: Enter) -> None:
    world = World(runner_agent("forever"))
    engine = await enter(world.engine(max_queued=1))
    await engine.submit("forever")
    await engine.submit("forever")
    head = len(await world.inner.tail(0))
    with pytest.raises(Overloaded):
        await engine.submit("forever")
    assert len(await world.inner.tail(0)) == head
    assert len(engine._roster.executions) == 2


# --- deadlines -----------------------------------------------------------------------------------


async def test_a_deadline_ends_what_runs_as_timed_out(enter: Enter) -> None:
    world = World(runner_agent("forever"))
    engine = await enter(world.engine())
    execution_id = await engine.submit("forever", deadline=world.clock.now() + 5)
    await world.clock.advance(4.9)
    assert await world.kinds(execution_id) == ["accepted", "started"]
    await world.clock.advance(0.2)
    body = await world.ended(execution_id)
    assert (body["outcome"], body["error"]["code"]) == ("timed_out", "timed_out")
    assert is_empty(engine)


async def test_a_deadline_ends_what_waits_for_its_turn(enter: Enter) -> None:
    world = World(runner_agent("forever"))
    engine = await enter(world.engine())
    await engine.submit("forever")
    waiting = await engine.submit("forever", deadline=world.clock.now() + 5)
    await world.clock.advance(5)
    assert (await world.ended(waiting))["outcome"] == "timed_out"
    assert await world.kinds(waiting) == ["accepted", "completed"]


async def test_a_deadline_in_the_past_ends_it_at_once(enter: Enter) -> None:
    world = World(runner_agent("forever"))
    engine = await enter(world.engine())
    execution_id = await engine.submit("forever", deadline=1.0)
    assert (await engine.result(execution_id))["outcome"] == "timed_out"


async def test_a_runner_that_ignores_cancellation_is_left_behind(
    enter: Enter, caplog: pytest.LogCaptureFixture
) -> None:
    held = Gate()
    refused: list[BaseException] = []

    async def stubborn(context: RunContext) -> None:
        while not held.open.is_set():
            try:
                await held.open.wait()
            except asyncio.CancelledError:
                continue
        for late in (context.emit({}), context.decide(forever_asked)):
            try:
                await late
            except NotRunning as error:
                refused.append(error)

    async def forever_asked() -> dict[str, Json]:
        raise AssertionError("nobody may ask")

    world = World(runner_agent("stubborn"))
    engine = await enter(world.engine(runners={"stubborn": stubborn}, settle_timeout=10))
    execution_id = await engine.submit("stubborn")
    await settle()
    await engine.cancel(execution_id)
    await world.clock.advance(19.9)
    assert await world.kinds(execution_id) == ["accepted", "started", "cancel_requested"]
    await world.clock.advance(0.2)
    assert (await world.ended(execution_id))["outcome"] == "cancelled"
    assert "ignores cancellation" in caplog.text
    held.open.set()
    await settle()
    assert len(refused) == 2
    await world.ended(execution_id)
    assert is_empty(engine)


async def test_a_runner_that_stops_late_but_in_time_is_not_left_behind(enter: Enter) -> None:
    gate = Gate()

    async def slow(_context: RunContext) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await gate.open.wait()

    world = World(runner_agent("slow"))
    engine = await enter(world.engine(runners={"slow": slow}, settle_timeout=10))
    execution_id = await engine.submit("slow")
    await settle()
    await engine.cancel(execution_id)
    await world.clock.advance(19)
    gate.open.set()
    assert (await engine.result(execution_id))["outcome"] == "cancelled"
    await world.clock.advance(5)
    await world.ended(execution_id)


async def test_abandoning_what_is_ending_already_changes_nothing(enter: Enter) -> None:
    world = World(runner_agent("forever"))
    engine = await enter(world.engine())
    execution_id = await engine.submit("forever")
    await settle()
    execution = engine._roster.executions[execution_id]
    await engine.cancel(execution_id)
    await engine.result(execution_id)
    assert execution.cause is not None
    engine._conductor.abandon(execution, execution.cause)
    assert execution.abandoned is None


async def test_work_that_a_runner_left_going_cannot_add_to_an_ended_execution(
    enter: Enter,
) -> None:
    gate = Gate()
    left: list[asyncio.Task[Any]] = []

    async def careless(context: RunContext) -> None:
        async def wait() -> Json:
            await gate.open.wait()
            return "late"

        left.append(asyncio.create_task(_run(context.action("late", wait))))
        await asyncio.sleep(0)

    async def _run(work: Any) -> None:
        await work

    world = World(runner_agent("careless"))
    engine = await enter(world.engine(runners={"careless": careless}))
    execution_id = await engine.submit("careless")
    body = await engine.result(execution_id)
    gate.open.set()
    await asyncio.wait(left)
    assert isinstance(left[0].exception(), NotRunning)
    assert body["results"] == (await world.ended(execution_id))["results"] == []


# --- life ----------------------------------------------------------------------------------------


async def test_an_engine_that_was_not_started_takes_no_work() -> None:
    world = World(runner_agent("nothing"))
    engine = world.engine()
    assert not engine.running
    with pytest.raises(NotRunning):
        await engine.submit("nothing")
    await engine.aclose()


async def test_drain_waits_for_what_runs_and_waits_and_takes_nothing_new(enter: Enter) -> None:
    gate = Gate()
    world = World(runner_agent("gate"))
    engine = await enter(world.engine(runners={"gate": gate}))
    first, second = await engine.submit("gate"), await engine.submit("gate")
    draining = asyncio.create_task(engine.drain())
    await settle()
    with pytest.raises(Draining):
        await engine.submit("gate")
    assert not draining.done()
    gate.open.set()
    assert await draining
    assert (await world.ended(first))["outcome"] == "succeeded"
    assert (await world.ended(second))["outcome"] == "succeeded"


async def test_drain_gives_up_after_its_time(enter: Enter) -> None:
    world = World(runner_agent("forever"))
    engine = await enter(world.engine())
    await engine.submit("forever")
    draining = asyncio.create_task(engine.drain(timeout=5))
    await world.clock.advance(4)
    assert not draining.done()
    await world.clock.advance(1)
    assert await draining is False


async def test_drain_with_a_time_returns_as_soon_as_all_is_done(enter: Enter) -> None:
    gate = Gate()
    world = World(runner_agent("gate"))
    engine = await enter(world.engine(runners={"gate": gate}))
    await engine.submit("gate")
    draining = asyncio.create_task(engine.drain(timeout=5))
    await settle()
    gate.open.set()
    assert await draining is True


async def test_closing_ends_what_runs_and_waits_as_interrupted_once() -> None:
    world = World(runner_agent("forever"))
    engine = world.engine()
    await engine.start()
    submitted = [await engine.submit("forever") for _ in range(3)]
    await settle()
    await asyncio.gather(engine.aclose(), engine.aclose())
    await engine.aclose()
    for execution_id in submitted:
        body = await world.ended(execution_id)
        assert (body["outcome"], body["error"]["details"]) == (
            "interrupted",
            {"reason": "shutdown"},
        )
    assert is_empty(engine)
    assert await world.inner.scan("owner") == []
    assert not engine.running


async def test_a_closed_engine_takes_no_work() -> None:
    world = World(runner_agent("nothing"))
    engine = world.engine()
    async with engine:
        pass
    with pytest.raises(Draining):
        await engine.submit("nothing")


async def test_closing_while_a_request_looks_up_its_agent_accepts_nothing() -> None:
    arrived, go = asyncio.Event(), asyncio.Event()

    class SlowRepository(MemoryRepository):
        async def get_agent(self, agent_id: str) -> Agent:
            arrived.set()
            await go.wait()
            return await super().get_agent(agent_id)

    world = World()
    world.repository = SlowRepository([runner_agent("nothing")])
    engine = world.engine()
    await engine.start()
    request = asyncio.create_task(engine.submit("nothing"))
    await arrived.wait()
    await engine.aclose()
    go.set()
    with pytest.raises(Draining):
        await request
    assert await world.inner.tail(0) == []


async def test_memory_does_not_grow_with_executions(enter: Enter) -> None:
    world = World(
        runner_agent("nothing", max_concurrent=1000), runner_agent("forever", max_concurrent=50)
    )
    engine = await enter(world.engine())
    kept: list[weakref.ref[Any]] = []
    for n in range(1000):
        name = "forever" if n % 4 == 0 else "nothing"
        execution_id = await engine.submit(name)
        kept.append(weakref.ref(engine._roster.executions[execution_id]))
        if name == "forever":
            await engine.cancel(execution_id)
        await engine.result(execution_id)
    assert is_empty(engine)
    assert len(engine._deadlines) < 200
    assert len(engine._snapshots._stored) == 2
    await settle()
    gc.collect()
    assert sum(one() is not None for one in kept) == 0


async def test_an_engine_needs_no_clock_nor_ids_from_outside() -> None:
    world = World(runner_agent("nothing"))
    engine = ExecutionEngine(
        agents=world.repository,
        contracts=world.repository,
        store=MemoryStore(),
        runners={"nothing": lambda _context: asyncio.sleep(0)},
    )
    assert isinstance(engine.clock, SystemClock)
    async with engine:
        assert (await engine.result(await engine.submit("nothing")))["outcome"] == "succeeded"


async def test_the_cycle_runner_may_be_replaced(enter: Enter) -> None:
    world = World(Agent("a"))
    engine = await enter(world.engine(runners={"cycle": forever}))
    execution_id = await engine.submit("a")
    await settle()
    assert await world.kinds(execution_id) == ["accepted", "started"]
    assert not isinstance(engine._runners["cycle"], CycleRunner)


# --- looking -------------------------------------------------------------------------------------


async def test_an_execution_can_be_looked_up_at_every_stage(enter: Enter) -> None:
    world = World(runner_agent("forever"))
    engine = await enter(world.engine())
    alice = Principal("alice")
    execution_id = await engine.submit("forever", principal=alice)
    before = await engine.get_execution(execution_id, principal=alice)
    assert (before.agent_id, before.principal, before.status) == ("forever", "alice", "running")
    assert (before.created_at, before.ended_at, before.outcome) == (world.clock.now(), None, None)
    await world.clock.advance(3)
    await engine.cancel(execution_id, principal=alice, reason="enough")
    await engine.result(execution_id, principal=alice)
    after = await engine.get_execution(execution_id, principal=alice)
    assert (after.status, after.outcome) == ("completed", Outcome.CANCELLED)
    assert after.ended_at == before.created_at + 3
    assert after.error == {
        "code": "cancelled",
        "message": "cancelled: enough",
        "details": {"reason": "enough"},
    }


async def test_executions_are_listed_newest_first(enter: Enter) -> None:
    world = World(runner_agent("nothing"))
    engine = await enter(world.engine())
    submitted = [await engine.submit("nothing") for _ in range(3)]
    listed = await engine.list_executions(limit=2)
    assert [one.id for one in listed] == submitted[:0:-1]


async def test_what_does_not_exist_is_not_found(enter: Enter) -> None:
    engine = await enter(World().engine())
    with pytest.raises(ExecutionNotFound):
        await engine.get_execution("x")
    with pytest.raises(ExecutionNotFound):
        await engine.cancel("x")
    with pytest.raises(ExecutionNotFound):
        await engine.result("x")
    with pytest.raises(ExecutionNotFound):
        await anext(engine.watch("x"))


async def test_every_kind_of_event_that_is_written_is_documented(enter: Enter) -> None:
    world = World(runner_agent("forever"))
    engine = await enter(world.engine())
    execution_id = await engine.submit("forever")
    await settle()
    await engine.cancel(execution_id)
    await engine.result(execution_id)
    events = await world.events(execution_id)
    check_stream(events)
    assert {event.kind for event in events} <= {kind.value for kind in EventKind}


async def test_the_engine_tells_its_health_and_the_problems_of_an_agent(enter: Enter) -> None:
    world = World(runner_agent("forever"))
    engine = await enter(world.engine())
    await engine.submit("forever")
    health = await engine.health()
    assert (health.ready, health.details["running"]) == (True, 1)
    assert await engine.find_problems(Agent("a", runner=Component("forever"))) == []
    assert forever is engine._runners["forever"]


async def test_executions_of_one_agent_are_listed_page_by_page(enter: Enter) -> None:
    ana = Principal("ana")
    world = World(runner_agent("nothing"), runner_agent("forever"))
    engine = await enter(world.engine())
    mine = [await engine.submit("nothing", principal=ana) for _ in range(3)]
    theirs = await engine.submit("nothing")
    await engine.submit("forever", principal=ana)
    page = await engine.list_executions(principal=ana, agent_id="nothing", limit=2)
    assert [one.id for one in page] == mine[:0:-1]
    page = await engine.list_executions(
        principal=ana, agent_id="nothing", limit=2, before=page.next
    )
    assert ([one.id for one in page], page.next) == (mine[:1], None)
    page = await engine.list_executions(principal=ana, before=mine[1])
    assert [one.id for one in page] == mine[:1]
    for before in (theirs, "none"):
        with pytest.raises(ExecutionNotFound):
            await engine.list_executions(principal=ana, before=before)
