"""What is written of v2 is read back as the same; everything else is an error of the protocol."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zephyrus_exec.errors import RemoteProtocolError
from zephyrus_exec.model import Json
from zephyrus_exec.protocol.codec import decode
from zephyrus_exec.protocol.v2.client import V2Client
from zephyrus_exec.protocol.v2.codec import encode, read_reply, read_request
from zephyrus_exec.protocol.v2.messages import (
    CLIENT_MESSAGES,
    HEARTBEAT,
    SERVER_MESSAGES,
    ClientMessage,
    Hello,
    HelloAck,
    Identity,
    Limits,
    ServerMessage,
)
from zephyrus_exec.testing.strategies import hostile_frames, json_objects
from zephyrus_exec.testing.v2_strategies import client_messages, messages, server_messages

TYPES = st.sampled_from([kind.type for kind in (*CLIENT_MESSAGES, *SERVER_MESSAGES)])


@given(message=client_messages())
def test_what_clients_say_is_read_as_it_was_written(message: ClientMessage) -> None:
    assert read_request(decode(encode(message))) == message


@given(message=server_messages())
def test_what_servers_say_is_read_as_it_was_written(message: ServerMessage) -> None:
    assert read_reply(decode(encode(message))) == message


@pytest.mark.slow
@pytest.mark.parametrize("kind", CLIENT_MESSAGES, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_what_a_client_says_is_read_as_it_was_written(
    kind: type[ClientMessage], data: st.DataObject
) -> None:
    message = data.draw(messages(kind))
    assert read_request(decode(encode(message))) == message


@pytest.mark.slow
@pytest.mark.parametrize("kind", SERVER_MESSAGES, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_what_a_server_says_is_read_as_it_was_written(
    kind: type[ServerMessage], data: st.DataObject
) -> None:
    message = data.draw(messages(kind))
    assert read_reply(decode(encode(message))) == message


@given(server_messages(), json_objects())
def test_a_client_reads_the_same_where_a_server_says_more(
    message: ServerMessage, more: dict[str, Json]
) -> None:
    said = decode(encode(message))
    assert read_reply({**{f"x-{name}": value for name, value in more.items()}, **said}) == message


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """Draw a message of which some members are other ones."""
    message = decode(encode(draw(client_messages() | server_messages())))
    message |= draw(json_objects())
    for key in draw(st.lists(st.sampled_from(sorted(message)), max_size=3)):
        message[key] = draw(st.none() | st.integers() | st.text(max_size=3) | json_objects())
    return json.dumps(message)


ANYTHING = (
    hostile_frames()
    | damaged()
    | st.builds(lambda kind, more: json.dumps({**more, "type": kind}), TYPES, json_objects())
)


@given(ANYTHING)
def test_anything_is_a_message_or_an_error_of_the_protocol(frame: str) -> None:
    for read in (read_request, read_reply):
        try:
            message = read(decode(frame))
        except RemoteProtocolError:
            continue
        assert type(message) in (*CLIENT_MESSAGES, *SERVER_MESSAGES)


LIMITS = Limits(1 << 20, 64, 100, 100, 0, 10, 30, 60, None, 60, 256, 256)


@given(st.lists(ANYTHING | server_messages().map(encode), max_size=20), st.booleans())
def test_a_client_takes_anything_as_a_message_or_an_error_of_the_protocol(
    frames: list[str], opened: bool
) -> None:
    client = V2Client(now=0)
    client.request(Hello("h", (2,)))
    if opened:
        ack = HelloAck("h", 2, "s", "c", "e", Identity("a", (), None), LIMITS, HEARTBEAT)
        client.receive(encode(ack), 0)
    for now, frame in enumerate(frames):
        try:
            client.receive(frame, now)
        except RemoteProtocolError:
            continue
        assert client.due > now
