"""JSON Schema (2020-12) of every message, made from its class.

Types come from annotations, bounds from validators, words from the strings under fields. Two things
a class cannot say are said here: that a target is either an execution or an effect, and that the
data of an event has the shape of its kind.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cache
from textwrap import dedent
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Final, TypeAlias, Union, get_args, get_origin

import attrs

from ...conversion import is_json, is_json_object
from ...model import EventKind
from .bounds import ITEMS, OneOf, Text, Within
from .facts import DATA, OPEN
from .messages import CLIENT_MESSAGES, SERVER_MESSAGES, TARGETED, ExecutionEvent

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
Schema: TypeAlias = dict[str, Any]
_SCALARS: Final[Mapping[Any, str]] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    NoneType: "null",
}


@cache
def schemas(*, closed: bool = True) -> Mapping[str, Schema]:
    """Return the schema of every message of v2, by the name of its class.

    Args:
        closed: Whether keys that this release does not know are refused in what a server sends,
            too. Clients ignore them, so that a server may say more one day.
    """
    return MappingProxyType(
        {kind.__name__: schema_of(kind) for kind in CLIENT_MESSAGES}
        | {kind.__name__: schema_of(kind, closed=closed) for kind in SERVER_MESSAGES}
    )


def schema_of(kind: type[Any], *, closed: bool = True) -> Schema:
    """Return the schema of a message, or of a part of one.

    Args:
        kind: Its class.
        closed: Whether keys that the class does not have are refused.
    """
    schema = {"$schema": DIALECT, **_object(kind, closed)}
    if kind in TARGETED:
        schema["oneOf"] = [_only("execution_id"), _only("effect_key")]
    if kind is ExecutionEvent:
        schema["allOf"] = [_data_of(event, closed) for event in DATA]
    return schema


def _only(key: str) -> Schema:
    other = {"execution_id": "effect_key", "effect_key": "execution_id"}[key]
    return {
        "required": [key],
        "properties": {key: {"type": "string"}, other: {"type": "null"}},
    }


def _data_of(event: EventKind, closed: bool) -> Schema:
    return {
        "if": {"properties": {"event": {"const": event.value}}},
        "then": {"properties": {"data": _object(DATA[event], closed)}},
    }


# --- classes -------------------------------------------------------------------------------------


def _object(kind: type[Any], closed: bool) -> Schema:
    docs = field_docs(kind)
    resolved = attrs.fields(attrs.resolve_types(kind))
    properties: Schema = {}
    if hasattr(kind, "type") and isinstance(kind.type, str):
        properties["type"] = {"const": kind.type}
    required: list[str] = list(properties)
    for field in resolved:
        name = wire_name(field)
        properties[name] = {**_field(field, closed), **_described(docs.get(field.name))}
        if field.default is attrs.NOTHING:
            required.append(name)
    schema: Schema = {
        "title": kind.__name__,
        **_described(inspect.getdoc(kind)),
        "type": "object",
        "properties": properties,
        "required": required,
    }
    if closed and kind not in OPEN:
        schema["additionalProperties"] = False
    return schema


def wire_name(field: attrs.Attribute[Any]) -> str:
    """Return the key of a field on the wire."""
    return field.name.removesuffix("_")


def _described(text: str | None) -> Schema:
    return {"description": " ".join(text.split())} if text else {}


def _field(field: attrs.Attribute[Any], closed: bool) -> Schema:
    schema = _type(field.type, closed)
    schema.update(_bounds(field.validator))
    if ITEMS in field.metadata:
        schema["items"] = _object(field.metadata[ITEMS], closed)
    default = field.default
    if isinstance(default, str | int | float) or default is None:
        schema["default"] = default
    return schema


def _bounds(validator: object) -> Schema:
    match validator:
        case Text(longest):
            return {"minLength": 1, "maxLength": longest}
        case Within(least, None):
            return {"minimum": least}
        case Within(least, most):
            return {"minimum": least, "maximum": most}
        case OneOf((choice,)):
            return {"const": choice}
        case OneOf(choices):
            return {"enum": list(choices)}
        case _:
            return {}


# --- types ---------------------------------------------------------------------------------------


def _type(annotation: Any, closed: bool) -> Schema:
    if annotation in _SCALARS:
        return {"type": _SCALARS[annotation]}
    if is_json_object(annotation):
        return {"type": "object"}
    if is_json(annotation):
        return {}
    if get_origin(annotation) in (Union, UnionType):
        return _either([_type(each, closed) for each in get_args(annotation)])
    if get_origin(annotation) is tuple:
        return {"type": "array", "items": _type(get_args(annotation)[0], closed)}
    if issubclass(annotation, StrEnum):
        return {"type": "string", "enum": [member.value for member in annotation]}
    return _object(annotation, closed)


def _either(several: Sequence[Schema]) -> Schema:
    """Return the schema of a union: its types where that is all there is to say, else choices."""
    if all(list(each) == ["type"] for each in several):
        return {"type": [each["type"] for each in several]}
    return {"anyOf": list(several)}


# --- words ---------------------------------------------------------------------------------------


def field_docs(kind: type[Any]) -> Mapping[str, str]:
    """Return the strings under the fields of a class, those it inherits too, by field.

    None where the source is not at hand, as in a frozen program.
    """
    found: dict[str, str] = {}
    for each in reversed(kind.__mro__[:-1]):
        found |= _own_docs(each)
    return found


def _own_docs(kind: type[Any]) -> dict[str, str]:
    try:
        tree = ast.parse(dedent(inspect.getsource(kind))).body[0]
    except (OSError, TypeError):  # TypeError: it is built into Python
        return {}
    assert isinstance(tree, ast.ClassDef)
    found: dict[str, str] = {}
    name = ""
    for node in tree.body:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
                pass
            case ast.Expr(value=ast.Constant(value=str(text))) if name:
                found[name] = inspect.cleandoc(text)
    return found
