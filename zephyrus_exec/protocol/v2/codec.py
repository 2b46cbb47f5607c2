"""From frames to messages of v2, and back.

The server reads strictly: a key that nobody knows is refused, since a misspelt `idempotency_key`
would have an execution happen twice. A client ignores keys and messages that it does not know, so
that the server may say more one day.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from functools import cache
from typing import Any, Final, TypeAlias, cast, get_args

import attrs

from ...conversion import dumps, structure, unstructure
from ...errors import InvalidMessage, InvalidValue, UnknownMessageType
from ...model import Json, JsonObject
from ..texts import cut
from .messages import (
    CLIENT_MESSAGES,
    SERVER_MESSAGES,
    TARGETED,
    ClientMessage,
    ExecutionCompleted,
    ExecutionStarted,
    ServerMessage,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Unsubscribed,
)

_FACTORY: Final[Any] = attrs.Factory
_PLAIN: Final = frozenset({str, int, float, bool, type(None)})
"""Types whose values are JSON as they are."""
_Kinds: TypeAlias = Mapping[str, type[Any]]

_OF_CLIENT: Final[_Kinds] = {kind.type: kind for kind in CLIENT_MESSAGES}
_OF_SERVER: Final[_Kinds] = {
    kind.type: kind for kind in SERVER_MESSAGES if kind.type != ExecutionStarted.type
}


def encode(message: ClientMessage | ServerMessage) -> str:
    """Return the frame of a message.

    Raises:
        InvalidValue: A free value in it is no JSON.
    """
    return dumps({"type": message.type, **written(message)})


def written(value: attrs.AttrsInstance) -> dict[str, Json]:
    """Return a message, or a part of one, as JSON: fields that have their default are left out."""
    told: dict[str, Json] = {}
    for name, default in _defaults(type(value)):
        item = getattr(value, name)
        if item != default:
            told[name] = item if type(item) in _PLAIN else _written(item)
    return told


@cache
def _defaults(kind: type[attrs.AttrsInstance]) -> Sequence[tuple[str, object]]:
    """Return the fields of a class with their defaults; `NOTHING`, which no value is: none."""
    given = ((field.name, field.default) for field in attrs.fields(kind))
    return [
        (name, default.factory() if isinstance(default, _FACTORY) else default)
        for name, default in given
    ]


def _written(item: object) -> Json:
    if attrs.has(type(item)):
        return written(cast(attrs.AttrsInstance, item))
    if isinstance(item, tuple):
        return [_written(each) for each in item]
    return cast(Json, item) if isinstance(item, Mapping) else unstructure(item)


def read_request(message: JsonObject) -> ClientMessage:
    """Return what a client says in a decoded frame.

    Raises:
        UnknownMessageType: Its `type` is no message of a client.
        InvalidMessage: A field is missing, wrong, or not known; details name `field`, `problem`
            and `remedy`.
    """
    return cast(ClientMessage, _read(message, _kind(message, _OF_CLIENT)))


def read_reply(message: JsonObject) -> ServerMessage:
    """Return what a server says in a decoded frame; fields that are not known are ignored.

    Raises:
        UnknownMessageType: Its `type` is no message of a server that is known here.
        InvalidMessage: A field is missing or wrong.
    """
    kind = _kind(message, {**_OF_SERVER, ExecutionStarted.type: _response(message)})
    return cast(ServerMessage, _read(known(message, kind), kind))


def _kind(message: JsonObject, kinds: _Kinds) -> type[Any]:
    named = message.get("type")
    if not isinstance(named, str):
        raise _invalid("$.type", "is no string", "write the type of the message")
    if named not in kinds:
        raise UnknownMessageType(f"no message has the type {cut(named)!r}", type=cut(named))
    return kinds[named]


def _response(message: JsonObject) -> type[Any]:
    data = message.get("data")
    status = data.get("status") if isinstance(data, Mapping) else None
    return ExecutionStarted if status == "started" else ExecutionCompleted


def _read(message: JsonObject, kind: type[Any]) -> object:
    fields = {name: value for name, value in message.items() if name != "type"}
    try:
        read = structure(fields, kind)
    except InvalidValue as error:
        raise InvalidMessage(error.message, **error.details) from None
    if isinstance(read, TARGETED):
        _check_target(read)
    return read


def _check_target(read: Subscribe | Subscribed | Unsubscribe | Unsubscribed) -> None:
    if (read.execution_id is None) is (read.effect_key is None):
        raise _invalid("$", "names no target, or two", "write execution_id or effect_key")


def _invalid(field: str, problem: str, remedy: str) -> InvalidMessage:
    return InvalidMessage(
        f"{problem} @ {field}; {remedy}", field=field, problem=problem, remedy=remedy
    )


# --- leaving out what is not known ---------------------------------------------------------------


def known(value: JsonObject, kind: type[Any]) -> dict[str, Json]:
    """Return the object with the fields that the class has, here and in what it holds."""
    fields = _fields(cast(Hashable, kind))
    return {name: _known(value[name], inner) for name, inner in fields.items() if name in value}


def _known(value: Json, kind: type[Any] | None) -> Json:
    if kind is None:
        return value
    if isinstance(value, Mapping):
        return known(value, kind)
    if isinstance(value, list):
        return [_known(item, kind) for item in value]
    return value


@cache
def _fields(kind: Hashable) -> Mapping[str, type[Any] | None]:
    """Return the names of a class's fields, and of which class of ours each one's values are."""
    resolved = attrs.resolve_types(cast(type[attrs.AttrsInstance], kind))
    return {field.name: _inner(field.type) for field in attrs.fields(resolved)}


def _inner(annotation: Any) -> type[Any] | None:
    candidates = (annotation, *get_args(annotation))
    return next((one for one in candidates if isinstance(one, type) and attrs.has(one)), None)
