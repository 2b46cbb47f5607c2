"""The server's side of a v2 connection: what a client may say, and when."""

from __future__ import annotations

import json
from typing import Any

import pytest

from zephyrus_exec.errors import AgentNotFound, RateLimited
from zephyrus_exec.protocol.connection import Close
from zephyrus_exec.protocol.v2.messages import (
    Auth,
    CancelAck,
    Execute,
    Heartbeat,
    Hello,
    Identity,
    Limits,
    Subscribe,
)
from zephyrus_exec.protocol.v2.server import CloseCode, Foreign, Refused, State, V2Connection

LIMITS = Limits(
    max_message_bytes=1000,
    max_message_depth=8,
    max_requests=2,
    max_subscriptions=3,
    max_request_rate=0,
    hello_timeout=10.0,
    stall_timeout=30.0,
    max_duration=60.0,
    executions_kept=None,
    idempotency_key_retention=86_400.0,
    max_idempotency_key=256,
    max_agent_id=256,
)
ANYBODY = Identity("ana", ("execute",), None)


def hello(**more: Any) -> str:
    return json.dumps({"type": "hello", "request_id": "h", "versions": [2], **more})


def execute(request_id: str = "e", **more: Any) -> str:
    return json.dumps({"type": "execute", "request_id": request_id, "agent_id": "a", **more})


def new(**options: Any) -> V2Connection:
    return V2Connection(LIMITS, now=0.0, **options)


def opened(principal: Identity = ANYBODY, **options: Any) -> V2Connection:
    connection = new(**options)
    request = connection.receive(hello(), 0.0)
    assert isinstance(request, Hello)
    welcome(connection, request, principal)
    return connection


def welcome(connection: V2Connection, request: Hello, principal: Identity) -> str:
    return connection.welcome(
        request, server="s/1", connection_id="c1", store_epoch="e1", principal=principal
    )


def refused(received: object) -> tuple[dict[str, Any], Close | None]:
    assert isinstance(received, Refused)
    message = json.loads(received.frame)
    assert message["type"] == "error"
    return message, received.close


# --- opening -------------------------------------------------------------------------------------


def test_hello_opens_the_connection_and_tells_every_bound() -> None:
    connection = new()
    request = connection.receive(hello(client="c/1"), 1.0)
    assert request == Hello("h", (2,), "c/1")
    asked = connection.state
    ack = json.loads(welcome(connection, request, ANYBODY))
    assert (asked, connection.state) == (State.ASKED, State.OPEN)
    assert list(ack) == [
        "type",
        "request_id",
        "version",
        "server",
        "connection_id",
        "store_epoch",
        "principal",
        "limits",
        "heartbeat",
    ]
    assert ack["principal"] == {"id": "ana", "scopes": ["execute"], "expires_at": None}
    assert ack["limits"]["max_requests"] == 2
    assert ack["heartbeat"] == {"ping_after": 25.0, "lost_after": 60.0}


@pytest.mark.parametrize(
    "frame", [execute(), "{", '{"type":"nonsense"}', '{"type":"hello"}', '{"type":"pong","t":1}']
)
def test_a_connection_whose_first_frame_is_no_hello_is_closed(frame: str) -> None:
    _, close = refused(new().receive(frame, 0.0))
    assert close == Close(CloseCode.PROTOCOL, "hello was expected")


def test_a_client_that_speaks_no_version_of_ours_is_told_which_we_speak() -> None:
    error, close = refused(new().receive(hello(versions=[3]), 0.0))
    assert error["data"]["code"] == "unsupported_version"
    assert error["data"]["details"] == {"supported": 2}
    assert close is not None
    assert close.code == CloseCode.VERSION


def test_a_second_hello_is_refused_and_changes_nothing() -> None:
    connection = opened()
    error, close = refused(connection.receive(hello(), 0.0))
    assert error["request_id"] == "h"
    assert error["data"]["code"] == "invalid_request"
    assert close is None


def test_whoever_says_no_hello_in_time_is_closed() -> None:
    connection = new()
    assert connection.due == 10.0
    assert connection.poll(9.9) == []
    assert connection.poll(10.0) == Close(CloseCode.HELLO_TIMEOUT, "no hello came in time")


# --- requests ------------------------------------------------------------------------------------


def test_any_number_of_requests_may_be_unanswered_up_to_the_bound() -> None:
    connection = opened()
    assert isinstance(connection.receive(execute("1"), 0.0), Execute)
    assert isinstance(connection.receive(execute("2"), 0.0), Execute)
    assert connection.unanswered == 2
    error, close = refused(connection.receive(execute("3"), 0.0))
    assert (error["request_id"], error["data"]["code"]) == ("3", "overloaded")
    assert error["data"]["retryable"] is True
    assert close is None


def test_an_answer_makes_room_and_frees_its_request_id() -> None:
    connection = opened()
    connection.receive(execute("1"), 0.0)
    error, _ = refused(connection.receive(execute("1"), 0.0))
    assert error["data"]["code"] == "duplicate_request"
    assert json.loads(connection.answer(CancelAck("1", "x", "requested"))) == {
        "type": "cancel_ack",
        "request_id": "1",
        "execution_id": "x",
        "disposition": "requested",
    }
    assert connection.unanswered == 0
    assert isinstance(connection.receive(execute("1"), 0.0), Execute)


def test_a_refusal_answers_too_and_tells_programs_and_people() -> None:
    connection = opened(language="en")
    connection.receive(execute("1"), 0.0)
    frame = connection.refuse("1", AgentNotFound("there is no agent", agent_id="a"))
    assert json.loads(frame) == {
        "type": "error",
        "request_id": "1",
        "data": {
            "message": "Agent not found: a",
            "code": "agent_not_found",
            "retryable": False,
            "details": {"agent_id": "a"},
        },
    }
    assert connection.unanswered == 0


def test_when_to_come_back_stands_beside_the_details() -> None:
    frame = opened().refusal("1", RateLimited("too fast", retry_after=3))
    data = json.loads(frame)["data"]
    assert data["retry_after"] == 3.0
    assert "details" not in data


@pytest.mark.parametrize(
    ("frame", "code", "request_id"),
    [
        ("{", "invalid_json", None),
        ("[]", "invalid_json", None),
        ('"' + "x" * 1000 + '"', "too_large", None),
        ('{"request_id":"r"}', "invalid_request", "r"),
        ('{"type":"decide","request_id":"r"}', "unknown_type", "r"),
        ('{"type":"execute","request_id":5}', "invalid_request", None),
        (execute("r", idempotencykey="k"), "invalid_request", "r"),
        (execute("r", deadline="soon"), "invalid_request", "r"),
        ('{"type":"subscribe","request_id":"r"}', "invalid_request", "r"),
        (
            '{"type":"subscribe","request_id":"r","execution_id":"x","effect_key":"y"}',
            "invalid_request",
            "r",
        ),
    ],
)
def test_what_is_no_request_is_refused_and_the_connection_goes_on(
    frame: str, code: str, request_id: str | None
) -> None:
    connection = opened()
    error, close = refused(connection.receive(frame, 0.0))
    assert error["data"]["code"] == code
    assert error.get("request_id") == request_id
    assert close is None
    assert isinstance(connection.receive(execute(), 0.0), Execute)


def test_a_misspelt_field_is_named_with_the_right_spelling() -> None:
    error, _ = refused(opened(language="en").receive(execute(idempotencykey="k"), 0.0))
    assert "did you mean idempotency_key?" in error["data"]["message"]


def test_messages_of_other_types_are_the_hosts_if_it_wants_them() -> None:
    connection = opened(keep_unknown=True)
    foreign = connection.receive('{"type":"greet","request_id":"r","to":"x"}', 0.0)
    assert isinstance(foreign, Foreign)
    assert foreign.message["to"] == "x"
    assert json.loads(foreign.refusal)["data"]["code"] == "unknown_type"


def test_a_message_of_another_type_is_no_hello_even_where_the_host_wants_them() -> None:
    _, close = refused(new(keep_unknown=True).receive('{"type":"greet"}', 0.0))
    assert close is not None


def test_binary_frames_hold_the_same() -> None:
    assert opened().receive(execute().encode(), 0.0) == Execute("e", "a")
    subscribe = b'{"type":"subscribe","request_id":"s","execution_id":"x","from_seq":3}'
    assert opened().receive(subscribe, 0.0) == Subscribe("s", "x", None, 3)


# --- time ----------------------------------------------------------------------------------------


def test_silence_is_asked_about_once_then_ends_the_connection() -> None:
    connection = opened(heartbeat=Heartbeat(25.0, 60.0))
    assert connection.due == 25.0
    assert connection.poll(24.9) == []
    assert connection.poll(25.0) == ['{"type":"ping","t":25.0}']
    assert connection.due == 60.0
    assert connection.poll(59.9) == []
    assert connection.poll(60.0) == Close(CloseCode.SILENT, "nothing was heard of you")


def test_any_frame_counts_as_life() -> None:
    connection = opened(heartbeat=Heartbeat(25.0, 60.0))
    connection.poll(25.0)
    assert connection.receive('{"type":"pong","t":25.0}', 26.0) is None
    assert connection.due == 51.0
    connection.receive("{", 50.0)
    assert connection.poll(51.0) == []
    assert connection.due == 75.0


def test_the_end_of_a_credential_is_announced_a_minute_before_and_then_closes() -> None:
    connection = opened(Identity("ana", (), 1000.0), heartbeat=Heartbeat(5000.0, 6000.0))
    assert connection.due == 940.0
    assert connection.poll(939.0) == []
    assert connection.poll(940.0) == ['{"type":"auth_expiring","expires_at":1000.0}']
    assert connection.due == 1000.0
    assert connection.poll(999.0) == []
    assert connection.poll(1000.0) == Close(CloseCode.UNAUTHENTICATED, "the credential has ended")


def test_a_renewed_credential_counts_from_then_on() -> None:
    connection = opened(Identity("ana", (), 1000.0), heartbeat=Heartbeat(5000.0, 6000.0))
    connection.poll(940.0)
    frame = '{"type":"auth","request_id":"a","scheme":"bearer","token":"t"}'
    request = connection.receive(frame, 950.0)
    assert isinstance(request, Auth)
    ack = json.loads(connection.renewed(request, Identity("ana", (), 2000.0)))
    assert ack["type"] == "auth_ack"
    assert ack["principal"]["expires_at"] == 2000.0
    assert connection.poll(1000.0) == []
    assert connection.due == 1940.0
