"""A connection that is made again whenever it ends, until that is of no use."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, Literal, TypeAlias

from attrs import frozen

from ..engine.clock import wait_until
from ..errors import (
    TransportBroken,
    TransportClosedHere,
    Unauthenticated,
    ZephyrusError,
)
from ..interfaces.clock import Clock
from ..interfaces.transport import V1_SUBPROTOCOL, Transport
from ..protocol.v2.client import SpeaksV1, V2Client
from ..protocol.v2.messages import VERSION, Error, Hello, HelloAck
from .agenda import Agenda
from .backoff import Backoff
from .channel import Connection
from .ends import final, refusal, retry_after
from .v1 import V1Connection
from .v2 import NewToken, V2Connection

_log = logging.getLogger(__name__)

SETTLED: Final = 1.0
"""Seconds after which a connection ends a series of attempts: before, it may be one of them."""
Dial: TypeAlias = Callable[[str | None], Awaitable[Transport]]
"""Opens a channel to the server, given the credential, if there is one."""


@frozen
class Status:
    """How the connection stands."""

    kind: Literal["connecting", "open", "waiting", "closed"]
    retry_in: float | None = None
    """Seconds until the next attempt, while it waits."""
    reason: str = ""
    """Why it is not open."""


OnStatus: TypeAlias = Callable[[Status], None]


class Link:
    """Keeps the agenda connected.

    Args:
        dial: Opens channels.
        agenda: What is wanted.
        clock: Time.
        backoff: The waits between attempts.
        token: Gives the credential.
        renewable: Whether it may give another one each time.
        on_status: Hears how it stands.
        name: Of the client, for the server's log.
        offer_v2: Whether v2 may be spoken.
    """

    def __init__(
        self,
        dial: Dial,
        agenda: Agenda,
        clock: Clock,
        *,
        backoff: Backoff,
        token: NewToken,
        renewable: bool,
        on_status: OnStatus,
        name: str,
        offer_v2: bool,
    ) -> None:
        self._dial = dial
        self._agenda = agenda
        self._clock = clock
        self._backoff = backoff
        self._token = token
        self._renewable = renewable
        self._on_status = on_status
        self._name = name
        self._offer_v2 = offer_v2
        self._patient = False
        self._retry_after = 0.0
        self._closing: set[asyncio.Task[None]] = set()
        self.version: int | None = None
        """Of the protocol, on the last connection; null: there was none."""
        self.decided = asyncio.Event()
        """Set once there was a connection, or will be none."""
        self.end: ZephyrusError | None = None
        """Why there will be no connection any more; null: there may be."""

    async def run(self, *, patient: bool) -> None:
        """Keep a connection until that is of no use; then everybody who waits is told.

        Args:
            patient: Whether the first connection may take more than one attempt.
        """
        self._patient = patient
        try:
            self.end = await self._keep()
        finally:
            if self.end is None:
                self.end = TransportClosedHere("the client was closed")
            self._agenda.end(self.end)
            self.decided.set()
            self._on_status(Status("closed", reason=self.end.message))
            if self._closing:
                await asyncio.wait(self._closing)

    async def _keep(self) -> ZephyrusError:
        while True:
            self._on_status(Status("connecting"))
            lost = await self._once()
            end = self._final(lost)
            if end is not None:
                return end
            wait = max(self._retry_after, retry_after(lost)) + self._backoff.next()
            self._on_status(Status("waiting", wait, lost.message))
            await self._clock.sleep_until(self._clock.now() + wait)

    def _final(self, lost: ZephyrusError) -> ZephyrusError | None:
        if self.version is None and not self._patient:
            return final(lost) or lost
        return final(lost)

    async def _once(self) -> ZephyrusError:
        """Connect, serve until it ends, and return why it did."""
        self._retry_after = 0.0
        try:
            transport = await self._dial(await self._credential())
        except ZephyrusError as error:
            return error
        try:
            return await self._use(transport)
        finally:
            self._let_go(transport)

    async def _credential(self) -> str | None:
        try:
            return await self._token()
        except ZephyrusError:
            raise
        except Exception as error:  # it is the user's, and may work the next time
            if self.version is None:
                raise
            _log.warning("no credential can be had now", exc_info=error)
            raise TransportBroken(f"no credential: {type(error).__name__}") from error

    async def _use(self, transport: Transport) -> ZephyrusError:
        try:
            connection = await self._open(transport)
        except ZephyrusError as error:
            return error
        opened = self._clock.now()
        self.version = connection.version
        self.decided.set()
        self._on_status(Status("open"))
        self._agenda.attach(connection)
        try:
            await connection.serve()
        except ZephyrusError as error:
            return self._lost(connection, error)
        finally:
            if self._clock.now() - opened >= SETTLED:
                self._backoff.reset()
            self._agenda.detach()

    def _lost(self, connection: Connection, error: ZephyrusError) -> ZephyrusError:
        if isinstance(connection, V2Connection):
            self._retry_after = connection.retry_after
        if self._renewable and isinstance(final(error), Unauthenticated):
            return TransportBroken(f"the credential has ended: {error.message}")
        return error

    def _let_go(self, transport: Transport) -> None:
        """Say farewell in the background: a network that is gone must not hold the next one up."""
        task = asyncio.create_task(transport.aclose())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    # --- opening ---------------------------------------------------------------------------------

    async def _open(self, transport: Transport) -> Connection:
        if transport.handshake.subprotocol == V1_SUBPROTOCOL or not self._offer_v2:
            return V1Connection(transport, self._agenda, self._clock)
        protocol = V2Client(now=self._clock.now())
        hello = Hello(self._agenda.new_request_id(), (VERSION,), client=self._name)
        opening = asyncio.ensure_future(self._greet(transport, protocol, protocol.request(hello)))
        try:
            await wait_until(self._clock, protocol.due, opening)
            if not opening.done():
                raise TransportBroken("the server did not answer hello in time")
            return opening.result()
        finally:
            opening.cancel()

    async def _greet(self, transport: Transport, protocol: V2Client, hello: str) -> Connection:
        await transport.send([hello])
        while True:
            frames = await transport.receive()
            for number, frame in enumerate(frames, 1):
                match protocol.receive(frame, self._clock.now()):
                    case HelloAck():
                        return V2Connection(
                            transport,
                            protocol,
                            self._agenda,
                            self._clock,
                            backlog=frames[number:],
                            new_token=self._credential if self._renewable else None,
                        )
                    case SpeaksV1():
                        return V1Connection(transport, self._agenda, self._clock)
                    case Error(data=data):
                        raise refusal(data)
