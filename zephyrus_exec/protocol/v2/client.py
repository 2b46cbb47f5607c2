"""The client's side of one v2 connection, sans-I/O: frames and the time in, messages out.

    NEW ──hello──► ASKED ──hello_ack──► OPEN
                     │ no answer in time: Close     │ silence: Close

In OPEN any number of requests may be unanswered, up to the limit the server tells. What comes is
checked: answers belong to open requests, the events of a subscription are contiguous and end with
the last one, and nothing is believed that breaks that.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final, TypeAlias

from attrs import define, frozen

from ...errors import LocalProtocolError, UnexpectedMessage, UnknownMessageType
from ...model import JsonObject
from ..codec import decode
from ..connection import MAX_REPLY_BYTES, MAX_REPLY_DEPTH, Close
from .codec import encode, read_reply
from .messages import (
    Auth,
    AuthAck,
    AuthExpiring,
    Cancel,
    CancelAck,
    EffectEvent,
    Error,
    Execute,
    ExecutionCompleted,
    ExecutionEvent,
    ExecutionList,
    ExecutionReport,
    ExecutionStarted,
    GetExecution,
    GoAway,
    Hello,
    HelloAck,
    ListExecutions,
    Ping,
    Pong,
    ServerMessage,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Unsubscribed,
)
from .server import Answer, CloseCode

HELLO_TIMEOUT: Final = 10.0
"""Seconds that a server gets to answer `hello` by default."""
LAST_OF_EFFECT: Final = frozenset({"finalized", "cancelled", "displaced", "resolved"})
"""Nothing changes an effect after these events of it."""
_ENDED_KEPT: Final = 1024
"""How many ended streams are remembered, so that what is sent twice is told from what is wrong."""

Request: TypeAlias = (
    Hello | Auth | Execute | Subscribe | Unsubscribe | GetExecution | ListExecutions | Cancel
)
StreamEvent: TypeAlias = ExecutionEvent | ExecutionCompleted | EffectEvent

_ANSWERS: Final[Mapping[type[Request], type[Answer]]] = {
    Hello: HelloAck,
    Auth: AuthAck,
    Execute: ExecutionStarted,
    Subscribe: Subscribed,
    Unsubscribe: Unsubscribed,
    GetExecution: ExecutionReport,
    ListExecutions: ExecutionList,
    Cancel: CancelAck,
}


@frozen
class Stream:
    """What events belong to."""

    id: str
    """An execution's id, or an effect's key."""
    effect: bool = False
    """Which of the two."""


@frozen
class Send:
    """A frame is due, and nothing else happened."""

    frame: str


@frozen
class SpeaksV1:
    """The server does not know `hello`: on this connection v1 is spoken."""


Said: TypeAlias = Answer | StreamEvent | AuthExpiring | GoAway | Error | Send
Received: TypeAlias = Said | SpeaksV1
State = Enum("State", ["NEW", "ASKED", "OPEN"])


@define
class _Cursor:
    seq: int
    """The last event that came."""
    last: int | None = None
    """The last event there is, where that is known."""


class V2Client:
    """What one server may say, and when.

    Args:
        now: Seconds on a clock that does not go back; all times given later are of that clock.
        max_message_bytes: Longest message that is decoded, in bytes of UTF-8.
        max_depth: Deepest nesting that is decoded.
        hello_timeout: Seconds the server gets to answer `hello`.
    """

    def __init__(
        self,
        *,
        now: float,
        max_message_bytes: int = MAX_REPLY_BYTES,
        max_depth: int = MAX_REPLY_DEPTH,
        hello_timeout: float = HELLO_TIMEOUT,
    ) -> None:
        self._max_message_bytes = max_message_bytes
        self._max_depth = max_depth
        self._hello_timeout = hello_timeout
        self._heard = now
        self._state = State.NEW
        self._welcome: HelloAck | None = None
        self._open: dict[str, Request] = {}
        self._cursors: dict[Stream, _Cursor] = {}
        self._ended: dict[Stream, int] = {}

    @property
    def state(self) -> State:
        """Whether hello was said, and answered."""
        return self._state

    @property
    def welcome(self) -> HelloAck:
        """What the server said at the opening.

        Raises:
            LocalProtocolError: The connection is not open.
        """
        if self._welcome is None:
            raise LocalProtocolError("the server has not answered hello")
        return self._welcome

    @property
    def has_room(self) -> bool:
        """Whether the server takes another request now, or has too many to answer."""
        return len(self._open) < self.welcome.limits.max_requests

    # --- asking ----------------------------------------------------------------------------------

    def request(self, request: Request) -> str:
        """Return the frame of a request, which is open until its answer comes.

        Raises:
            LocalProtocolError: It is not the time for it, or its `request_id` is open already.
            MessageTooBig: It is longer or deeper than the server takes.
            InvalidValue: A free value in it is no JSON.
        """
        if isinstance(request, Hello) is not (self._state is State.NEW):
            raise LocalProtocolError("hello is said once, and first")
        if request.request_id in self._open:
            raise LocalProtocolError("that request is unanswered", request_id=request.request_id)
        frame = encode(request)
        if isinstance(request, Hello):
            self._state = State.ASKED
        else:
            limits = self.welcome.limits
            decode(frame, max_bytes=limits.max_message_bytes, max_depth=limits.max_message_depth)
        self._open[request.request_id] = request
        return frame

    # --- receiving -------------------------------------------------------------------------------

    def receive(self, frame: str | bytes, now: float) -> Received | None:
        """Take a frame in, and return what it says that was not known.

        Args:
            frame: One whole message.
            now: The time.

        Returns:
            The message; or what to send; or null where there is nothing to do: it was sent twice,
            or is of a type that is not known.

        Raises:
            RemoteProtocolError: It is no message of v2, or not one that may come now.
        """
        message = decode(frame, max_bytes=self._max_message_bytes, max_depth=self._max_depth)
        self._heard = now
        if self._state is State.ASKED and _is_error_of_v1(message):
            return SpeaksV1()
        try:
            return self._take(read_reply(message))
        except UnknownMessageType:
            return None

    def _take(self, said: ServerMessage) -> Received | None:
        if isinstance(said, Error | HelloAck):
            return self._answer(said)
        if self._state is not State.OPEN:
            raise UnexpectedMessage(f"{said.type} came before hello_ack")
        if isinstance(said, Ping):
            return Send(encode(Pong(said.t)))
        if isinstance(said, ExecutionEvent | ExecutionCompleted | EffectEvent):
            return said if self._is_next(said) else None
        if isinstance(said, GoAway | AuthExpiring):
            return said
        return self._answer(said)

    def _answer(self, said: Answer | Error) -> Answer | Error:
        if said.request_id is None:
            if self._state is State.NEW:
                raise UnexpectedMessage(f"{said.type} came before hello")
            return said
        request = self._open.get(said.request_id)
        if request is None or not isinstance(said, Error | _ANSWERS[type(request)]):
            raise UnexpectedMessage(f"{said.type} answers no open request")
        if isinstance(said, HelloAck):
            self._welcome, self._state = said, State.OPEN
        elif isinstance(said, ExecutionStarted):
            self._set_cursor(Stream(said.execution_id), _Cursor(0))
        elif isinstance(request, Subscribe) and isinstance(said, Subscribed):
            self._follow(request, said)
        elif isinstance(request, Unsubscribe) and isinstance(said, Unsubscribed):
            self._cursors.pop(_asked(request, said), None)
        del self._open[said.request_id]
        return said

    # --- events ----------------------------------------------------------------------------------

    def _follow(self, request: Subscribe, said: Subscribed) -> None:
        stream = _asked(request, said)
        if said.head_seq < max(request.from_seq, said.terminal):
            raise UnexpectedMessage("subscribed names a last event before the one that is known")
        cursor = _Cursor(request.from_seq, said.head_seq if said.terminal else None)
        self._set_cursor(stream, cursor)
        if cursor.seq == cursor.last:
            self._end(stream, cursor.seq)

    def _set_cursor(self, stream: Stream, cursor: _Cursor) -> None:
        self._ended.pop(stream, None)
        self._cursors[stream] = cursor

    def _is_next(self, event: StreamEvent) -> bool:
        """Return whether the event is the next of its stream; not: it was there already."""
        stream = stream_of(event)
        cursor = self._cursors.get(stream)
        seen = self._ended.get(stream) if cursor is None else cursor.seq
        if seen is None:
            raise UnexpectedMessage("an event came of what is not watched")
        if event.seq <= seen:
            return False
        if cursor is None:
            raise UnexpectedMessage("an event came after the last one")
        if event.seq != seen + 1:
            raise UnexpectedMessage(f"event {seen + 1} is missing: {event.seq} came")
        cursor.seq = event.seq
        if is_last(event) or event.seq == cursor.last:
            self._end(stream, event.seq)
        return True

    def _end(self, stream: Stream, seq: int) -> None:
        del self._cursors[stream]
        self._ended[stream] = seq
        if len(self._ended) > _ENDED_KEPT:
            del self._ended[next(iter(self._ended))]

    # --- time ------------------------------------------------------------------------------------

    @property
    def due(self) -> float:
        """When `poll` has something to say at the earliest."""
        if self._welcome is None:
            return self._heard + self._hello_timeout
        return self._heard + self._welcome.heartbeat.lost_after

    def poll(self, now: float) -> Close | None:
        """Return the order to close, where the server has been silent for too long."""
        if now < self.due:
            return None
        return Close(CloseCode.SILENT, "nothing was heard of you")


def stream_of(event: StreamEvent) -> Stream:
    """Return what an event belongs to."""
    if isinstance(event, EffectEvent):
        return Stream(event.effect_key, effect=True)
    return Stream(event.execution_id)


def is_last(event: StreamEvent) -> bool:
    """Return whether nothing follows in the event's stream."""
    if isinstance(event, EffectEvent):
        return event.event in LAST_OF_EFFECT
    return isinstance(event, ExecutionCompleted)


def _asked(request: Subscribe | Unsubscribe, said: Subscribed | Unsubscribed) -> Stream:
    """Return what a request was about, once the answer is about the same."""
    if (said.execution_id, said.effect_key) != (request.execution_id, request.effect_key):
        raise UnexpectedMessage(f"{said.type} is about something that was not asked for")
    if request.execution_id is not None:
        return Stream(request.execution_id)
    assert request.effect_key is not None
    return Stream(request.effect_key, effect=True)


def _is_error_of_v1(message: JsonObject) -> bool:
    data = message.get("data")
    return (
        message.get("type") == Error.type
        and "request_id" not in message
        and isinstance(data, Mapping)
        and "code" not in data
    )
