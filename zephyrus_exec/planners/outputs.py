"""What an ABI says about the shape of a function's result, without any EVM library.

The shapes are those of the value table in the wire protocol: one output is itself; several are an
object by name, or a list where one has no name; so are the components of a tuple.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from ..model import AgentFunction, Contract, FunctionType, Json, JsonObject
from .references import Path

_ARRAY: Final = re.compile(r"(?P<item>.+)\[(?P<length>[0-9]*)\]")


def may_exist(function: AgentFunction, contract: Contract | None, path: Path) -> bool:
    """Return False only where the ABI rules out that the result has anything at the path.

    Args:
        function: The function called. What a write returns is not in its receipt, so only reads
            are judged.
        contract: The contract whose ABI is asked where the function has no entry of its own.
        path: Below the result.
    """
    entry = _entry(function, contract)
    outputs = _objects(entry.get("outputs")) if entry is not None else []
    if function.type is not FunctionType.READ or not outputs:
        return True
    if len(outputs) == 1:
        return _reaches(outputs[0], path)
    return _reaches_into(outputs, path)


def _entry(function: AgentFunction, contract: Contract | None) -> JsonObject | None:
    """Return the only ABI entry that can be meant; null: none, or several."""
    if function.abi is not None:
        return function.abi
    name = function.signature.partition("(")[0] or function.name
    abi = contract.abi if contract is not None else ()
    found = [item for item in abi if item.get("type") == "function" and item.get("name") == name]
    return found[0] if len(found) == 1 else None


def _objects(value: Json) -> list[JsonObject]:
    items = value if isinstance(value, list | tuple) else ()
    return [item for item in items if isinstance(item, Mapping)]


def _reaches(output: JsonObject, path: Path, kind: str | None = None) -> bool:
    kind = str(output.get("type")) if kind is None else kind
    if not path:
        return True
    if array := _ARRAY.fullmatch(kind):
        inside = isinstance(path[0], int) and _within(path[0], array["length"])
        return inside and _reaches(output, path[1:], array["item"])
    if kind == "tuple":
        return _reaches_into(_objects(output.get("components")), path)
    return False


def _within(index: int, length: str) -> bool:
    return length == "" or index < int(length)


def _reaches_into(fields: Sequence[JsonObject], path: Path) -> bool:
    if not path:
        return True
    first, rest = path[0], path[1:]
    names = [field.get("name") for field in fields]
    if isinstance(first, str):
        return all(names) and first in names and _reaches(fields[names.index(first)], rest)
    return not all(names) and first < len(fields) and _reaches(fields[first], rest)
