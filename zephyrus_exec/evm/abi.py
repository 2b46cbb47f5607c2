"""Which ABI entry a function of an agent means, and calls encoded by it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from eth_utils.crypto import keccak

from ..abi_types import READS, AbiFunction, AbiType, BadAbi, parse_function
from ..errors import FunctionNotFound, InvalidArguments
from ..interfaces.chain import Call, Shape
from ..model import AgentFunction, Contract, FunctionType, Json, JsonObject
from . import codec
from .values import BadValue, fields_to_abi, to_abi, to_json

_BARE_INTEGER = re.compile(r"\b(u?int)(?![0-9])")


# --- finding -------------------------------------------------------------------------------------


def find_function(contract: Contract, function: AgentFunction) -> AbiFunction:
    """Return the ABI entry that the agent's function means.

    Args:
        contract: Whose ABI is searched where the function has no entry of its own.
        function: Its signature chooses among overloads; without one, its name must be enough.

    Raises:
        FunctionNotFound: There is no such entry, there are several, or it is malformed.
    """
    wanted = re.sub(r"\s", "", function.signature)
    name = wanted.partition("(")[0] or function.name
    signature = _BARE_INTEGER.sub(r"\g<1>256", wanted) if "(" in wanted else ""
    candidates = _candidates(contract, function, name)
    found = [one for one in candidates if signature in ("", one.signature)]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(one.signature for one in candidates)
    if found:
        problem = f"{name} is overloaded; set the function's signature to one of: {listed}"
    elif candidates:
        problem = f"the ABI has no function {wanted[:100]}, but: {listed}; correct the signature"
    else:
        problem = f"the ABI has no function {name[:100]}; correct the name or the ABI"
    raise FunctionNotFound(problem, function=function.name)


def _candidates(contract: Contract, function: AgentFunction, name: str) -> list[AbiFunction]:
    entries: Sequence[JsonObject] = contract.abi if function.abi is None else (function.abi,)
    found: dict[str, AbiFunction] = {}
    for entry in entries:
        if entry.get("type", "function") != "function" or entry.get("name") != name:
            continue
        try:
            parsed = parse_function(entry)
        except BadAbi as error:
            raise FunctionNotFound(
                f"the ABI entry of {name[:100]} cannot be understood: {error}; "
                "copy it again from the compiler's output",
                function=function.name,
            ) from None
        found.setdefault(parsed.signature, parsed)
    return list(found.values())


def shape_of(abi: AbiFunction) -> Shape:
    """Return what callers need to know of an entry."""
    kind = FunctionType.PAYABLE if abi.mutability == "payable" else FunctionType.WRITE
    if abi.mutability in READS:
        kind = FunctionType.READ
    return Shape(abi.signature, abi.keys, kind)


# --- encoding ------------------------------------------------------------------------------------


def selector(signature: str) -> bytes:
    """Return the four bytes that name a function or an error in call and revert data."""
    return bytes(keccak(text=signature)[:4])


def encode_call(
    contract: Contract,
    function: AgentFunction,
    parameters: JsonObject,
    *,
    to: str,
    value_wei: int = 0,
) -> Call:
    """Return the call, its arguments checked against the ABI.

    Args:
        contract: The contract; its chain id becomes the call's.
        function: What the agent calls.
        parameters: Values by ABI name, or by position (`"0"`) where the ABI gives no name;
            defaults of the agent's function are filled in.
        to: Checksummed address to call.
        value_wei: Native currency sent along.

    Raises:
        FunctionNotFound: No ABI entry fits, or several do.
        InvalidArguments: A value does not fit; details name the field.
    """
    abi = find_function(contract, function)
    _check_type(abi, function.type)
    _check_value(abi, function.type, value_wei)
    values = _arguments(abi, {**_defaults(function), **parameters})
    shown = (to_json(kind, one) for kind, one in zip(abi.inputs.components, values, strict=True))
    return Call(
        chain_id=contract.chain_id,
        to=to,
        data=selector(abi.signature) + codec.encode(abi.inputs, values),
        function=abi.signature,
        type=function.type,
        arguments=dict(zip(abi.keys, shown, strict=True)),
        abi=abi.entry,
        errors=tuple(entry for entry in contract.abi if entry.get("type") == "error"),
        value_wei=value_wei,
    )


def _defaults(function: AgentFunction) -> dict[str, Json]:
    return {one.name: one.default for one in function.parameters if one.default is not None}


def _arguments(abi: AbiFunction, parameters: JsonObject) -> tuple[object, ...]:
    try:
        return fields_to_abi(abi.inputs, abi.keys, parameters)
    except BadValue as error:
        raise _invalid(abi, error.path, error.problem, error.remedy) from None


def _check_type(abi: AbiFunction, declared: FunctionType) -> None:
    reads = declared is FunctionType.READ
    if reads == (abi.mutability in READS):
        return
    remedy = "set its type to write or payable" if reads else "set its type to read"
    problem = f"is {declared.value}, but the ABI says {abi.mutability[:20]}"
    raise _invalid(abi, "$.type", problem, remedy)


def _check_value(abi: AbiFunction, declared: FunctionType, value_wei: int) -> None:
    try:
        to_abi(AbiType("uint256", "uint", 256), value_wei, "$.value_wei")
    except BadValue as error:
        raise _invalid(abi, error.path, error.problem, error.remedy) from None
    if value_wei == 0:
        return
    if abi.mutability != "payable":
        raise _invalid(abi, "$.value_wei", "is not zero, but the ABI says not payable", "send none")
    if declared is not FunctionType.PAYABLE:
        raise _invalid(
            abi,
            "$.value_wei",
            f"is not zero, but the agent's function is of type {declared.value}",
            "set its type to payable, or send none",
        )


def _invalid(abi: AbiFunction, field: str, problem: str, remedy: str) -> InvalidArguments:
    return InvalidArguments(
        f"{abi.signature}: {field} {problem}; {remedy}",
        function=abi.signature,
        field=field,
        problem=problem,
    )


# --- decoding ------------------------------------------------------------------------------------


def decode_outputs(entry: JsonObject, data: bytes) -> Json:
    """Return what a call answered: one output itself, several by name, or in an array.

    Args:
        entry: The function's ABI entry.
        data: The bytes the call returned.

    Raises:
        BadData: The bytes do not fit the entry's outputs.
    """
    outputs = parse_function(entry).outputs
    if not outputs.components:
        return None
    values = codec.decode(outputs, data)
    if len(values) == 1:
        return to_json(outputs.components[0], values[0])
    return to_json(outputs, values)
