"""Every frame that passes is looked at, and nothing else happens to it."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.frames import REPLIES, REQUESTS, changed
from zephyrus_exec.conversion import dumps
from zephyrus_exec.errors import MissingExtra, TransportClosedByPeer
from zephyrus_exec.interfaces.transport import V2_SUBPROTOCOL, Handshake, Transport
from zephyrus_exec.testing.frame_checker import Conversation, FrameChecker
from zephyrus_exec.testing.frames import StreamViolation, problem_finder
from zephyrus_exec.testing.transports import TransportConformance
from zephyrus_exec.transports.memory import memory_pair

STARTED_V1 = (
    '{"type":"execution_response","data":{"success":true,"message":"m","status":"started"}}'
)
FAILED_V1 = (
    '{"type":"execution_response",'
    '"data":{"success":false,"error":"e","agent_id":"a","status":"completed"}}'
)
NOTHING_V1 = (
    '{"type":"execution_response","data":{"success":true,"results":[],"agent_id":"a",'
    '"execution_count":0,"message":"m","status":"completed"}}'
)


class TestFrameChecker(TransportConformance):
    """Over a host's own messages, which are no business of ours, it is any transport."""

    @asynccontextmanager
    async def pair(self) -> AsyncIterator[tuple[Transport, Transport]]:
        server, client = memory_pair()
        violations: list[StreamViolation] = []
        yield (
            FrameChecker(server, side="server", on_violation=violations.append),
            FrameChecker(client, side="client", on_violation=violations.append),
        )


def opened() -> Conversation:
    conversation = Conversation()
    conversation.asked(dumps(REQUESTS["Hello"]))
    conversation.told(dumps(REPLIES["HelloAck"]))
    return conversation


def test_a_connection_that_begins_with_hello_speaks_v2() -> None:
    conversation = opened()
    with pytest.raises(StreamViolation, match="ExecutionStarted of v2"):
        conversation.told(STARTED_V1)


@pytest.mark.parametrize("first", ["{", '{"type":"execute","agent_id":"a"}'])
def test_any_other_plain_connection_speaks_v1(first: str) -> None:
    conversation = Conversation()
    conversation.asked(first)
    conversation.asked(dumps(REQUESTS["Hello"]))
    for frame in (STARTED_V1, FAILED_V1, NOTHING_V1, '{"type":"error","data":{"message":"m"}}'):
        conversation.told(frame)
    conversation.told('{"type":"of the host"}')
    with pytest.raises(StreamViolation, match="Rejected of v1"):
        conversation.told(dumps(REPLIES["Error"]))


def test_the_subprotocol_decides_where_there_is_one() -> None:
    conversation = Conversation(V2_SUBPROTOCOL)
    conversation.asked("{")
    with pytest.raises(StreamViolation, match="of v2"):
        conversation.told('{"type":"error","data":{"message":"m"}}')
    conversation = Conversation("zephyrus.exec.v1.json")
    conversation.asked(dumps(REQUESTS["Hello"]))
    conversation.told('{"type":"error","data":{"message":"m"}}')


def test_what_a_subscriber_knew_is_known_here() -> None:
    conversation = opened()
    conversation.asked(dumps(REQUESTS["Subscribe"]))
    conversation.told(dumps(REPLIES["Subscribed"]))
    with pytest.raises(StreamViolation, match="behind its successors"):
        conversation.told(dumps(REPLIES["ExecutionEvent"]))


def test_an_answer_that_nobody_asked_for_is_a_violation() -> None:
    with pytest.raises(StreamViolation, match="which nobody asked"):
        opened().told(dumps(changed(REPLIES["AuthAck"], request_id="other")))


def test_a_host_may_answer_what_only_it_knows() -> None:
    conversation = opened()
    with pytest.raises(StreamViolation, match="no message has the type"):
        conversation.told('{"type":"song"}')
    conversation.asked('{"type":"sing","request_id":"s"}')
    conversation.told('{"type":"song"}')
    conversation.told(dumps(changed(REPLIES["Error"], request_id="s")))


async def test_a_violation_is_raised_where_nobody_else_is_told() -> None:
    server, client = memory_pair(handshake=Handshake(subprotocol=V2_SUBPROTOCOL))
    checker = FrameChecker(client, side="client")
    assert checker.handshake.subprotocol == V2_SUBPROTOCOL
    await server.send([STARTED_V1])
    with pytest.raises(StreamViolation, match="breaks its schema"):
        await checker.receive()
    await checker.aclose(4400, "enough")
    with pytest.raises(TransportClosedByPeer, match="enough"):
        await server.receive()


def test_without_what_understands_schemas_the_install_line_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema_rs", None)
    with pytest.raises(MissingExtra, match=r"zephyrus-exec\[conformance\]"):
        problem_finder({})
