"""Conversion loses nothing and raises nothing but its one error."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zephyrus_exec.conversion import dumps, structure, unstructure
from zephyrus_exec.errors import InvalidValue
from zephyrus_exec.model import Action, ActionResult, Agent, Contract, Json, Principal
from zephyrus_exec.testing.strategies import (
    action_results,
    agents,
    contracts,
    json_objects,
    json_values,
)


@given(agents() | contracts() | action_results())
def test_a_value_comes_back_equal_through_json_text(value: Agent | Contract | ActionResult) -> None:
    assert structure(json.loads(dumps(unstructure(value))), type(value)) == value


@pytest.mark.parametrize("kind", [Agent, Contract, Action, ActionResult, Principal])
@given(data=st.data())
def test_any_json_is_a_value_or_one_error_that_names_its_place(
    kind: type[Any], data: st.DataObject
) -> None:
    names = st.sampled_from([field.name for field in attrs.fields(kind)])
    shaped = st.dictionaries(names, json_values() | st.text() | st.floats())
    given_value = data.draw(shaped | json_values())
    error = refusal(given_value, kind)
    if error is not None:
        field, problem, remedy = (error.details[key] for key in ("field", "problem", "remedy"))
        assert error.message == f"{problem} @ {field}; {remedy}"
        assert str(field).startswith("$")


def refusal(value: object, kind: type[Any]) -> InvalidValue | None:
    try:
        structure(value, kind)
    except InvalidValue as error:
        return error
    return None


@given(agents(), st.data())
def test_a_wrong_type_in_any_field_is_refused_at_that_field(
    agent: Agent, data: st.DataObject
) -> None:
    value = unstructure(agent)
    assert isinstance(value, dict)
    name = data.draw(st.sampled_from(sorted(value)))
    wrongs: list[Json] = [True, 1.5, {"x": {}}, [[1]]]
    wrong = data.draw(st.sampled_from(wrongs))
    if name == "max_priority_fee_gwei" and wrong == 1.5:
        wrong = "1.5e3"
    with pytest.raises(InvalidValue) as caught:
        structure({**value, name: wrong}, Agent)
    assert str(caught.value.details["field"]).startswith(f"$.{name}")


@given(json_objects())
def test_free_json_is_kept_as_it_is(value: dict[str, Json]) -> None:
    assert structure({"function": "f", "parameters": value}, Action).parameters == value
