"""Which dialect a peer speaks, and the session that goes with it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence

from attrs import field, frozen

from ..engine.clock import new_id
from ..engine.engine import ExecutionEngine
from ..errors import TransportError
from ..interfaces.transport import V1_SUBPROTOCOL, V2_SUBPROTOCOL, Frame, Transport
from ..logs import about
from ..protocol.v2.hello import is_hello
from ..protocol.wording import Language
from .frames import EventFrames
from .peer import Grant, Identify, OnUnknown, SessionLimits
from .v1 import V1Session
from .v2 import V2Session

_log = logging.getLogger(__name__)


@frozen
class SessionSetup:
    """What all sessions of a service have in common."""

    engine: ExecutionEngine
    """Runs what peers ask for."""
    identify: Identify | None
    """Finds out who brings a credential after its handshake; null: nobody can, and none counts."""
    language: Language
    """Of the texts peers get."""
    limits: SessionLimits
    """What one peer may ask of us."""
    server: str
    """Our name and release."""
    on_unknown: OnUnknown | None = None
    """Answers messages whose type is none of ours; null: they are refused."""
    frames: EventFrames = field(init=False)
    """The frames of events, made once for all."""

    @frames.default
    def _make_frames(self) -> EventFrames:
        return EventFrames(self.language)


class Session:
    """Serves one peer, in the dialect that it speaks.

    That is v2 where the peer chose it by subprotocol, or chose none and says `hello` first;
    otherwise v1.

    Args:
        transport: The channel.
        setup: What all sessions have in common.
        grant: On whose behalf the peer asks. Null, for peers that chose v2 only: they have to say.
    """

    def __init__(self, transport: Transport, setup: SessionSetup, *, grant: Grant | None) -> None:
        self._transport = transport
        self._setup = setup
        self._grant = grant
        self._connection_id = new_id()
        self._dialect: V1Session | V2Session | None = None
        subprotocol = transport.handshake.subprotocol
        if subprotocol == V2_SUBPROTOCOL:
            self._dialect = self._v2()
        elif subprotocol == V1_SUBPROTOCOL:
            self._dialect = self._v1()
        self._leaving: asyncio.Task[None] | None = None

    @property
    def submitting(self) -> Collection[asyncio.Task[None]]:
        """What hands requests over to the engine.

        They outlive `run` where the peer leaves meanwhile, and end by themselves.
        """
        return () if self._dialect is None else self._dialect.submitting

    async def run(self) -> None:
        """Serve the peer until its channel ends. Executions it started go on without it."""
        known = {} if self._grant is None else {"principal": self._grant.principal.id}
        about(connection=self._connection_id, **known)
        _log.info("a connection from %s", self._transport.handshake.peer or "this process")
        frames: Sequence[Frame] = ()
        try:
            if self._dialect is None:
                frames = await self._transport.receive()
                self._dialect = self._v2() if self._is_hello(frames[0]) else self._v1()
            await self._dialect.run(frames)
        except TransportError as end:
            _log.info("the connection has ended: %s", end.message)
        finally:
            if self._leaving is not None:
                await self._leaving

    def finish(self) -> None:
        """Tell the peer what it is owed, take nothing new, then close the channel."""
        if self._dialect is not None:
            self._dialect.finish()
        elif self._leaving is None:
            self._leaving = asyncio.create_task(self.aclose())

    async def aclose(self) -> None:
        """Close the channel, whatever is unanswered."""
        if self._dialect is not None:
            await self._dialect.aclose()
        else:
            await self._transport.aclose(1001, "going away")

    def _is_hello(self, frame: Frame) -> bool:
        limits = self._setup.limits
        return is_hello(
            frame, max_bytes=limits.max_message_bytes, max_depth=limits.max_message_depth
        )

    def _v1(self) -> V1Session:
        setup = self._setup
        assert self._grant is not None
        return V1Session(
            self._transport,
            setup.engine,
            grant=self._grant,
            language=setup.language,
            limits=setup.limits,
            on_unknown=setup.on_unknown,
        )

    def _v2(self) -> V2Session:
        setup = self._setup
        return V2Session(
            self._transport,
            setup.engine,
            grant=self._grant,
            identify=setup.identify,
            language=setup.language,
            limits=setup.limits,
            frames=setup.frames,
            server=setup.server,
            connection_id=self._connection_id,
            on_unknown=setup.on_unknown,
        )
