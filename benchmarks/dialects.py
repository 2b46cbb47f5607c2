"""What the load generator says, and what it looks for in the replies."""

from __future__ import annotations

import struct
from typing import Final

from attrs import frozen

HANDSHAKE: Final = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
FAREWELL: Final = b"\x88\x80\0\0\0\0"
"""A masked close frame without a reason (RFC 6455 section 5.5.1)."""

HELLO_ACK: Final = b'"hello_ack"'
COMPLETED: Final = b'"status":"completed"'


def masked_text_frame(text: str) -> bytes:
    """Return a client's text frame (RFC 6455 section 5.2), masked with zeros: a legal mask."""
    payload = text.encode()
    assert len(payload) < 126
    return struct.pack("!BB", 0x81, 0x80 | len(payload)) + b"\0\0\0\0" + payload


@frozen
class Dialect:
    """One way to ask for executions of one agent."""

    name: str
    opening: bytes
    """What is sent once the WebSocket is open, for which `HELLO_ACK` comes; empty: nothing."""
    requests: tuple[bytes, ...]
    """Asked in turns: at least one more than there are in flight, where each must have an id."""
    first: bytes
    """What only the first event of an execution holds."""


def v1(agent_id: str) -> Dialect:
    """Return the frozen dialect: every request is the same, its first event is `started`."""
    request = masked_text_frame(f'{{"type":"execute","agent_id":"{agent_id}"}}')
    return Dialect("v1", b"", (request,), b'"status":"started"')


def v2(agent_id: str, in_flight: int) -> Dialect:
    """Return the additive one: an id may be used again as soon as its request was answered."""
    requests = tuple(
        masked_text_frame(f'{{"type":"execute","request_id":"{n}","agent_id":"{agent_id}"}}')
        for n in range(in_flight + 1)
    )
    hello = masked_text_frame('{"type":"hello","request_id":"h","versions":[2]}')
    return Dialect("v2", hello, requests, b'"event":"accepted"')
