"""A small HTTP server on 127.0.0.1 whose replies may be anything, or missing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from attrs import frozen


@frozen
class HttpReply:
    """A whole HTTP response."""

    body: bytes
    status: str = "200 OK"
    content_type: str = "application/json"

    def encoded(self) -> bytes:
        """Return its bytes."""
        head = (
            f"HTTP/1.1 {self.status}\r\nContent-Type: {self.content_type}\r\n"
            f"Content-Length: {len(self.body)}\r\n\r\n"
        )
        return head.encode() + self.body


Serve: TypeAlias = Callable[[bytes], Awaitable[HttpReply | None]]
"""Returns the reply to a request's body; null: the connection is closed instead."""


class LoopbackServer:
    """Listens on a free port, and answers the bodies of requests with what `serve` returns.

    Args:
        serve: Awaited once for each request; those of one connection follow each other.
    """

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.url = ""
        """Where it listens; empty: it does not."""

    async def start(self) -> None:
        """Listen from now on."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def aclose(self) -> None:
        """Close the port and every connection."""
        if self._server is None:
            return
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()
        self.url = ""

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._converse(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while body := await _body(reader):
                reply = await self._serve(body)
                if reply is None:
                    return
                writer.write(reply.encoded())
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()


async def _body(reader: asyncio.StreamReader) -> bytes:
    """Return the next request's body; empty: the connection has ended."""
    length = 0
    while (line := await reader.readline()) not in (b"\r\n", b""):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return await reader.readexactly(length)
