"""Which entry is meant, and what a call is made of."""

from __future__ import annotations

import pytest

from tests.kitchen import kitchen_contract
from zephyrus_exec.abi_types import parse_function
from zephyrus_exec.errors import FunctionNotFound, InvalidArguments
from zephyrus_exec.evm.abi import (
    decode_outputs,
    encode_call,
    find_function,
    selector,
)
from zephyrus_exec.evm.codec import BadData
from zephyrus_exec.interfaces.chain import Call
from zephyrus_exec.model import (
    AgentFunction,
    Contract,
    FunctionParameter,
    FunctionType,
    Json,
    JsonObject,
)

KITCHEN = kitchen_contract("0x" + "22" * 20, 1)
TO = "0x2222222222222222222222222222222222222222"


def contract(*abi: JsonObject) -> Contract:
    return Contract("c", TO, 1, abi=abi)


def function_entry(name: str, *types: str, **more: Json) -> JsonObject:
    inputs: list[Json] = [{"name": "", "type": one} for one in types]
    return {"type": "function", "name": name, "inputs": inputs, "outputs": [], **more}


def encoded(function: AgentFunction, parameters: JsonObject, *, value_wei: int = 0) -> Call:
    return encode_call(KITCHEN, function, parameters, to=TO, value_wei=value_wei)


# --- finding


@pytest.mark.parametrize(
    "function",
    [
        AgentFunction("add"),
        AgentFunction("anything", signature="add(uint256,uint256)"),
        AgentFunction("anything", signature="add( uint , uint256 )"),
        AgentFunction("anything", signature="add"),
    ],
)
def test_a_function_is_found_by_name_or_signature(function: AgentFunction) -> None:
    assert find_function(KITCHEN, function).signature == "add(uint256,uint256)"


def test_an_overload_is_chosen_by_its_signature() -> None:
    found = find_function(KITCHEN, AgentFunction("pick", signature="pick(address)"))
    assert found.signature == "pick(address)"


@pytest.mark.parametrize(
    "function",
    [AgentFunction("pick"), AgentFunction("pick", signature="pick(bytes)")],
)
def test_what_could_be_meant_is_listed(function: AgentFunction) -> None:
    with pytest.raises(FunctionNotFound) as caught:
        find_function(KITCHEN, function)
    assert "pick(uint256), pick(address)" in str(caught.value)


def test_a_name_the_abi_lacks_is_told() -> None:
    with pytest.raises(FunctionNotFound, match="no function bake"):
        find_function(KITCHEN, AgentFunction("bake"))


def test_events_and_errors_of_that_name_are_no_functions() -> None:
    with pytest.raises(FunctionNotFound):
        find_function(KITCHEN, AgentFunction("Cooked"))


def test_the_functions_own_entry_goes_before_the_contracts() -> None:
    own = function_entry("add", "uint8", stateMutability="view")
    assert find_function(KITCHEN, AgentFunction("add", abi=own)).signature == "add(uint8)"


def test_the_same_entry_twice_is_not_ambiguous() -> None:
    entry = function_entry("f", "uint8")
    assert find_function(contract(entry, entry), AgentFunction("f")).signature == "f(uint8)"


@pytest.mark.parametrize("inputs", ["text", [{"type": "uint7"}], [5]])
def test_a_malformed_entry_is_told_with_its_place(inputs: Json) -> None:
    entry: JsonObject = {"type": "function", "name": "f", "inputs": inputs}
    with pytest.raises(FunctionNotFound, match=r"\$\.inputs"):
        find_function(contract(entry), AgentFunction("f"))


def test_signatures_of_nested_tuples_are_canonical() -> None:
    assert find_function(KITCHEN, AgentFunction("echo")).signature == (
        "echo((address,(uint32,uint256)[],(uint32,uint256),bytes32,string,int64[2],bool))"
    )


@pytest.mark.parametrize(
    ("more", "mutability"),
    [
        ({"stateMutability": "payable"}, "payable"),
        ({"constant": True}, "view"),
        ({"payable": True}, "payable"),
        ({}, "nonpayable"),
    ],
)
def test_old_compilers_tell_mutability_otherwise(more: JsonObject, mutability: str) -> None:
    entry = function_entry("f", **more)
    assert find_function(contract(entry), AgentFunction("f")).mutability == mutability


# --- encoding


def test_a_call_holds_selector_arguments_and_errors() -> None:
    call = encoded(AgentFunction("add"), {"a": 2, "b": "3"})
    assert call.data.hex() == "771602f7" + f"{2:064x}" + f"{3:064x}"
    assert call.arguments == {"a": "2", "b": "3"}
    assert {one["name"] for one in call.errors} == {"OutOfStock", "BadOrder"}
    assert (call.to, call.chain_id, call.type) == (TO, 1, FunctionType.READ)


def test_the_well_known_selector_is_right() -> None:
    assert selector("transfer(address,uint256)").hex() == "a9059cbb"


def test_parameters_without_a_name_of_their_own_go_by_position() -> None:
    entry: JsonObject = {
        "type": "function",
        "name": "f",
        "stateMutability": "pure",
        "inputs": [
            {"name": "same", "type": "uint8"},
            {"name": "", "type": "uint8"},
            {"name": "same", "type": "uint8"},
            {"name": "own", "type": "uint8"},
        ],
    }
    given: JsonObject = {"0": 1, "1": 2, "2": 3, "own": 4}
    call = encode_call(contract(entry), AgentFunction("f"), given, to=TO)
    assert call.arguments == given


def test_a_name_that_looks_like_a_position_is_none() -> None:
    """Otherwise one value would fill both, and the rules would see only one of them."""
    inputs: Json = [{"name": "1", "type": "uint256"}, {"name": "", "type": "uint256"}]
    entry: JsonObject = {"type": "function", "name": "f", "inputs": inputs}
    assert parse_function(entry).keys == ("0", "1")


def test_defaults_of_the_agent_are_filled_in_and_may_be_overridden() -> None:
    function = AgentFunction("add", parameters=(FunctionParameter("b", default=5),))
    assert encoded(function, {"a": 1}).arguments == {"a": "1", "b": "5"}
    assert encoded(function, {"a": 1, "b": 2}).arguments == {"a": "1", "b": "2"}


@pytest.mark.parametrize(
    ("parameters", "field", "problem"),
    [
        ({"a": 1}, "$.b", "is missing"),
        ({"a": 1, "b": 2, "c": 3}, "$.c", "is unknown"),
        ({"a": 1, "0": 1, "b": 2}, "$.0", "is unknown"),
        ({"a": 1, "b": 2.0}, "$.b", "is no whole number (uint256)"),
    ],
)
def test_wrong_arguments_name_function_field_and_problem(
    parameters: JsonObject, field: str, problem: str
) -> None:
    with pytest.raises(InvalidArguments) as caught:
        encoded(AgentFunction("add"), parameters)
    assert caught.value.details == {
        "function": "add(uint256,uint256)",
        "field": field,
        "problem": problem,
    }


@pytest.mark.parametrize(
    ("name", "declared", "parameters"),
    [
        ("cook", FunctionType.READ, {"amount": 1}),
        ("add", FunctionType.WRITE, {"a": 1, "b": 1}),
        ("add", FunctionType.PAYABLE, {"a": 1, "b": 1}),
    ],
)
def test_the_agents_type_must_fit_the_abi(
    name: str, declared: FunctionType, parameters: JsonObject
) -> None:
    with pytest.raises(InvalidArguments, match="set its type to") as caught:
        encoded(AgentFunction(name, type=declared), parameters)
    assert caught.value.details["field"] == "$.type"


@pytest.mark.parametrize(
    ("name", "declared", "value_wei"),
    [
        ("pay", FunctionType.WRITE, 1),
        ("pay", FunctionType.PAYABLE, -1),
        ("pay", FunctionType.PAYABLE, 2**256),
        ("pay", FunctionType.PAYABLE, True),
        ("nothing", FunctionType.READ, 1),
    ],
)
def test_value_needs_a_payable_function_on_both_sides(
    name: str, declared: FunctionType, value_wei: int
) -> None:
    with pytest.raises(InvalidArguments) as caught:
        encoded(AgentFunction(name, type=declared), {}, value_wei=value_wei)
    assert caught.value.details["field"] == "$.value_wei"


def test_value_goes_with_a_payable_function() -> None:
    call = encoded(AgentFunction("pay", type=FunctionType.PAYABLE), {}, value_wei=2**255)
    assert call.value_wei == 2**255


# --- outputs


@pytest.mark.parametrize(
    ("outputs", "shown"),
    [
        ([], None),
        ([("x", "uint256")], "1"),
        ([("x", "uint256"), ("y", "uint8")], {"x": "1", "y": 2}),
        ([("x", "uint256"), ("", "uint8")], ["1", 2]),
        ([("x", "uint256"), ("x", "uint8")], ["1", 2]),
    ],
)
def test_outputs_are_a_value_an_object_or_an_array(
    outputs: list[tuple[str, str]], shown: Json
) -> None:
    entry: JsonObject = {
        "name": "f",
        "outputs": [{"name": name, "type": kind} for name, kind in outputs],
    }
    data = b"".join(number.to_bytes(32, "big") for number in range(1, len(outputs) + 1))
    assert decode_outputs(entry, data) == shown


def test_bytes_that_point_everywhere_are_refused_in_no_time() -> None:
    word = (32).to_bytes(32, "big")
    entry: JsonObject = {"name": "f", "outputs": [{"type": "uint256[][][][]"}]}
    count = (2000).to_bytes(32, "big")
    heads = b"".join((32 * 2000).to_bytes(32, "big") for _ in range(2000))
    with pytest.raises(BadData):
        decode_outputs(entry, word + (count + heads) * 3 + count + bytes(32 * 2000))
