"""Default values, which the tables hold as text."""

from __future__ import annotations

import re
from typing import Final

from ...abi_types import AbiType
from ...conversion import as_json
from ...errors import InvalidValue
from ...model import Json
from .rows import Refusal, parse_json, shown, whole

_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")
_BYTES: Final = re.compile(r"0x(?:[0-9a-fA-F]{2})*")
_TRUTHS: Final = {"true": True, "1": True, "false": False, "0": False}


def read_default(said: object, kind: AbiType) -> Json:
    """Return a default value as calls take it; null: there is none.

    Args:
        said: As the column or rule has it; an empty text is none.
        kind: The parameter's type, as the ABI has it.

    Raises:
        Refusal: It is no value of that type.
    """
    if said is None or said == "":
        return None
    value = _of_kind(said, kind)
    if value is None:
        raise Refusal(
            f"default_value is {shown(said)}, no {kind.text[:50]}",
            "write one, or null for none",
        )
    return value


def _of_kind(said: object, kind: AbiType) -> Json:
    match kind.kind:
        case "int" | "uint":
            return _integer(said, kind)
        case "bool":
            return _TRUTHS.get(str(said).lower())
        case "address":
            return said if isinstance(said, str) and _ADDRESS.fullmatch(said) else None
        case "bytes":
            return _bytes(said, kind)
        case "string":
            return said if isinstance(said, str) else None
        case _:
            return _composite(said)


def _integer(said: object, kind: AbiType) -> Json:
    """Return decimal digits: they stand for integers of every width."""
    number, bits = whole(said), kind.size or 256
    low, high = (0, 1 << bits) if kind.kind == "uint" else (-(1 << bits - 1), 1 << bits - 1)
    return str(number) if number is not None and low <= number < high else None


def _bytes(said: object, kind: AbiType) -> Json:
    if not isinstance(said, str) or not _BYTES.fullmatch(said):
        return None
    return said if kind.size in (None, len(said) // 2 - 1) else None


def _composite(said: object) -> Json:
    try:
        value = parse_json(said) if isinstance(said, str) else as_json(said)
    except (ValueError, InvalidValue):
        return None
    return value if isinstance(value, list | dict) else None
