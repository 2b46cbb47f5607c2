"""A WebSocket that an ASGI server took, seen as a `Transport`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, TypeAlias
from urllib.parse import quote

from ..errors import TransportBroken, TransportError
from ..interfaces.transport import Frame, Handshake, Transport
from ..model import Principal
from .endpoints import host_and_port
from .farewell import Farewell
from .inbox import Inbox

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
AsgiApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

MESSAGE_TOO_BIG = 1009
NO_STATUS = 1005
LOST = 1006

_log = logging.getLogger(__name__)


class AsgiTransport(Transport):
    """A `Transport` over a WebSocket that was accepted from an ASGI server.

    It reads from the moment it is made until `aclose`, so whoever makes one closes it. Pings,
    compression and the framing are the server's; so is the bound on what it puts together before
    it hands a message over.

    Args:
        scope: The connection's.
        receive: The server's; nobody else may call it any more.
        send: The server's; likewise.
        subprotocol: The one that was accepted; null: none.
        principal: On whose behalf the peer asks, where the host knows; null: it is not known.
        max_message_bytes: Largest message taken; beyond it the connection ends with 1009.
        max_queued_frames: Unread frames at which nothing more is received.
        max_queued_bytes: Unread bytes at which nothing more is received.
        close_timeout: Seconds that a farewell may take.
    """

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        subprotocol: str | None = None,
        principal: Principal | None = None,
        max_message_bytes: int = 1024 * 1024,
        max_queued_frames: int = 1024,
        max_queued_bytes: int = 4 * 1024 * 1024,
        close_timeout: float = 10.0,
    ) -> None:
        self._handshake = handshake_of(scope, subprotocol=subprotocol, principal=principal)
        self._receive = receive
        self._send = send
        self._max_message_bytes = max_message_bytes
        self._close_timeout = close_timeout
        self._inbox = Inbox(
            max_frames=max_queued_frames,
            max_bytes=max_queued_bytes,
            on_change=self._read_or_not,
        )
        self._room = asyncio.Event()
        self._room.set()
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sending: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._reading = asyncio.create_task(self._read())
        self._reading.add_done_callback(self._server_is_done)

    @property
    def handshake(self) -> Handshake:
        """What the peer said when it came."""
        return self._handshake

    async def receive(self) -> Sequence[Frame]:
        """Return every frame that is there; see `Transport.receive`."""
        return await self._inbox.receive()

    async def send(self, frames: Sequence[Frame]) -> None:
        """Hand frames over, one after the other, as ASGI wants it; see `Transport.send`."""
        await self._handed_over()  # a send before may have been cancelled while it waited
        if frames:
            self._start(self._send_all(list(frames)))
            await self._handed_over()

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """Say farewell and wait until the server has said it; see `Transport.aclose`."""
        farewell = Farewell.of(code, reason)
        if not self._inbox.ended:
            self._end_with(farewell, farewell.said_here())
        if self._closing is None:
            self._closing = asyncio.create_task(self._let_go())
        await asyncio.wait({self._closing})

    # --- sending ---------------------------------------------------------------------------------

    def _start(self, sending: Awaitable[None]) -> None:
        # A task of its own, because a frame that is under way must go on when its sender is
        # cancelled, and because servers and frameworks raise what they like for a peer that left.
        self._sending = asyncio.ensure_future(_finish(sending))
        self._sending.add_done_callback(self._server_is_done)

    async def _send_all(self, frames: Sequence[Frame]) -> None:
        for frame in frames:
            part = "text" if isinstance(frame, str) else "bytes"
            await self._send({"type": "websocket.send", part: frame})

    async def _handed_over(self) -> None:
        if self._sending is not None and not self._sending.done():
            await asyncio.wait({self._sending, self._over}, return_when=asyncio.FIRST_COMPLETED)
        self._inbox.raise_if_ended()

    # --- reading ---------------------------------------------------------------------------------

    async def _read(self) -> None:
        while (message := await self._receive())["type"] != "websocket.disconnect":
            text = message.get("text")
            frame: Frame = message["bytes"] if text is None else text
            if self._is_too_big(frame):
                self._refuse()
            self._inbox.put([frame])
            await self._room.wait()
        self._end(_end_of(message))

    def _is_too_big(self, frame: Frame) -> bool:
        if len(frame) > self._max_message_bytes:
            return True
        if isinstance(frame, bytes) or frame.isascii():
            return False
        return len(frame.encode()) > self._max_message_bytes

    def _refuse(self) -> None:
        if not self._inbox.ended:
            problem = f"over {self._max_message_bytes} bytes"
            self._end_with(
                Farewell.of(MESSAGE_TOO_BIG, problem),
                TransportBroken(f"the peer sent a message of {problem}"),
            )

    def _read_or_not(self) -> None:
        # After the end what comes is dropped, but must be read, for the farewell is behind it.
        if self._inbox.full and not self._inbox.ended:
            self._room.clear()
        else:
            self._room.set()

    # --- the end ---------------------------------------------------------------------------------

    def _end_with(self, farewell: Farewell, error: TransportError) -> None:
        self._end(error)
        self._closing = asyncio.create_task(self._let_go(farewell))

    def _end(self, error: TransportError) -> None:
        self._inbox.end(error)
        self._read_or_not()
        if not self._over.done():
            self._over.set_result(None)

    def _server_is_done(self, task: asyncio.Task[None]) -> None:
        """See what the server raised: whatever it is, the channel is of no more use."""
        error = None if task.cancelled() else task.exception()
        if error is None:
            return
        if not isinstance(error, OSError) and not self._inbox.ended:
            _log.info("the ASGI server refused a message: %r", error)
        self._end(TransportBroken("the connection was lost"))

    async def _let_go(self, farewell: Farewell | None = None) -> None:
        try:
            if farewell is not None:
                async with asyncio.timeout(self._close_timeout):
                    await self._say(farewell)
        except TimeoutError:
            _log.debug("the farewell was not said within %g seconds", self._close_timeout)
        tasks = {self._reading} if self._sending is None else {self._reading, self._sending}
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    async def _say(self, farewell: Farewell) -> None:
        if self._sending is not None:
            before = {self._sending, self._reading}
            await asyncio.wait(before, return_when=asyncio.FIRST_COMPLETED)
        if not self._reading.done():
            close = {
                "type": "websocket.close",
                "code": farewell.code,
                "reason": farewell.reason,
            }
            self._start(self._send(close))
            await asyncio.wait({self._reading})


async def _finish(sending: Awaitable[None]) -> None:
    await sending


def _end_of(disconnect: Message) -> TransportError:
    code, reason = disconnect.get("code", NO_STATUS), disconnect.get("reason")
    if code == LOST or (code == NO_STATUS and reason is None):  # nobody said farewell
        return TransportBroken("the connection was lost")
    return Farewell(code, reason or "").said_by_peer()


def handshake_of(
    scope: Scope, *, subprotocol: str | None = None, principal: Principal | None = None
) -> Handshake:
    """Return what an ASGI scope tells of a peer.

    Args:
        scope: The connection's.
        subprotocol: The one agreed on; null: none.
        principal: On whose behalf it asks; null: not known.
    """
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    path = (scope.get("raw_path") or quote(scope["path"]).encode()).decode("latin-1")
    query = scope.get("query_string", b"").decode("latin-1")
    client = scope.get("client")
    return Handshake(
        path=f"{path}?{query}" if query else path,
        headers=headers,
        peer=host_and_port(*client) if client else "",
        tls=scope.get("scheme") == "wss",
        subprotocol=subprotocol,
        principal=principal,
    )
