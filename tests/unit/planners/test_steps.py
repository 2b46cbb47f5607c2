"""A fixed list of calls that may refer to one another."""

from __future__ import annotations

from typing import Any

import pytest

from zephyrus_exec.errors import InvalidPlan, ReferenceNotFound
from zephyrus_exec.interfaces.planner import Plan, PlanRequest
from zephyrus_exec.model import (
    Action,
    ActionResult,
    Agent,
    AgentFunction,
    Component,
    Contract,
    FunctionType,
    Json,
)
from zephyrus_exec.planners import StepsPlanner

FUNCTIONS = (
    AgentFunction("read", abi={"outputs": [{"name": "", "type": "uint256[]"}]}),
    AgentFunction("write", type=FunctionType.WRITE),
    AgentFunction("pay", type=FunctionType.PAYABLE),
)
CONTRACT = Contract("token", "0x" + "aB" * 20, 57054)


def request(
    settings: Json,
    *history: ActionResult,
    contract: Contract | None = CONTRACT,
    given: Json = None,
) -> PlanRequest:
    assert isinstance(settings, dict)
    agent = Agent(
        "a", name="Ñ", owner=None, functions=FUNCTIONS, planner=Component("steps", settings)
    )
    return PlanRequest(agent, contract, given, 1 + len(history), history)


async def plan(steps: list[Any], *history: ActionResult, **how: Any) -> Plan:
    return await StepsPlanner().plan(request({"steps": steps}, *history, **how))


def result(name: str, value: Json = None, **fields: Any) -> ActionResult:
    return ActionResult("f", {}, value, fields.pop("success", True), name, **fields)


async def one(parameter: Json, *history: ActionResult, **how: Any) -> Json:
    """Return what a parameter of the last of two steps is filled with."""
    steps = [
        {"name": "first", "function": "write"},
        {"name": "last", "function": "write", "parameters": {"p": parameter}},
    ]
    planned = await plan(steps, *(history or (result("first"),)), **how)
    assert planned.final
    return planned.actions[-1].parameters["p"]


# --- which steps, when ---------------------------------------------------------------------------


async def test_no_steps_are_nothing_to_do() -> None:
    assert await plan([]) == Plan((), final=True)


async def test_steps_that_need_nothing_are_planned_together_and_finally() -> None:
    steps = [
        {"function": "read", "parameters": {"a": [1, {"b": None}]}},
        {"name": "paid", "function": "pay", "value_wei": "7", "message": "why ${x}"},
    ]
    assert await plan(steps) == Plan(
        (
            Action("read", {"a": [1, {"b": None}]}, 0, "1", ""),
            Action("pay", {}, 7, "paid", "why ${x}"),
        ),
        final=True,
    )


CHAIN: list[Json] = [
    {"name": "a", "function": "read"},
    {"name": "b", "function": "write"},
    {"name": "c", "function": "write", "parameters": {"p": "${steps.a.result[0]}"}},
    {"name": "d", "function": "write"},
    {"name": "e", "function": "write", "parameters": {"p": "x${steps.d.success}"}},
]


@pytest.mark.parametrize(
    ("done", "planned", "final"),
    [
        ([], ["a", "b"], False),
        (["a"], ["b", "c", "d"], False),
        (["a", "b"], ["c", "d"], False),
        (["a", "b", "c", "d"], ["e"], True),
        (["a", "b", "c", "d", "e"], [], True),
    ],
)
async def test_the_longest_run_of_steps_that_wait_for_nothing_is_planned(
    done: list[str], planned: list[str], final: bool
) -> None:
    answer = await plan(CHAIN, *(result(name, ["v"]) for name in done))
    assert [action.name for action in answer.actions] == planned
    assert answer.final is final


async def test_a_failed_step_is_done_and_those_behind_it_are_planned() -> None:
    answer = await plan(CHAIN, result("a", ["v"]), result("b", success=False))
    assert [action.name for action in answer.actions] == ["c", "d"]


async def test_the_answer_depends_on_the_request_alone() -> None:
    planner = StepsPlanner()
    asked = request({"steps": CHAIN}, result("a", ["v"]))
    await planner.plan(request({"steps": []}))
    assert await planner.plan(asked) == await StepsPlanner().plan(asked)


# --- what references lead to ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("${agent.id}", "a"),
        ("${agent.name}!", "Ñ!"),
        ("${agent.status}", "active"),
        ("${contract.address}", CONTRACT.address),
        ("${contract.chain_id}", 57054),
        ("chain ${contract.chain_id}", "chain 57054"),
        ("${input.a.b[1]}", {"c": None}),
        ("${input.a.b[1].c}", None),
        ("${input}", {"a": {"b": [1, {"c": None}]}}),
        ("$${agent.id}", "${agent.id}"),
        ({"deep": ["${input.a.b[0]}"]}, {"deep": [1]}),
    ],
)
async def test_a_parameter_refers_to_agent_contract_and_input(parameter: Json, value: Json) -> None:
    assert await one(parameter, given={"a": {"b": [1, {"c": None}]}}) == value


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("result", {"x": [None, "5"]}),
        ("result.x[1]", "5"),
        ("result.x[0]", None),
        ("success", True),
        ("transaction_hash", "0x1"),
        ("block_number", 0),
        ("gas_used", 21000),
    ],
)
async def test_a_parameter_refers_to_an_earlier_step(field: str, value: Json) -> None:
    first = result(
        "first", {"x": [None, "5"]}, transaction_hash="0x1", block_number=0, gas_used=21000
    )
    assert await one(f"${{steps.first.{field}}}", first) == value


async def test_a_step_without_a_name_is_called_by_its_position() -> None:
    steps: list[Json] = [
        {"function": "read"},
        {"function": "write", "parameters": {"p": "${steps.1.result[0]}"}},
    ]
    answer = await plan(steps, result("1", [7]))
    assert answer.actions[0].parameters == {"p": 7}


async def test_whether_a_failed_step_succeeded_may_be_asked() -> None:
    assert await one("${steps.first.success}", result("first", success=False)) is False


@pytest.mark.parametrize(
    "reference",
    [
        "nowhere.id",
        "signer.address",
        "agent.owner",
        "agent.functions",
        "agent.id.x",
        "contract.abi",
        "input.a",
        "steps",
        "steps.first",
        "steps[0].result",
        "steps.unknown.result",
        "steps.last.result",
        "steps.later.result",
        "steps.first.error",
        "steps.first[0]",
        "steps.first.success.x",
        "steps.reading.result.x",
        "steps.reading.transaction_hash",
        "steps.reading.gas_used",
    ],
)
async def test_a_reference_that_can_never_lead_anywhere_fails_before_anything_is_planned(
    reference: str,
) -> None:
    steps = [
        {"name": "first", "function": "write"},
        {"name": "reading", "function": "read"},
        {"name": "last", "function": "write", "parameters": {"p": f"x ${{{reference}}}"}},
        {"name": "later", "function": "write"},
    ]
    with pytest.raises(ReferenceNotFound) as caught:
        await plan(steps, given={"b": 1})
    assert caught.value.details == {"reference": reference, "step": "last"}


async def test_an_agent_without_contract_has_no_contract_fields() -> None:
    with pytest.raises(ReferenceNotFound):
        await one("${contract.address}", contract=None)


@pytest.mark.parametrize(
    ("first", "field"),
    [
        (result("first", [1], success=False), "result"),
        (result("first", [1]), "result[1]"),
        (result("first", [1]), "result.x"),
        (result("first", [1]), "transaction_hash"),
    ],
)
async def test_what_an_earlier_step_does_not_have_fails_once_it_is_done(
    first: ActionResult, field: str
) -> None:
    with pytest.raises(ReferenceNotFound) as caught:
        await one(f"${{steps.first.{field}}}", first)
    assert caught.value.details == {"reference": f"steps.first.{field}", "step": "last"}


async def test_a_reference_that_came_to_nothing_fails_before_the_steps_in_front_of_it() -> None:
    with pytest.raises(ReferenceNotFound):
        await plan(CHAIN, result("a", success=False))


# --- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({}, ".steps"),
        ({"steps": {}}, ".steps"),
        ({"steps": [], "step": []}, ""),
        ({"steps": ["read"]}, ".steps[0]"),
        ({"steps": [{"name": "a"}]}, ".steps[0].function"),
        ({"steps": [{"function": "burn"}]}, ".steps[0].function"),
        ({"steps": [{"function": "read", "name": ""}]}, ".steps[0].name"),
        ({"steps": [{"function": "read", "name": "a.b"}]}, ".steps[0].name"),
        ({"steps": [{"function": "read", "name": 1}]}, ".steps[0].name"),
        ({"steps": [{"function": "read", "name": "2"}, {"function": "read"}]}, ".steps[1].name"),
        (
            {"steps": [{"function": "read", "name": "a"}, {"function": "read", "name": "a"}]},
            ".steps[1].name",
        ),
        ({"steps": [{"function": "read", "parameters": []}]}, ".steps[0].parameters"),
        ({"steps": [{"function": "read", "params": {}}]}, ".steps[0]"),
        ({"steps": [{"function": "read", "message": 1}]}, ".steps[0].message"),
        (
            {"steps": [{"function": "read", "parameters": {"a": ["${"]}}]},
            ".steps[0].parameters.a[0]",
        ),
        (
            {"steps": [{"function": "read", "parameters": {"a": "x${input}"}}]},
            ".steps[0].parameters.a",
        ),
        ({"steps": [{"function": "write", "value_wei": 1}]}, ".steps[0].value_wei"),
        ({"steps": [{"function": "pay", "value_wei": "${agent.id}"}]}, ".steps[0].value_wei"),
    ],
)
async def test_wrong_settings_are_refused_at_their_field(settings: Json, field: str) -> None:
    with pytest.raises(InvalidPlan) as caught:
        await StepsPlanner().plan(request(settings))
    details = caught.value.details
    assert details["field"] == f"$.planner.settings{field}"
    assert caught.value.message == f"{details['problem']} @ {details['field']}; {details['remedy']}"


async def test_an_agent_whose_planner_has_no_settings_is_refused() -> None:
    with pytest.raises(InvalidPlan):
        await StepsPlanner().plan(PlanRequest(Agent("a"), None, None, 1, ()))


async def test_an_agent_without_functions_is_told_so() -> None:
    agent = Agent("a", planner=Component("steps", {"steps": [{"function": "f"}]}))
    with pytest.raises(InvalidPlan, match="once it has some"):
        await StepsPlanner().plan(PlanRequest(agent, None, None, 1, ()))


@pytest.mark.parametrize("value", [-1, 1.5, True, None, "", "0x1", "-1", " 1", [], 1 << 256])
async def test_a_value_that_is_no_amount_is_refused(value: Json) -> None:
    with pytest.raises(InvalidPlan, match="is no amount"):
        await plan([{"function": "pay", "value_wei": value}])


@pytest.mark.parametrize("amount", [5, "5"])
async def test_a_value_may_refer_to_an_earlier_result(amount: Json) -> None:
    steps = [
        {"name": "a", "function": "read"},
        {"function": "pay", "value_wei": "${steps.a.result[0]}"},
    ]
    assert not (await plan(steps)).final
    assert (await plan(steps, result("a", [amount]))).actions[0].value_wei == 5
    with pytest.raises(InvalidPlan):
        await plan(steps, result("a", ["x"]))
