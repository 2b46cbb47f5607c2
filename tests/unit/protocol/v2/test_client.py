"""The client's side of a v2 connection: what a server may say, and when."""

from __future__ import annotations

import json
from typing import Any

import pytest

from zephyrus_exec.errors import (
    InvalidMessage,
    LocalProtocolError,
    MalformedMessage,
    MessageTooBig,
    UnexpectedMessage,
)
from zephyrus_exec.model import Outcome
from zephyrus_exec.protocol.connection import Close
from zephyrus_exec.protocol.v2.client import Send, SpeaksV1, State, V2Client, is_last
from zephyrus_exec.protocol.v2.codec import encode
from zephyrus_exec.protocol.v2.messages import (
    HEARTBEAT,
    AuthExpiring,
    CancelAck,
    CompletedData,
    EffectCounts,
    EffectEvent,
    Error,
    ErrorData,
    Execute,
    ExecutionCompleted,
    ExecutionEvent,
    ExecutionStarted,
    GetExecution,
    GoAway,
    Hello,
    HelloAck,
    Identity,
    Limits,
    Ping,
    ServerMessage,
    StartedData,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Unsubscribed,
)

LIMITS = Limits(
    max_message_bytes=200,
    max_message_depth=4,
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
NO_EFFECTS = EffectCounts(0, 0, 0, 0, 0, 0)


def ack(version: int = 2) -> str:
    message = HelloAck("h", 2, "s", "c", "e1", Identity("ana", (), None), LIMITS, HEARTBEAT)
    return json.dumps({**json.loads(encode(message)), "version": version})


def opened() -> V2Client:
    client = V2Client(now=0)
    client.request(Hello("h", (2,)))
    client.receive(ack(), 0)
    return client


def say(client: V2Client, message: ServerMessage, now: float = 0) -> object:
    return client.receive(encode(message), now)


def started(seq: int = 1) -> str:
    data = StartedData(True, "", "started", False)
    message = json.loads(encode(ExecutionStarted("e", "x", "e1", 1, data)))
    return json.dumps({**message, "seq": seq})


def event(seq: int, execution_id: str = "x") -> ExecutionEvent:
    return ExecutionEvent(execution_id, seq, 1.0, "progress", {})


def last(seq: int) -> ExecutionCompleted:
    data = CompletedData(
        success=True,
        results=(),
        agent_id="a",
        execution_count=0,
        status="completed",
        outcome=Outcome.SUCCEEDED,
        error_info=None,
        effects=NO_EFFECTS,
    )
    return ExecutionCompleted("x", seq, 1.0, data)


def effect(seq: int, kind: str = "mined") -> EffectEvent:
    return EffectEvent("k", seq, 1.0, kind, {})


def running() -> V2Client:
    client = opened()
    client.request(Execute("e", "a"))
    client.receive(started(), 0)
    return client


def watching(request: Subscribe, head: int, *, terminal: bool = False) -> V2Client:
    client = opened()
    follow(client, request, head, terminal=terminal)
    return client


def follow(client: V2Client, request: Subscribe, head: int, *, terminal: bool = False) -> object:
    client.request(request)
    answer = Subscribed(
        request_id=request.request_id,
        execution_id=request.execution_id,
        effect_key=request.effect_key,
        head_seq=head,
        terminal=terminal,
    )
    return say(client, answer)


def error(request_id: str | None, code: str = "internal") -> Error:
    return Error(request_id=request_id, data=ErrorData("no", code, False))


# --- opening -------------------------------------------------------------------------------------


def test_hello_and_its_answer_open_the_connection() -> None:
    client = V2Client(now=0)
    states = [client.state]
    frame = client.request(Hello("h", (2,), client="c/1"))
    states.append(client.state)
    said = client.receive(ack(), 1)
    states.append(client.state)
    assert states == [State.NEW, State.ASKED, State.OPEN]
    assert json.loads(frame) == {
        "type": "hello",
        "request_id": "h",
        "versions": [2],
        "client": "c/1",
    }
    assert said == client.welcome
    assert client.welcome.store_epoch == "e1"


def test_nothing_is_asked_before_hello_is_answered() -> None:
    client = V2Client(now=0)
    with pytest.raises(LocalProtocolError, match="hello is said once"):
        client.request(Execute("e", "a"))
    client.request(Hello("h", (2,)))
    with pytest.raises(LocalProtocolError, match="has not answered"):
        client.request(Execute("e", "a"))
    with pytest.raises(LocalProtocolError, match="hello is said once"):
        client.request(Hello("g", (2,)))


@pytest.mark.parametrize("message", [ack(), encode(error(None)), encode(Ping(1)), encode(event(1))])
def test_a_server_says_nothing_before_hello(message: str) -> None:
    with pytest.raises(UnexpectedMessage):
        V2Client(now=0).receive(message, 0)


def test_nothing_but_an_answer_follows_hello() -> None:
    client = V2Client(now=0)
    client.request(Hello("h", (2,)))
    with pytest.raises(UnexpectedMessage, match="execution_event came before hello_ack"):
        say(client, event(1))
    assert say(client, error("h", "unauthenticated")) == error("h", "unauthenticated")
    assert client.state is State.ASKED


def test_a_version_that_was_not_offered_is_none() -> None:
    client = V2Client(now=0)
    client.request(Hello("h", (2,)))
    with pytest.raises(InvalidMessage, match="version"):
        client.receive(ack(version=3), 0)


@pytest.mark.parametrize(
    ("frame", "is_v1"),
    [
        ('{"type":"error","data":{"message":"Tipo de mensaje no reconocido: hello"}}', True),
        ('{"type":"error","data":{"message":"no","code":"internal","retryable":false}}', False),
        (encode(error("h")), False),
    ],
)
def test_a_server_of_v1_is_known_by_its_error(frame: str, is_v1: bool) -> None:
    client = V2Client(now=0)
    client.request(Hello("h", (2,)))
    assert (client.receive(frame, 0) == SpeaksV1()) is is_v1


def test_an_error_of_v1_is_none_of_v2() -> None:
    with pytest.raises(InvalidMessage):
        opened().receive('{"type":"error","data":{"message":"no"}}', 0)
    client = V2Client(now=0)
    client.request(Hello("h", (2,)))
    with pytest.raises(InvalidMessage):
        client.receive('{"type":"error","data":"no"}', 0)


# --- asking --------------------------------------------------------------------------------------


def test_a_request_is_open_until_its_answer_comes() -> None:
    client = opened()
    frame = client.request(GetExecution("1", "x"))
    assert json.loads(frame) == {"type": "get_execution", "request_id": "1", "execution_id": "x"}
    with pytest.raises(LocalProtocolError, match="unanswered"):
        client.request(GetExecution("1", "x"))
    assert say(client, error("1")) == error("1")
    with pytest.raises(UnexpectedMessage):
        say(client, error("1"))


def test_a_server_has_room_for_so_many_requests_as_it_tells() -> None:
    client = opened()
    room = [client.has_room]
    for request_id in ("1", "2"):
        client.request(Execute(request_id, "a"))
        room.append(client.has_room)
    say(client, error("1"))
    assert [*room, client.has_room] == [True, True, False, True]


def test_an_answer_is_of_the_kind_that_was_asked_for() -> None:
    client = opened()
    client.request(Execute("e", "a"))
    with pytest.raises(UnexpectedMessage, match="cancel_ack answers no open request"):
        say(client, CancelAck("e", "x", "requested"))
    assert client.receive(started(), 0) is not None


def test_an_answer_to_nothing_is_none() -> None:
    with pytest.raises(UnexpectedMessage):
        opened().receive(started(), 0)
    with pytest.raises(UnexpectedMessage):
        opened().receive(ack(), 0)


@pytest.mark.parametrize("given", ["x" * 200, [[[[]]]]])
def test_what_the_server_would_not_take_is_not_sent(given: Any) -> None:
    client = opened()
    with pytest.raises(MessageTooBig):
        client.request(Execute("e", "a", input=given))
    assert client.request(Execute("e", "a"))


# --- events --------------------------------------------------------------------------------------


def test_the_events_of_an_execution_come_from_the_first_to_the_last() -> None:
    client = running()
    assert [say(client, one) for one in (event(1), event(2), last(3))] == [
        event(1),
        event(2),
        last(3),
    ]


def test_what_comes_twice_is_dropped_also_behind_the_end() -> None:
    client = running()
    for one in (event(1), event(2)):
        say(client, one)
    assert [say(client, one) for one in (event(1), event(2))] == [None, None]
    assert say(client, last(3)) == last(3)
    assert [say(client, one) for one in (event(2), last(3))] == [None, None]


def test_a_gap_is_an_error() -> None:
    client = running()
    with pytest.raises(UnexpectedMessage, match="event 1 is missing: 2 came"):
        say(client, event(2))
    with pytest.raises(UnexpectedMessage, match="event 1 is missing: 3 came"):
        say(client, last(3))


def test_nothing_new_comes_behind_the_last_event() -> None:
    client = running()
    say(client, last(1))
    with pytest.raises(UnexpectedMessage, match="after the last one"):
        say(client, event(2))


def test_events_of_what_is_not_watched_are_an_error() -> None:
    for one in (event(1, "other"), effect(1)):
        with pytest.raises(UnexpectedMessage, match="not watched"):
            say(running(), one)


def test_so_many_ended_streams_are_remembered_and_no_more() -> None:
    client = opened()
    for number in range(1025):
        request = Subscribe("s", execution_id=f"x{number}", from_seq=1)
        follow(client, request, 1, terminal=True)
    assert say(client, event(1, "x1")) is None
    with pytest.raises(UnexpectedMessage, match="not watched"):
        say(client, event(1, "x0"))


def test_the_first_event_has_the_number_1() -> None:
    client = opened()
    client.request(Execute("e", "a"))
    with pytest.raises(InvalidMessage, match="seq"):
        client.receive(started(seq=2), 0)


def test_a_subscription_goes_on_behind_what_is_known() -> None:
    client = watching(Subscribe("s", execution_id="x", from_seq=2), 3)
    assert say(client, event(2)) is None
    assert say(client, event(3)) == event(3)
    follow(client, Subscribe("t", execution_id="x", from_seq=0), 3)
    assert say(client, event(1)) == event(1)


def test_a_subscription_can_be_at_the_end_already() -> None:
    client = watching(Subscribe("s", execution_id="x", from_seq=3), 3, terminal=True)
    assert say(client, last(3)) is None
    with pytest.raises(UnexpectedMessage, match="after the last one"):
        say(client, event(4))


def test_what_is_watched_no_longer_comes_no_longer() -> None:
    client = watching(Subscribe("s", execution_id="x"), 3)
    client.request(Unsubscribe("u", execution_id="x"))
    assert say(client, event(1)) == event(1)
    say(client, Unsubscribed(request_id="u", execution_id="x"))
    with pytest.raises(UnexpectedMessage, match="not watched"):
        say(client, event(2))


def test_a_subscription_that_was_refused_watches_nothing() -> None:
    client = opened()
    client.request(Subscribe("s", execution_id="x"))
    say(client, error("s", "execution_not_found"))
    with pytest.raises(UnexpectedMessage, match="not watched"):
        say(client, event(1))


@pytest.mark.parametrize(
    ("from_seq", "head", "terminal"), [(2, 1, False), (2, 1, True), (0, 0, True)]
)
def test_a_head_before_what_is_known_is_an_error(from_seq: int, head: int, terminal: bool) -> None:
    with pytest.raises(UnexpectedMessage):
        watching(Subscribe("s", execution_id="x", from_seq=from_seq), head, terminal=terminal)


@pytest.mark.parametrize("answer", [{"execution_id": "y"}, {"effect_key": "x"}])
def test_an_answer_is_about_what_was_asked_for(answer: dict[str, str]) -> None:
    client = opened()
    client.request(Subscribe("s", execution_id="x"))
    with pytest.raises(UnexpectedMessage, match="was not asked for"):
        say(client, Subscribed(request_id="s", head_seq=1, terminal=False, **answer))


def test_an_effect_is_watched_until_nothing_can_change_it() -> None:
    client = watching(Subscribe("s", effect_key="k"), 1)
    assert say(client, effect(1)) == effect(1)
    assert say(client, effect(2, "finalized")) == effect(2, "finalized")
    with pytest.raises(UnexpectedMessage, match="after the last one"):
        say(client, effect(3))


def test_the_last_event_of_an_effect_may_be_told_beforehand() -> None:
    client = watching(Subscribe("s", effect_key="k"), 2, terminal=True)
    assert say(client, effect(1)) == effect(1)
    assert say(client, effect(2, "odd")) == effect(2, "odd")
    with pytest.raises(UnexpectedMessage, match="after the last one"):
        say(client, effect(3))


def test_which_events_are_the_last() -> None:
    assert [is_last(one) for one in (event(1), last(1), effect(1), effect(1, "displaced"))] == [
        False,
        True,
        False,
        True,
    ]


# --- everything else -----------------------------------------------------------------------------


def test_a_ping_is_answered() -> None:
    said = say(opened(), Ping(12.5))
    assert isinstance(said, Send)
    assert json.loads(said.frame) == {"type": "pong", "t": 12.5}


@pytest.mark.parametrize("message", [GoAway(1.0), AuthExpiring(9.0), error(None)])
def test_what_is_no_answer_is_handed_on(message: ServerMessage) -> None:
    assert say(opened(), message) == message


def test_messages_that_are_not_known_are_ignored() -> None:
    client = opened()
    assert client.receive('{"type":"news","request_id":"h","data":1}', 5) is None
    assert client.due == 5 + HEARTBEAT.lost_after


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        ("{", MalformedMessage),
        (b"\xff", MalformedMessage),
        ('{"type":1}', InvalidMessage),
        ('{"type":"ping"}', InvalidMessage),
        ('{"type":"ping","t":"1"}', InvalidMessage),
        ('{"type":"ping","t":' + "[" * 99 + "]" * 99 + "}", MessageTooBig),
    ],
)
def test_what_is_no_message_is_an_error(frame: str | bytes, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        opened().receive(frame, 0)


def test_a_server_that_does_not_answer_hello_is_given_up() -> None:
    client = V2Client(now=3, hello_timeout=10)
    client.request(Hello("h", (2,)))
    assert client.due == 13
    assert client.poll(12.9) is None
    assert isinstance(client.poll(13), Close)


def test_a_silent_server_is_given_up() -> None:
    client = opened()
    say(client, Ping(1), now=7)
    assert client.due == 7 + HEARTBEAT.lost_after
    assert client.poll(client.due - 0.1) is None
    assert client.poll(client.due) == Close(4504, "nothing was heard of you")
