"""Why a contract refused: the bytes it reverted with, put into words.

The bytes are the contract's own choice, so they may be anything: every text is bounded and
printable, and nothing here raises for what they hold.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from attrs import frozen

from ..abi_types import AbiFunction, AbiType, BadAbi, parse_function
from ..errors import CallReverted
from ..interfaces.chain import Call
from ..model import JsonObject
from . import codec
from .abi import selector
from .codec import BadData
from .values import AbiValue, to_json

MAX_REASON_CHARACTERS: Final = 500
MAX_DATA_BYTES: Final = 1024
"""How much of the revert data an error carries."""

_ERROR: Final = selector("Error(string)")
_PANIC: Final = selector("Panic(uint256)")
_TEXT: Final = AbiType("(string)", "tuple", components=(AbiType("string", "string"),), names=("",))
_CODE: Final = AbiType(
    "(uint256)", "tuple", components=(AbiType("uint256", "uint", 256),), names=("",)
)

PANICS: Final[Mapping[int, str]] = MappingProxyType(
    {
        0x00: "the compiler's own check failed",
        0x01: "an assertion failed",
        0x11: "arithmetic overflow or underflow",
        0x12: "division or modulo by zero",
        0x21: "conversion to an enum value that does not exist",
        0x22: "a storage byte array is wrongly encoded",
        0x31: "pop on an empty array",
        0x32: "index out of bounds",
        0x41: "too much memory allocated",
        0x51: "call of a function variable that was never set",
    }
)
"""Solidity's panic codes (documentation, "Panic via assert and Error via require")."""


@frozen
class Revert:
    """What revert data says."""

    reason: str
    """In words, printable, at most `MAX_REASON_CHARACTERS`."""
    error_name: str | None
    """`Error`, `Panic`, or the custom error's name; null: not known."""


def decode_revert(data: bytes, errors: Sequence[JsonObject] = ()) -> Revert:
    """Return what revert data says; never raises for what it holds.

    Args:
        data: The bytes, any.
        errors: The contract's `error` entries.
    """
    if not data:
        return Revert("the contract gave no reason", None)
    head, body = data[:4], data[4:]
    if head == _ERROR:
        return _known("Error", _TEXT, body) or _unknown(data)
    if head == _PANIC:
        return _known("Panic", _CODE, body) or _unknown(data)
    for entry in errors:
        error = _parsed(entry)
        if error is not None and selector(error.signature) == head:
            return _custom(error, body) or _unknown(data)
    return _unknown(data)


def call_reverted(call: Call, data: bytes, *, said: str = "") -> CallReverted:
    """Return the error to raise for a call that reverted.

    Args:
        call: Which.
        data: What it reverted with.
        said: The node's words, used where there is no data.
    """
    revert = decode_revert(data, call.errors)
    reason = revert.reason if data or not said else printable(said)
    return CallReverted(
        f"{call.function} reverted: {reason}",
        function=call.function,
        reason=reason,
        error_name=revert.error_name,
        data="0x" + data[:MAX_DATA_BYTES].hex(),
    )


def printable(text: str) -> str:
    """Return text that can be shown anywhere: bounded, and without control characters."""
    cut = text[: MAX_REASON_CHARACTERS + 1]
    clean = "".join(one if one.isprintable() else "\ufffd" for one in cut)
    return clean if len(clean) <= MAX_REASON_CHARACTERS else clean[:-2] + "…"


def _parsed(entry: JsonObject) -> AbiFunction | None:
    try:
        return parse_function(entry)
    except BadAbi:
        return None


def _known(name: str, kind: AbiType, body: bytes) -> Revert | None:
    try:
        (value,) = codec.decode(kind, body)
    except BadData:
        return None
    if kind is _CODE:
        return Revert(f"panic 0x{value:02x}: {PANICS.get(value, 'unknown code')}", name)
    text: str = value.decode("utf-8", "replace")
    return Revert(printable(text) or "the contract gave an empty reason", name)


def _custom(error: AbiFunction, body: bytes) -> Revert | None:
    try:
        values = codec.decode(error.inputs, body)
    except BadData:
        return None
    parts = [
        f"{key}={_shown(kind, value)}" if key == name else _shown(kind, value)
        for key, name, kind, value in zip(
            error.keys, error.inputs.names, error.inputs.components, values, strict=True
        )
    ]
    return Revert(printable(f"{error.name}({', '.join(parts)})"), printable(error.name))


def _shown(kind: AbiType, value: AbiValue) -> str:
    shown = to_json(kind, value)
    if isinstance(shown, str) and kind.kind != "string":
        return shown
    return json.dumps(shown, ensure_ascii=False)


def _unknown(data: bytes) -> Revert:
    return Revert(f"the contract's ABI has no error for its data 0x{data[:4].hex()}…", None)
