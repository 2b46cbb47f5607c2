"""The one strict converter between JSON values and the model.

Nothing is coerced: null is no string, `"false"` no boolean, `1.9` no integer, a key nobody knows
no key. Whatever is wrong is told as one `InvalidValue` whose message is `problem @ $.path; remedy`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from difflib import get_close_matches
from enum import StrEnum
from functools import lru_cache
from json.encoder import encode_basestring
from types import UnionType
from typing import Any, Final, NoReturn, TypeAlias, TypeVar, Union, get_args, get_origin

import attrs
from cattrs import Converter
from cattrs.errors import BaseValidationError, StructureHandlerNotFoundError
from cattrs.gen import make_dict_structure_fn, override

from .errors import InvalidValue
from .model import Action, Json, JsonObject

T = TypeVar("T")
_Hook: TypeAlias = Callable[[object, Any], Any]

MAX_DEPTH: Final = 64
"""How deep a free JSON value inside a structured one may nest."""
LARGEST_INTEGER: Final = 10**4300 - 1
"""The largest integer that Python reads from text, and writes as text, by default."""

_DECIMAL: Final = re.compile(r"-?[0-9]{1,80}(\.[0-9]{1,80})?")
_PLAIN_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_SHOWN: Final = 40
"""Characters of a wrong value that a message repeats."""


# --- writing -------------------------------------------------------------------------------------


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return list(value)
    raise TypeError


_ENCODER: Final = json.JSONEncoder(
    ensure_ascii=False,
    separators=(",", ":"),
    allow_nan=False,
    check_circular=False,
    default=_plain,
)


def _prebuilt(make: Any) -> Callable[[object], str]:
    """Return what `_ENCODER.encode` does, without making a C encoder anew for each value.

    That costs more than most values of ours.

    Args:
        make: The interpreter's `json.encoder.c_make_encoder`; null: it has none.
    """
    if make is None:
        return _ENCODER.encode
    chunks = make(None, _plain, encode_basestring, None, ":", ",", False, False, False)
    return lambda value: "".join(chunks(value, 0))


_encode: Final = _prebuilt(getattr(json.encoder, "c_make_encoder", None))


def dumps(value: Json) -> str:
    """Return the value as compact JSON text, keys in their order, nothing escaped needlessly.

    Raises:
        InvalidValue: It is no JSON: NaN or infinity, a lone surrogate, an object of ours, a cycle.
    """
    try:
        return _utf8(_encode(value))
    except (TypeError, ValueError, RecursionError):
        raise InvalidValue.at(
            "$",
            "cannot be written as JSON",
            "use null, booleans, finite numbers, strings without lone surrogates, lists, objects",
        ) from None


def quote(text: str) -> str:
    """Return the text as a JSON string, quotation marks included.

    Raises:
        InvalidValue: It holds a lone surrogate.
    """
    try:
        return _utf8(encode_basestring(text))
    except ValueError:
        raise _refused("$", *_SURROGATE) from None


@lru_cache(maxsize=4096)
def quote_id(text: str) -> str:
    """Return what `quote` does, remembered: for ids, which are short and written all the time.

    Raises:
        InvalidValue: It holds a lone surrogate.
    """
    return quote(text)


def _utf8(text: str) -> str:
    if not text.isascii():
        text.encode()
    return text


def unstructure(value: object) -> Json:
    """Return the model value as JSON: every field, in the order of its declaration.

    Defaults are written too, so that what was stored means the same when a default changes.
    """
    data: Json = _converter.unstructure(value)
    return data


# --- reading -------------------------------------------------------------------------------------


def structure(data: object, kind: type[T]) -> T:
    """Return the value of that type the JSON describes.

    Args:
        data: JSON as `json.loads` gives it: null, booleans, numbers, strings, lists, objects.
        kind: A class of the model, or a list or tuple of one.

    Raises:
        InvalidValue: It breaks the schema; details name `field`, `problem` and `remedy`.
    """
    try:
        return _converter.structure(data, kind)
    except (_Refusal, InvalidValue, BaseValidationError, StructureHandlerNotFoundError) as error:
        path, problem, remedy = _explain(error)
        raise _refused("$" + path, problem, remedy) from None


def as_json(value: object) -> Json:
    """Return the value as a copy in plain lists and dicts, once it is sure to be JSON.

    Unlike `dumps` this looks at keys and depth too, so that what it returns can be read back by
    `structure` wherever the model allows free JSON.

    Raises:
        InvalidValue: It is no JSON, or nested deeper than `MAX_DEPTH`.
    """
    kind: Any = Json
    data: Json = structure(value, kind)
    return data


def as_json_object(value: object) -> JsonObject:
    """Return the value as `as_json` does, once it is sure to be an object.

    Raises:
        InvalidValue: It is no object, or not all of it is JSON.
    """
    checked = as_json(value)
    if not isinstance(checked, Mapping):
        raise _refused("$", f"is {_kind(value)}", "must be an object")
    return checked


class _Refusal(Exception):
    """Inside this module: a value breaks its schema at `path` below the value at hand."""

    def __init__(self, problem: str, remedy: str, path: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy
        self.path = path


_SURROGATE: Final = ("holds a lone surrogate", "write well-formed Unicode")


def _refused(field: str, problem: str, remedy: str) -> InvalidValue:
    return InvalidValue.at(field, problem, remedy)


def _explain(error: BaseException) -> tuple[str, str, str]:
    """Return path (without `$`), problem and remedy of the first thing that is wrong."""
    if isinstance(error, BaseValidationError):
        first = error.exceptions[0]
        path, problem, remedy = _explain(first)
        return _place(first) + path, problem, remedy
    if isinstance(error, _Refusal):
        return error.path, error.problem, error.remedy
    if isinstance(error, InvalidValue):
        details = error.details
        return str(details["field"])[1:], str(details["problem"]), str(details["remedy"])
    return "", "has a type that cannot be read", "ask for a class of the model"


def _place(error: BaseException) -> str:
    """Return the field cattrs noted on the error; none where the class as a whole refused."""
    for note in getattr(error, "__notes__", ()):
        name = getattr(note, "name", None)
        if name is not None:
            return f".{name}"
    return ""


def _expected(what: str, value: object) -> NoReturn:
    raise _Refusal(f"must be {what}, not {_kind(value)}", f"write {what}")


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case Mapping():
            return "an object"
        case list() | tuple():
            return "a list"
        case _:
            return "something that is no JSON"


def _shown(text: str) -> str:
    cut = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
    return repr(cut)


def _string(value: object, _: object = None) -> str:
    if not isinstance(value, str):
        _expected("a string", value)
    if not value.isascii():
        _well_formed(value)
    return value


def _well_formed(text: str) -> None:
    try:
        _utf8(text)
    except ValueError:
        raise _Refusal(*_SURROGATE) from None


def _integer(value: object, _: object = None) -> int:
    if type(value) is not int:
        _expected("an integer", value)
    return value


def _amount(value: object, _: object = None) -> int:
    amount = _integer(value)
    if amount < 0:
        raise _Refusal("is out of range", "write an integer of at least 0")
    return amount


def _boolean(value: object, _: object = None) -> bool:
    if type(value) is not bool:
        _expected("true or false", value)
    return value


def _float(value: object, _: object = None) -> float:
    if type(value) is not int and type(value) is not float:
        _expected("a number", value)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise _Refusal("is out of range", "write a finite number")
    return number


def _decimal(value: object, _: object = None) -> Decimal:
    if type(value) is int:
        return Decimal(value)
    if type(value) is float and math.isfinite(value):
        return Decimal(repr(value))
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        return Decimal(value)
    if isinstance(value, str):
        raise _Refusal("is no decimal number", 'write a number, or a string such as "1.5"')
    _expected("a number or a decimal string", value)


def _enum(value: object, kind: type[StrEnum]) -> StrEnum:
    if isinstance(value, str):
        found = kind._value2member_map_.get(value)
        if isinstance(found, kind):
            return found
    allowed = [member.value for member in kind]
    if not isinstance(value, str):
        _expected(f"one of {', '.join(allowed)}", value)
    remedy = f"{_hint(value, allowed)}write one of {', '.join(allowed)}"
    raise _Refusal(f"{_shown(value)} is not allowed", remedy)


def _hint(word: str, known: Collection[str]) -> str:
    close = get_close_matches(word[:_SHOWN], list(known), n=1)
    return f"did you mean {close[0]}? " if close else ""


# --- free JSON -----------------------------------------------------------------------------------


def _json(value: object, _: object = None, depth: int = 0) -> Json:
    """Return a copy in plain lists and dicts, so that nobody can change it from outside."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if abs(value) > LARGEST_INTEGER:
            raise _Refusal("has more digits than can be written", "write it as a string")
        return value
    if isinstance(value, str):
        _well_formed(value)
        return value
    if isinstance(value, float):
        return _float(value)
    if depth >= MAX_DEPTH:
        raise _Refusal("is nested too deeply", f"nest at most {MAX_DEPTH} levels")
    if isinstance(value, Mapping):
        return {_key(key): _under(_step(key), item, depth) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_under(f"[{index}]", item, depth) for index, item in enumerate(value)]
    _expected("JSON", value)


def _step(key: object) -> str:
    return f".{key}" if _PLAIN_KEY.fullmatch(str(key)) else f"[{_shown(str(key))}]"


def _under(place: str, value: object, depth: int) -> Json:
    try:
        return _json(value, depth=depth + 1)
    except _Refusal as error:
        raise _Refusal(error.problem, error.remedy, place + error.path) from None


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise _Refusal("has a key that is no string", "write every key as a string")
    _well_formed(key)
    return key


def _json_object(value: object, _: object = None) -> Json:
    if not isinstance(value, Mapping):
        _expected("an object", value)
    return _json(value)


def is_json(kind: Any) -> bool:
    """Tell `Json` however often its forward references have been resolved."""
    return get_origin(kind) in (Union, UnionType) and {bool, str, type(None)} <= set(get_args(kind))


def is_json_object(kind: Any) -> bool:
    """Tell `JsonObject`, likewise."""
    return get_origin(kind) in (Mapping, dict) and is_json(get_args(kind)[1])


# --- classes and sequences -----------------------------------------------------------------------


def _class_hook(kind: type[Any], converter: Converter) -> _Hook:
    # An action is made too often for a validator of its own.
    overrides: Any = {"value_wei": override(struct_hook=_amount)} if kind is Action else {}
    build = make_dict_structure_fn(kind, converter, **overrides)
    fields = attrs.fields(kind)
    known = {field.alias: None for field in fields}
    required = {field.alias: None for field in fields if field.default is attrs.NOTHING}

    def hook(value: object, _: object) -> Any:
        if not isinstance(value, Mapping):
            _expected("an object", value)
        if not required.keys() <= value.keys() <= known.keys():
            _refuse_keys(value, known, required)
        return build(value, kind)

    return hook


def _refuse_keys(
    value: Mapping[Any, object], known: Collection[str], required: Collection[str]
) -> NoReturn:
    """Tell the key that nobody knows, or else the one that is missing."""
    for key in value:
        if _key(key) not in known:
            remedy = f"{_hint(key, known)}remove it, or write one of {', '.join(known)}"
            raise _Refusal(f"there is no field {_shown(key)}", remedy)
    missing = next(name for name in required if name not in value)
    raise _Refusal("is missing", "write it", f".{missing}")


def _sequence_hook(kind: Any, converter: Converter) -> _Hook:
    item_kind = get_args(kind)[0]
    origin: Any = get_origin(kind)
    make: Callable[[Iterable[Any]], Any] = tuple if origin is Sequence else origin

    def hook(value: object, _: object) -> Any:
        if not isinstance(value, list | tuple):
            _expected("a list", value)
        items = enumerate(value)
        return make(_item(converter, item_kind, index, item) for index, item in items)

    return hook


def _item(converter: Converter, kind: Any, index: int, value: object) -> Any:
    try:
        return converter.structure(value, kind)
    except (_Refusal, InvalidValue, BaseValidationError) as error:
        path, problem, remedy = _explain(error)
        raise _Refusal(problem, remedy, f"[{index}]{path}") from None


def _is_set(kind: Any) -> bool:
    origin: Any = get_origin(kind)
    return origin is frozenset


def _is_sequence(kind: Any) -> bool:
    origin: Any = get_origin(kind)
    args = get_args(kind)
    return origin in (list, frozenset, Sequence) or (origin is tuple and args[1:] == (Ellipsis,))


def _build() -> Converter:
    converter = Converter(detailed_validation=True)
    scalars = {str: _string, int: _integer, bool: _boolean, float: _float, Decimal: _decimal}
    for kind, hook in scalars.items():
        converter.register_structure_hook(kind, hook)
    # By class, and by this one: classes are asked before predicates, and `str` before `Enum`.
    converter.register_structure_hook(StrEnum, _enum)
    converter.register_structure_hook_factory(attrs.has, lambda kind: _class_hook(kind, converter))
    converter.register_structure_hook_factory(
        _is_sequence, lambda kind: _sequence_hook(kind, converter)
    )
    converter.register_structure_hook_func(is_json_object, _json_object)
    converter.register_structure_hook_func(is_json, _json)
    _register_writers(converter)
    return converter


def _register_writers(converter: Converter) -> None:
    converter.register_unstructure_hook(StrEnum, lambda member: member.value)
    converter.register_unstructure_hook(Decimal, lambda value: format(value, "f"))
    converter.register_unstructure_hook_func(_is_set, sorted)
    converter.register_unstructure_hook_func(
        lambda kind: is_json(kind) or is_json_object(kind), lambda value: value
    )


_converter: Final = _build()
