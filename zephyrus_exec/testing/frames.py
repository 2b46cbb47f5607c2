"""Frames against their schemas: those of a server are held to be exactly what is documented."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Final, Literal, TypeAlias

from ..errors import MissingExtra, RemoteProtocolError
from ..interfaces.transport import Frame
from ..model import Json, JsonObject
from ..protocol.codec import decode
from ..protocol.messages import REQUEST_TYPES
from ..protocol.v1_schemas import v1_schemas
from ..protocol.v2.messages import CLIENT_MESSAGES, SERVER_MESSAGES
from ..protocol.v2.schema import Schema, schemas

Dialect: TypeAlias = Literal[1, 2]
_FirstProblem: TypeAlias = Callable[[JsonObject], str | None]

_MAX_BYTES: Final = 1 << 30
_MAX_DEPTH: Final = 1000
_OF_CLIENT: Final = {kind.type: kind.__name__ for kind in CLIENT_MESSAGES}
_OF_SERVER: Final = {kind.type: kind.__name__ for kind in SERVER_MESSAGES}


class StreamViolation(AssertionError):
    """A frame, or the order of frames, breaks the protocol."""


def decoded(frame: Frame | JsonObject) -> JsonObject:
    """Return the message that a frame of a server holds.

    Raises:
        StreamViolation: It holds no JSON object.
    """
    if isinstance(frame, Mapping):
        return frame
    try:
        return decode(frame, max_bytes=_MAX_BYTES, max_depth=_MAX_DEPTH)
    except RemoteProtocolError as error:
        raise StreamViolation(f"{error.message}: {_shown(frame)}") from None


def check_reply(message: JsonObject, dialect: Dialect, *, closed: bool = True) -> str | None:
    """Return the name of what a server says, once it is what the documents say.

    Args:
        message: A decoded frame of a server.
        dialect: Which version of the protocol the connection speaks.
        closed: Whether keys that this release does not know are violations; clients ignore them.

    Returns:
        The name of its class; null: its type is none of ours.

    Raises:
        StreamViolation: It breaks its schema.
    """
    name = reply_name(message, dialect)
    if name is not None:
        _check(message, dialect, name, closed)
    return name


def check_request(message: JsonObject, dialect: Dialect) -> str | None:
    """Return the name of what a client says, once it is what the documents say.

    Raises:
        StreamViolation: It breaks its schema.
    """
    kind = message.get("type")
    if dialect == 1:
        name = "ExecuteRequest" if kind in REQUEST_TYPES else None
    else:
        name = _OF_CLIENT.get(str(kind))
    if name is not None:
        _check(message, dialect, name, True)
    return name


def reply_name(message: JsonObject, dialect: Dialect) -> str | None:
    """Return the name of the class of what a server says; null: its type is none of ours."""
    kind, data = message.get("type"), message.get("data")
    status = data.get("status") if isinstance(data, Mapping) else None
    if kind == "execution_response":
        if dialect == 2:
            return "ExecutionStarted" if status == "started" else "ExecutionCompleted"
        return _v1_response(data, status)
    if dialect == 2:
        return _OF_SERVER.get(str(kind))
    return "Rejected" if kind == "error" else None


def _v1_response(data: Json, status: Json) -> str:
    if status == "started":
        return "Started"
    succeeded = isinstance(data, Mapping) and data.get("success") is True
    return "Completed" if succeeded else "Failed"


def _check(message: JsonObject, dialect: Dialect, name: str, closed: bool) -> None:
    problem = _first_problem(dialect, name, closed)(message)
    if problem is not None:
        raise StreamViolation(f"{name} of v{dialect} {problem}: {_shown(message)}")


@cache
def _first_problem(dialect: Dialect, name: str, closed: bool) -> _FirstProblem:
    known = v1_schemas() if dialect == 1 else schemas(closed=closed)
    return problem_finder(known[name])


def problem_finder(schema: Schema) -> _FirstProblem:
    """Return what tells the first problem of a value under this schema, or null.

    Raises:
        MissingExtra: There is nothing here that understands schemas.
    """
    try:
        import jsonschema_rs
    except ImportError as error:
        raise MissingExtra(
            "checking frames against their schemas needs the extra `conformance`; "
            "install it: pip install 'zephyrus-exec[conformance]'"
        ) from error
    validator = jsonschema_rs.validator_for(schema)

    def first(value: JsonObject) -> str | None:
        if validator.is_valid(value):
            return None
        error = next(iter(validator.iter_errors(value)))
        return f"breaks its schema @ ${_place(error.instance_path)}: {error.message}"

    return first


def _place(path: Sequence[str | int]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= 300 else f"{text[:300]}…"
