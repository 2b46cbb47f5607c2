"""What an agent allows, checked before any node is asked."""

from __future__ import annotations

from typing import Any

import pytest

from zephyrus_exec.engine.policy import allowed_function, check_rules, with_defaults
from zephyrus_exec.errors import (
    FunctionDisabled,
    FunctionNotFound,
    InvalidArguments,
    RuleViolated,
)
from zephyrus_exec.model import (
    Action,
    Agent,
    AgentFunction,
    FunctionParameter,
    FunctionType,
    Rules,
)

AGENT = Agent(
    "a",
    functions=(
        AgentFunction("get"),
        AgentFunction("off", enabled=False),
        AgentFunction("pay", type=FunctionType.PAYABLE),
        AgentFunction("over", signature="over(uint256)"),
        AgentFunction("over", signature="over(address)"),
    ),
)


def test_a_function_is_found_by_name_and_by_signature() -> None:
    assert allowed_function(AGENT, Action("get")) is AGENT.functions[0]
    assert allowed_function(AGENT, Action("over(address)")) is AGENT.functions[4]


@pytest.mark.parametrize(
    ("agent", "name", "words"),
    [(AGENT, "put", "it has: get, off"), (AGENT, "", "has no"), (Agent("b"), "get", "none")],
)
def test_a_function_the_agent_lacks_is_not_found(agent: Agent, name: str, words: str) -> None:
    with pytest.raises(FunctionNotFound, match=words):
        allowed_function(agent, Action(name))


def test_no_name_means_no_function_even_where_there_is_only_one_without_signature() -> None:
    with pytest.raises(FunctionNotFound):
        allowed_function(Agent("b", functions=(AgentFunction("get"),)), Action(""))


def test_a_function_that_is_switched_off_is_refused() -> None:
    with pytest.raises(FunctionDisabled):
        allowed_function(AGENT, Action("off"))


def test_an_overloaded_name_must_be_told_apart() -> None:
    with pytest.raises(FunctionNotFound, match=r"over\(uint256\), over\(address\)"):
        allowed_function(AGENT, Action("over"))


@pytest.mark.parametrize(
    ("name", "wei", "problem"), [("get", 1, "not payable"), ("pay", -1, "negative")]
)
def test_value_goes_only_to_payable_functions_and_is_never_negative(
    name: str, wei: int, problem: str
) -> None:
    with pytest.raises(InvalidArguments) as raised:
        allowed_function(AGENT, Action(name, value_wei=wei))
    assert raised.value.details["problem"] == problem


def test_a_payable_function_may_be_sent_value() -> None:
    assert allowed_function(AGENT, Action("pay", value_wei=1)).name == "pay"


def test_defaults_fill_what_is_missing_and_nothing_else() -> None:
    function = AgentFunction(
        "f",
        parameters=(
            FunctionParameter("a", default=1),
            FunctionParameter("b", default=2),
            FunctionParameter("c"),
        ),
    )
    assert with_defaults(function, {"a": 7, "d": 8}) == {"a": 7, "b": 2, "d": 8}


def check(rules: Rules, value: Any) -> None:
    check_rules(AgentFunction("f", parameters=(FunctionParameter("x", rules),)), {"x": value})


@pytest.mark.parametrize(
    ("rules", "value"),
    [
        (Rules(), object()),
        (Rules(minimum=1, maximum=9), 1),
        (Rules(minimum=1, maximum=9), "9"),
        (Rules(minimum=-5), "-5"),
        (Rules(maximum=2**256 - 1), str(2**256 - 1)),
        (Rules(allowed=("0xAB", 5)), "0xab"),
        (Rules(allowed=("0xAB", 5)), "5"),
        (Rules(allowed=(True,)), True),
        (Rules(pattern="a+"), "aaa"),
        (Rules(min_length=2, max_length=2), "ab"),
        (Rules(min_length=2, max_length=2), "0xabcd"),
        (Rules(min_length=2, max_length=2), [1, 2]),
        (Rules(max_length=0), "0x"),
        (Rules(min_length=1), "ab"),
    ],
)
def test_values_within_the_rules_pass(rules: Rules, value: Any) -> None:
    check(rules, value)


@pytest.mark.parametrize(
    ("rules", "value", "rule"),
    [
        (Rules(minimum=1), 0, "minimum"),
        (Rules(maximum=1), "2", "maximum"),
        (Rules(minimum=1), "one", "minimum"),
        (Rules(maximum=1), True, "maximum"),
        (Rules(maximum=1), "9" * 5000, "maximum"),
        (Rules(allowed=("a",)), "b", "allowed"),
        (Rules(allowed=("5",)), "05", "allowed"),
        (Rules(allowed=(1,)), True, "allowed"),
        (Rules(allowed=("0xab",)), 5, "allowed"),
        (Rules(pattern="a+"), "ab", "pattern"),
        (Rules(pattern="a+"), 5, "pattern"),
        (Rules(min_length=1), "", "min_length"),
        (Rules(max_length=1), "0xabcd", "max_length"),
        (Rules(max_length=1), [1, 2], "max_length"),
        (Rules(min_length=1), 5, "min_length"),
        (Rules(max_length=1), 5, "max_length"),
    ],
)
def test_values_beyond_the_rules_are_refused_by_the_name_of_the_rule(
    rules: Rules, value: Any, rule: str
) -> None:
    with pytest.raises(RuleViolated) as raised:
        check(rules, value)
    assert raised.value.details["rule"] == rule
    assert raised.value.details["field"] == "$.x"


def test_a_rule_for_a_parameter_that_does_not_exist_stops_the_call() -> None:
    function = AgentFunction("f", parameters=(FunctionParameter("y", Rules(minimum=1)),))
    with pytest.raises(InvalidArguments, match="it has: x"):
        check_rules(function, {"x": 1})
