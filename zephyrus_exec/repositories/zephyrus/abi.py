"""ABIs as they are found: lists with holes, single entries, and signatures nobody computed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from ...abi_types import AbiFunction, BadAbi, parse_function
from ...model import JsonObject
from .rows import Refusal, Row, shown

_BARE_INTEGER: Final = re.compile(r"\b(u?int)(?![0-9])")
_COPY: Final = "copy it again from the compiler's output"


def entries_of(row: Row) -> tuple[JsonObject, ...]:
    """Return the entries in a row's `abi`; none: there are none, or it has none.

    Raises:
        Refusal: It is no ABI.
    """
    said = row.json("abi")
    if said is None:
        return ()
    if isinstance(said, Mapping):
        return (said,) if said else ()
    if not isinstance(said, Sequence) or isinstance(said, str):
        raise Refusal(f"abi is {shown(said)}, no list of entries", _COPY)
    entries = tuple(entry for entry in said if isinstance(entry, Mapping))
    if len(entries) < len(said):
        row.repairs.append(f"{len(said) - len(entries)} of {len(said)} ABI entries were no objects")
    return entries


def find_function(entries: Iterable[JsonObject], name: str, signature: str) -> AbiFunction | None:
    """Return the entry of a function; null: there is none of that name.

    Args:
        entries: Of one ABI.
        name: The function's.
        signature: Chooses among overloads; it may be written loosely, such as `f(tuple,uint)`.

    Raises:
        Refusal: The entry is malformed, or several have that name and the signature does not tell.
    """
    found = {one.signature: one for one in _named(entries, name)}
    if len(found) <= 1:
        return next(iter(found.values()), None)
    meant = loose(signature) if "(" in signature else ""
    fitting = [one for one in found.values() if loose(one.signature) == meant]
    if len(fitting) == 1:
        return fitting[0]
    raise Refusal(
        f"{name} is overloaded, and {shown(signature)} does not tell which is meant",
        f"write one of {', '.join(sorted(found))} as function_signature",
    )


def _named(entries: Iterable[JsonObject], name: str) -> Iterable[AbiFunction]:
    for entry in entries:
        if entry.get("type", "function") != "function" or entry.get("name") != name:
            continue
        try:
            yield parse_function(entry)
        except BadAbi as error:
            raise Refusal(f"the ABI entry of {name[:100]} is malformed: {error}", _COPY) from None


def loose(signature: str) -> str:
    """Return a signature without what people leave out: tuples' insides, widths, names."""
    name, _, rest = signature.strip().partition("(")
    types = [_loose_type(one) for one in _split(rest.rpartition(")")[0])]
    return f"{name.strip()}({','.join(types)})"


def _split(text: str) -> list[str]:
    """Return what commas outside of parentheses separate."""
    parts, depth = [""], 0
    for character in text:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts if text.strip() else []


def _loose_type(text: str) -> str:
    text = text.strip()
    if text.startswith(("(", "tuple(")):
        text = "tuple" + text.rpartition(")")[2]
    return _BARE_INTEGER.sub(r"\g<1>256", text.partition(" ")[0])


def is_function(entry: JsonObject) -> bool:
    """Return whether an entry is one of a function, and not of an event or error."""
    return entry.get("type", "function") == "function"


def own_entries(row: Row, name: str) -> tuple[JsonObject, ...]:
    """Return the entries of functions in the ABI that a function's row brings along.

    Raises:
        Refusal: It is no ABI, or one of other functions only.
    """
    entries: list[JsonObject] = [entry for entry in entries_of(row) if is_function(entry)]
    names = sorted({str(entry.get("name")) for entry in entries})
    if names and name not in names:
        raise Refusal(
            f"it is called {name}, but its ABI is that of {', '.join(names)}",
            "correct function_name, or the ABI",
        )
    return tuple(entries)
