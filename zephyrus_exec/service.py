"""Where everything is put together: an engine, sessions, and the listeners they come from."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from . import __version__, static
from .conversion import dumps
from .engine.engine import ExecutionEngine
from .errors import ConfigurationError, Unauthenticated
from .interfaces.access import Authenticator
from .interfaces.transport import (
    V2_SUBPROTOCOL,
    Handshake,
    Listener,
    Transport,
    select_subprotocol,
)
from .model import ANONYMOUS, Principal
from .protocol.codec import MAX_BYTES, MAX_DEPTH
from .protocol.connection import MAX_PENDING
from .protocol.wording import Language
from .session import (
    Grant,
    OnUnknown,
    Session,
    SessionLimits,
    SessionSetup,
    may_identify_later,
)
from .transports.http import HttpRequest, HttpResponse
from .transports.origin import OriginRule, is_loopback
from .transports.proxies import TrustedProxies

_log = logging.getLogger(__name__)

_SHORTEST_FAREWELL = 0.5
"""Seconds that a peer gets at least to answer our close, however little a stop may take."""


class Service:
    """One engine and everybody who talks to it.

    Args:
        engine: Runs what they ask for; must be running.
        language: Of the texts that clients get.
        limits: What one session may hold.
        authenticator: Finds out who peers are; null: nobody asks, and whoever is handed over
            without a principal is anonymous.
        on_unknown: Answers messages of types that are not ours; null: they are rejected.
    """

    def __init__(
        self,
        engine: ExecutionEngine,
        *,
        language: Language = "es",
        limits: SessionLimits | None = None,
        authenticator: Authenticator | None = None,
        on_unknown: OnUnknown | None = None,
    ) -> None:
        self.engine = engine
        self._authenticator = authenticator
        self.setup = SessionSetup(
            engine,
            None if authenticator is None else self._identify,
            language,
            limits or SessionLimits(),
            f"zephyrus_exec/{__version__}",
            on_unknown,
        )
        """What its sessions have in common."""
        self._listeners: list[Listener] = []
        self._sessions: set[Session] = set()
        self._submitting: set[asyncio.Task[None]] = set()
        """Requests on their way to the engine whose peers have gone."""
        self._draining = False
        self._no_session = asyncio.Event()
        self._no_session.set()

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where clients reach it, as URLs."""
        return tuple(url for listener in self._listeners for url in listener.addresses)

    @property
    def sessions(self) -> int:
        """How many peers are here."""
        return len(self._sessions)

    async def listen(self, listener: Listener) -> None:
        """Take the peers of this listener, until `aclose`.

        Raises:
            ConfigurationError: It cannot listen there.
        """
        await listener.start(self.run)
        self._listeners.append(listener)

    async def run(self, transport: Transport, *, principal: Principal | None = None) -> None:
        """Serve one peer to its end; whoever made its channel closes that afterwards.

        Args:
            transport: The channel to it, from our listener or from a host's own server.
            principal: On whose behalf it asks; null: what its handshake says. The service's
                authenticator, if there is one, has to agree with that, or says it where the
                handshake does not; a peer it refuses is closed with 1008.
        """
        grant = None if principal is None else Grant(principal)
        if grant is None:
            try:
                grant = await self._identify(handshake := transport.handshake)
            except Unauthenticated as refusal:
                if handshake.subprotocol != V2_SUBPROTOCOL or not may_identify_later(handshake):
                    _log.warning("refused %s: %s", handshake.peer, refusal)
                    await transport.aclose(1008, "a valid credential is required")
                    return
        session = Session(transport, self.setup, grant=grant)
        self._sessions.add(session)
        self._no_session.clear()
        if self._draining:  # it came meanwhile
            session.finish()
        try:
            await session.run()
        finally:
            for submitting in session.submitting:
                self._submitting.add(submitting)
                submitting.add_done_callback(self._submitting.discard)
            self._sessions.discard(session)
            if not self._sessions:
                self._no_session.set()

    async def authenticate(self, handshake: Handshake) -> Principal | None:
        """Return on whose behalf a peer asks: what listeners call before they let it in.

        Null: it shows no credential, one is needed, and it speaks v2, which can bring one later.

        Raises:
            Unauthenticated: It is to be refused.
        """
        try:
            return (await self._identify(handshake)).principal
        except Unauthenticated:
            if may_identify_later(handshake):
                return None
            raise

    async def _identify(self, handshake: Handshake) -> Grant:
        """Return who a peer is, and how long that is so.

        Raises:
            Unauthenticated: That is not known.
        """
        authenticator = self._authenticator
        if authenticator is None:
            return Grant(handshake.principal or ANONYMOUS)
        principal = handshake.principal or await authenticator.authenticate(handshake)
        return Grant(
            principal,
            await authenticator.expires_at(handshake),
            lambda: authenticator.holds(handshake, principal),
        )

    def check_reach(self, addresses: Sequence[str]) -> None:
        """Return if it may be offered on these addresses, numeric hosts.

        Raises:
            ConfigurationError: They reach beyond this machine, something here can sign, and nobody
                decided who may come.
        """
        decided = self._authenticator is not None and self._authenticator.configured
        beyond = [address for address in addresses if not is_loopback(address)]
        if self.engine.signers and beyond and not decided:
            raise ConfigurationError(
                f"{beyond[0]} can be reached from other machines, and the signers "
                f"({', '.join(self.engine.signers)}) would sign for whoever comes: say who may, "
                "with --tokens FILE (see `tokens new`), or an `authenticator` for `serve`; or let "
                "everybody, with --allow-anonymous; or listen on localhost"
            )

    async def drain(self, *, timeout: float) -> bool:  # noqa: ASYNC109
        """Take nobody new, start nothing new, and let every peer have the replies it is owed.

        Args:
            timeout: Seconds to wait at most.

        Returns:
            Whether every peer had them in time; those are closed with 1001.
        """
        self._draining = True
        for listener in self._listeners:
            await listener.stop_accepting()
        for session in tuple(self._sessions):
            session.finish()
        try:
            async with asyncio.timeout(timeout):
                await self._no_session.wait()
        except TimeoutError:
            return False
        return True

    async def aclose(self, *, timeout: float = 5.0) -> None:  # noqa: ASYNC109
        """Drain, then close what channels are left with 1001.

        Args:
            timeout: Seconds that draining may take.
        """
        if not await self.drain(timeout=timeout):
            _log.warning("%d peers did not take their replies in time", len(self._sessions))
            await asyncio.gather(*(session.aclose() for session in tuple(self._sessions)))
        for listener in self._listeners:
            await listener.aclose(1001, "going away")
        await asyncio.gather(*self._submitting)

    async def respond(self, request: HttpRequest) -> HttpResponse:
        """Answer a plain HTTP request: the health of the service, a file for pages, or 404."""
        if request.path in ("/", "/health", "/healthz"):
            return HttpResponse.of(200, "zephyrus_exec: alive. Connect with a WebSocket.")
        if request.path == "/readyz":
            health = await self.engine.health()
            return HttpResponse(
                200 if health.ready else 503,
                dumps(health.details).encode(),
                "application/json",
            )
        nothing = HttpResponse.of(404, "There is nothing here; connect with a WebSocket.")
        return static.respond(request) or nothing


@asynccontextmanager
async def serve(
    engine: ExecutionEngine,
    *,
    host: str | Sequence[str] | None = "localhost",
    port: int = 8765,
    language: Language = "es",
    listener: Listener | Callable[[Service], Listener] | None = None,
    on_unknown: OnUnknown | None = None,
    authenticator: Authenticator | None = None,
    origins: Iterable[str] = (),
    allowed_hosts: Iterable[str] = (),
    trusted_proxies: Iterable[str] = (),
    ssl_context: ssl.SSLContext | None = None,
    unix: str | Path | None = None,
    unix_mode: int = 0o600,
    max_message_bytes: int = MAX_BYTES,
    max_message_depth: int = MAX_DEPTH,
    max_connections: int = 10_000,
    max_pending: int = MAX_PENDING,
    max_request_rate: float = 0,
    drain_timeout: float = 8.0,
) -> AsyncIterator[Service]:
    """Serve an engine to WebSocket clients inside the running loop.

    On leaving, the port is closed and what runs may end; every client gets its replies, or a close
    where its execution goes on in the next process that opens the journal. An engine that is not
    running yet is started, and closed on leaving.

    Args:
        engine: What to serve.
        host: Name, address, several of them, or null for all addresses.
        port: TCP port; 0: a free one, see `Service.addresses`.
        language: Of the texts that v1 clients get.
        listener: Another source of peers than the default WebSocket listener, or what makes it;
            `host` and `port`, and `origins` to `unix_mode`, are the default one's.
        on_unknown: Answers messages of types that are not ours; null: they are rejected.
        authenticator: Finds out who clients are. Null: with the default listener, clients of this
            machine are anonymous and all others are refused; with another one, nobody asks.
        origins: Web pages that may connect, besides those of this machine; see `OriginRule`.
        allowed_hosts: Further names of this machine, see `WebSocketListener`.
        trusted_proxies: Addresses, networks or `unix`: who is believed about its clients.
        ssl_context: For TLS; null: none.
        unix: Path of a Unix socket to listen on instead of a port.
        unix_mode: Its permissions.
        max_message_bytes: Longest message taken from a client.
        max_message_depth: Deepest nesting of a message.
        max_connections: Most clients at once; further ones get HTTP 503.
        max_pending: Most requests of one connection that wait for their answers; beyond it the
            connection is closed with 1013.
        max_request_rate: Most requests a second of one connection, a second's worth at once; 0: no
            bound.
        drain_timeout: Seconds that all of this may take, at least 0; what runs gets three
            quarters of it to end by itself.

    Raises:
        ConfigurationError: It cannot listen there; or others could come there, the engine can sign,
            and nobody decided who may.
    """
    service = Service(
        engine,
        language=language,
        limits=SessionLimits(max_message_bytes, max_message_depth, max_pending, max_request_rate),
        authenticator=_default(engine) if (authenticator or listener) is None else authenticator,
        on_unknown=on_unknown,
    )

    def websocket(service: Service) -> Listener:
        from .transports.connection import ChannelLimits
        from .transports.websocket import WebSocketListener

        return WebSocketListener(
            host,
            port,
            unix=unix,
            unix_mode=unix_mode,
            limits=ChannelLimits(
                max_message_bytes=max_message_bytes,
                close_timeout=max(_SHORTEST_FAREWELL, drain_timeout / 4),
            ),
            max_connections=max_connections,
            select_subprotocol=select_subprotocol,
            respond=service.respond,
            allow_origin=OriginRule(origins),
            allowed_hosts=allowed_hosts,
            proxies=TrustedProxies(trusted_proxies),
            authenticate=service.authenticate,
            check_reach=service.check_reach,
            ssl_context=ssl_context,
        )

    started_here = not engine.running
    if started_here:
        await engine.start()
    try:
        if listener is None:
            listener = websocket
        await service.listen(listener if isinstance(listener, Listener) else listener(service))
        try:
            yield service
        finally:
            await _stop(service, drain_timeout, with_engine=started_here)
    finally:
        if started_here:
            await engine.aclose()


async def _stop(service: Service, drain_timeout: float, *, with_engine: bool) -> None:
    """End everything in time; an engine that is its host's goes on."""
    patience = drain_timeout * 3 / 4
    if with_engine:
        await asyncio.gather(
            service.drain(timeout=patience), service.engine.drain(timeout=patience)
        )
        # What did not end by itself is let go, within three settle time-outs at most.
        await service.engine.aclose(settle_timeout=drain_timeout / 12)
    await service.aclose(timeout=drain_timeout / 4 if with_engine else drain_timeout)


def _default(engine: ExecutionEngine) -> Authenticator:
    """Return what asks where nobody decided who may come."""
    from .access import TokenAuthenticator

    return TokenAuthenticator(engine.clock)
