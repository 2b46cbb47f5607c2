"""The AsyncAPI 3.0 document, made from the classes of the messages."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

import frames

from zephyrus_exec.interfaces.transport import V1_SUBPROTOCOL, V2_SUBPROTOCOL
from zephyrus_exec.protocol.v1_schemas import v1_schemas
from zephyrus_exec.protocol.v2.messages import (
    ANSWERS,
    CLIENT_MESSAGES,
    SERVER_MESSAGES,
    AuthExpiring,
    EffectEvent,
    Error,
    ExecutionCompleted,
    ExecutionEvent,
    GoAway,
    Ping,
)
from zephyrus_exec.protocol.v2.schema import schemas

_V1_REQUESTS: Final = ("ExecuteRequest",)
_TOLD: Final = {
    "tellWhatIsWatched": (ExecutionEvent, ExecutionCompleted, EffectEvent),
    "askForLife": (Ping,),
    "announceTheEnd": (AuthExpiring, GoAway),
    "refuseAFrame": (Error,),
}
"""What the server says of its own accord."""
_SUMMARIES: Final = {
    "tellWhatIsWatched": "Every event of what is watched, in order, the last one included.",
    "askForLife": "Sent where nothing was heard of the client for a while.",
    "announceTheEnd": "What will end the connection, in time to do something about it.",
    "refuseAFrame": "A frame that holds no request that could be named.",
}
_CORRELATION: Final = {"location": "$message.payload#/request_id"}


def document() -> str:
    """Return the document as JSON text."""
    return json.dumps(_document(), ensure_ascii=False, indent=1) + "\n"


def _document() -> dict[str, Any]:
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "zephyrus_exec",
            "version": "2",
            "description": "Agents are executed on request; every step is told. Version 1 of the "
            "protocol is frozen; version 2 is additive. The reference pages say the rest.",
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "local": _server("localhost:8765", "ws", "A server of this machine; any path."),
            "example": _server("agents.example.org", "wss", "One behind TLS."),
        },
        "channels": {"v2": _v2_channel(), "v1": _v1_channel()},
        "operations": {**_v2_operations(), **_v1_operations()},
        "components": {
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "`Authorization: Bearer zx_…` at the handshake; in version 2 "
                    "`hello.auth` will do, too.",
                }
            },
            "messages": {**_v2_messages(), **_v1_messages()},
        },
    }


def _server(host: str, protocol: str, description: str) -> dict[str, Any]:
    security = [{"$ref": "#/components/securitySchemes/bearer"}]
    return {"host": host, "protocol": protocol, "description": description, "security": security}


# --- version 2 -----------------------------------------------------------------------------------


def _v2_channel() -> dict[str, Any]:
    names = [kind.__name__ for kind in (*CLIENT_MESSAGES, *SERVER_MESSAGES)]
    return _channel(
        "Version 2",
        "Chosen by its subprotocol, or by a first message `hello` where none was chosen.",
        V2_SUBPROTOCOL,
        names,
        prefix="",
    )


def _v2_operations() -> dict[str, Any]:
    asked = {_lower(kind.__name__): _asked(kind) for kind in CLIENT_MESSAGES}
    told = {
        name: {
            "action": "send",
            "channel": _ref("channels", "v2"),
            "summary": _SUMMARIES[name],
            "messages": [_ref("channels", "v2", "messages", kind.__name__) for kind in kinds],
        }
        for name, kinds in _TOLD.items()
    }
    return {**asked, **told}


def _asked(kind: Any) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "action": "receive",
        "channel": _ref("channels", "v2"),
        "summary": _doc(kind),
        "messages": [_ref("channels", "v2", "messages", kind.__name__)],
    }
    if kind in ANSWERS:
        operation["reply"] = {
            "channel": _ref("channels", "v2"),
            "messages": [
                _ref("channels", "v2", "messages", answer.__name__)
                for answer in (ANSWERS[kind], Error)
            ],
        }
    return operation


def _v2_messages() -> dict[str, Any]:
    every, shown = schemas(closed=False), frames.examples()
    return {
        kind.__name__: _message(
            kind.type,
            _doc(kind),
            every[kind.__name__],
            [json.loads(shown[kind.__name__])],
            correlated="request_id" in every[kind.__name__]["properties"],
        )
        for kind in (*CLIENT_MESSAGES, *SERVER_MESSAGES)
    }


# --- version 1 -----------------------------------------------------------------------------------


def _v1_channel() -> dict[str, Any]:
    return _channel(
        "Version 1",
        "Frozen. Chosen where nothing else is.",
        V1_SUBPROTOCOL,
        list(v1_schemas()),
        prefix="V1",
    )


def _v1_operations() -> dict[str, Any]:
    replies = [name for name in v1_schemas() if name not in _V1_REQUESTS]
    return {
        "v1Execute": {
            "action": "receive",
            "channel": _ref("channels", "v1"),
            "summary": v1_schemas()["ExecuteRequest"]["description"],
            "messages": [_ref("channels", "v1", "messages", "V1ExecuteRequest")],
            "reply": {
                "channel": _ref("channels", "v1"),
                "messages": [_ref("channels", "v1", "messages", f"V1{name}") for name in replies],
            },
        }
    }


def _v1_messages() -> dict[str, Any]:
    return {
        f"V1{name}": _message(name, schema["description"], schema, [], correlated=False)
        for name, schema in v1_schemas().items()
    }


# --- parts ---------------------------------------------------------------------------------------


def _channel(
    title: str, description: str, subprotocol: str, names: Iterable[str], *, prefix: str
) -> dict[str, Any]:
    offered = {"type": "string", "description": "What the client offers.", "const": subprotocol}
    return {
        "address": "/",
        "title": title,
        "description": description,
        "messages": {
            f"{prefix}{name}": _ref("components", "messages", f"{prefix}{name}") for name in names
        },
        "bindings": {
            "ws": {
                "method": "GET",
                "headers": {"type": "object", "properties": {"Sec-WebSocket-Protocol": offered}},
                "bindingVersion": "0.1.0",
            }
        },
    }


def _message(
    name: str,
    summary: str,
    schema: Mapping[str, Any],
    shown: list[dict[str, Any]],
    *,
    correlated: bool,
) -> dict[str, Any]:
    message: dict[str, Any] = {
        "name": name,
        "summary": summary,
        "payload": {key: value for key, value in schema.items() if key != "$schema"},
    }
    if correlated:
        message["correlationId"] = _CORRELATION
    if shown:
        message["examples"] = [{"payload": each} for each in shown]
    return message


def _ref(*path: str) -> dict[str, str]:
    return {"$ref": "#/" + "/".join(path)}


def _lower(name: str) -> str:
    return name[0].lower() + name[1:]


def _doc(kind: type) -> str:
    return " ".join((inspect.getdoc(kind) or "").split())
