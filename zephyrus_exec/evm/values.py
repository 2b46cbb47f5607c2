"""The value table: JSON values of EVM types, by declared type and not by size.

| type | out | in |
|---|---|---|
| `uint8…uint48`, `int8…int48` | number | number, or decimal string |
| wider integers | decimal string | number, or decimal string |
| `bool` | true, false | the same |
| `address` | checksummed `0x…` | any case; a mixed one must have the right checksum (EIP-55) |
| `bytes`, `bytesN` | `0x…` | `0x…`, for `bytesN` exactly N bytes |
| `string` | string (what is no UTF-8 becomes U+FFFD) | string without lone surrogates |
| arrays | array | array |
| tuples | object where every component is named, else array | array, or object if all are named |

Floats are refused, `1.0` too, and so is `true` for a number. Integers in hexadecimal are refused:
an address in the place of an amount must not pass for one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from eth_utils.address import is_checksum_address, to_checksum_address

from ..abi_types import AbiType
from ..model import Json

AbiValue: TypeAlias = Any
"""What `eth_abi` encodes and decodes: int, bool, str, bytes, and tuples of these."""

_WIDEST_NUMBER: Final = 48
"""Bits up to which every integer is a JSON number that every JSON reader takes exactly."""
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,77})")
_HEX = re.compile(r"0x(?:[0-9a-fA-F]{2})*")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


class BadValue(Exception):
    """A value does not fit its type.

    Args:
        path: Where, for example `$.order.lines[2].amount`.
        problem: What is wrong with it.
        remedy: What to give instead.
    """

    def __init__(self, path: str, problem: str, remedy: str) -> None:
        super().__init__(f"{path} {problem}; {remedy}")
        self.path = path
        self.problem = problem
        self.remedy = remedy


# --- in ------------------------------------------------------------------------------------------


def to_abi(kind: AbiType, value: Json, path: str = "$") -> AbiValue:
    """Return a JSON value as `eth_abi` wants it.

    Args:
        kind: The declared type.
        value: What was given.
        path: Where it stands, for the error.

    Raises:
        BadValue: It does not fit the type.
    """
    match kind.kind:
        case "uint" | "int":
            return _integer_in(kind, value, path)
        case "bool":
            return _bool_in(value, path)
        case "address":
            return _address_in(value, path)
        case "bytes":
            return _bytes_in(kind, value, path)
        case "string":
            return _text_in(value, path)
        case "array":
            return _array_in(kind, value, path)
        case _:
            return _tuple_in(kind, value, path)


def _integer_in(kind: AbiType, value: Json, path: str) -> int:
    number = value
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        number = int(value)
    if not isinstance(number, int) or isinstance(number, bool):
        raise BadValue(
            path, f"is no whole number ({kind.text})", "give an integer or a decimal string"
        )
    low, high = _range(kind)
    if not low <= number <= high:
        raise BadValue(
            path, f"is out of the range of {kind.text}", f"give a number from {low} to {high}"
        )
    return number


def _range(kind: AbiType) -> tuple[int, int]:
    bits = kind.size or 256
    if kind.kind == "uint":
        return 0, 2**bits - 1
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


def _bool_in(value: Json, path: str) -> bool:
    if not isinstance(value, bool):
        raise BadValue(path, "is no boolean (bool)", "give true or false")
    return value


def _address_in(value: Json, path: str) -> str:
    if not isinstance(value, str) or not _ADDRESS.fullmatch(value):
        raise BadValue(path, "is no address", "give 0x and 40 hexadecimal digits")
    digits = value[2:]
    if digits in (digits.lower(), digits.upper()) or is_checksum_address(value):
        return to_checksum_address(value)
    raise BadValue(
        path,
        "has a wrong checksum (EIP-55)",
        "compare it with its source; an address without checksum is written in lower case",
    )


def _bytes_in(kind: AbiType, value: Json, path: str) -> bytes:
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise BadValue(
            path, f"is no byte string ({kind.text})", "give 0x and pairs of hexadecimal digits"
        )
    data = bytes.fromhex(value[2:])
    if kind.size is not None and len(data) != kind.size:
        raise BadValue(path, f"has {len(data)} bytes", f"give exactly {kind.size} ({kind.text})")
    return data


def _text_in(value: Json, path: str) -> str:
    if not isinstance(value, str):
        raise BadValue(path, "is no string", "give a string")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise BadValue(path, "holds a lone surrogate", "give text that can be written as UTF-8")
    return value


def _array_in(kind: AbiType, value: Json, path: str) -> tuple[AbiValue, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise BadValue(path, f"is no array ({kind.text})", "give an array")
    if kind.size is not None and len(value) != kind.size:
        raise BadValue(path, f"has {len(value)} items", f"give exactly {kind.size} ({kind.text})")
    assert kind.item is not None
    item = kind.item
    return tuple(to_abi(item, one, f"{path}[{index}]") for index, one in enumerate(value))


def _tuple_in(kind: AbiType, value: Json, path: str) -> tuple[AbiValue, ...]:
    if isinstance(value, Mapping) and kind.named:
        return fields_to_abi(kind, kind.names, value, path)
    if not isinstance(value, Sequence) or isinstance(value, str):
        shape = "an object or an array" if kind.named else "an array"
        raise BadValue(path, f"is no tuple {kind.text}", f"give {shape}")
    if len(value) != len(kind.components):
        raise BadValue(path, f"has {len(value)} items", f"give exactly {len(kind.components)}")
    return tuple(
        to_abi(one, value[index], f"{path}[{index}]") for index, one in enumerate(kind.components)
    )


def fields_to_abi(
    kind: AbiType, keys: Sequence[str], value: Mapping[str, Json], path: str = "$"
) -> tuple[AbiValue, ...]:
    """Return the components of a tuple, given by key.

    Args:
        kind: The tuple.
        keys: What its components are called here, as many as it has.
        value: Exactly one value per key.
        path: Where the object stands, for the error.

    Raises:
        BadValue: A key is unknown or missing, or a value does not fit.
    """
    known = ", ".join(keys) or "none"
    for key in value:
        if key not in keys:
            raise BadValue(f"{path}.{key[:50]}", "is unknown", f"the names are: {known}")
    for key in keys:
        if key not in value:
            raise BadValue(f"{path}.{key}", "is missing", f"give all of: {known}")
    return tuple(
        to_abi(one, value[key], f"{path}.{key}")
        for key, one in zip(keys, kind.components, strict=True)
    )


# --- out -----------------------------------------------------------------------------------------


def to_json(kind: AbiType, value: AbiValue) -> Json:
    """Return a value of an ABI type as the table shows it.

    Args:
        kind: The declared type.
        value: As `to_abi` or `codec.decode` gave it.
    """
    match kind.kind:
        case "uint" | "int":
            return int(value) if (kind.size or 256) <= _WIDEST_NUMBER else str(value)
        case "bool":
            return bool(value)
        case "address":
            return to_checksum_address(value)
        case "bytes":
            return f"0x{value.hex()}"
        case "string":
            return value if isinstance(value, str) else value.decode("utf-8", "replace")
        case "array":
            assert kind.item is not None
            return [to_json(kind.item, one) for one in value]
        case _:
            return _tuple_out(kind, value)


def _tuple_out(kind: AbiType, value: AbiValue) -> Json:
    items = [to_json(one, each) for one, each in zip(kind.components, value, strict=True)]
    return dict(zip(kind.names, items, strict=True)) if kind.named else items
