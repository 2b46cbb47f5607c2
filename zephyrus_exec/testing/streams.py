"""What the order of a server's frames promises: `verify_stream`, for whoever recorded some."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias

from attrs import define, field

from ..conversion import dumps
from ..interfaces.transport import Frame
from ..model import EventKind, JsonObject
from .frames import StreamViolation, check_reply, decoded

__all__ = ["StreamChecker", "StreamViolation", "verify_stream"]

_Stream: TypeAlias = str
"""An execution id, or an effect key."""
_EFFECT: Final = "effect "


def verify_stream(frames: Iterable[Frame | JsonObject], *, ended: bool = True) -> None:
    """Return if a server's frames keep what v2 promises about them.

    Each frame has its schema. Events of an execution come after `started` or `subscribed`, without
    a gap; one that comes again is the same, byte for byte; the terminal frame is the last, and
    there is one. A `hello_ack` begins another connection, on which watching begins anew.

    Args:
        frames: Everything that one client received, in order: as it came, or decoded.
        ended: Whether every execution that was watched to the end of `frames` must have ended.

    Raises:
        StreamViolation: The first thing that is wrong.
    """
    checker = StreamChecker()
    for frame in frames:
        checker.take(frame)
    if ended:
        checker.finish()


@define(eq=False)
class StreamChecker:
    """Checks frames one by one, as they come.

    Args:
        closed: Whether keys and types that this release does not know are violations.
    """

    closed: bool = True
    _seen: dict[tuple[_Stream, int], int] = field(factory=dict)
    """Hash of each event's text."""
    _next: dict[_Stream, int | None] = field(factory=dict)
    """Number of the next event of what is watched; null: any."""
    _last: dict[_Stream, int] = field(factory=dict)
    """Number of the terminal event of each execution that has ended."""

    def take(self, frame: Frame | JsonObject, *, from_seq: int | None = None) -> JsonObject:
        """Take the next frame in, and return what it holds.

        Args:
            frame: As it came, or decoded.
            from_seq: Where it is `subscribed`: what was asked for, if that is known.

        Raises:
            StreamViolation: It breaks its schema, or its place is wrong.
        """
        message = decoded(frame)
        match check_reply(message, 2, closed=self.closed):
            case None if self.closed:
                raise StreamViolation(f"no message has the type {message.get('type')!r}")
            case "HelloAck":
                self._next.clear()
            case "ExecutionStarted":
                self._next[stream_of(message)] = 1
            case "Subscribed":
                self._subscribed(message, from_seq)
            case "Unsubscribed":
                self._next.pop(stream_of(message), None)
            case "ExecutionEvent" | "EffectEvent" | "ExecutionCompleted" as name:
                self._event(message, hash(text_of(frame)), terminal=name == "ExecutionCompleted")
        return message

    def finish(self) -> None:
        """Return if everything that is watched has ended.

        Raises:
            StreamViolation: The terminal frame of an execution is missing.
        """
        for stream, expected in self._next.items():
            last = self._last.get(stream)
            over = last is not None and (expected is None or expected > last)
            if not over and not stream.startswith(_EFFECT):
                raise StreamViolation(f"{stream} has no terminal frame")

    def _subscribed(self, message: JsonObject, from_seq: int | None) -> None:
        stream, head = stream_of(message), message["head_seq"]
        if message["terminal"] and self._last.setdefault(stream, _number(head)) != head:
            raise StreamViolation(f"{stream} ended with {self._last[stream]}, and not with {head}")
        if from_seq is not None and from_seq > _number(head):
            raise StreamViolation(f"{stream} has no event {from_seq}, and that is no error")
        self._next[stream] = None if from_seq is None else from_seq + 1

    def _event(self, message: JsonObject, text: int, *, terminal: bool) -> None:
        stream, seq = stream_of(message), _number(message["seq"])
        if stream not in self._next:
            raise StreamViolation(f"event {seq} of {stream} comes, which is not watched")
        again = (stream, seq) in self._seen
        if self._seen.setdefault((stream, seq), text) != text:
            raise StreamViolation(f"event {seq} of {stream} is not what it was before")
        self._check_kind(message, seq)
        self._check_end(stream, seq, terminal=terminal)
        self._advance(stream, seq, again=again)

    def _check_kind(self, message: JsonObject, seq: int) -> None:
        if message["type"] != "execution_event":
            return
        kind, stream = message["event"], stream_of(message)
        if kind == EventKind.COMPLETED:
            raise StreamViolation(f"{stream} tells its end by an event: execution_response does")
        if (kind == EventKind.ACCEPTED) is not (seq == 1):
            raise StreamViolation(f"event {seq} of {stream} is {kind!r}; the first is `accepted`")

    def _check_end(self, stream: _Stream, seq: int, *, terminal: bool) -> None:
        last = self._last.setdefault(stream, seq) if terminal else self._last.get(stream)
        if last is None:
            return
        if seq > last:
            raise StreamViolation(f"event {seq} of {stream} comes after its terminal frame, {last}")
        if (seq == last) is not terminal:
            raise StreamViolation(f"{stream} has two ends, or none: {seq} and {last}")

    def _advance(self, stream: _Stream, seq: int, *, again: bool) -> None:
        expected = self._next[stream]
        if expected is None or seq == expected:
            self._next[stream] = seq + 1
        elif seq < expected and not again:
            raise StreamViolation(f"event {seq} of {stream} comes behind its successors")
        elif seq > expected:
            raise StreamViolation(f"event {expected} of {stream} is missing before {seq}")


def stream_of(message: JsonObject) -> str:
    """Return what names the stream that a message is about."""
    key = message.get("effect_key")
    return f"{_EFFECT}{key}" if key is not None else str(message.get("execution_id"))


def text_of(frame: Frame | JsonObject) -> str:
    """Return the text of a frame; one that is decoded is written anew."""
    if isinstance(frame, str):
        return frame
    return frame.decode() if isinstance(frame, bytes) else dumps(frame)


def _number(value: object) -> int:
    assert isinstance(value, int)
    return value
