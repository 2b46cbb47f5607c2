"""Rules for parameters, in the spellings that are found."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from attrs import field, frozen

from ...abi_types import AbiType
from ...model import Json, JsonObject, Rules
from .rows import Refusal, shown, whole

_SPELLINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "minimum": ("min", "minimum", "min_value", "minvalue"),
    "maximum": ("max", "maximum", "max_value", "maxvalue"),
    "allowed": ("allowed", "allowed_values", "allowedvalues", "enum", "one_of", "oneof"),
    "pattern": ("pattern", "regex"),
    "min_length": ("min_length", "minlength"),
    "max_length": ("max_length", "maxlength"),
    "required": ("required",),
    "default": ("default", "default_value", "defaultvalue"),
}
_NAMES: Final = {spelling: name for name, every in _SPELLINGS.items() for spelling in every}
_NUMBERS: Final = frozenset({"int", "uint"})
_TEXTS: Final = frozenset({"string", "bytes", "address"})
_LONG: Final = frozenset({"string", "bytes", "array"})
_WIDEST_NUMBER: Final = 48
"""Bits up to which an integer is compared as a number, and not as decimal digits."""


@frozen
class Bounds:
    """What rules say about one parameter."""

    rules: Rules = field(factory=Rules)
    default: Json = None
    repairs: tuple[str, ...] = ()
    """What means something else here, a phrase each."""


def read_rules(said: Json, kind: AbiType) -> Bounds:
    """Return what an object of rules says about a parameter.

    Args:
        said: The object; null: no rules.
        kind: The parameter's type, as the ABI has it.

    Raises:
        Refusal: A rule is unknown, malformed, or makes no sense for the type.
    """
    if said is None:
        return Bounds()
    if not isinstance(said, Mapping):
        raise Refusal(f"its rules are {shown(said)}, no object", "write an object, or null")
    given = _by_name(said)
    repairs: list[str] = []
    if given.pop("required", None) is False:
        repairs.append("`required: false` means nothing: a call has all its parameters")
    default = given.pop("default", None)
    for name in given:
        _check_kind(name, kind)
    read = {name: _READERS[name](name, value) for name, value in given.items()}
    pattern = read.get("pattern")
    if pattern and not (pattern.startswith("^") and pattern.endswith("$")):
        repairs.append("the pattern has to match the whole text here")
    return Bounds(Rules(**read), default, tuple(repairs))


def _by_name(said: JsonObject) -> dict[str, Json]:
    """Return the rules that say something, by our names."""
    given: dict[str, Json] = {}
    for spelling, value in said.items():
        name = _NAMES.get(spelling.lower())
        if name is None:
            known = ", ".join(_SPELLINGS)
            raise Refusal(
                f"there is no rule {shown(spelling)} here",
                f"remove it if the function is safe without, or write one of {known}",
            )
        if name in given and given[name] != value:
            raise Refusal(f"it has two rules for {name}", "keep one of them")
        if value is not None:
            given[name] = value
    return given


def _check_kind(name: str, kind: AbiType) -> None:
    """Return if a value of this type can keep or break the rule."""
    wide = kind.kind in _NUMBERS and (kind.size or 256) > _WIDEST_NUMBER
    fits = {
        "minimum": kind.kind in _NUMBERS,
        "maximum": kind.kind in _NUMBERS,
        "allowed": True,
        "pattern": kind.kind in _TEXTS or wide,
        "min_length": kind.kind in _LONG,
        "max_length": kind.kind in _LONG,
    }
    if not fits[name]:
        raise Refusal(
            f"the rule {name} makes no sense for {kind.text[:50]}",
            "remove it, or write one that does",
        )


def _bound(name: str, value: Json) -> int:
    number = whole(value)
    if number is None:
        raise Refusal(f"the rule {name} is {shown(value)}, no whole number", "write digits")
    return number


def _length(name: str, value: Json) -> int:
    number = _bound(name, value)
    if number < 0:
        raise Refusal(f"the rule {name} is {number}", "write 0 or more")
    return number


def _allowed(name: str, value: Json) -> tuple[Json, ...]:
    if not isinstance(value, list | tuple) or not value:
        raise Refusal(f"the rule {name} is {shown(value)}, no list of values", "write some")
    return tuple(value)


def _pattern(name: str, value: Json) -> str:
    remedy = "write a regular expression, without slashes around it"
    if not isinstance(value, str) or re.fullmatch("/.*/[a-z]*", value, re.DOTALL):
        raise Refusal(f"the rule {name} is {shown(value)}", remedy)
    try:
        re.compile(value)
    except (re.error, OverflowError, RecursionError):
        raise Refusal(f"the rule {name} is {shown(value)}, no regular expression", remedy) from None
    return value


_Reader: TypeAlias = Callable[[str, Json], Any]
_READERS: Final[Mapping[str, _Reader]] = {
    "minimum": _bound,
    "maximum": _bound,
    "allowed": _allowed,
    "pattern": _pattern,
    "min_length": _length,
    "max_length": _length,
}
