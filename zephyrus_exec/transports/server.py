"""A port that takes WebSockets, and answers plain HTTP: everything but the framing."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

from attrs import evolve, frozen

from ..errors import ConfigurationError, Unauthenticated
from ..interfaces.transport import Accept, Handshake
from ..model import Principal
from .connection import ChannelLimits, Timers, WebSocketConnection, Wire
from .endpoints import Endpoint, UnixEndpoint, host_and_port
from .http import HttpRequest, HttpResponse
from .opening import Opening, Reception, Refused, Respond, Upgraded
from .origin import AllowOrigin, host_name, is_loopback, remedy_for, shown
from .peers import Peers
from .proxies import Source, TrustedProxies
from .sockets import BACKLOG

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


Authenticate: TypeAlias = Callable[[Handshake], Awaitable[Principal | None]]
"""Finds out who a peer is; null: it may say so later. Raises `Unauthenticated`."""

CheckReach: TypeAlias = Callable[[Sequence[str]], None]
"""Given numeric hosts, raises ConfigurationError where they must not be listened on."""


@frozen
class Admission:
    """Who may open a WebSocket."""

    allow_origin: AllowOrigin
    allowed_hosts: frozenset[str]
    """Names this machine is called by, in lower case, besides those of loopback."""
    proxies: TrustedProxies
    authenticate: Authenticate | None
    """Null: nobody is asked."""
    check_reach: CheckReach | None
    """Null: every address will do."""


@frozen
class ServerRules:
    """What a server does with those who come."""

    negotiate: Negotiate
    respond: Respond
    admission: Admission
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
        self._endpoint: Endpoint
        self._checks_hosts = False
        """Whether nobody but this machine can come, so that another name of it is a trick."""

    async def start(self, endpoint: Endpoint, accept: Accept) -> list[socket.socket]:
        """Listen, and run `accept` for every WebSocket; return the sockets that listen.

        Raises:
            ConfigurationError: It cannot or must not listen there, or was started before.
        """
        if self._peers is not None:
            raise ConfigurationError("this listener was started already; make another one")
        sockets = await endpoint.bind()
        hosts = endpoint.hosts(sockets)
        self._checks_hosts = bool(hosts) and all(map(is_loopback, hosts))
        if self._rules.admission.check_reach is not None:
            try:
                self._rules.admission.check_reach(hosts)
            except ConfigurationError:
                for sock in sockets:
                    sock.close()
                endpoint.leave()
                raise
        self._endpoint = endpoint
        loop = asyncio.get_running_loop()
        self._timers = self._rules.timers or loop
        self._peers = Peers(accept, self._rules.logger)
        self._accepting = True
        reception = self._reception(self._peers)
        unix = isinstance(endpoint, UnixEndpoint)
        create = loop.create_unix_server if unix else loop.create_server
        self._servers = [
            await create(
                lambda: Opening(reception),
                sock=sock,
                backlog=BACKLOG,
                ssl=self._rules.ssl_context,
                start_serving=False,  # so that it does not suspend, and none is lost
            )
            for sock in sockets
        ]
        try:
            for server in self._servers:
                await server.start_serving()
        except BaseException:
            self.stop_accepting()
            raise
        return sockets

    def stop_accepting(self) -> None:
        """Close the port; who is here stays, who is still opening is refused."""
        self._accepting = False
        for server in self._servers:
            server.close()
        if self._servers:
            self._endpoint.leave()

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

    async def _upgrade(
        self, request: HttpRequest, socket: asyncio.Transport, peers: Peers
    ) -> Upgraded | Refused:
        handshake = handshake_of(request, socket, self._rules.admission.proxies)
        refusal = self._no_room(peers) or self._refusal(request, handshake)
        authenticate = self._rules.admission.authenticate
        if refusal is None and authenticate is not None:
            try:
                handshake = evolve(handshake, principal=await authenticate(handshake))
            except Unauthenticated as error:
                self._rules.logger.warning("refused a WebSocket from %s: %s", handshake.peer, error)
                refusal = _unauthenticated()
            else:
                refusal = self._no_room(peers)  # that may have taken a while
        if refusal is not None:
            return Refused(refusal.serialize())
        outcome = self._rules.negotiate(request)
        if isinstance(outcome, Refused):
            return outcome
        connection = WebSocketConnection(
            outcome.wire,
            evolve(handshake, subprotocol=outcome.subprotocol),
            limits=self._rules.limits,
            timers=self._timers,
        )
        peers.welcome(connection)
        return Upgraded(outcome.answer, connection)

    def _no_room(self, peers: Peers) -> HttpResponse | None:
        if not self._accepting:
            return HttpResponse.of(503, "This server is shutting down.")
        if len(peers) >= self._rules.max_connections:
            return HttpResponse.of(503, "Too many connections.")
        return None

    def _refusal(self, request: HttpRequest, handshake: Handshake) -> HttpResponse | None:
        if request.headers.get("sec-websocket-version", "13") != "13":
            return HttpResponse.of(  # RFC 6455 section 4.4
                426,
                "Only version 13 of the WebSocket protocol is spoken here.",
                Upgrade="websocket",
                Sec_WebSocket_Version="13",
            )
        host = host_name(request.headers.get("host", ""))
        if not self._allows_host(host):
            self._rules.logger.warning(
                "refused a WebSocket from %s: host %s is not allowed%s",
                handshake.peer,
                shown(host),
                f"; to allow it: --allowed-host {host}" if _HOST_NAME.fullmatch(host) else "",
            )
            return HttpResponse.of(403, "This host name is not allowed.")
        origin = request.headers.get("origin")
        if not self._rules.admission.allow_origin(origin):
            self._rules.logger.warning(
                "refused a WebSocket from %s: origin %s is not allowed%s",
                handshake.peer,
                shown(origin or ""),
                remedy_for(origin or ""),
            )
            return HttpResponse.of(403, "This origin is not allowed.")
        return None

    def _allows_host(self, host: str) -> bool:
        # A page whose host was pointed at this machine would otherwise count as its own
        # (DNS rebinding).
        known = is_loopback(host) or host in self._rules.admission.allowed_hosts
        return known or not self._checks_hosts


_HOST_NAME: Final = re.compile(r"[a-z0-9.:-]{1,253}")


def _unauthenticated() -> HttpResponse:
    """Return the one answer to every credential that is missing or wrong."""
    return HttpResponse.of(
        401, "A valid credential is required.", WWW_Authenticate='Bearer realm="zephyrus_exec"'
    )


def handshake_of(
    request: HttpRequest, socket: asyncio.Transport, proxies: TrustedProxies
) -> Handshake:
    """Return what a request says of its peer."""
    tls = socket.get_extra_info("sslcontext") is not None
    address = socket.get_extra_info("peername")
    if isinstance(address, tuple):
        source = proxies.source(request, address[0], address[1], tls=tls)
    elif address is None:  # it has gone already
        source = Source("unknown", tls, local=False)
    else:
        source = proxies.source(request, None, 0, tls=tls)
    return Handshake(
        path=request.target,
        headers=request.headers,
        peer=source.name,
        tls=source.tls,
        local=source.local,
    )


def peer_name(socket: asyncio.Transport) -> str:
    """Return the address of the other end, or `unknown` where it has gone already."""
    address = socket.get_extra_info("peername")
    return "unknown" if not address else host_and_port(address[0], address[1])
