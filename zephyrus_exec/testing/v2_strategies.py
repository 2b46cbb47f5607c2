"""Hypothesis strategies for the messages of v2, made from their classes."""

from __future__ import annotations

from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, Final, Union, get_args, get_origin

import attrs
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ..conversion import is_json, is_json_object
from ..protocol.v2.bounds import OneOf, Text, Within
from ..protocol.v2.messages import (
    CLIENT_MESSAGES,
    SERVER_MESSAGES,
    TARGETED,
    ClientMessage,
    ServerMessage,
)
from .strategies import json_objects, json_values

_HUGE: Final = 2.0**63
_CHARACTERS: Final = st.characters(codec="utf-8")


def client_messages() -> SearchStrategy[ClientMessage]:
    """Return everything that a client may say."""
    return st.one_of([messages(kind) for kind in CLIENT_MESSAGES])


def server_messages() -> SearchStrategy[ServerMessage]:
    """Return everything that a server may say."""
    return st.one_of([messages(kind) for kind in SERVER_MESSAGES])


def messages(kind: type[Any]) -> SearchStrategy[Any]:
    """Return the messages of a class, or the parts of one, that keep every bound of its fields."""
    fields = attrs.fields(attrs.resolve_types(kind))
    drawn = {field.name: _values(field.type, field.validator) for field in fields}
    if kind not in TARGETED:
        return st.builds(kind, **drawn)
    one = {**drawn, "execution_id": _texts(40), "effect_key": st.none()}
    return st.builds(kind, **one) | st.builds(
        kind, **{**one, "execution_id": st.none(), "effect_key": _texts(40)}
    )


def _values(annotation: Any, validator: object = None) -> SearchStrategy[Any]:
    if isinstance(validator, OneOf):
        return st.sampled_from(validator.choices)
    if is_json_object(annotation):
        return json_objects()
    if is_json(annotation):
        return json_values()
    if get_origin(annotation) in (Union, UnionType):
        return st.one_of([_values(each, validator) for each in get_args(annotation)])
    if get_origin(annotation) is tuple:
        return st.lists(_values(get_args(annotation)[0]), max_size=3).map(tuple)
    if issubclass(annotation, StrEnum):
        return st.sampled_from(annotation)
    scalars = _scalars(validator)
    return scalars[annotation] if annotation in scalars else messages(annotation)


def _scalars(validator: object) -> dict[type[Any], SearchStrategy[Any]]:
    bounds = validator if isinstance(validator, Within) else Within(-_HUGE)
    least, most = bounds.least, _HUGE if bounds.most is None else bounds.most
    return {
        NoneType: st.none(),
        bool: st.booleans(),
        int: st.integers(int(least), int(most)),
        float: st.floats(least, most, allow_nan=False, allow_infinity=False),
        str: _texts(validator.longest) if isinstance(validator, Text) else st.text(_CHARACTERS),
    }


def _texts(longest: int) -> SearchStrategy[str]:
    return st.text(_CHARACTERS, min_size=1, max_size=min(longest, 40))
