"""A session with one peer that speaks v2."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Final, TypeAlias

from ..conversion import dumps
from ..engine.clock import new_id
from ..engine.engine import ExecutionEngine
from ..engine.quotas import TokenBucket
from ..errors import Overloaded, StoreError, TransportError, Unauthenticated, ZephyrusError
from ..interfaces.transport import Frame, Transport
from ..logs import about
from ..protocol.connection import Close
from ..protocol.messages import MAX_AGENT_ID
from ..protocol.v2.codec import encode
from ..protocol.v2.messages import (
    MAX_IDEMPOTENCY_KEY,
    Auth,
    ClientMessage,
    GoAway,
    Hello,
    Limits,
    Pong,
)
from ..protocol.v2.server import CloseCode, Foreign, Refused, State, V2Connection
from ..protocol.wording import Language
from .credentials import Credentials
from .frames import EventFrames
from .outbox import Outbox
from .peer import Grant, Identify, OnUnknown, Peer, SessionLimits
from .requests import Requests

_log = logging.getLogger(__name__)

_Work: TypeAlias = Callable[[], Awaitable[None]]

_AWAY: Final = Close(CloseCode.DRAINING, "this server shuts down; connect again")
_UNAUTHENTICATED: Final = Close(CloseCode.UNAUTHENTICATED, "a valid credential is required")
_UNREADABLE: Final = "the journal cannot be read now"
_RETRY_AFTER: Final = 1.0
"""Seconds after which clients are asked to come back when the server goes."""


class V2Session:
    """Answers one v2 peer: any number of requests at once, and whatever it watches.

    Args:
        transport: The channel.
        engine: Runs what it asks for.
        grant: On whose behalf it asks, as far as the handshake told; null: its `hello` has to tell.
        identify: Finds out who brings a credential in `hello` or `auth`; null: nobody can.
        language: Of the texts it gets.
        limits: What it may ask of us.
        frames: Makes the frames of events.
        server: Our name and release.
        connection_id: Names the connection in the log.
        on_unknown: Answers messages of other types; null: they are refused.
    """

    def __init__(
        self,
        transport: Transport,
        engine: ExecutionEngine,
        *,
        grant: Grant | None,
        identify: Identify | None,
        language: Language,
        limits: SessionLimits,
        frames: EventFrames,
        server: str,
        connection_id: str,
        on_unknown: OnUnknown | None = None,
    ) -> None:
        self._transport = transport
        self._engine = engine
        self._limits = limits
        self._server = server
        self._connection_id = connection_id
        self._on_unknown = on_unknown
        now = engine.clock.now()
        self._connection = V2Connection(
            _told(limits, engine),
            now=now,
            heartbeat=limits.heartbeat,
            language=language,
            keep_unknown=on_unknown is not None,
        )
        self._bucket = TokenBucket(limits.rate, now) if limits.rate else None
        self._outbox = Outbox(
            transport,
            engine.clock,
            lost=lambda error: self._connection.refusal(None, error),
            released=self.finish,
            busy=lambda: self._connection.unanswered > 0,
        )
        self._credentials = Credentials(transport.handshake, grant, identify)
        self._requests = Requests(
            engine,
            self._connection,
            self._outbox,
            self._credentials,
            frames=frames,
            max_subscriptions=limits.max_subscriptions,
        )
        self._answering: set[asyncio.Task[None]] = set()
        self._over = False

    @property
    def submitting(self) -> Collection[asyncio.Task[None]]:
        """What hands requests over to the engine.

        They outlive `run` where the peer leaves meanwhile, and end by themselves.
        """
        return tuple(self._requests.submitting)

    async def run(self, frames: Sequence[Frame]) -> None:
        """Serve the peer until its channel ends. Executions it started go on without it.

        Args:
            frames: What it has sent already.

        Raises:
            TransportError: The channel has ended.
        """
        helpers = {
            asyncio.create_task(self._guard(self._outbox.run)),
            asyncio.create_task(self._guard(self._keep_time)),
        }
        try:
            await self._read(frames)
        finally:
            self._over = True
            ending = {*helpers, *(self._answering - self._requests.submitting)}
            for task in ending:
                task.cancel()
            await asyncio.wait(ending)
            self._outbox.close()

    def finish(self) -> None:
        """Take nothing new, tell what is still to be told, then close the channel with 4503."""
        if self._requests.leaving:
            return
        self._requests.leaving = True
        if self._connection.state is State.OPEN:
            self._outbox.send(encode(GoAway(_RETRY_AFTER)))
        self._outbox.end_when_told(_AWAY)

    async def aclose(self) -> None:
        """Close the channel with 4503; the peer goes on from where it is, elsewhere."""
        await self._transport.aclose(_AWAY.code, _AWAY.reason)

    # --- reading ---------------------------------------------------------------------------------

    async def _read(self, frames: Sequence[Frame]) -> None:
        while True:
            for frame in frames:
                if not self._over:
                    await self._take(frame)
                if self._outbox.full:  # it asks, and reads no answers
                    await self._give_up(Close(CloseCode.SLOW, "you take no answers"))
            frames = await self._transport.receive()

    async def _take(self, frame: Frame) -> None:
        received = self._connection.receive(frame, self._engine.clock.now())
        match received:
            case None:
                pass
            case Refused():
                self._outbox.send(received.frame)
                if received.close is not None:
                    self._end(received.close)
            case Hello():
                await self._welcome(received)
            case Foreign() if len(self._answering) >= self._limits.max_pending:
                error = Overloaded("too many messages are unanswered")
                self._outbox.send(self._connection.refusal(received.request_id, error))
            case Foreign():
                self._spawn(partial(self._ask_host, received))
            case _:
                self._spawn(partial(self._answer, received))

    def _end(self, close: Close) -> None:
        """Close the channel behind what is to be sent, and hear nothing more."""
        self._over = True
        self._outbox.end(close)
        _log.info("the connection is closed: %d %s", close.code, close.reason)

    def _spawn(self, work: _Work) -> None:
        task = asyncio.create_task(self._guard(work))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _guard(self, work: _Work) -> None:
        try:
            await work()
        except TransportError as end:
            _log.debug("the channel has ended: %s", end)
        except StoreError as error:
            _log.warning("a journal cannot be read now: %s", error)
            await self._transport.aclose(1011, _UNREADABLE)
        except Exception:  # noqa: BLE001 - a bug of ours must end this peer's session only
            incident = new_id()
            _log.exception("a session failed, incident %s", incident, extra={"incident": incident})
            await self._transport.aclose(1011, f"internal error, incident {incident}")

    # --- who it is -------------------------------------------------------------------------------

    async def _welcome(self, request: Hello) -> None:
        try:
            await self._credentials.welcome(request.auth)
        except Unauthenticated as error:
            _log.warning("refused %s: %s", self._transport.handshake.peer, error)
            self._outbox.send(self._connection.refuse(request.request_id, error))
            self._end(_UNAUTHENTICATED)
            return
        about(principal=self._credentials.principal.id)
        self._outbox.send(
            self._connection.welcome(
                request,
                server=self._server,
                connection_id=self._connection_id,
                store_epoch=self._engine.store.epoch,
                principal=self._credentials.identity,
            )
        )

    async def _may_go_on(self) -> bool:
        """Return whether the peer is still welcome; if not, its channel is about to be closed."""
        if await self._credentials.hold():
            return True
        self._end(Close(CloseCode.UNAUTHENTICATED, "the credential is no longer valid"))
        return False

    # --- requests --------------------------------------------------------------------------------

    async def _answer(self, request: ClientMessage) -> None:
        assert not isinstance(request, Hello | Pong)
        try:
            if not await self._may_go_on():
                return
            if self._bucket is not None:
                self._bucket.take(self._engine.clock.now())
            if isinstance(request, Auth):
                await self._credentials.renew(request)
                renewed = self._connection.renewed(request, self._credentials.identity)
                self._outbox.send(renewed)
            else:
                await self._requests.do(request)
        except ZephyrusError as error:
            self._fail(request.request_id, error, Close(1011, _UNREADABLE))
        except Exception:  # noqa: BLE001 - a bug of ours must fail this request only
            incident = new_id()
            _log.exception("a request failed, incident %s", incident, extra={"incident": incident})
            bug = ZephyrusError("internal error", incident=incident)
            end = Close(1011, f"internal error, incident {incident}")
            self._fail(request.request_id, bug, end)

    def _fail(self, request_id: str, error: ZephyrusError, close: Close) -> None:
        """Refuse a request; or, where it was accepted and cannot be told further, close."""
        if self._connection.awaits(request_id):
            self._outbox.send(self._connection.refuse(request_id, error))
        else:
            self._end(close)

    async def _ask_host(self, foreign: Foreign) -> None:
        assert self._on_unknown is not None
        if not await self._may_go_on():
            return
        peer = Peer(self._credentials.principal, self._transport.handshake)
        try:
            replies = await self._on_unknown(foreign.message, peer)
        except ZephyrusError as error:
            frames = [self._connection.refusal(foreign.request_id, error)]
        else:
            if replies is None:
                frames = [foreign.refusal]
            else:
                several = [replies] if isinstance(replies, Mapping) else replies
                frames = [dumps(reply) for reply in several]
        for frame in frames:
            self._outbox.send(frame)

    # --- time ------------------------------------------------------------------------------------

    async def _keep_time(self) -> None:
        """Ask for life, and give up who shows none: silent, stalled, or no longer welcome."""
        clock, limits = self._engine.clock, self._limits
        while (close := await self._due()) is None:
            patience = min(limits.stall_timeout, limits.heartbeat.ping_after)
            await clock.sleep_until(clock.now() + patience if self._over else self._next(patience))
        await self._give_up(close)

    async def _give_up(self, close: Close) -> None:
        """Close the channel at once."""
        self._over = True
        _log.info("the connection is closed: %d %s", close.code, close.reason)
        await self._transport.aclose(close.code, close.reason)

    def _next(self, patience: float) -> float:
        return min(self._connection.due, self._engine.clock.now() + patience)

    async def _due(self) -> Close | None:
        """Do what it is time for; return why the channel is to be closed at once, if it is."""
        if self._outbox.stalled(self._limits.stall_timeout):
            return Close(CloseCode.SLOW, "you take nothing; come back and go on")
        if self._over:
            return None
        order = self._connection.poll(self._engine.clock.now())
        if isinstance(order, Close):
            return order
        for frame in order:
            self._outbox.send(frame)
        await self._may_go_on()
        return None


def _told(limits: SessionLimits, engine: ExecutionEngine) -> Limits:
    return Limits(
        max_message_bytes=limits.max_message_bytes,
        max_message_depth=limits.max_message_depth,
        max_requests=limits.max_pending,
        max_subscriptions=limits.max_subscriptions,
        max_request_rate=float(limits.rate),
        hello_timeout=limits.hello_timeout,
        stall_timeout=limits.stall_timeout,
        max_duration=engine.max_duration,
        executions_kept=engine.keep_ended,
        idempotency_key_retention=engine.key_retention,
        max_idempotency_key=MAX_IDEMPOTENCY_KEY,
        max_agent_id=MAX_AGENT_ID,
        executions_kept_for=engine.keep_ended_for,
    )
