"""What the converter takes, and how it refuses the rest."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest
from attrs import frozen

from zephyrus_exec import conversion
from zephyrus_exec.conversion import (
    LARGEST_INTEGER,
    MAX_DEPTH,
    as_json,
    dumps,
    quote,
    structure,
    unstructure,
)
from zephyrus_exec.errors import InvalidValue
from zephyrus_exec.model import (
    Action,
    Agent,
    AgentFunction,
    AgentStatus,
    Component,
    Contract,
    Event,
    FunctionType,
    Json,
    JsonObject,
    OnFailure,
    Principal,
    Rules,
)

ADDRESS = "0x" + "aB" * 20


def refusal(value: object, kind: Any) -> tuple[str, str, str]:
    """Return field, problem and remedy of the one error."""
    with pytest.raises(InvalidValue) as caught:
        structure(value, kind)
    details = caught.value.details
    field, problem, remedy = (str(details[key]) for key in ("field", "problem", "remedy"))
    assert caught.value.message == f"{problem} @ {field}; {remedy}"
    return field, problem, remedy


def test_a_whole_agent_is_read() -> None:
    agent = structure(
        {
            "id": "a",
            "status": "paused",
            "max_priority_fee_gwei": "1.5",
            "planner": {"name": "steps", "settings": {"steps": [{"x": [1, None, 2.5]}]}},
            "functions": [
                {"name": "f", "type": "payable", "parameters": [{"name": "to", "default": "0x"}]},
                {"name": "g", "abi": {"type": "function"}},
            ],
            "on_failure": "continue",
        },
        Agent,
    )
    assert agent.status is AgentStatus.PAUSED
    assert agent.on_failure is OnFailure.CONTINUE
    assert agent.max_priority_fee_gwei == Decimal("1.5")
    assert agent.planner == Component("steps", {"steps": [{"x": [1, None, 2.5]}]})
    assert isinstance(agent.functions, tuple)
    assert agent.functions[0].type is FunctionType.PAYABLE
    assert agent.functions[0].parameters[0].default == "0x"
    assert agent.functions[1].abi == {"type": "function"}
    assert agent.max_cycles == 10


def test_null_is_taken_where_a_field_may_be_null() -> None:
    assert structure({"id": "a", "owner": None, "gas_limit": None}, Agent) == Agent("a")


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("name", None, "must be a string, not null"),
        ("name", 1, "must be a string, not a number"),
        ("name", True, "must be a string, not a boolean"),
        ("owner", [], "must be a string, not a list"),
        ("gas_limit", "5", "must be an integer, not a string"),
        ("gas_limit", 1.0, "must be an integer, not a number"),
        ("gas_limit", True, "must be an integer, not a boolean"),
        ("max_cycles", None, "must be an integer, not null"),
        ("functions", {}, "must be a list, not an object"),
        ("functions", "ab", "must be a list, not a string"),
        ("functions", None, "must be a list, not null"),
        ("planner", "steps", "must be an object, not a string"),
        ("status", 1, "must be one of active, paused, stopped, not a number"),
        ("name", b"x", "must be a string, not something that is no JSON"),
        ("name", "\ud800", "holds a lone surrogate"),
        ("max_priority_fee_gwei", True, "must be a number or a decimal string, not a boolean"),
        (
            "max_priority_fee_gwei",
            float("nan"),
            "must be a number or a decimal string, not a number",
        ),
        ("max_priority_fee_gwei", "1e3", "is no decimal number"),
        ("max_priority_fee_gwei", "NaN", "is no decimal number"),
        ("max_priority_fee_gwei", "1_0", "is no decimal number"),
        ("max_priority_fee_gwei", "١", "is no decimal number"),
    ],
)
def test_nothing_is_coerced(field: str, value: object, problem: str) -> None:
    assert refusal({"id": "a", field: value}, Agent)[:2] == (f"$.{field}", problem)


@pytest.mark.parametrize("value", ["false", 0, 1, None])
def test_only_true_and_false_are_booleans(value: object) -> None:
    assert structure({"name": "f", "enabled": False}, AgentFunction).enabled is False
    field, problem, remedy = refusal({"name": "f", "enabled": value}, AgentFunction)
    assert (field, remedy) == ("$.enabled", "write true or false")
    assert problem.startswith("must be true or false, not ")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (2, "2"),
        ("0.000000001", "0.000000001"),
        (1e-9, "0.000000001"),
        (0.1, "0.1"),
        ("2.50", "2.50"),
    ],
)
def test_a_decimal_is_exact_and_written_as_a_string(value: object, expected: str) -> None:
    agent = structure({"id": "a", "max_priority_fee_gwei": value}, Agent)
    data = unstructure(agent)
    assert isinstance(data, dict)
    assert data["max_priority_fee_gwei"] == expected
    assert structure(data, Agent) == agent


@pytest.mark.parametrize(("value", "expected"), [(1, 1.0), (1.5, 1.5)])
def test_a_float_field_takes_any_finite_number(value: object, expected: float) -> None:
    event = structure({"stream": "s", "seq": 1, "at": value, "kind": "k", "body": "{}"}, Event)
    assert event.at == expected
    assert type(event.at) is float


@pytest.mark.parametrize("value", ["1", True, None, float("inf"), 10**400])
def test_a_float_field_takes_nothing_else(value: object) -> None:
    data = {"stream": "s", "seq": 1, "at": value, "kind": "k", "body": "{}"}
    assert refusal(data, Event)[0] == "$.at"


def test_a_missing_field_is_named() -> None:
    assert refusal({"id": "c", "chain_id": 1}, Contract) == ("$.address", "is missing", "write it")


def test_an_unknown_field_is_refused_with_the_nearest_known_one() -> None:
    field, problem, remedy = refusal({"id": "a", "max_cycle": 1}, Agent)
    assert (field, problem) == ("$", "there is no field 'max_cycle'")
    assert remedy.startswith("did you mean max_cycles? ")


def test_an_unknown_field_like_no_other_is_refused_with_all_known_ones() -> None:
    remedy = refusal({"id": "a", "zzz" * 100: 1}, Principal)[2]
    assert remedy == "remove it, or write one of id, scopes"


def test_an_unknown_choice_is_refused_with_the_allowed_ones() -> None:
    assert refusal({"id": "a", "status": "pause"}, Agent) == (
        "$.status",
        "'pause' is not allowed",
        "did you mean paused? write one of active, paused, stopped",
    )


@pytest.mark.parametrize("key", [1, None, "\ud800"])
def test_a_key_that_is_no_proper_string_is_refused(key: object) -> None:
    assert refusal({key: 1}, Agent)[0] == "$"


def test_a_problem_deep_inside_has_its_whole_path() -> None:
    data = {"id": "a", "functions": [{"name": "f"}, {"name": "g", "parameters": [{"name": 1}]}]}
    assert refusal(data, Agent)[0] == "$.functions[1].parameters[0].name"


def test_a_bound_that_is_broken_deep_inside_has_its_whole_path() -> None:
    rules = {"name": "p", "rules": {"pattern": "("}}
    assert refusal({"id": "a", "functions": [{"name": "f", "parameters": [rules]}]}, Agent) == (
        "$.functions[0].parameters[0].rules.pattern",
        "is no regular expression",
        "write one as Python's `re` understands it",
    )


@pytest.mark.parametrize("value", [None, 1, "a", [], [{"id": "a"}]])
def test_only_an_object_makes_a_class(value: object) -> None:
    assert refusal(value, Agent)[0] == "$"


def test_lists_and_sets_are_read_from_lists() -> None:
    assert structure([{"id": "a"}], tuple[Agent, ...]) == (Agent("a"),)
    assert structure([{"id": "a"}], list[Agent]) == [Agent("a")]
    assert structure({"id": "a", "scopes": ["x", "y"]}, Principal).scopes == {"x", "y"}
    assert refusal([{"id": "a"}, {}], tuple[Agent, ...])[0] == "$[1].id"
    assert refusal({"id": "a", "scopes": ["x", 1]}, Principal)[0] == "$.scopes[1]"


@pytest.mark.parametrize("kind", [object, tuple[int, str]])
def test_a_type_nobody_prepared_is_refused_like_everything_else(kind: Any) -> None:
    assert refusal([object(), 2, 3], kind)[0].startswith("$")


# --- bounds, which hold for values made in code too ----------------------------------------------


@pytest.mark.parametrize(
    ("kind", "data", "field"),
    [
        (Agent, {"id": ""}, "id"),
        (Agent, {"id": "a" * 257}, "id"),
        (Agent, {"id": "a", "max_cycles": 0}, "max_cycles"),
        (Agent, {"id": "a", "max_concurrent": 0}, "max_concurrent"),
        (Agent, {"id": "a", "gas_limit": 0}, "gas_limit"),
        (AgentFunction, {"name": "f", "confirmations": 0}, "confirmations"),
        (Rules, {"min_length": -1}, "min_length"),
        (Rules, {"max_length": -1}, "max_length"),
        (Rules, {"pattern": "(?P<a>x)(?P<a>y)"}, "pattern"),
        (Contract, {"id": "", "address": ADDRESS, "chain_id": 1}, "id"),
        (Contract, {"id": "c", "address": ADDRESS, "chain_id": 0}, "chain_id"),
        (Contract, {"id": "c", "address": ADDRESS + "0", "chain_id": 1}, "address"),
        (Contract, {"id": "c", "address": "0X" + "0" * 40, "chain_id": 1}, "address"),
        (Contract, {"id": "c", "address": ADDRESS + "\n", "chain_id": 1}, "address"),
    ],
)
def test_a_value_out_of_bounds_is_refused_from_json_and_in_code(
    kind: Any, data: dict[str, object], field: str
) -> None:
    assert refusal(data, kind)[0] == f"$.{field}"
    with pytest.raises(InvalidValue) as caught:
        kind(**data)
    assert caught.value.details["field"] == f"$.{field}"


@pytest.mark.parametrize("fee", ["-1", -1, -0.5])
def test_a_negative_fee_is_refused(fee: object) -> None:
    assert refusal({"id": "a", "max_priority_fee_gwei": fee}, Agent)[0] == "$.max_priority_fee_gwei"


@pytest.mark.parametrize(
    "make",
    [
        lambda: Agent("a", max_priority_fee_gwei=Decimal("NaN")),
        lambda: Agent("a", max_cycles=True),
        lambda: Agent(None),  # type: ignore[arg-type]
        lambda: Contract("c", b"", 1),  # type: ignore[arg-type]
        lambda: Rules(pattern=1),  # type: ignore[arg-type]
    ],
)
def test_a_wrong_type_in_code_is_refused_where_there_is_a_bound(make: Any) -> None:
    with pytest.raises(InvalidValue):
        make()


@pytest.mark.parametrize("value", [-1, "1", 1.0, True])
def test_an_action_sends_a_whole_number_of_wei(value: object) -> None:
    assert structure({"function": "f", "value_wei": 1}, Action).value_wei == 1
    assert refusal({"function": "f", "value_wei": value}, Action)[0] == "$.value_wei"


# --- free JSON -----------------------------------------------------------------------------------


def nested(depth: int) -> Json:
    value: Json = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (float("nan"), ""),
        ({"a": [1, float("inf")]}, ".a[1]"),
        ({1: 2}, ""),
        ({"a": {None: 1}}, ".a"),
        ({"\ud800": 1}, ""),
        ({"a": "\ud800"}, ".a"),
        ({"a": object()}, ".a"),
        ({"a b": b""}, "['a b']"),
        ({"'" * 100: {1, 2}}, '["' + "'" * 40 + '…"]'),
        (Decimal(1), ""),
        (nested(MAX_DEPTH + 1), "[0]" * MAX_DEPTH),
    ],
)
def test_what_is_no_json_is_refused_at_its_place(value: object, place: str) -> None:
    data = {"function": "f", "parameters": {"p": value}}
    if place != "[0]" * MAX_DEPTH:
        assert refusal(data, Action)[0] == f"$.parameters.p{place}"
    else:
        assert refusal(data, Action)[0].startswith("$.parameters.p[0][0]")


def test_a_cycle_is_refused() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    assert refusal({"function": "f", "parameters": {"p": cycle}}, Action)[1] == (
        "is nested too deeply"
    )


def test_the_deepest_allowed_value_is_taken() -> None:
    assert as_json(nested(MAX_DEPTH)) == nested(MAX_DEPTH)


@pytest.mark.parametrize("value", [nested(MAX_DEPTH + 1), {1: 2}, object(), float("nan")])
def test_what_could_not_be_read_back_is_no_json(value: object) -> None:
    with pytest.raises(InvalidValue):
        as_json(value)


@pytest.mark.parametrize("sign", [1, -1])
def test_an_integer_that_cannot_be_written_is_no_json(sign: int) -> None:
    assert dumps(as_json(sign * LARGEST_INTEGER))
    with pytest.raises(InvalidValue, match="write it as a string"):
        as_json(sign * (LARGEST_INTEGER + 1))


def test_an_object_is_asked_for_where_only_an_object_will_do() -> None:
    assert refusal({"function": "f", "parameters": []}, Action) == (
        "$.parameters",
        "must be an object, not a list",
        "write an object",
    )


def test_free_json_is_copied_so_that_nobody_changes_it_later() -> None:
    inner: dict[str, Any] = {"x": [1]}
    action = structure({"function": "f", "parameters": MappingProxyType(inner)}, Action)
    inner["x"].append(2)
    assert action.parameters == {"x": [1]}


# --- writing -------------------------------------------------------------------------------------


def test_every_field_is_written_in_the_order_of_its_declaration() -> None:
    assert dumps(unstructure(Principal("ñ", frozenset({"b", "a"})))) == (
        '{"id":"ñ","scopes":["a","b"]}'
    )
    data = unstructure(Agent("a", functions=(AgentFunction("f"),)))
    assert isinstance(data, dict)
    assert next(iter(data)) == "id"
    assert data["status"] == "active"
    assert type(data["status"]) is str
    assert isinstance(data["functions"], list)


class OtherMapping(Mapping[str, Json]):
    def __getitem__(self, key: str) -> Json:
        return 1 if key == "b" else (2,)

    def __iter__(self) -> Iterator[str]:
        return iter(("b", "a"))

    def __len__(self) -> int:
        return 2


def test_json_is_compact_in_its_own_order_and_not_escaped() -> None:
    assert dumps(OtherMapping()) == '{"b":1,"a":[2]}'
    assert dumps(range(2)) == "[0,1]"
    assert dumps({"ñ": 'é"\n', "x": AgentStatus.ACTIVE}) == '{"ñ":"é\\"\\n","x":"active"}'


def cyclic() -> Json:
    value: dict[str, Any] = {}
    value["x"] = value
    return value


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        [float("-inf")],
        {"a": "\ud800"},
        {"\udfff": 1},
        {1, 2},
        b"x",
        Agent("a"),
        cyclic(),
    ],
)
def test_what_is_no_json_is_not_written(value: Any) -> None:
    with pytest.raises(InvalidValue):
        dumps(value)


@pytest.mark.parametrize("text", ["", 'a"b\\c', "ñ😀", "\x00\x1f\x7f\u2028"])
def test_a_quoted_text_is_json(text: str) -> None:
    assert json.loads(quote(text)) == text
    assert quote(text) == dumps(text)


def test_a_lone_surrogate_is_not_quoted() -> None:
    with pytest.raises(InvalidValue):
        quote("\ud800")


@frozen
class Table:
    rows: list[JsonObject]
    cells: Sequence[int]


def test_a_class_of_somebody_else_is_read_by_the_same_rules() -> None:
    assert structure({"rows": [{"a": 1}], "cells": [1]}, Table).rows == [{"a": 1}]
    assert refusal({"rows": [1], "cells": []}, Table)[0] == "$.rows[0]"
    assert refusal({"rows": [], "cells": ["1"]}, Table)[0] == "$.cells[0]"


@pytest.mark.parametrize("value", [None, "ñ\n", 2**70, 1.5, [1, (2,)], {"a": {"b": [True]}}])
def test_the_prebuilt_encoder_writes_what_the_public_one_writes(value: Json) -> None:
    """Whether or not the interpreter has one in C."""
    make = getattr(json.encoder, "c_make_encoder", None)
    assert conversion._prebuilt(None)(value) == conversion._prebuilt(make)(value) == dumps(value)
