"""Executions that have nothing to do are journaled whole, in one commit, or not at all."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from tests.unit.engine.conftest import Enter
from tests.unit.engine.world import World, chain_agent, die, is_empty, plan, settle
from zephyrus_exec.engine import ExecutionEngine
from zephyrus_exec.engine.quotas import Quota
from zephyrus_exec.errors import (
    AgentNotFound,
    ContractNotFound,
    ExecutionNotFound,
    InvalidPlan,
    Overloaded,
)
from zephyrus_exec.interfaces.planner import Plan, PlanRequest
from zephyrus_exec.model import Agent, Component, Json, Principal
from zephyrus_exec.planners.steps import StepsPlanner
from zephyrus_exec.testing.faulty_store import Fault

KINDS = ["accepted", "started", "planned", "completed"]
IDLE = Agent("idle", planner=Component("steps", {"steps": []}))


class Pure:
    """A planner that says it is pure, and does what it is told to."""

    pure: ClassVar[bool] = True

    def __init__(self, answer: Callable[[PlanRequest], Any]) -> None:
        self.answer = answer
        self.asked: list[PlanRequest] = []

    async def plan(self, request: PlanRequest) -> Plan:
        self.asked.append(request)
        found = self.answer(request)
        return await found if asyncio.isfuture(found) else found  # type: ignore[no-any-return]


class Slow(StepsPlanner):
    """The planner of steps, asked in a task."""

    pure: ClassVar[bool] = False


def raising(error: BaseException) -> Callable[[PlanRequest], Any]:
    def answer(_: PlanRequest) -> Any:
        raise error

    return answer


async def entered(enter: Enter, world: World, planner: Any, **more: Any) -> ExecutionEngine:
    return await enter(world.engine(planners={"steps": planner}, **more))


async def test_it_is_one_commit_and_says_what_it_said_in_two(enter: Enter) -> None:
    journals, records, commits = [], [], []
    for planner in (StepsPlanner(), Slow()):
        world = World(IDLE)
        store = world.faulty()
        engine = await entered(enter, world, planner, store=store)
        before = len(store.commits)
        accepted = await engine.accept("idle", input={"a": [1, "ñ"]}, principal=Principal("p"))
        result = await engine.result(accepted.id, principal=Principal("p"))
        assert result["outcome"] == "succeeded"
        commits.append(len(store.commits) - before)
        journals.append(await world.events(accepted.id))
        records.append(await world.inner.get("execution", accepted.id))
        await engine.drain()
        assert is_empty(engine)
    assert commits == [1, 2]
    assert [event.kind for event in journals[0]] == KINDS
    assert journals[0] == journals[1]
    assert records[0] is not None
    assert records[1] is not None
    assert (records[0].body, records[0].group) == (records[1].body, records[1].group)


async def test_accept_tells_the_end_and_submit_the_id(enter: Enter) -> None:
    world = World(IDLE)
    engine = await entered(enter, world, StepsPlanner())
    accepted = await engine.accept("idle")
    assert accepted.completed == (await world.events(accepted.id))[-1].body
    execution_id = await engine.submit("idle")
    assert (await engine.get_execution(execution_id)).outcome == "succeeded"
    assert await world.kinds(execution_id) == KINDS
    assert engine._roster.idle.is_set()


async def test_everybody_can_watch_it(enter: Enter) -> None:
    world = World(IDLE)
    store = world.faulty()
    engine = await entered(enter, world, StepsPlanner(), store=store)
    seen: list[str] = []

    async def follow() -> None:
        async for event in engine.tail():
            note(event.kind)

    note = seen.append

    following = asyncio.ensure_future(follow())
    await settle()
    execution_id = await engine.submit("idle")
    await settle()
    assert seen == KINDS
    following.cancel()
    await asyncio.wait({following})
    assert [event.kind async for event in engine.watch(execution_id)] == KINDS
    cursor = await engine.open_cursor(execution_id, ready=lambda _: None)
    assert (cursor.head, cursor.terminal) == (4, True)
    store.readable = False  # what ended last is in memory
    events = cursor.take_now(9)
    assert events is not None
    assert [event.kind for event in events] == KINDS
    assert cursor.ended


async def test_a_key_is_written_with_it(enter: Enter) -> None:
    world = World(IDLE)
    engine = await entered(enter, world, StepsPlanner())
    first = await engine.submit_once("idle", "key")
    again = await engine.submit_once("idle", "key")
    assert (again.execution_id, first.replayed, again.replayed) == (first.execution_id, False, True)
    assert len(await world.inner.scan("execution")) == 1


@pytest.mark.parametrize("fault", [Fault.UNAVAILABLE, Fault.UNKNOWN_LOST])
async def test_what_could_not_be_written_was_not_executed(enter: Enter, fault: Fault) -> None:
    world = World(IDLE)
    store = world.faulty()
    engine = await entered(enter, world, StepsPlanner(), store=store)
    store.fail(fault)
    with pytest.raises(Overloaded, match="nothing was executed"):
        await engine.submit("idle")
    assert await world.inner.scan("execution") == []
    assert is_empty(engine)
    await engine.submit("idle")


async def test_what_was_written_after_all_was_executed(enter: Enter) -> None:
    world = World(IDLE)
    store = world.faulty()
    engine = await entered(enter, world, StepsPlanner(), store=store)
    store.fail(Fault.UNKNOWN_WRITTEN)
    store.readable = False
    submitting = asyncio.ensure_future(engine.submit("idle"))
    await settle()
    assert not submitting.done()
    store.readable = True
    await world.clock.advance(1)
    assert await world.kinds(await submitting) == KINDS


async def test_who_dies_inside_the_commit_leaves_all_of_it(
    enter: Enter, may_leave_tasks: None
) -> None:
    world = World(IDLE)
    dying = world.faulty()
    dead = world.engine(dying, planners={"steps": StepsPlanner()})
    await dead.start()
    dying.fail(Fault.KILLED)
    submitting = asyncio.ensure_future(dead.submit("idle"))
    await settle()
    await die(dead, dying)
    assert not submitting.done()
    submitting.cancel()
    engine = await entered(enter, world, StepsPlanner())
    (record,) = await world.inner.scan("execution")
    assert await world.kinds(record.key) == KINDS
    await world.clock.advance(100)
    assert (await engine.result(record.key))["outcome"] == "succeeded"
    assert await world.kinds(record.key) == KINDS


async def test_the_first_plan_is_not_asked_for_twice(enter: Enter) -> None:
    world = World(chain_agent())
    planner = Pure(lambda request: plan("get") if not request.history else Plan())
    engine = await enter(world.chain_engine(planners={"script": planner}))
    accepted = await engine.accept("a")
    assert accepted.completed is None
    assert (await engine.result(accepted.id))["outcome"] == "succeeded"
    assert [request.cycle for request in planner.asked] == [1]
    planner.answer = lambda request: Plan(plan("get").actions) if not request.history else Plan()
    await engine.result(await engine.submit("a"))
    assert [request.cycle for request in planner.asked] == [1, 1, 2]


async def never(_: PlanRequest) -> Plan:
    await asyncio.Event().wait()
    return Plan()


@pytest.mark.parametrize(
    "answer",
    [
        raising(InvalidPlan("no")),
        raising(ValueError("no")),
        raising(asyncio.CancelledError()),
        lambda _: None,
        lambda _: Plan(final=1),  # type: ignore[arg-type]
    ],
)
async def test_what_is_wrong_with_a_plan_is_told_to_the_execution(
    enter: Enter, answer: Callable[[PlanRequest], Any]
) -> None:
    world = World(IDLE)
    engine = await entered(enter, world, Pure(answer))
    execution_id = await engine.submit("idle")
    assert (await engine.result(execution_id))["outcome"] != "succeeded"
    assert (await world.kinds(execution_id))[:2] == KINDS[:2]


async def test_a_planner_that_waits_all_the_same_is_asked_in_its_turn(enter: Enter) -> None:
    world = World(IDLE)
    answers: list[asyncio.Future[Plan]] = []

    def answer(_: PlanRequest) -> asyncio.Future[Plan]:
        answers.append(asyncio.get_running_loop().create_future())
        return answers[-1]

    engine = await entered(enter, world, Pure(answer))
    execution_id = await engine.submit("idle")
    await settle()
    answers[-1].set_result(Plan())
    assert (await engine.result(execution_id))["outcome"] == "succeeded"
    assert len(answers) == 2


@pytest.mark.parametrize("planner", [None, Component("none")])
async def test_an_agent_without_a_planner_fails_as_ever(
    enter: Enter, planner: Component | None
) -> None:
    world = World(Agent("idle", planner=planner))
    engine = await entered(enter, world, StepsPlanner())
    result: Any = await engine.result(await engine.submit("idle"))
    assert result["error"]["code"] == "planner_not_configured"


async def test_a_cycle_of_the_hosts_own_is_asked(enter: Enter) -> None:
    world = World(IDLE)

    async def own(_: object) -> Json:
        return "mine"

    engine = await entered(enter, world, StepsPlanner(), runners={"cycle": own})
    result: Any = await engine.result(await engine.submit("idle"))
    assert [one["result"] for one in result["results"]] == ["mine"]


async def test_one_whose_time_is_over_times_out(enter: Enter) -> None:
    world = World(IDLE)
    engine = await entered(enter, world, StepsPlanner())
    execution_id = await engine.submit("idle", deadline=world.clock.now())
    await world.clock.advance(1)
    assert (await engine.result(execution_id))["outcome"] == "timed_out"


async def test_it_waits_its_turn_behind_those_that_have_something_to_do(enter: Enter) -> None:
    world = World(Agent("idle", planner=Component("steps", {"steps": []}), max_concurrent=1))
    answers: list[asyncio.Future[Plan]] = []

    class Waits:
        async def plan(self, _: PlanRequest) -> Plan:
            answers.append(asyncio.get_running_loop().create_future())
            return await answers[-1]

    engine = await entered(enter, world, Waits())
    first = await engine.submit("idle")
    await settle()
    engine._runners["cycle"]._planners["steps"] = StepsPlanner()  # type: ignore[attr-defined]
    accepted = await engine.accept("idle")
    assert accepted.completed is None
    assert await world.kinds(accepted.id) == ["accepted"]
    answers[0].set_result(Plan())
    await engine.result(first)
    assert (await engine.result(accepted.id))["outcome"] == "succeeded"


async def test_quotas_count_what_runs_when_it_comes(enter: Enter) -> None:
    world = World(IDLE, Agent("waits", planner=Component("waits")))

    class Waits:
        async def plan(self, _: PlanRequest) -> Plan:
            await asyncio.Event().wait()
            return Plan()

    engine = await enter(
        world.engine(planners={"steps": StepsPlanner(), "waits": Waits()}, quota=Quota(running=1))
    )
    for _ in range(3):
        await engine.submit("idle")
    await engine.submit("waits")
    with pytest.raises(Overloaded):
        await engine.submit("idle")


async def test_nothing_is_foreseen_of_agents_that_may_not_run(enter: Enter) -> None:
    world = World(IDLE, Agent("lost", planner=Component("steps"), contract_id="none"))
    planner = Pure(lambda _: Plan())
    engine = await entered(enter, world, planner)
    with pytest.raises(AgentNotFound):
        await engine.submit("idle", principal=Principal("p", scopes=frozenset()))
    with pytest.raises(ContractNotFound):
        await engine.submit("lost")
    assert planner.asked == []


async def test_the_log_tells_of_it(enter: Enter, caplog: pytest.LogCaptureFixture) -> None:
    world = World(IDLE)
    engine = await entered(enter, world, StepsPlanner())
    with caplog.at_level(logging.INFO):
        execution_id = await engine.submit("idle")
    (line,) = [line for line in caplog.records if "nothing to do" in line.message]
    assert (line.execution, line.agent) == (execution_id, "idle")  # type: ignore[attr-defined]


async def test_it_is_only_for_who_may_see_it(enter: Enter) -> None:
    world = World(IDLE)
    store = world.faulty()
    engine = await entered(enter, world, StepsPlanner(), store=store)
    alice, bob = Principal("alice"), Principal("bob")
    execution_id = await engine.submit("idle", principal=alice)
    with pytest.raises(ExecutionNotFound):
        await engine.open_cursor(execution_id, principal=bob, ready=lambda _: None)
    assert await engine.cancel(execution_id, principal=alice) == "already_terminal"
    store.readable = False  # whose it is, is in memory
    cursor = await engine.open_cursor(execution_id, principal=alice, ready=lambda _: None)
    assert (cursor.agent_id, cursor.head) == ("idle", 4)
