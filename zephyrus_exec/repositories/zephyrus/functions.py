"""One function of an agent, with what is said of its parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from attrs import fields_dict

from ...abi_types import READS, AbiFunction, AbiType
from ...model import (
    AgentFunction,
    Contract,
    FunctionParameter,
    FunctionType,
    Json,
    Rules,
)
from .abi import find_function, loose, own_entries
from .defaults import read_default
from .rows import Refusal, Row, shown
from .rules import Bounds, read_rules

_TYPES: Final[Mapping[str, FunctionType]] = {
    "read": FunctionType.READ,
    "view": FunctionType.READ,
    "pure": FunctionType.READ,
    "write": FunctionType.WRITE,
    "nonpayable": FunctionType.WRITE,
    "payable": FunctionType.PAYABLE,
}


def find_entry(row: Row, contract: Contract | None) -> tuple[AbiFunction, bool]:
    """Return the ABI entry a function's row means, and whether the row brought it along.

    Raises:
        Refusal: There is none, there are several, or it is malformed.
    """
    name, signature = row.required("function_name").strip(), row.text("function_signature")
    own = own_entries(row, name)
    entry = find_function(own or (contract.abi if contract else ()), name, signature)
    if entry is None:
        raise Refusal(
            f"there is no ABI for {name[:100]}, neither its own nor in its contract's",
            "add the function's ABI entry",
        )
    return entry, bool(own)


def read_function(
    row: Row, entry: AbiFunction, *, own: bool, parameters: Iterable[FunctionParameter]
) -> AgentFunction:
    """Return the function a row describes.

    Args:
        row: Of `agent_functions`.
        entry: The ABI entry it means.
        own: Whether the row brought the entry along.
        parameters: What the rows of its parameters say.

    Raises:
        Refusal: Something in it is wrong, or a rule is unknown.
    """
    signature = row.text("function_signature")
    if signature != entry.signature:
        if loose(signature) == loose(entry.signature):
            row.repairs.append(f"function_signature {signature} is {entry.signature}")
        else:
            row.repairs.append(
                f"function_signature {signature or 'was empty'}: by the ABI it is {entry.signature}"
            )
    enabled = row.flag("is_enabled")
    return AgentFunction(
        name=entry.name,
        signature=entry.signature,
        type=_type(row, entry),
        enabled=True if enabled is None else enabled,
        parameters=_merged(entry, parameters, _function_rules(row, entry)),
        abi=entry.entry if own else None,
    )


def _type(row: Row, entry: AbiFunction) -> FunctionType:
    said = row.required("function_type").strip().lower()
    declared = _TYPES.get(said)
    if declared is None:
        raise Refusal(f"function_type is {shown(said)}", "write read, write or payable")
    real = _TYPES.get(entry.mutability)
    if real is None:
        problem = f"the ABI's stateMutability is {shown(entry.mutability)}"
        raise Refusal(problem, "write view, pure, nonpayable or payable")
    if declared is FunctionType.READ and entry.mutability not in READS:
        raise Refusal(
            f"function_type is {said}, but the ABI says {entry.mutability}",
            "set it to write or payable if it is meant to send transactions",
        )
    kept = min(declared, real, key=list(FunctionType).index)
    if said != kept.value:
        row.repairs.append(f"function_type {said} is {kept.value}: the ABI says {entry.mutability}")
    return kept


# --- parameters ----------------------------------------------------------------------------------


def read_parameter(row: Row, entry: AbiFunction) -> FunctionParameter:
    """Return what a row of `agent_function_params` says.

    Raises:
        Refusal: The function has no such parameter, or a rule is unknown.
    """
    name = row.required("param_name").strip()
    kind = _kind_of(entry, name)
    said = row.text("param_type").strip()
    if said and loose(f"({said})") != loose(f"({kind.text})"):
        row.repairs.append(f"param_type {said[:50]} is {kind.text}, by the ABI")
    bounds = read_rules(row.json("validation_rules"), kind)
    row.repairs += bounds.repairs
    default = read_default(row.get("default_value"), kind)
    if default is None:
        default = read_default(bounds.default, kind)
    return FunctionParameter(name, bounds.rules, default)


def _kind_of(entry: AbiFunction, name: str) -> AbiType:
    if name not in entry.keys:
        known = ", ".join(entry.keys) or "none"
        raise Refusal(
            f"{entry.signature} has no parameter {shown(name)}", f"its parameters are: {known}"
        )
    return entry.inputs.components[entry.keys.index(name)]


def _function_rules(row: Row, entry: AbiFunction) -> dict[str, Bounds]:
    """Return the rules a function's own row has, which stand under parameters' names."""
    said = row.json("validation_rules")
    if said is None or said == []:
        return {}
    if not isinstance(said, Mapping):
        problem = f"validation_rules is {shown(said)}, no object"
        raise Refusal(problem, "write rules by parameter, or null")
    return {name: _rules_of(row, entry, name, rules) for name, rules in said.items()}


def _rules_of(row: Row, entry: AbiFunction, name: str, said: Json) -> Bounds:
    if name not in entry.keys:
        known = ", ".join(entry.keys) or "none"
        raise Refusal(
            f"there is no rule and no parameter {shown(name)}",
            f"write rules under the names of its parameters: {known}",
        )
    try:
        bounds = read_rules(said, _kind_of(entry, name))
        default = read_default(bounds.default, _kind_of(entry, name))
    except Refusal as refusal:
        raise Refusal(f"{name}: {refusal.problem}", refusal.remedy) from None
    row.repairs += [f"{name}: {one}" for one in bounds.repairs]
    return Bounds(bounds.rules, default)


def _merged(
    entry: AbiFunction, rows: Iterable[FunctionParameter], own: Mapping[str, Bounds]
) -> tuple[FunctionParameter, ...]:
    """Return what both say of each parameter, in the ABI's order; nothing where they say none."""
    found = {row.name: row for row in rows}
    both: list[FunctionParameter] = []
    for name in entry.keys:
        parameter = found.get(name, FunctionParameter(name))
        if name in own:
            parameter = _both(parameter, own[name])
        if parameter != FunctionParameter(name):
            both.append(parameter)
    return tuple(both)


def _both(parameter: FunctionParameter, bounds: Bounds) -> FunctionParameter:
    name = parameter.name
    rules = {
        field: _one(name, field, getattr(parameter.rules, field), getattr(bounds.rules, field))
        for field in fields_dict(Rules)
    }
    default = _one(name, "default", parameter.default, bounds.default)
    return FunctionParameter(name, Rules(**rules), default)


def _one(name: str, field: str, first: Any, second: Any) -> Any:
    if first is not None and second is not None and first != second:
        raise Refusal(
            f"{name} has two rules for {field}: {shown(first)} and {shown(second)}",
            "keep that of the function or that of the parameter",
        )
    return second if first is None else first
