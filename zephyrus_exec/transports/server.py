"""A port that takes WebSockets, and answers plain HTTP: everything but the framing."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Sequence
from typing import TypeAlias

from attrs import frozen

from ..errors import ConfigurationError
from ..interfaces.transport import Accept, Handshake
from .connection import ChannelLimits, Timers, WebSocketConnection, Wire
from .http import HttpRequest, HttpResponse
from .opening import Opening, Reception, Refused, Respond, Upgraded
from .origin import shown
from .peers import Peers
from .sockets import BACKLOG, listen

SPARE_CONNECTIONS = 128
"""Connections beyond the limit that may still ask: for health, or to be told that it is full."""


@frozen
class Negotiated:
    """A WebSocket handshake we agree to."""

    wire: Wire
    answer: bytes
    """The 101 response."""
    subprotocol: str | None


Negotiate: TypeAlias = Callable[[HttpRequest], Negotiated | Refused]
"""Does the WebSocket handshake (RFC 6455 section 4.2)."""


@frozen
class ServerRules:
    """What a server does with those who come."""

    negotiate: Negotiate
    respond: Respond
    allow_origin: Callable[[str | None], bool]
    limits: ChannelLimits
    max_connections: int
    open_timeout: float
    ssl_context: ssl.SSLContext | None
    timers: Timers | None
    logger: logging.Logger


class Server:
    """The sockets of a listener, and everyone who came through them."""

    def __init__(self, rules: ServerRules) -> None:
        self._rules = rules
        self._openings: set[Opening] = set()
        self._servers: list[asyncio.Server] = []
        self._peers: Peers | None = None
        self._timers: Timers
        self._accepting = False

    async def start(
        self, host: str | Sequence[str] | None, port: int, accept: Accept
    ) -> list[tuple[str, int]]:
        """Listen, and run `accept` for every WebSocket; return the addresses bound.

        Raises:
            ConfigurationError: It cannot listen there, or was started before.
        """
        if self._peers is not None:
            raise ConfigurationError("this listener was started already; make another one")
        sockets = await listen(host, port)
        loop = asyncio.get_running_loop()
        self._timers = self._rules.timers or loop
        self._peers = Peers(accept, self._rules.logger)
        self._accepting = True
        reception = self._reception(self._peers)
        self._servers = [
            await loop.create_server(
                lambda: Opening(reception),
                sock=sock,
                backlog=BACKLOG,
                ssl=self._rules.ssl_context,
            )
            for sock in sockets
        ]
        return [sock.getsockname()[:2] for sock in sockets]

    def stop_accepting(self) -> None:
        """Close the port; who is here stays, who is still opening is refused."""
        self._accepting = False
        for server in self._servers:
            server.close()

    async def aclose(self, code: int, reason: str) -> None:
        """Close the port and every connection, and end every callback."""
        self.stop_accepting()
        for opening in tuple(self._openings):
            opening.abort()
            await opening.gone.wait()
        if self._peers is not None:
            await self._peers.aclose(code, reason, grace=self._rules.limits.close_timeout)

    def _reception(self, peers: Peers) -> Reception:
        most = self._rules.max_connections + SPARE_CONNECTIONS
        return Reception(
            respond=self._rules.respond,
            upgrade=lambda request, socket: self._upgrade(request, socket, peers),
            has_room=lambda: len(self._openings) + len(peers) < most,
            openings=self._openings,
            open_timeout=self._rules.open_timeout,
            close_timeout=self._rules.limits.close_timeout,
            timers=self._timers,
            logger=self._rules.logger,
        )

    def _upgrade(
        self, request: HttpRequest, socket: asyncio.Transport, peers: Peers
    ) -> Upgraded | Refused:
        refusal = self._refusal(request, socket, peers)
        if refusal is not None:
            return Refused(refusal.serialize())
        outcome = self._rules.negotiate(request)
        if isinstance(outcome, Refused):
            return outcome
        connection = WebSocketConnection(
            outcome.wire,
            handshake_of(request, socket, outcome.subprotocol),
            limits=self._rules.limits,
            timers=self._timers,
        )
        peers.welcome(connection)
        return Upgraded(outcome.answer, connection)

    def _refusal(
        self, request: HttpRequest, socket: asyncio.Transport, peers: Peers
    ) -> HttpResponse | None:
        if not self._accepting:
            return HttpResponse.of(503, "This server is shutting down.")
        if len(peers) >= self._rules.max_connections:
            return HttpResponse.of(503, "Too many connections.")
        if request.headers.get("sec-websocket-version", "13") != "13":
            return HttpResponse.of(  # RFC 6455 section 4.4
                426,
                "Only version 13 of the WebSocket protocol is spoken here.",
                Upgrade="websocket",
                Sec_WebSocket_Version="13",
            )
        origin = request.headers.get("origin")
        if not self._rules.allow_origin(origin):
            self._rules.logger.warning(
                "refused a WebSocket from %s: origin %s is not allowed",
                peer_name(socket),
                shown(origin or ""),
            )
            return HttpResponse.of(403, "This origin is not allowed.")
        return None


def handshake_of(
    request: HttpRequest, socket: asyncio.Transport, subprotocol: str | None
) -> Handshake:
    """Return what a request says of its peer."""
    return Handshake(
        path=request.target,
        headers=request.headers,
        peer=peer_name(socket),
        tls=socket.get_extra_info("sslcontext") is not None,
        subprotocol=subprotocol,
    )


def peer_name(socket: asyncio.Transport) -> str:
    """Return the address of the other end, or `unknown` where it has gone already."""
    address = socket.get_extra_info("peername")
    return "unknown" if not address else host_and_port(address[0], address[1])


def host_and_port(host: str, port: int) -> str:
    """Return an address as URLs write it: IPv6 in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
