"""WebSockets on somebody else's port: a listener that a host mounts in its ASGI application.

It speaks plain ASGI 3 (https://asgi.readthedocs.io), so it needs no framework and fits into each.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias

from ..errors import ConfigurationError
from ..interfaces.transport import Accept, Handshake, Listener, select_subprotocol
from ..model import Principal
from .asgi_transport import (
    AsgiApp,
    AsgiTransport,
    Message,
    Receive,
    Scope,
    Send,
    handshake_of,
)
from .http import HttpResponse
from .origin import loopback_or_none, shown
from .peers import Peers, SelectSubprotocol

PrincipalOf: TypeAlias = Callable[[Scope], Principal | Awaitable[Principal | None] | None]
"""Given the scope of a connection, tells on whose behalf it asks; None refuses it."""

_log = logging.getLogger(__name__)


class AsgiListener(Listener):
    """An ASGI application whose WebSockets are the peers of a service.

    Mount it at any path of the host's application, and let `serve(engine, listener=…)` run as
    long as that does. Who a peer is, the host decides; limits on connections, pings and the bound
    on what is read before a message is whole are those of its server.

    Args:
        principal: Tells on whose behalf a peer asks, by the scope of its connection, in which the
            host's own middleware has left what it found out; None refuses it with HTTP 403.
        allow_origin: Given an Origin header (null: there is none), tells whether that page may
            connect. Pages of the host itself may in any case.
        select_subprotocol: Chooses among the subprotocols a peer offers; null: chooses none.
            Default: v2 where it is offered, then v1.
        max_message_bytes: Largest message taken; beyond it the connection ends with 1009.
        max_queued_frames: Unread frames of one peer at which nothing more is received.
        max_queued_bytes: Unread bytes of one peer at which nothing more is received.
        close_timeout: Seconds that a farewell may take.
    """

    def __init__(
        self,
        *,
        principal: PrincipalOf,
        allow_origin: Callable[[str | None], bool] = loopback_or_none,
        select_subprotocol: SelectSubprotocol | None = select_subprotocol,
        max_message_bytes: int = 1024 * 1024,
        max_queued_frames: int = 1024,
        max_queued_bytes: int = 4 * 1024 * 1024,
        close_timeout: float = 10.0,
    ) -> None:
        self._principal = principal
        self._allow_origin = allow_origin
        self._select_subprotocol = select_subprotocol
        self._max_message_bytes = max_message_bytes
        self._max_queued_frames = max_queued_frames
        self._max_queued_bytes = max_queued_bytes
        self._close_timeout = close_timeout
        self._peers: Peers | None = None
        self._accepting = False

    # --- Listener --------------------------------------------------------------------------------

    @property
    def addresses(self) -> tuple[str, ...]:
        """`asgi:`, for only the host's server knows where peers reach it; none before `start`."""
        return () if self._peers is None else ("asgi:",)

    async def start(self, accept: Accept) -> None:
        """Take peers from now on; see `Listener.start`. May be started again once it is closed."""
        if self._accepting:
            raise ConfigurationError("this ASGI listener was started already; make another one")
        self._peers = Peers(accept, _log)
        self._accepting = True

    async def stop_accepting(self) -> None:
        """Answer new peers with HTTP 503; those that are here stay."""
        self._accepting = False

    async def aclose(self, code: int = 1001, reason: str = "") -> None:
        """Take no new peers, close every channel with this code, and end every accept task."""
        self._accepting = False
        if self._peers is not None:
            await self._peers.aclose(code, reason, grace=self._close_timeout)

    # --- ASGI ------------------------------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of the host's server to its end.

        Raises:
            ConfigurationError: It is neither a WebSocket nor an HTTP request.
        """
        if scope["type"] == "http":
            nothing = HttpResponse.of(404, "There is nothing here but a WebSocket.")
            await _respond(send, nothing, "http.response")
        elif scope["type"] == "websocket":
            await self._take(scope, receive, send)
        else:
            raise ConfigurationError(
                f"an AsgiListener does nothing with {scope['type']!r}; mount it in an application"
                " that does, or wrap it with `with_lifespan`"
            )

    async def _take(self, scope: Scope, receive: Receive, send: Send) -> None:
        handshake = handshake_of(scope)
        await receive()  # `websocket.connect`, which is always the first
        if self._peers is None or not self._accepting:
            await _refuse(scope, send, 503, "This service takes nobody now.")
        elif not self._may_connect(handshake):
            await _refuse(scope, send, 403, "Pages of this origin may not connect.")
        elif (principal := await self._principal_of(scope)) is None:
            await _refuse(scope, send, 403, "Not allowed.")
        else:
            subprotocol = self._select(scope)
            await send({"type": "websocket.accept", "subprotocol": subprotocol})
            transport = self._transport(scope, receive, send, subprotocol, principal)
            await _to_the_end(self._peers.welcome(transport))

    def _may_connect(self, handshake: Handshake) -> bool:
        origin = handshake.headers.get("origin")
        if _is_own_page(handshake) or self._allow_origin(origin):
            return True
        _log.warning("refused %s: its origin is %s", handshake.peer, shown(origin or ""))
        return False

    async def _principal_of(self, scope: Scope) -> Principal | None:
        found = self._principal(scope)
        return found if isinstance(found, Principal) or found is None else await found

    def _select(self, scope: Scope) -> str | None:
        select = self._select_subprotocol
        return None if select is None else select(tuple(scope.get("subprotocols") or ()))

    def _transport(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        subprotocol: str | None,
        principal: Principal,
    ) -> AsgiTransport:
        return AsgiTransport(
            scope,
            receive,
            send,
            subprotocol=subprotocol,
            principal=principal,
            max_message_bytes=self._max_message_bytes,
            max_queued_frames=self._max_queued_frames,
            max_queued_bytes=self._max_queued_bytes,
            close_timeout=self._close_timeout,
        )


def with_lifespan(
    app: AsgiApp, lifespan: Callable[[], AbstractAsyncContextManager[object]]
) -> AsgiApp:
    """Return an application that is `app`, inside a context from its server's start to its end.

    Frameworks have a `lifespan` of their own; this is for a host that has none.

    Args:
        app: Gets everything else.
        lifespan: Makes the context, for example `lambda: serve(engine, listener=app)`. What it
            raises keeps the server from starting, or is told at its end.
    """

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(lifespan, receive, send)
        else:
            await app(scope, receive, send)

    return wrapped


async def _live(
    lifespan: Callable[[], AbstractAsyncContextManager[object]], receive: Receive, send: Send
) -> None:
    failed = "lifespan.startup.failed"
    try:
        await receive()  # `lifespan.startup`
        async with lifespan():
            await send({"type": "lifespan.startup.complete"})
            failed = "lifespan.shutdown.failed"
            await receive()  # `lifespan.shutdown`
    except BaseException:
        await send({"type": failed, "message": traceback.format_exc()})  # for the server's log
        raise
    await send({"type": "lifespan.shutdown.complete"})


def _is_own_page(handshake: Handshake) -> bool:
    scheme, _, authority = handshake.headers.get("origin", "").partition("://")
    return scheme in ("http", "https") and authority == handshake.headers.get("host", "").lower()


async def _to_the_end(task: asyncio.Task[None]) -> None:
    """Wait for a peer's task; where the server cancels us, it is over for the peer, too."""
    try:
        await asyncio.wait({task})
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})


async def _refuse(scope: Scope, send: Send, status: int, text: str) -> None:
    """Answer with this HTTP status; a server that cannot (no such extension) answers 403."""
    if "websocket.http.response" in (scope.get("extensions") or {}):
        await _respond(send, HttpResponse.of(status, text), "websocket.http.response")
    else:
        await send({"type": "websocket.close"})


async def _respond(send: Send, response: HttpResponse, kind: str) -> None:
    headers = {"content-type": response.content_type, **response.headers}
    start: Message = {
        "type": f"{kind}.start",
        "status": response.status,
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    await send(start)
    await send({"type": f"{kind}.body", "body": response.body})


__all__ = ["AsgiListener", "AsgiTransport", "with_lifespan"]
