"""Clients that only stay: they ask once, or not at all, and answer who asks for a sign of life."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from attrs import define, field

from benchmarks.dialects import masked_text_frame

_REQUEST: Final = (
    "GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nPragma: no-cache\r\n"
    "Cache-Control: no-cache\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"
    " (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36\r\nUpgrade: websocket\r\n"
    "Origin: http://127.0.0.1:{port}\r\nSec-WebSocket-Version: 13\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{offer}\r\n"
)
"""What a browser sends, for servers keep it."""
_DEFLATE: Final = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
_PING: Final = 0x89
_V2_PING: Final = b'"type":"ping"'
_V2_PONG: Final = masked_text_frame('{"type":"pong"}')
_AT_ONCE: Final = 64
"""Clients that connect at the same time."""


@define(eq=False)
class Client(asyncio.Protocol):
    """One of them."""

    request: bytes
    """Its upgrade request."""
    asks: tuple[bytes, ...]
    """Frames sent one after the other, each once the one before was answered."""
    answers: tuple[bytes, ...]
    """What the answers to them contain."""
    ready: asyncio.Future[None]
    """Done when the last was answered."""
    pings: int = 0
    """How often it was asked for a sign of life."""
    _open: bool = False
    _answered: int = 0
    _received: bytes = b""
    _socket: asyncio.Transport = field(init=False)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for a WebSocket."""
        assert isinstance(transport, asyncio.Transport)
        self._socket = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        """Go on; or show life."""
        if not self.ready.done():
            self._received += data
            self._go_on()
        elif _V2_PING in data:
            self.pings += 1
            self._socket.write(_V2_PONG)
        elif data[0] == _PING:  # answered with what it holds (RFC 6455 section 5.5.3)
            self.pings += 1
            self._socket.write(bytes((0x8A, 0x80 | data[1])) + b"\0\0\0\0" + data[2:])

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail whoever waits."""
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(f"closed after {self._received[:200]!r}"))

    def _go_on(self) -> None:
        awaited = b"\r\n\r\n" if not self._open else self.answers[self._answered]
        if awaited not in self._received:
            return
        self._answered += self._open
        self._open, self._received = True, b""
        if self._answered < len(self.asks):
            self._socket.write(self.asks[self._answered])
        else:
            self.ready.set_result(None)

    def close(self) -> None:
        """Say farewell (RFC 6455 section 5.5.1) and go."""
        self._socket.write(b"\x88\x80\0\0\0\0")
        self._socket.close()


@asynccontextmanager
async def crowd(
    port: int,
    number: int,
    *,
    deflate: bool = False,
    asks: tuple[bytes, ...] = (),
    answers: tuple[bytes, ...] = (),
) -> AsyncIterator[list[Client]]:
    """Keep so many clients connected, once all of them were answered."""
    offer = _DEFLATE if deflate else ""
    request = _REQUEST.format(port=port, offer=offer).encode()
    loop = asyncio.get_running_loop()
    clients: list[Client] = []

    async def connect() -> None:
        client = Client(request, asks, answers, loop.create_future())
        clients.append(client)
        await loop.create_connection(lambda: client, "127.0.0.1", port)
        await client.ready

    try:
        for already in range(0, number, _AT_ONCE):
            await asyncio.gather(*(connect() for _ in range(min(_AT_ONCE, number - already))))
        yield clients
    finally:
        for client in clients:
            client.close()
