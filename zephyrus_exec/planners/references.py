"""References in settings: `${path}` in a string, replaced by what the path leads to.

A string that is exactly one reference stands for the value referred to, with its type. Inside a
longer string a reference is written out as text. `$${` is a literal `${`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias, TypeGuard, cast

from attrs import frozen

from ..conversion import dumps
from ..model import Json, JsonObject

Path: TypeAlias = tuple[str | int, ...]
"""Names of fields and indices of lists, from the root on."""

_TOKEN: Final = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")
_PATH: Final = re.compile(r"[^.\[\]]+(?:\.[^.\[\]]+|\[[0-9]{1,9}\])*")
_SEGMENT: Final = re.compile(r"\[([0-9]+)\]|([^.\[\]]+)")


class Missing(Exception):
    """There is nothing at a path; the text says why."""


class Malformed(Exception):
    """A string cannot be used the way it stands there.

    Args:
        place: Where it stands.
        reason: Why.
    """

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(place, reason)
        self.place = place
        self.reason = reason


@frozen
class Reference:
    """One `${…}`."""

    text: str
    """As written, between the braces."""
    path: Path
    """At least one segment; the first is the root's name."""


Resolve: TypeAlias = Callable[[Reference], Json]


def fill_object(value: JsonObject, resolve: Resolve, place: str) -> dict[str, Json]:
    """Return the object with every reference below it replaced; its keys are no templates.

    Args:
        value: What to fill.
        resolve: Tells what a reference leads to.
        place: Where the object stands, for errors.

    Raises:
        Malformed: A string holds a broken reference, or one that cannot be written as text.
    """
    return {key: fill(item, resolve, f"{place}.{key}") for key, item in value.items()}


def fill(value: Json, resolve: Resolve, place: str) -> Json:
    """Return the value with every reference in it replaced; see `fill_object`."""
    if isinstance(value, str):
        return _fill_text(value, resolve, place)
    if isinstance(value, Mapping):
        return fill_object(value, resolve, place)
    if _is_list(value):
        return [fill(item, resolve, f"{place}[{index}]") for index, item in enumerate(value)]
    return value


def _fill_text(text: str, resolve: Resolve, place: str) -> Json:
    parts = _parse(text, place)
    if len(parts) == 1 and isinstance(parts[0], Reference):
        return resolve(parts[0])
    return "".join(
        part if isinstance(part, str) else _as_text(part, resolve, place) for part in parts
    )


def _parse(text: str, place: str) -> list[str | Reference]:
    """Return the literal pieces and references a string is made of, without empty pieces."""
    parts: list[str | Reference] = []
    end = 0
    for token in _TOKEN.finditer(text):
        parts.append(text[end : token.start()])
        parts.append("${" if token[0] == "$${" else _reference(token[1], place))
        end = token.end()
    parts.append(text[end:])
    return [part for part in parts if part != ""]


def _reference(text: str | None, place: str) -> Reference:
    if text is None:
        raise Malformed(place, "a ${ is not closed; write $${ for a literal ${")
    if not _PATH.fullmatch(text):
        raise Malformed(place, "a ${…} holds no path; write one such as ${steps.NAME.result[0]}")
    segments = _SEGMENT.findall(text)
    return Reference(text, tuple(int(index) if index else name for index, name in segments))


def _as_text(reference: Reference, resolve: Resolve, place: str) -> str:
    value = resolve(reference)
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return dumps(value)
    reason = f"${{{reference.text}}} is null, a list or an object, which cannot stand inside text"
    raise Malformed(place, reason)


def walk(value: Json, path: Path) -> Json:
    """Return what stands at the path below the value.

    Raises:
        Missing: Nothing does.
    """
    for segment in path:
        if not _has(value, segment):
            raise Missing(f"there is nothing at {segment!r}")
        value = cast(Any, value)[segment]
    return value


def _has(value: Json, segment: str | int) -> bool:
    if isinstance(segment, str):
        return isinstance(value, Mapping) and segment in value
    return _is_list(value) and segment < len(value)


def _is_list(value: Json) -> TypeGuard[Sequence[Json]]:
    return isinstance(value, Sequence) and not isinstance(value, str)
