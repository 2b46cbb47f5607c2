"""Clients of v2 that cost as little as they can: frames are kept, and looked at afterwards."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from pathlib import Path
from typing import Any, Final

from attrs import define, field

from benchmarks.load import masked_text_frame

_REQUEST: Final = (
    "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)

_TEXT: Final = 0x81


def connect(port: int, *, receive_buffer: int | None = None) -> socket.socket:
    """Return a socket on which a WebSocket is open.

    Args:
        port: Of 127.0.0.1.
        receive_buffer: Bytes that the kernel may keep of what was not read; null: as it likes.
    """
    connection = socket.socket()
    if receive_buffer is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.connect(("127.0.0.1", port))
    connection.sendall(_REQUEST.encode())
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += connection.recv(1)
    assert answer.startswith(b"HTTP/1.1 101"), answer
    return connection


def hello(connection: socket.socket) -> None:
    """Begin a session of v2."""
    send(connection, type="hello", request_id="hello", versions=[2])
    assert receive(connection)["type"] == "hello_ack"


def subscribe(connection: socket.socket, execution_id: str) -> None:
    """Watch an execution from its beginning."""
    send(
        connection,
        type="subscribe",
        request_id="subscribe",
        execution_id=execution_id,
        from_seq=0,
    )
    assert receive(connection)["type"] == "subscribed"


def send(connection: socket.socket, **message: object) -> None:
    """Send one message."""
    connection.sendall(masked_text_frame(json.dumps(message, separators=(",", ":"))))


def receive(connection: socket.socket) -> dict[str, Any]:
    """Return the next message, and read no byte beyond it."""
    head = _exactly(connection, 2)
    length = head[1]
    if length == 126:
        (length,) = struct.unpack("!H", _exactly(connection, 2))
    message: dict[str, Any] = json.loads(_exactly(connection, length))
    return message


def _exactly(connection: socket.socket, number: int) -> bytes:
    data = b""
    while len(data) < number:
        more = connection.recv(number - len(data))
        assert more, "the server closed the connection"
        data += more
    return data


def split(data: bytes) -> tuple[list[bytes], bytes]:
    """Return the texts of a server's frames (RFC 6455 section 5.2), and what is left over."""
    payloads, at = [], 0
    while at + 2 <= len(data):
        length, start = data[at + 1], at + 2
        if length == 126:
            if start + 2 > len(data):
                break
            (length,) = struct.unpack_from("!H", data, start)
            start += 2
        assert length != 127, "longer than any frame of a benchmark"
        if start + length > len(data):
            break
        if data[at] == _TEXT:
            payloads.append(data[start : start + length])
        at = start + length
    return payloads, data[at:]


@define(eq=False)
class Reader(asyncio.Protocol):
    """Reads as fast as it can, and keeps everything, to the last frame of an execution."""

    last: bytes = b'"status":"completed"'
    """What only that frame holds."""
    end: bytes = b"}}}"
    """What it ends with."""
    data: bytearray = field(factory=bytearray)
    told: bool = False
    """Whether that frame has begun to come."""
    done: asyncio.Event = field(factory=asyncio.Event)

    def data_received(self, data: bytes) -> None:
        """Keep it."""
        overlap = max(0, len(self.data) - len(self.last))
        self.data += data
        self.told = self.told or self.data.find(self.last, overlap) >= 0
        if self.told and self.data.endswith(self.end):
            self.done.set()

    def messages(self) -> list[dict[str, Any]]:
        """Return what came, which must be whole frames."""
        payloads, rest = split(bytes(self.data))
        assert not rest, "a frame was cut"
        return [json.loads(payload) for payload in payloads]

    @classmethod
    async def on(cls, connection: socket.socket) -> Reader:
        """Read an open socket from now on."""
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        _, reader = await loop.create_connection(cls, sock=connection)
        return reader


def unread(port: int) -> dict[int, int]:
    """Return how many bytes of the server's wait in the kernel, by the client's port. Linux only.

    Both what the server could not send yet and what the client did not read.
    """
    waiting: dict[int, int] = {}
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, _, queues, *_ = line.split()
        here, there = (int(each.rpartition(":")[2], 16) for each in (local, remote))
        sending, received = (int(each, 16) for each in queues.split(":"))
        if here == port:
            waiting[there] = waiting.get(there, 0) + sending
        elif there == port:
            waiting[here] = waiting.get(here, 0) + received
    return waiting
