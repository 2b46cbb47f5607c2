"""One open connection that speaks v1: executions one after the other, and nothing else."""

from __future__ import annotations

from collections import deque
from typing import Final, NoReturn

from ..errors import (
    ExecutionError,
    NotSupported,
    OutcomeUnknown,
    RequestRefused,
    TransportError,
)
from ..interfaces.clock import Clock
from ..interfaces.transport import Frame, Transport
from ..model import EventKind, JsonObject, Outcome
from ..protocol.connection import V1Client
from ..protocol.messages import Completed, Failed, Rejected, Started
from ..protocol.v2.messages import (
    CompletedData,
    EffectCounts,
    ErrorInfo,
    ExecutionCompleted,
    ExecutionEvent,
)
from .agenda import Agenda
from .asks import Ask, Start
from .channel import Connection

_UNTOLD: Final = EffectCounts(0, 0, 0, 0, 0, 0)
"""v1 tells no effects."""


class V1Connection(Connection):
    """Asks for the executions on the agenda, one after the other.

    Args:
        transport: The channel.
        agenda: What is wanted.
        clock: Time.
    """

    version = 1

    def __init__(self, transport: Transport, agenda: Agenda, clock: Clock) -> None:
        super().__init__(transport)
        self._protocol = V1Client()
        self._agenda = agenda
        self._clock = clock
        self._queue: deque[Start] = deque()
        self._current: Start | None = None

    @property
    def store_epoch(self) -> str | None:
        """Null: v1 tells none."""
        return None

    def ask(self, ask: Ask) -> None:
        """Send the request of an execution in its turn; refuse everything else."""
        problem = _problem(ask)
        if problem is not None:
            self._agenda.drop(ask)
            ask.refused(problem)
            return
        assert isinstance(ask, Start)  # everything else is a problem
        self._queue.append(ask)
        self._next()

    def _next(self) -> None:
        if self._current is None and self._queue:
            self._current = self._queue.popleft()
            self._current.sent = True
            self._send(self._protocol.execute(self._current.request.agent_id))

    async def _read(self) -> NoReturn:
        try:
            await super()._read()
        except TransportError as end:
            if self._current is not None:
                self._agenda.drop(self._current)
                self._current.refused(
                    OutcomeUnknown(
                        f"{end.message}; the server speaks v1, so what became of the execution "
                        "cannot be known here: look there before you ask again"
                    )
                )
            raise

    def _take(self, frame: Frame) -> None:
        reply = self._protocol.receive(frame)
        ask = self._current
        assert ask is not None  # the protocol takes no reply that nobody asked for
        if isinstance(reply, Started):
            ask.target.take(self._started(reply))
            return
        self._current = None
        self._agenda.drop(ask)
        if isinstance(reply, Rejected):
            ask.refused(RequestRefused(reply.message))
        else:
            ask.target.take(self._completed(reply))
        self._next()

    def _started(self, reply: Started) -> ExecutionEvent:
        data: JsonObject = {"agent_id": reply.agent_id}
        return ExecutionEvent("", 1, self._clock.now(), EventKind.STARTED, data)

    def _completed(self, reply: Completed | Failed) -> ExecutionCompleted:
        results = tuple(reply.results) if isinstance(reply, Completed) else ()
        error = reply.error if isinstance(reply, Failed) else None
        data = CompletedData(
            success=error is None,
            results=results,
            error=error,
            agent_id=reply.agent_id,
            execution_count=len(results),
            status="completed",
            outcome=Outcome.SUCCEEDED if error is None else Outcome.FAILED,
            error_info=None if error is None else ErrorInfo(ExecutionError.code, error, False),
            effects=_UNTOLD,
        )
        return ExecutionCompleted("", 2, self._clock.now(), data)


def not_supported(feature: str) -> NotSupported:
    """Return the error that says that a server of v1 lacks something."""
    return NotSupported(f"this server speaks v1 only, which lacks: {feature}", feature=feature)


def _problem(ask: Ask) -> NotSupported | OutcomeUnknown | None:
    """Return why a request cannot be sent; null: it can."""
    if not isinstance(ask, Start):
        return not_supported(ask.request.type)
    if ask.uncertain:
        return OutcomeUnknown(
            "the connection was lost before the server said whether it accepted the request, and "
            "the server that is there now speaks v1 and cannot tell"
        )
    lacking = {
        "input": ask.request.input is not None,
        "deadline": ask.request.deadline is not None,
        "idempotency_key": ask.key_given,
    }
    named = ", ".join(name for name, given in lacking.items() if given)
    return not_supported(named) if named else None
