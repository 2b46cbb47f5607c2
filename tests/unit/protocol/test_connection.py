"""What either side of a v1 connection may do when."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from zephyrus_exec.errors import (
    InvalidValue,
    LocalProtocolError,
    MalformedMessage,
    MessageTooBig,
    RemoteProtocolError,
    UnexpectedMessage,
)
from zephyrus_exec.protocol import (
    MAX_UNKNOWN_BYTES,
    Close,
    Completed,
    ExecuteRequest,
    Failed,
    Rejected,
    Started,
    State,
    Unknown,
    V1Client,
    V1Connection,
    encode_reply,
)

EXECUTE = '{"type":"execute","agent_id":"%s"}'
STRANGE = '{"type":"greet","n":1}'
ANSWERS: dict[str, Callable[[V1Connection], str]] = {
    "started": lambda connection: connection.started(),
    "completed": lambda connection: connection.completed([]),
    "failed": lambda connection: connection.failed("e"),
    "rejected": lambda connection: connection.rejected(),
    "answered": lambda connection: connection.answered([{"type": "greeting"}])[0],
}
ALLOWED = {
    State.IDLE: set[str](),
    State.REJECTING: {"rejected"},
    State.ASKED: {"rejected", "answered"},
    State.REQUESTED: {"started"},
    State.RUNNING: {"completed", "failed"},
}


def connection_in(state: State) -> V1Connection:
    connection = V1Connection(keep_unknown=state is State.ASKED)
    if state is State.REJECTING:
        connection.receive("x")
    elif state is State.ASKED:
        connection.receive(STRANGE)
    elif state is not State.IDLE:
        connection.receive(EXECUTE % "a")
    if state is State.RUNNING:
        connection.started()
    return connection


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_is_given_in_its_state_and_refused_in_any_other(
    state: State, answer: str
) -> None:
    connection = connection_in(state)
    assert connection.state is state
    if answer in ALLOWED[state]:
        assert ANSWERS[answer](connection).startswith("{")
    else:
        with pytest.raises(LocalProtocolError, match=state.value):
            ANSWERS[answer](connection)
        assert connection.state is state


@pytest.mark.parametrize("state", State)
def test_frames_are_taken_in_every_state(state: State) -> None:
    connection = connection_in(state)
    before = connection.pending
    assert connection.receive(EXECUTE % "b") == ExecuteRequest("b")
    assert connection.receive("x") == Rejected("Mensaje JSON no válido")
    assert connection.pending == before + 2


def test_answers_are_about_the_oldest_frame() -> None:
    connection = V1Connection(language="en")
    assert connection.language == "en"
    for frame in (EXECUTE % "a", "x", EXECUTE % "b"):
        connection.receive(frame)
    assert connection.current == ExecuteRequest("a")
    assert connection.started() == encode_reply(Started("a"), "en")
    assert connection.failed("e") == encode_reply(Failed("a", "e"), "en")
    assert connection.rejected() == encode_reply(Rejected("Invalid JSON message"), "en")
    assert connection.started() == encode_reply(Started("b"), "en")
    assert connection.completed([{}]) == encode_reply(Completed("b", [{}]), "en")


def test_there_is_no_current_request_where_nothing_is_unanswered() -> None:
    assert V1Connection().current is None


def test_an_execution_whose_results_are_no_json_can_still_be_failed() -> None:
    connection = connection_in(State.RUNNING)
    with pytest.raises(InvalidValue):
        connection.completed([{"x": float("nan")}])
    assert connection.failed("e")


def test_too_many_unanswered_frames_close_with_1013_and_what_waits_is_still_answered() -> None:
    connection = V1Connection(max_pending=2)
    connection.receive(EXECUTE % "a")
    connection.receive("x")
    close = connection.receive(EXECUTE % "b")
    assert isinstance(close, Close)
    assert close.code == 1013
    assert len(close.reason.encode()) <= 123
    connection.started()
    connection.completed([])
    connection.rejected()
    assert connection.pending == 0
    assert connection.receive(EXECUTE % "c") == close


def test_an_answered_frame_makes_room_for_another() -> None:
    connection = V1Connection(max_pending=1)
    for _ in range(3):
        connection.receive(EXECUTE % "a")
        connection.started()
        connection.completed([])
    assert connection.pending == 0


def test_the_limits_of_a_connection_hold() -> None:
    connection = V1Connection(max_message_bytes=40, max_depth=2)
    assert connection.receive(EXECUTE % "a") == ExecuteRequest("a")
    assert isinstance(connection.receive(EXECUTE % ("a" * 20)), Rejected)
    assert isinstance(connection.receive('{"type":"execute","agent_id":[[]]}'), Rejected)


# --- messages of other types ---------------------------------------------------------------------


def test_a_message_of_another_type_is_kept_where_the_host_may_know_it() -> None:
    connection = connection_in(State.ASKED)
    assert connection.unknown() == {"type": "greet", "n": 1}
    assert connection.answered([{"a": "ñ"}, {}]) == ['{"a":"ñ"}', "{}"]
    assert connection.state is State.IDLE


def test_a_message_the_host_knows_may_have_no_answer() -> None:
    connection = connection_in(State.ASKED)
    assert connection.answered([]) == []
    assert connection.state is State.IDLE


def test_a_message_nobody_knows_is_rejected_as_ever_or_for_the_reason_given() -> None:
    plain, asked = V1Connection(), V1Connection(keep_unknown=True)
    for connection in (plain, asked, asked):
        connection.receive(STRANGE)
    assert asked.rejected() == plain.rejected()
    assert asked.rejected("not now") == encode_reply(Rejected("not now"), "es")


@pytest.mark.parametrize("frame", ["x", "[]", "{}", '{"type":1}', '{"type":"execute"}', b"\xff"])
def test_what_is_no_message_of_another_type_is_rejected_whoever_may_know_more(
    frame: str | bytes,
) -> None:
    plain, asked = V1Connection(), V1Connection(keep_unknown=True)
    assert asked.receive(frame) == plain.receive(frame)
    with pytest.raises(LocalProtocolError, match=r"unknown\(\) is not allowed"):
        asked.unknown()


def test_an_answer_that_is_no_json_leaves_the_message_to_be_rejected() -> None:
    connection = connection_in(State.ASKED)
    with pytest.raises(InvalidValue):
        connection.answered([{"x": float("nan")}])
    assert connection.rejected()


def test_messages_for_the_host_are_bounded_together_and_answering_makes_room() -> None:
    connection = V1Connection(keep_unknown=True)
    frame = f'{{"type":"greet","x":"{"x" * ((1 << 20) - 100)}"}}'
    for _ in range(5):
        assert isinstance(connection.receive(frame), Unknown)
    connection.answered([])
    connection.answered([])
    assert isinstance(connection.receive(frame), Unknown)
    assert isinstance(connection.receive(frame), Unknown)
    assert connection.receive(EXECUTE % "a") == Close(1013, "too many requests are waiting")
    assert len(frame) * connection.pending > MAX_UNKNOWN_BYTES


# --- the client ----------------------------------------------------------------------------------


def client_with(*agent_ids: str) -> tuple[V1Client, V1Connection]:
    client, server = V1Client(), V1Connection()
    for agent_id in agent_ids:
        server.receive(client.execute(agent_id))
    return client, server


def test_replies_belong_to_requests_by_order() -> None:
    client, server = client_with("a", "b", "c")
    assert client.pending == 3
    assert client.receive(server.started()) == Started("a")
    assert client.receive(server.completed([{"x": 1}])) == Completed("a", ({"x": 1},))
    assert client.receive(server.started().encode()) == Started("b")
    assert client.receive(server.failed("e")) == Failed("b", "e")
    assert client.receive(encode_reply(Rejected("no"), "es")) == Rejected("no")
    assert client.pending == 0


def test_a_reply_without_a_request_is_unexpected() -> None:
    with pytest.raises(UnexpectedMessage):
        V1Client().receive(encode_reply(Started("a"), "es"))


@pytest.mark.parametrize("reply", [Completed("a"), Failed("a", "e")])
def test_an_end_without_a_start_is_unexpected(reply: Completed | Failed) -> None:
    client, _ = client_with("a")
    with pytest.raises(UnexpectedMessage, match="not started"):
        client.receive(encode_reply(reply, "es"))
    assert client.pending == 1


@pytest.mark.parametrize("reply", [Started("a"), Rejected("no")])
def test_a_running_execution_is_neither_started_nor_rejected(reply: Started | Rejected) -> None:
    client, server = client_with("a")
    client.receive(server.started())
    with pytest.raises(UnexpectedMessage, match="running"):
        client.receive(encode_reply(reply, "es"))


def test_the_limits_of_a_client_hold() -> None:
    client = V1Client(max_message_bytes=100, max_depth=2)
    client.execute("a")
    with pytest.raises(MessageTooBig):
        client.receive(encode_reply(Rejected("a" * 100), "es"))
    with pytest.raises(MessageTooBig):
        client.receive('{"a":{"b":{}}}')


@pytest.mark.parametrize("frame", ["x", "[]", "{}", '{"type":"hello"}'])
def test_what_is_no_reply_is_the_fault_of_the_server(frame: str) -> None:
    client, _ = client_with("a")
    with pytest.raises(RemoteProtocolError) as caught:
        client.receive(frame)
    assert isinstance(caught.value, MalformedMessage) == (frame[0] != "{")


def test_an_id_that_cannot_be_written_opens_no_request() -> None:
    client = V1Client()
    with pytest.raises(InvalidValue):
        client.execute("\ud800")
    assert client.pending == 0
