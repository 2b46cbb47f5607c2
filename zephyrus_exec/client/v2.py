"""One open connection that speaks v2."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, NoReturn, TypeAlias

from ..errors import (
    EffectNotFound,
    ExecutionNotFound,
    InvalidValue,
    MessageTooBig,
    TransportBroken,
    ZephyrusError,
)
from ..interfaces.clock import Clock
from ..interfaces.transport import Frame, Transport
from ..protocol.v2.client import Said, Send, SpeaksV1, Stream, V2Client, stream_of
from ..protocol.v2.messages import (
    Auth,
    AuthAck,
    AuthExpiring,
    EffectEvent,
    Error,
    ExecutionCompleted,
    ExecutionEvent,
    GoAway,
)
from .agenda import Agenda
from .asks import Ask, Start, Step
from .channel import Connection
from .ends import bounded, refusal

NewToken: TypeAlias = Callable[[], Awaitable[str | None]]
_log = logging.getLogger(__name__)


class V2Connection(Connection):
    """Asks what is on the agenda, and hands on what comes.

    Args:
        transport: The channel.
        protocol: Open.
        agenda: What is wanted.
        clock: Time.
        backlog: Frames that came with the opening.
        new_token: Gives another credential where one ends; null: there is none.
    """

    version = 2

    def __init__(
        self,
        transport: Transport,
        protocol: V2Client,
        agenda: Agenda,
        clock: Clock,
        *,
        backlog: Sequence[Frame] = (),
        new_token: NewToken | None = None,
    ) -> None:
        super().__init__(transport)
        self._protocol = protocol
        self._agenda = agenda
        self._clock = clock
        self._backlog = backlog
        self._new_token = new_token
        self._queue: deque[Ask] = deque()
        self._asked: dict[str, Ask] = {}
        self._renewal = asyncio.Event()
        self.retry_after = 0.0
        """Seconds for which the server asked not to be connected to."""
        self._going = False

    @property
    def store_epoch(self) -> str | None:
        """Which incarnation of the server's store it leads to."""
        return self._protocol.welcome.store_epoch

    def ask(self, ask: Ask) -> None:
        """Send a request as soon as the server takes it; a new execution, not to one that goes."""
        self._queue.append(ask)
        self._pump()

    def _pump(self) -> None:
        while self._queue and self._protocol.has_room:
            ask = self._queue.popleft()
            if not (self._going and isinstance(ask, Start)):
                self._ask_now(ask)

    def _ask_now(self, ask: Ask) -> None:
        request = ask.send_under(self._protocol.welcome.store_epoch)
        try:
            frame = self._protocol.request(request)
        except (MessageTooBig, InvalidValue) as error:
            self._agenda.drop(ask)
            ask.refused(error)
            return
        self._asked[request.request_id] = ask
        self._send(frame)

    def _duties(self) -> list[Coroutine[Any, Any, NoReturn]]:
        return [*super()._duties(), self._watch(), self._renew()]

    async def _read(self) -> NoReturn:
        for frame in self._backlog:
            self._take(frame)
        await super()._read()

    async def _watch(self) -> NoReturn:
        while (close := self._protocol.poll(self._clock.now())) is None:
            await self._clock.sleep_until(self._protocol.due)
        raise TransportBroken(f"nothing was heard of the server: {close.reason}")

    async def _renew(self) -> NoReturn:
        while True:
            await self._renewal.wait()
            self._renewal.clear()
            try:
                token = None if self._new_token is None else await self._new_token()
            except ZephyrusError as error:  # the old one is valid still
                _not_renewed(error)
                continue
            if token is not None:
                request = Auth(self._agenda.new_request_id(), "bearer", token)
                self.ask(Step(request, _renewed, _not_renewed))

    # --- receiving -------------------------------------------------------------------------------

    def _take(self, frame: Frame) -> None:
        said = self._protocol.receive(frame, self._clock.now())
        assert not isinstance(said, SpeaksV1)  # that is said in place of hello_ack only
        if said is not None:
            self._handle(said)
            self._pump()

    def _handle(self, said: Said) -> None:
        match said:
            case ExecutionEvent() | ExecutionCompleted() | EffectEvent():
                self._agenda.offer(stream_of(said), said)
            case Send(frame):
                self._send(frame)
            case GoAway(retry_after):
                self._going = True
                self.retry_after = bounded(retry_after)
            case AuthExpiring():
                self._renewal.set()
            case Error():
                self._refused(said)
            case _:
                ask = self._asked.pop(said.request_id)
                self._agenda.drop(ask)
                ask.answered(said)

    def _refused(self, said: Error) -> None:
        error = refusal(said.data)
        if said.request_id is not None:
            self._agenda.refuse(self._asked.pop(said.request_id), error)
            return
        gone = _forgotten(error)
        if gone is None:
            raise error
        self._agenda.lose(gone, error)


def _forgotten(error: ZephyrusError) -> Stream | None:
    """Return what the server says to have no events of any more; null: it says something else."""
    if isinstance(error, ExecutionNotFound):
        return Stream(str(error.details.get("execution_id")))
    if isinstance(error, EffectNotFound):
        return Stream(str(error.details.get("effect_key")), effect=True)
    return None


def _renewed(_: AuthAck) -> None:
    _log.debug("the credential is renewed")


def _not_renewed(error: ZephyrusError) -> None:
    _log.warning("the credential is not renewed: %s", error.message)
