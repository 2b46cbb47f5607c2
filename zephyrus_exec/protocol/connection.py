"""The two sides of one v1 connection, sans-I/O: frames in, frames out, and what is allowed when.

Server, for the oldest unanswered frame (v1 works requests off one after the other):

    IDLE ──a frame that is no request──► REJECTING ──rejected()──► next
    IDLE ──a message the host may know──► ASKED ──answered() | rejected()──► next
    IDLE ──a request──► REQUESTED ──started()──► RUNNING ──completed() | failed()──► next

where *next* is the state of the frame behind it, and IDLE if there is none. `receive` works in
every state, so reading never has to wait for an execution.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from enum import Enum
from typing import Final

from attrs import frozen

from ..conversion import dumps
from ..errors import LocalProtocolError, UnexpectedMessage
from ..model import Json, JsonObject
from .codec import MAX_BYTES, MAX_DEPTH, decode
from .messages import (
    ExecuteRequest,
    Rejected,
    Reply,
    Request,
    Started,
    Unknown,
    encode_completed,
    encode_failed,
    encode_rejected,
    encode_request,
    encode_started,
    parse_reply,
    parse_request,
)
from .wording import Language

MAX_PENDING: Final = 1024
"""How many unanswered frames a server connection holds by default."""
MAX_UNKNOWN_BYTES: Final = 4 << 20
"""How long the unanswered messages that a host may know are together, in bytes or characters."""
MAX_REPLY_BYTES: Final = 16 << 20
"""Longest reply a client accepts by default."""
MAX_REPLY_DEPTH: Final = MAX_DEPTH + 4
"""Deepest reply a client accepts by default: a result nests as deep as a request may, and stands
four levels deep in its reply."""


@frozen
class Close:
    """The connection must be closed with this code; nothing more is read from it."""

    code: int
    reason: str


class State(Enum):
    """What a server connection may do next."""

    IDLE = "nothing to answer"
    REJECTING = "a rejection is due"
    ASKED = "a message waits that the host may know"
    REQUESTED = "a request waits to be started"
    RUNNING = "an execution is under way"


class V1Connection:
    """The server's side of one connection. Events come out in the order of their frames."""

    def __init__(
        self,
        *,
        language: Language = "es",
        max_message_bytes: int = MAX_BYTES,
        max_depth: int = MAX_DEPTH,
        max_pending: int = MAX_PENDING,
        keep_unknown: bool = False,
    ) -> None:
        """Begin in the state IDLE.

        Args:
            language: Of every text that is sent.
            max_message_bytes: Longest frame that is decoded, in bytes of UTF-8.
            max_depth: Deepest nesting that is decoded.
            max_pending: How many frames may be unanswered, the current one included.
            keep_unknown: Whether the host is asked about messages of other types.
        """
        self._language = language
        self._max_message_bytes = max_message_bytes
        self._max_depth = max_depth
        self._max_pending = max_pending
        self._keep_unknown = keep_unknown
        self._unknown_bytes = 0
        self._pending: list[Request] = []  # a deque, even when empty, has room for 64: 700 bytes
        self._running = False
        self._closing: Close | None = None

    @property
    def language(self) -> Language:
        """The language of its texts."""
        return self._language

    @property
    def pending(self) -> int:
        """How many frames are unanswered, the current one included."""
        return len(self._pending)

    @property
    def current(self) -> Request | None:
        """The oldest unanswered event, which the answering methods are about; null: none."""
        return self._pending[0] if self._pending else None

    @property
    def state(self) -> State:
        """What may be answered now."""
        if not self._pending:
            return State.IDLE
        if isinstance(self._pending[0], Rejected):
            return State.REJECTING
        if isinstance(self._pending[0], Unknown):
            return State.ASKED
        return State.RUNNING if self._running else State.REQUESTED

    def receive(self, frame: str | bytes) -> Request | Close:
        """Take a frame in; never raises, whatever the frame is.

        Returns:
            What the frame is, now last in the queue; or, when too much is unanswered, the order
            to close with 1013 (RFC 6455 registry: try again later), then for every further frame.
            What was queued before may still be answered.
        """
        if self._closing is None and self._is_full():
            self._closing = Close(1013, "too many requests are waiting")
        if self._closing is not None:
            return self._closing
        event = parse_request(
            frame,
            self._language,
            max_bytes=self._max_message_bytes,
            max_depth=self._max_depth,
            keep_unknown=self._keep_unknown,
        )
        self._pending.append(event)
        if isinstance(event, Unknown):
            self._unknown_bytes += len(event.frame)
        return event

    def started(self) -> str:
        """Return the frame that says the current request is taken up."""
        request = self._expect("started", running=False)
        frame = encode_started(request.agent_id, self._language)
        self._running = True
        return frame

    def completed(self, results: Sequence[JsonObject]) -> str:
        """Return the frame that ends the current execution well, and go on to the next frame.

        Args:
            results: One item per action, as `result_item` makes them.

        Raises:
            InvalidValue: A result is no JSON; the execution is still to be answered.
        """
        request = self._expect("completed", running=True)
        frame = encode_completed(request.agent_id, results, self._language)
        self._next()
        return frame

    def failed(self, error: str) -> str:
        """Return the frame that ends the current execution badly, and go on to the next frame.

        Args:
            error: As `render_failure` makes it.
        """
        request = self._expect("failed", running=True)
        frame = encode_failed(request.agent_id, error)
        self._next()
        return frame

    def rejected(self, message: str = "") -> str:
        """Return the frame that refuses the current frame, and go on to the next.

        Args:
            message: Why; empty: what it is refused for anyway.
        """
        event = self.current
        if isinstance(event, Unknown):
            event = event.rejection
        if not isinstance(event, Rejected):
            raise self._wrong("rejected")
        self._next()
        return encode_rejected(message or event.message)

    def unknown(self) -> dict[str, Json]:
        """Return the current message, decoded, which only the host may know."""
        event = self.current
        if not isinstance(event, Unknown):
            raise self._wrong("unknown")
        return decode(event.frame, max_bytes=self._max_message_bytes, max_depth=self._max_depth)

    def answered(self, replies: Sequence[JsonObject]) -> list[str]:
        """Return the frames that answer the current message, and go on to the next frame.

        Args:
            replies: The host's, as they are to be sent; may be empty.

        Raises:
            InvalidValue: A reply is no JSON; the message is still to be answered.
        """
        if self.state is not State.ASKED:
            raise self._wrong("answered")
        frames = [dumps(reply) for reply in replies]
        self._next()
        return frames

    def _is_full(self) -> bool:
        return len(self._pending) >= self._max_pending or self._unknown_bytes >= MAX_UNKNOWN_BYTES

    def _next(self) -> None:
        event = self._pending.pop(0)
        if isinstance(event, Unknown):
            self._unknown_bytes -= len(event.frame)
        self._running = False

    def _expect(self, what: str, *, running: bool) -> ExecuteRequest:
        event = self._pending[0] if self._pending else None
        if not isinstance(event, ExecuteRequest) or self._running is not running:
            raise self._wrong(what)
        return event

    def _wrong(self, what: str) -> LocalProtocolError:
        return LocalProtocolError(f"{what}() is not allowed while {self.state.value}")


class V1Client:
    """The client's side of one connection. Replies belong to requests by order alone."""

    def __init__(
        self, *, max_message_bytes: int = MAX_REPLY_BYTES, max_depth: int = MAX_REPLY_DEPTH
    ) -> None:
        """Begin with no request open.

        Args:
            max_message_bytes: Longest reply that is decoded, in bytes of UTF-8.
            max_depth: Deepest nesting that is decoded.
        """
        self._max_message_bytes = max_message_bytes
        self._max_depth = max_depth
        self._open: deque[str] = deque()
        self._running = False

    @property
    def pending(self) -> int:
        """How many requests have no last reply yet."""
        return len(self._open)

    def execute(self, agent_id: str) -> str:
        """Return the frame that asks for an execution; several may be open at once."""
        frame = encode_request(ExecuteRequest(agent_id))
        self._open.append(agent_id)
        return frame

    def receive(self, frame: str | bytes) -> Reply:
        """Return the reply, which is about the oldest open request.

        `Completed`, `Failed` and `Rejected` end that request.

        Raises:
            RemoteProtocolError: It is no reply of v1, or not one that may come now.
        """
        message = decode(frame, max_bytes=self._max_message_bytes, max_depth=self._max_depth)
        if not self._open:
            raise UnexpectedMessage("a reply came although no request is open")
        reply = parse_reply(message, self._open[0])
        self._check_order(reply)
        if isinstance(reply, Started):
            self._running = True
        else:
            self._open.popleft()
            self._running = False
        return reply

    def _check_order(self, reply: Reply) -> None:
        ends = not isinstance(reply, Started | Rejected)
        if ends is not self._running:
            raise UnexpectedMessage(
                f"{type(reply).__name__} came while the execution was "
                f"{'running' if self._running else 'not started'}"
            )
