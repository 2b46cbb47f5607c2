"""The shipped runner: ask a planner, do what it says, until it has nothing more to say."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from zephyrus_exec.engine import CycleRunner
from zephyrus_exec.errors import PlannerError
from zephyrus_exec.interfaces.planner import Plan, Planner, PlanRequest
from zephyrus_exec.model import Action, Agent, Component, OnFailure
from zephyrus_exec.testing.ledger import reverting

from .conftest import Enter
from .world import TARGET, Script, World, chain_agent, plan


async def run(enter: Enter, world: World, script: Planner, **more: Any) -> dict[str, Any]:
    engine = await enter(world.chain_engine(planners={"script": script}, **more))
    execution_id = await engine.submit("a", input={"n": 1})
    await engine.result(execution_id)
    return await world.ended(execution_id)


async def test_a_plan_of_nothing_succeeds_with_nothing_done(enter: Enter) -> None:
    world = World(chain_agent())
    body = await run(enter, world, Script())
    assert (body["outcome"], body["results"], body["planned"]) == ("succeeded", [], 0)
    assert await world.kinds("e1-2") == ["accepted", "started", "planned", "completed"]


async def test_a_final_plan_of_nothing_does_so_too(enter: Enter) -> None:
    world = World(chain_agent())
    body = await run(enter, world, Script(Plan(final=True)))
    assert (body["outcome"], body["results"], body["planned"]) == ("succeeded", [], 0)


async def test_the_planner_is_asked_until_it_has_nothing_more(enter: Enter) -> None:
    script = Script(plan("get", final=False), plan("get", "get", final=False))
    world = World(chain_agent())
    body = await run(enter, world, script)
    assert (body["outcome"], len(body["results"]), body["planned"]) == ("succeeded", 3, 3)
    assert [request.cycle for request in script.requests] == [1, 2, 3]
    assert [len(request.history) for request in script.requests] == [0, 1, 3]
    assert script.requests[0].input == {"n": 1}
    contract = script.requests[0].contract
    assert contract is not None
    assert contract.id == "c"


async def test_after_a_final_plan_the_planner_is_not_asked_again(enter: Enter) -> None:
    script = Script(plan("get"))
    await run(enter, World(chain_agent()), script)
    assert len(script.requests) == 1


async def test_what_was_planned_is_journaled_before_anything_is_done(enter: Enter) -> None:
    world = World(chain_agent())
    await run(enter, world, Script(Plan((Action("get", message="to look"),), final=True)))
    events = await world.events("e1-2")
    assert [event.kind for event in events][2:4] == ["planned", "action_started"]
    planned, started = events[2].data, events[3].data
    assert (planned["cycle"], planned["final"]) == (1, True)
    assert (started["cycle"], started["step"], started["message"]) == (1, 1, "to look")


async def test_a_failed_action_ends_the_execution_and_the_batch(enter: Enter) -> None:
    world = World(chain_agent())
    world.chain.deploy(TARGET, {"get": reverting("closed")})
    body = await run(enter, world, Script(plan("get", "get")))
    assert (body["outcome"], body["error"]["code"]) == ("failed", "call_reverted")
    assert body["error"]["details"]["reason"] == "closed"
    assert [result["success"] for result in body["results"]] == [False]
    assert body["planned"] == 2


async def test_with_continue_the_planner_is_asked_again_even_after_a_final_plan(
    enter: Enter,
) -> None:
    world = World(chain_agent(on_failure=OnFailure.CONTINUE))
    world.chain.deploy(TARGET, {"get": reverting("closed"), "set": None})
    script = Script(plan("get", "set"), plan("set"))
    body = await run(enter, world, script)
    assert body["outcome"] == "succeeded"
    assert [result["success"] for result in body["results"]] == [False, True]
    assert not script.requests[1].history[0].success


async def test_a_planner_that_never_ends_reaches_the_limit_of_cycles(enter: Enter) -> None:
    script = Script(*(plan("get", final=False) for _ in range(9)))
    body = await run(enter, World(chain_agent(max_cycles=3)), script)
    assert (body["outcome"], body["error"]["code"]) == ("failed", "cycle_limit_reached")
    assert body["error"]["details"] == {"max_cycles": 3}
    assert len(script.requests) == 3
    assert len(body["results"]) == 3


async def test_a_planner_that_cannot_decide_fails_with_its_own_error(enter: Enter) -> None:
    class Undecided:
        async def plan(self, _request: PlanRequest) -> Plan:
            raise PlannerError("cannot decide")

    body = await run(enter, World(chain_agent()), Undecided())
    assert body["error"] == {"code": "planner", "message": "cannot decide", "details": {}}


async def test_a_planner_that_does_not_answer_in_time_fails_the_execution(enter: Enter) -> None:
    class Silent:
        async def plan(self, _request: PlanRequest) -> Plan:
            await asyncio.Event().wait()
            raise AssertionError("never")

    body = await run(enter, World(chain_agent()), Silent(), planner_timeout=0.0)
    assert (body["outcome"], body["error"]["code"]) == ("failed", "planner")
    assert body["error"]["message"] == "the planner did not answer within 0 s"


async def test_a_time_out_inside_the_planner_is_not_taken_for_ours(enter: Enter) -> None:
    class Slow:
        async def plan(self, _request: PlanRequest) -> Plan:
            raise TimeoutError("the model's API")

    body = await run(enter, World(chain_agent()), Slow())
    assert body["error"]["code"] == "runner_failed"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "is no plan"),
        ("transfer", "is no plan"),
        ({"actions": [{"funktion": "get"}]}, "function"),
        (Plan((Action("get", {"x": float("nan")}),)), "JSON"),
        (Plan((Action("get", {"x": object()}),)), "JSON"),  # type: ignore[dict-item]
    ],
)
async def test_an_answer_that_is_no_plan_fails_the_execution(
    enter: Enter, answer: Any, words: str
) -> None:
    class Odd:
        async def plan(self, _request: PlanRequest) -> Plan:
            result: Plan = answer
            return result

    world = World(chain_agent())
    body = await run(enter, world, Odd())
    assert (body["outcome"], body["error"]["code"]) == ("failed", "invalid_plan")
    assert words in body["error"]["message"]
    assert body["results"] == []


@pytest.mark.parametrize(
    ("planner", "words"),
    [
        (None, "names no planner; set planner.name to one of: script"),
        (Component("gpt"), "'gpt', which is not registered; registered: script"),
    ],
)
async def test_an_agent_without_a_registered_planner_fails_saying_what_to_configure(
    enter: Enter, planner: Component | None, words: str
) -> None:
    body = await run(enter, World(chain_agent(planner=planner)), Script())
    assert (body["outcome"], body["error"]["code"]) == ("failed", "planner_not_configured")
    assert words in body["error"]["message"]


def test_where_no_planner_is_registered_the_message_says_none() -> None:
    with pytest.raises(PlannerError, match="one of: none"):
        CycleRunner({}).planner_of(Agent("a"))
