"""What an ABI rules out about the shape of a result."""

from __future__ import annotations

import pytest

from zephyrus_exec.model import AgentFunction, Contract, FunctionType, Json, JsonObject
from zephyrus_exec.planners.outputs import may_exist
from zephyrus_exec.planners.references import Path

UINT: JsonObject = {"name": "", "type": "uint256"}


def named(name: str, kind: str, *components: JsonObject) -> JsonObject:
    return {"name": name, "type": kind, "components": list(components)}


PAIR = named("pair", "tuple", named("a", "uint256"), named("b", "string[]"))


def read(*outputs: Json) -> AgentFunction:
    return AgentFunction("f", abi={"type": "function", "name": "f", "outputs": list(outputs)})


@pytest.mark.parametrize(
    ("outputs", "path", "expected"),
    [
        ([UINT], (), True),
        ([UINT], ("x",), False),
        ([UINT], (0,), False),
        ([named("x", "uint256")], ("x",), False),
        ([named("", "uint256[]")], (99,), True),
        ([named("", "uint256[]")], ("x",), False),
        ([named("", "uint256[2]")], (1,), True),
        ([named("", "uint256[2]")], (2,), False),
        ([named("", "uint256[2][]")], (9, 1), True),
        ([named("", "uint256[2][]")], (9, 2), False),
        ([PAIR], (), True),
        ([PAIR], ("a",), True),
        ([PAIR], ("b", 3), True),
        ([PAIR], ("c",), False),
        ([PAIR], (0,), False),
        ([PAIR], ("a", "x"), False),
        ([named("", "tuple[]", UINT, UINT)], (0, 1), True),
        ([named("", "tuple[]", UINT, UINT)], (0, 2), False),
        ([named("", "tuple", UINT, named("b", "bool"))], ("b",), False),
        ([PAIR, named("n", "bool")], ("pair", "a"), True),
        ([PAIR, named("n", "bool")], ("n",), True),
        ([PAIR, named("n", "bool")], (), True),
        ([PAIR, named("n", "bool")], ("x",), False),
        ([PAIR, UINT], (0, "a"), True),
        ([PAIR, UINT], ("pair",), False),
        ([], ("anything",), True),
        (["nonsense"], ("anything",), True),
    ],
)
def test_a_path_exists_unless_the_abi_rules_it_out(
    outputs: list[Json], path: Path, expected: bool
) -> None:
    assert may_exist(read(*outputs), None, path) is expected


def test_outputs_that_are_no_list_rule_nothing_out() -> None:
    assert may_exist(AgentFunction("f", abi={"outputs": "x"}), None, ("x",))


def test_what_a_write_returns_is_not_judged() -> None:
    function = AgentFunction("f", type=FunctionType.WRITE, abi={"outputs": [UINT]})
    assert may_exist(function, None, ("x",))


def contract(*names: str) -> Contract:
    abi: tuple[JsonObject, ...] = tuple(
        {"type": "function", "name": name, "outputs": [UINT]} for name in names
    )
    return Contract("c", "0x" + "0" * 40, 1, abi=({"type": "fallback"}, *abi))


def test_the_contract_is_asked_where_the_function_has_no_entry() -> None:
    assert not may_exist(AgentFunction("f"), contract("g", "f"), ("x",))
    assert not may_exist(AgentFunction("mine", "f(uint256)"), contract("f"), ("x",))


def test_overloads_and_unknown_functions_are_not_judged() -> None:
    assert may_exist(AgentFunction("f"), contract("f", "f"), ("x",))
    assert may_exist(AgentFunction("f"), contract("g"), ("x",))
    assert may_exist(AgentFunction("f"), None, ("x",))
