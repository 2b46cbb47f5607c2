"""One example of every message of v2, as decoded JSON."""

from __future__ import annotations

from typing import Any, Final

IDENTITY: Final = {"id": "ana", "scopes": ["execute", "watch"], "expires_at": None}
EXECUTION: Final = {
    "execution_id": "e1",
    "agent_id": "a1",
    "principal": "ana",
    "status": "running",
    "created_at": 1.5,
    "ended_at": None,
    "outcome": None,
    "error_info": None,
}
RESULT: Final = {"function_name": "f", "parameters": {"to": "0x1"}, "result": [1], "success": True}
EFFECTS: Final = dict.fromkeys(
    ("mined", "finalized", "reverted", "pending", "displaced", "in_doubt"), 0
)
REQUESTS: Final[dict[str, dict[str, Any]]] = {
    "Hello": {
        "type": "hello",
        "request_id": "r",
        "versions": [2],
        "client": "c",
        "auth": {"scheme": "bearer", "token": "t"},
    },
    "Auth": {"type": "auth", "request_id": "r", "scheme": "bearer", "token": "t"},
    "Execute": {
        "type": "execute",
        "request_id": "r",
        "agent_id": "a1",
        "idempotency_key": "k",
        "store_epoch": "s",
        "input": {"any": [None, 1.5]},
        "deadline": 2.5,
    },
    "Subscribe": {"type": "subscribe", "request_id": "r", "execution_id": "e1", "from_seq": 3},
    "Unsubscribe": {"type": "unsubscribe", "request_id": "r", "effect_key": "k1"},
    "GetExecution": {"type": "get_execution", "request_id": "r", "execution_id": "e1"},
    "ListExecutions": {
        "type": "list_executions",
        "request_id": "r",
        "limit": 3,
        "before": "e1",
        "agent_id": "a1",
    },
    "Cancel": {"type": "cancel", "request_id": "r", "execution_id": "e1", "reason": "enough"},
    "Pong": {"type": "pong", "t": 1.5},
}
LIMITS: Final = {
    "max_message_bytes": 1024,
    "max_message_depth": 64,
    "max_requests": 8,
    "max_subscriptions": 8,
    "max_request_rate": 0.0,
    "hello_timeout": 10.0,
    "stall_timeout": 30.0,
    "max_duration": 600.0,
    "executions_kept": None,
    "idempotency_key_retention": 86400.0,
    "max_idempotency_key": 256,
    "max_agent_id": 256,
}
REPLIES: Final[dict[str, dict[str, Any]]] = {
    "HelloAck": {
        "type": "hello_ack",
        "request_id": "r",
        "version": 2,
        "server": "s",
        "connection_id": "c1",
        "store_epoch": "s1",
        "principal": IDENTITY,
        "limits": LIMITS,
        "heartbeat": {"ping_after": 25.0, "lost_after": 60.0},
    },
    "AuthExpiring": {"type": "auth_expiring", "expires_at": 9.5},
    "AuthAck": {"type": "auth_ack", "request_id": "r", "principal": IDENTITY},
    "ExecutionStarted": {
        "type": "execution_response",
        "request_id": "r",
        "execution_id": "e1",
        "store_epoch": "s1",
        "seq": 1,
        "data": {"success": True, "message": "m", "status": "started", "replayed": False},
    },
    "ExecutionEvent": {
        "type": "execution_event",
        "execution_id": "e1",
        "seq": 2,
        "at": 1.5,
        "event": "started",
        "data": {"owner": "o"},
    },
    "ExecutionCompleted": {
        "type": "execution_response",
        "execution_id": "e1",
        "seq": 3,
        "at": 1.5,
        "data": {
            "success": True,
            "results": [RESULT],
            "agent_id": "a1",
            "execution_count": 1,
            "status": "completed",
            "outcome": "succeeded",
            "error_info": None,
            "effects": EFFECTS,
        },
    },
    "Subscribed": {
        "type": "subscribed",
        "request_id": "r",
        "execution_id": "e1",
        "head_seq": 3,
        "terminal": False,
    },
    "Unsubscribed": {"type": "unsubscribed", "request_id": "r", "execution_id": "e1"},
    "EffectEvent": {
        "type": "effect_event",
        "effect_key": "k1",
        "seq": 1,
        "at": 1.5,
        "event": "signed",
        "data": {"nonce": 3},
    },
    "ExecutionReport": {
        "type": "execution",
        "request_id": "r",
        "execution": {**EXECUTION, "head_seq": 2},
    },
    "ExecutionList": {
        "type": "executions",
        "request_id": "r",
        "executions": [EXECUTION],
        "next": None,
    },
    "CancelAck": {
        "type": "cancel_ack",
        "request_id": "r",
        "execution_id": "e1",
        "disposition": "requested",
    },
    "Ping": {"type": "ping", "t": 1.5},
    "GoAway": {"type": "goaway", "retry_after": 1.0},
    "Error": {
        "type": "error",
        "request_id": "r",
        "data": {"message": "m", "code": "internal", "retryable": False},
    },
}


def changed(message: dict[str, Any], **members: Any) -> dict[str, Any]:
    """Return the message with these members; `data__x` is the member `x` of `data`."""
    for name, value in members.items():
        outer, _, inner = name.partition("__")
        message = {**message, outer: changed(message[outer], **{inner: value}) if inner else value}
    return message
