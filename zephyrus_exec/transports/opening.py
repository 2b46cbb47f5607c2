"""The first moments of a TCP connection: an HTTP request, and what becomes of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import TypeAlias, cast

from attrs import frozen

from .connection import Timer, Timers, close_direction
from .http import BadRequest, HttpRequest, HttpResponse, RequestReader

Respond: TypeAlias = Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]]
"""Answers plain HTTP requests; only GET and HEAD get here."""


@frozen
class Upgraded:
    """The opening handshake succeeded: who drives the connection from now on."""

    answer: bytes
    """The handshake's response."""
    protocol: asyncio.Protocol


@frozen
class Refused:
    """The opening handshake failed."""

    answer: bytes
    """A whole HTTP response."""


@frozen
class Reception:
    """What an opening asks of its listener."""

    respond: Respond
    """Answers plain HTTP requests."""
    upgrade: Callable[[HttpRequest, asyncio.Transport], Awaitable[Upgraded | Refused]]
    """Answers requests for a WebSocket; what it returns takes over at once."""
    has_room: Callable[[], bool]
    """Whether one more connection is affordable, were it only for a short answer."""
    openings: set[Opening]
    """Every connection that is not, or not yet, a WebSocket; openings enter and leave."""
    open_timeout: float
    """Seconds from connecting to the answer."""
    close_timeout: float
    """Seconds the peer gets to read an answer."""
    timers: Timers
    logger: logging.Logger


class Opening(asyncio.Protocol):
    """Reads one request, then answers it or hands the connection to a WebSocket."""

    def __init__(self, reception: Reception) -> None:
        self._reception = reception
        self._reader: RequestReader | None = RequestReader()
        self._socket: asyncio.Transport
        self._deadline: Timer
        self._answering: asyncio.Task[bytes] | None = None
        """Ends with an HTTP answer; empty: the connection is a WebSocket's now."""
        self._peer_is_done = False
        self.gone = asyncio.Event()
        """Set when this is no opening any more."""

    def abort(self) -> None:
        """End the connection at once."""
        self._socket.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for a request, for so long; or answer at once that there is no room."""
        self._socket = cast(asyncio.Transport, transport)
        room = self._reception.has_room()
        self._reception.openings.add(self)
        self._deadline = self._reception.timers.call_later(
            self._reception.open_timeout, self._too_late
        )
        if not room:
            self._finish(HttpResponse.of(503, "Too many connections.").serialize())

    def data_received(self, data: bytes) -> None:
        """Act once the request is complete; what comes after an answer is dropped."""
        if self._reader is None:
            return
        try:
            received = self._reader.feed(data)
        except BadRequest as error:
            self._finish(error.response.serialize())
            return
        if received is not None:
            self._reader = None
            self._decide(*received)

    def eof_received(self) -> bool:
        """Keep the connection for an answer still to come; else let it be closed."""
        self._peer_is_done = True
        return self._answering is not None

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave."""
        self._leave()
        if self._answering is not None:
            self._answering.cancel()

    def _decide(self, request: HttpRequest, rest: bytes) -> None:
        # HTTP/1.0 knows no upgrade; the header must be ignored there (RFC 9110 section 7.8).
        upgrade = request.lists("upgrade", "websocket") and request.version == "1.1"
        if request.method not in ("GET", "HEAD"):
            refusal = HttpResponse.of(405, "Only GET and HEAD are served here.", Allow="GET, HEAD")
            self._finish(refusal.serialize())
        elif "transfer-encoding" in request.headers or request.headers.get(
            "content-length", "0"
        ).strip("0"):
            self._finish(HttpResponse.of(400, "A request here has no body.").serialize())
        elif upgrade and request.method == "GET":
            self._socket.pause_reading()  # what comes meanwhile is for the WebSocket
            self._answer(self._upgrade(request, rest))
        else:
            self._answer(self._respond(request))

    def _answer(self, work: Coroutine[None, None, bytes]) -> None:
        self._answering = asyncio.create_task(work)
        self._answering.add_done_callback(self._answered)

    async def _upgrade(self, request: HttpRequest, rest: bytes) -> bytes:
        outcome = await self._reception.upgrade(request, self._socket)
        self._socket.resume_reading()
        if isinstance(outcome, Refused):
            return outcome.answer
        self._leave()
        self._socket.write(outcome.answer)
        self._socket.set_protocol(outcome.protocol)
        outcome.protocol.connection_made(self._socket)
        if rest:
            outcome.protocol.data_received(rest)
        return b""

    async def _respond(self, request: HttpRequest) -> bytes:
        response = self._reception.respond(request)
        if not isinstance(response, HttpResponse):
            response = await response
        return response.serialize(head_only=request.method == "HEAD")

    def _answered(self, answering: asyncio.Task[bytes]) -> None:
        self._answering = None
        if answering.cancelled():
            return
        error = answering.exception()
        if error is not None:
            self._reception.logger.error("answering an HTTP request failed", exc_info=error)
            failure = HttpResponse.of(500, "Something failed here; the server's log has more.")
            self._finish(failure.serialize())
        elif answering.result():
            self._finish(answering.result())

    def _finish(self, answer: bytes) -> None:
        """Answer, then let the peer close: closing first could destroy the answer on its way.

        (RFC 9112 section 9.6: a reset follows if the peer still sends.)
        """
        self._reader = None
        self._deadline.cancel()
        if self._socket.is_closing():
            return
        self._deadline = self._reception.timers.call_later(
            self._reception.close_timeout, self._socket.abort
        )
        self._socket.write(answer)
        if self._peer_is_done:
            self._socket.close()
        else:
            close_direction(self._socket)

    def _too_late(self) -> None:
        if self._reader is None:  # it is us who took too long to answer
            self._socket.abort()
        else:
            self._finish(HttpResponse.of(408, "No request came in time.").serialize())

    def _leave(self) -> None:
        self._deadline.cancel()
        self._reception.openings.discard(self)
        self.gone.set()
