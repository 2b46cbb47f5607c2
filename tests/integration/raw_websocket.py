"""A WebSocket client that can be as wrong as a test wants: frames by hand over a plain socket."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from zephyrus_exec.interfaces.transport import Transport
from zephyrus_exec.testing.transports import soon
from zephyrus_exec.transports.websocket import WebSocketListener

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
MASK = b"\x12\x34\x56\x78"

HANDSHAKE = {
    "Host": "localhost",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}
"""The request of RFC 6455 section 1.3."""


def request(
    headers: dict[str, str], *, method: str = "GET", target: str = "/", version: str = "HTTP/1.1"
) -> bytes:
    """Return a request head."""
    lines = [f"{method} {target} {version}", *(f"{k}: {v}" for k, v in headers.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, masked: bool = True
) -> bytes:
    """Return one frame (RFC 6455 section 5.2)."""
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    mask_bit = 0x80 if masked else 0
    if len(payload) < 126:
        head = struct.pack("!BB", first, mask_bit | len(payload))
    elif len(payload) < 65536:
        head = struct.pack("!BBH", first, mask_bit | 126, len(payload))
    else:
        head = struct.pack("!BBQ", first, mask_bit | 127, len(payload))
    if not masked:
        return head + payload
    return head + MASK + bytes(b ^ MASK[i % 4] for i, b in enumerate(payload))


def close_frame(code: int, reason: bytes = b"") -> bytes:
    """Return a close frame."""
    return frame(CLOSE, struct.pack("!H", code) + reason)


class RawPeer:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes, *, byte_by_byte: bool = False) -> None:
        """Write bytes, all at once or each in a segment of its own."""
        pieces = [data[i : i + 1] for i in range(len(data))] if byte_by_byte else [data]
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0)

    async def receive(self) -> tuple[int, bytes]:
        """Return opcode and payload of the next frame, which must be whole and unmasked."""
        first, second = await soon(self.reader.readexactly(2))
        assert first & 0xF0 == 0x80, "the server fragments or sets reserved bits"
        assert second & 0x80 == 0, "the server masks"
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", await soon(self.reader.readexactly(2)))
        elif length == 127:
            (length,) = struct.unpack("!Q", await soon(self.reader.readexactly(8)))
        return first & 0x0F, await soon(self.reader.readexactly(length))

    async def receive_close(self) -> tuple[int | None, bytes]:
        """Return code and reason of the close frame that must come, and then the end."""
        opcode, payload = await self.receive()
        assert opcode == CLOSE, (opcode, payload)
        assert await soon(self.reader.read()) == b"", "something follows the close frame"
        if not payload:
            return None, b""
        return struct.unpack("!H", payload[:2])[0], payload[2:]

    async def is_dropped(self) -> bool:
        """Read what is left; return True at the end, reset or not. Fails if none comes."""
        with suppress(ConnectionResetError):
            await soon(self.reader.read())
        return True

    def reset(self) -> None:
        """Break the connection as a crashed machine does, with a reset."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def close(self) -> None:
        """Let go of the connection."""
        self.writer.close()
        await asyncio.wait([asyncio.create_task(self.writer.wait_closed())])


def port_of(listener: WebSocketListener) -> int:
    """Return the port a listener got."""
    return int(listener.addresses[0].rpartition(":")[2])


@asynccontextmanager
async def dial(listener: WebSocketListener) -> AsyncIterator[RawPeer]:
    """Yield a TCP connection on which nothing was said."""
    peer = RawPeer(*await asyncio.open_connection("127.0.0.1", port_of(listener)))
    try:
        yield peer
    finally:
        await peer.close()


@asynccontextmanager
async def opened(listener: WebSocketListener, **headers: str) -> AsyncIterator[RawPeer]:
    """Yield a connection after a good opening handshake."""
    async with dial(listener) as peer:
        await peer.send(request(HANDSHAKE | headers))
        answer = await soon(peer.reader.readuntil(b"\r\n\r\n"))
        assert answer.startswith(b"HTTP/1.1 101 ")
        assert b"\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in answer
        yield peer


async def exchange(listener: WebSocketListener, data: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send a request; return status, headers in lower case, and body of the answer."""
    async with dial(listener) as peer:
        await peer.send(data)
        answer = await soon(peer.reader.read())
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return int(status.split(" ")[1]), {k.lower(): v for k, v in headers.items()}, body


async def echo(transport: Transport) -> None:
    """Send back what comes."""
    while True:
        await transport.send(await transport.receive())


@asynccontextmanager
async def serving(
    listener: WebSocketListener, accept: Callable[[Transport], Awaitable[None]] = echo
) -> AsyncIterator[WebSocketListener]:
    """Start a listener, and close it in the end."""
    await listener.start(accept)
    try:
        yield listener
    finally:
        await soon(listener.aclose())
