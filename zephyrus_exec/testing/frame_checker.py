"""A transport that checks every frame that passes, in both directions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from attrs import define, field

from ..errors import RemoteProtocolError
from ..interfaces.transport import V2_SUBPROTOCOL, Frame, Handshake, Transport
from ..model import JsonObject
from ..protocol.codec import decode
from ..protocol.messages import ExecuteRequest, parse_request
from ..protocol.v2.codec import read_request
from ..protocol.v2.messages import Subscribe
from .frames import Dialect, StreamViolation, check_reply, check_request, decoded, reply_name
from .streams import StreamChecker


@define(eq=False)
class Conversation:
    """What one connection carries, checked frame by frame.

    What the server's reader takes for a request has to be one by its schema, and whatever the
    server says has to be what its schema and the order of events allow. Answers of a host to
    messages of its own are left alone.

    Args:
        subprotocol: What was agreed on.
        closed: Whether keys and types that this release does not know are violations.
    """

    subprotocol: str | None = None
    closed: bool = True
    _dialect: Dialect | None = None
    _stream: StreamChecker = field(init=False)
    _asked: dict[str, int | None] = field(factory=dict)
    """By request id: the last event that a subscriber knew."""
    _foreign: bool = False
    """Whether the client has said something that only a host may know."""

    @_stream.default
    def _make_stream(self) -> StreamChecker:
        return StreamChecker(closed=self.closed)

    def asked(self, frame: Frame) -> None:
        """Take in what the client says.

        Raises:
            StreamViolation: It is read as a request, and is none by its schema.
        """
        try:
            message = decode(frame)
        except RemoteProtocolError:
            self._dialect = self._dialect or self._begin(None)
            return
        self._dialect = self._dialect or self._begin(message)
        if self._dialect == 2:
            self._asked_v2(message)
        elif isinstance(parse_request(frame, "en"), ExecuteRequest):
            check_request(message, 1)

    def _begin(self, first: JsonObject | None) -> Dialect:
        said_hello = first is not None and first.get("type") == "hello"
        plain = self.subprotocol is None
        return 2 if self.subprotocol == V2_SUBPROTOCOL or (plain and said_hello) else 1

    def _asked_v2(self, message: JsonObject) -> None:
        request_id = message.get("request_id")
        if isinstance(request_id, str):
            self._asked[request_id] = None
        try:
            request = read_request(message)
        except RemoteProtocolError:
            self._foreign = True
            return
        check_request(message, 2)
        if isinstance(request, Subscribe):
            self._asked[request.request_id] = request.from_seq

    def told(self, frame: Frame) -> JsonObject:
        """Take in what the server says, and return it.

        Raises:
            StreamViolation: It breaks its schema, comes out of order, or answers nothing.
        """
        message = decoded(frame)
        if self._dialect == 1:
            check_reply(message, 1)
            return message
        if self._foreign and reply_name(message, 2) is None:
            return message
        request_id = message.get("request_id")
        if isinstance(request_id, str) and request_id not in self._asked:
            raise StreamViolation(f"{message['type']} answers {request_id!r}, which nobody asked")
        return self._stream.take(frame, from_seq=self._asked.get(str(request_id)))

    def finish(self) -> None:
        """Return if everything that is watched has ended.

        Raises:
            StreamViolation: The terminal frame of an execution is missing.
        """
        self._stream.finish()


class FrameChecker(Transport):
    """Passes everything on, and has looked at it.

    Args:
        transport: The channel.
        side: Whose end of it this is.
        on_violation: Told of violations, where raising them would blame somebody else; null: they
            are raised.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        side: Literal["client", "server"],
        on_violation: Callable[[StreamViolation], None] | None = None,
    ) -> None:
        self._transport = transport
        self._on_violation = on_violation
        self._conversation = Conversation(transport.handshake.subprotocol)
        both: list[Callable[[Frame], object]] = [self._conversation.asked, self._conversation.told]
        self._heard, self._said = both if side == "server" else reversed(both)

    @property
    def handshake(self) -> Handshake:
        """What the peer said when it came."""
        return self._transport.handshake

    async def receive(self) -> Sequence[Frame]:
        """Return every frame that is there; see `Transport.receive`."""
        frames = await self._transport.receive()
        self._check(frames, self._heard)
        return frames

    async def send(self, frames: Sequence[Frame]) -> None:
        """Hand frames over in order; see `Transport.send`."""
        self._check(frames, self._said)
        await self._transport.send(frames)

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """Say farewell; see `Transport.aclose`."""
        await self._transport.aclose(code, reason)

    def _check(self, frames: Sequence[Frame], look: Callable[[Frame], object]) -> None:
        try:
            for frame in frames:
                look(frame)
        except StreamViolation as violation:
            if self._on_violation is None:
                raise
            self._on_violation(violation)
