"""JSON Schema (2020-12) of the frames of v1, which is frozen: they are written down, not made.

A request is read leniently, so its schema says where the agent id may stand, and leaves the rest
free. A reply has exactly these keys; their order is no matter of a schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from .messages import MAX_AGENT_ID, REQUEST_TYPES
from .v2.messages import ResultItem
from .v2.schema import DIALECT, Schema, schema_of

_TEXT: Schema = {"type": "string"}
_ID: Schema = {"type": "string", "minLength": 1, "maxLength": MAX_AGENT_ID}


@cache
def v1_schemas() -> Mapping[str, Schema]:
    """Return the schema of every frame of v1, by the name of its class in `protocol.messages`."""
    return MappingProxyType(
        {
            "ExecuteRequest": _request(),
            "Started": _response(
                "The request was taken up; nothing has been looked up yet.",
                success=_const(True),
                message=_TEXT,
                status=_const("started"),
            ),
            "Completed": _completed(),
            "Failed": _response(
                "The execution did not end well.",
                success=_const(False),
                error=_TEXT,
                agent_id=_ID,
                status=_const("completed"),
            ),
            "Rejected": _frame("A frame was no request.", "error", _closed(message=_TEXT)),
        }
    )


def _request() -> Schema:
    """Where the id may stand: an earlier place that holds null is passed over."""
    held = [
        _holds(agent_id=_ID),
        {**_holds(agentId=_ID), "properties": {"agent_id": {"type": "null"}, "agentId": _ID}},
    ]
    nothing: Schema = {"agent_id": {"type": "null"}, "agentId": {"type": "null"}}
    inner: Schema = {"anyOf": [{"type": "object", "anyOf": held}, {"type": "string"}]}
    return {
        "$schema": DIALECT,
        "title": "ExecuteRequest",
        "description": "A client asks for one execution of an agent. Further keys are ignored.",
        "type": "object",
        "properties": {"type": {"enum": sorted(REQUEST_TYPES)}},
        "required": ["type"],
        "anyOf": [*held, {"properties": {**nothing, "data": inner}, "required": ["data"]}],
    }


def _holds(**members: Schema) -> Schema:
    return {"properties": members, "required": list(members)}


def _completed() -> Schema:
    item = {key: value for key, value in schema_of(ResultItem).items() if key != "$schema"}
    return _response(
        "The execution ended well; `message` says that nothing was done, where nothing was.",
        {"message": _TEXT},
        success=_const(True),
        results={"type": "array", "items": item},
        agent_id=_ID,
        execution_count={"type": "integer", "minimum": 0},
        status=_const("completed"),
    )


def _response(description: str, optional: Schema | None = None, /, **members: Schema) -> Schema:
    data = _closed(**members)
    data["properties"] = {**members, **(optional or {})}
    return _frame(description, "execution_response", data)


def _frame(description: str, kind: str, data: Schema) -> Schema:
    schema = _closed(type=_const(kind), data=data)
    return {"$schema": DIALECT, "description": description, **schema}


def _closed(**members: Schema) -> Schema:
    return {
        "type": "object",
        "properties": members,
        "required": list(members),
        "additionalProperties": False,
    }


def _const(value: str | bool) -> Schema:
    return {"const": value}
