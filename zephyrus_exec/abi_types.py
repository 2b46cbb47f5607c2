"""ABI entries as the Solidity compiler writes them in JSON, taken apart."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from attrs import frozen

from .model import Json, JsonObject

_MAX_DEPTH: Final = 16
READS: Final = frozenset({"view", "pure"})
"""Mutabilities of functions that change nothing."""

_ARRAY = re.compile(r"(?P<item>.+)\[(?P<length>[1-9][0-9]{0,5})?\]")
_INTEGER = re.compile(r"(?P<kind>u?int)(?P<bits>[1-9][0-9]*)?")
_BYTES = re.compile(r"bytes(?P<size>[1-9][0-9]*)?")
_PLAIN = frozenset({"address", "bool", "string"})


class BadAbi(Exception):
    """An ABI entry cannot be understood.

    Args:
        path: Where in the entry, for example `$.inputs[0].type`.
        problem: What is wrong there.
    """

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{problem} @ {path}")


@frozen
class AbiType:
    """One type, with everything below it."""

    text: str
    """Canonical, as in signatures: `uint256`, `(address,uint8[])[2]`."""
    kind: str
    """`uint int address bool string bytes array tuple`."""
    size: int | None = None
    """Bits of an integer, bytes of `bytesN`, items of a fixed array; null: any number."""
    item: AbiType | None = None
    """What an array holds."""
    components: tuple[AbiType, ...] = ()
    """What a tuple holds."""
    names: tuple[str, ...] = ()
    """The tuple's component names, some perhaps empty."""

    @property
    def named(self) -> bool:
        """Whether every component of the tuple has a name of its own."""
        return all(self.names) and len(set(self.names)) == len(self.names)

    @property
    def tuple_depth(self) -> int:
        """How many tuples are nested in each other, itself included."""
        below = [*self.components, *([self.item] if self.item else [])]
        return (self.kind == "tuple") + max((one.tuple_depth for one in below), default=0)

    @property
    def wire(self) -> str:
        """The type by which bytes are decoded: text is taken as bytes, since it may be no UTF-8."""
        if self.kind == "tuple":
            return f"({','.join(one.wire for one in self.components)})"
        if self.item is not None:
            return f"{self.item.wire}[{self.size or ''}]"
        return "bytes" if self.kind == "string" else self.text


def tuple_type(entries: Json, path: str = "$", depth: int = 0) -> AbiType:
    """Return the tuple made of a list of ABI parameters (`inputs`, `outputs`, `components`).

    Raises:
        BadAbi: The list is malformed, or a type is none we know.
    """
    if not isinstance(entries, Sequence) or isinstance(entries, str):
        raise BadAbi(path, "is no list of parameters")
    parsed = [_parameter(one, f"{path}[{index}]", depth) for index, one in enumerate(entries)]
    types = tuple(kind for _, kind in parsed)
    return AbiType(
        text=f"({','.join(one.text for one in types)})",
        kind="tuple",
        components=types,
        names=tuple(name for name, _ in parsed),
    )


def _parameter(entry: Json, path: str, depth: int) -> tuple[str, AbiType]:
    if not isinstance(entry, Mapping):
        raise BadAbi(path, "is no object")
    name, text = entry.get("name", ""), entry.get("type")
    if not isinstance(name, str):
        raise BadAbi(f"{path}.name", "is no string")
    if not isinstance(text, str):
        raise BadAbi(f"{path}.type", "is no string")
    return name, _parse(text, entry, path, depth + 1)


def _parse(text: str, entry: JsonObject, path: str, depth: int) -> AbiType:
    if depth > _MAX_DEPTH:
        raise BadAbi(path, f"is nested deeper than {_MAX_DEPTH} levels")
    if array := _ARRAY.fullmatch(text):
        item = _parse(array["item"], entry, path, depth + 1)
        length = array["length"]
        return AbiType(
            text=f"{item.text}[{length or ''}]",
            kind="array",
            size=int(length) if length else None,
            item=item,
        )
    if text == "tuple":
        kind = tuple_type(entry.get("components"), f"{path}.components", depth)
        if not kind.components:
            raise BadAbi(f"{path}.components", "is empty")
        return kind
    return _elementary(text, f"{path}.type")


def _elementary(text: str, path: str) -> AbiType:
    if text in _PLAIN:
        return AbiType(text, text)
    if text == "function":
        return AbiType("function", "bytes", 24)
    if integer := _INTEGER.fullmatch(text):
        bits = int(integer["bits"] or 256)
        if bits % 8 == 0 and bits <= 256:
            return AbiType(f"{integer['kind']}{bits}", integer["kind"], bits)
    if array := _BYTES.fullmatch(text):
        size = int(array["size"]) if array["size"] else None
        if size is None or size <= 32:
            return AbiType(text, "bytes", size)
    raise BadAbi(path, f"{text[:50]!r} is no type this library knows")


# --- functions -----------------------------------------------------------------------------------


@frozen
class AbiFunction:
    """One `function` entry of an ABI."""

    name: str
    inputs: AbiType
    outputs: AbiType
    mutability: str
    """`pure`, `view`, `nonpayable`, `payable`."""
    entry: JsonObject

    @property
    def signature(self) -> str:
        """The canonical signature, for example `transfer(address,uint256)`."""
        return self.name + self.inputs.text

    @property
    def keys(self) -> tuple[str, ...]:
        """What each parameter is called: its name, or its position where it has none of its own."""
        names = self.inputs.names
        return tuple(
            name if name and names.count(name) == 1 and not name.isdecimal() else str(index)
            for index, name in enumerate(names)
        )


def parse_function(entry: JsonObject) -> AbiFunction:
    """Return the entry taken apart.

    Raises:
        BadAbi: It is malformed.
    """
    name = entry.get("name")
    if not isinstance(name, str) or not name:
        raise BadAbi("$.name", "is no name")
    return AbiFunction(
        name=name,
        inputs=tuple_type(entry.get("inputs", ()), "$.inputs"),
        outputs=tuple_type(entry.get("outputs", ()), "$.outputs"),
        mutability=_mutability(entry),
        entry=entry,
    )


def _mutability(entry: JsonObject) -> str:
    said = entry.get("stateMutability")
    if isinstance(said, str):
        return said
    if entry.get("constant") is True:  # compilers before Solidity 0.5
        return "view"
    return "payable" if entry.get("payable") is True else "nonpayable"
