"""The events of one execution or effect, and who reads them here.

The journal is on the server and a subscription is a cursor into it. So nothing needs to be kept
that was not read yet: where a reader is behind, the subscription ends, and begins again from the
reader's place when it goes on. The same happens when the connection was lost.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Final
from weakref import WeakSet

from ..errors import ExecutionLost, ZephyrusError
from ..protocol.v2.client import Stream, StreamEvent, is_last, stream_of
from ..protocol.v2.messages import ExecutionCompleted, Subscribed
from .ends import again

ROOM: Final = 1000
"""Events that a reader may be behind."""


class Reader:
    """The events that came and were not taken yet, for one consumer.

    Args:
        after: The last event that is known already.
        room: How many events it holds at most.
    """

    def __init__(self, after: int = 0, *, room: int = ROOM) -> None:
        self.after = after
        """The last event that is here, or was taken."""
        self.last: ExecutionCompleted | None = None
        """How it ended, where that has come."""
        self.on_room: Callable[[], None] | None = None
        """Called when more is wanted than before."""
        self._room = room
        self._events: deque[StreamEvent] = deque()
        self._paused = False
        self._complete = False
        self._waiting = 0
        self._newest: StreamEvent | None = None
        self._rechecks = False
        self._error: ZephyrusError | None = None
        self._changed = asyncio.Event()

    @property
    def done(self) -> bool:
        """Whether nothing will be wanted any more."""
        return self._complete or self._error is not None

    @property
    def reads(self) -> bool:
        """Whether the next event is to be sent."""
        return not self.done and not self._paused

    @property
    def awaits_end(self) -> bool:
        """Whether the last event is to be sent, for which there is room in any case."""
        return not self.done and self._waiting > 0 and self.last is None

    def offer(self, event: StreamEvent) -> None:
        """Take an event in, if it is the next one and there is room."""
        if self.done:
            return
        if isinstance(event, ExecutionCompleted):
            self.last = event
            self._changed.set()
        if event.seq == self.after + 1 and self._rechecks:
            self._recheck(event)
        elif event.seq == self.after + 1 and not self._paused:
            self.put(event)

    def doubt(self) -> None:
        """Have the newest event sent again, and believe what follows only if it is the same.

        Where a journal lost events, others may have taken their numbers since.
        """
        if self._newest is not None and not self.done:
            self.after = self._newest.seq - 1
            self._rechecks = True

    def _recheck(self, event: StreamEvent) -> None:
        if event == self._newest:
            self.after = event.seq
            self._rechecks = False
        else:
            self.fail(
                ExecutionLost(
                    f"event {event.seq} is another one than before: events were lost, as by "
                    "restoring a backup",
                    stream=stream_of(event).id,
                )
            )

    def put(self, event: StreamEvent) -> None:
        """Take an event in."""
        self.after = event.seq
        self._newest = event
        self._events.append(event)
        if isinstance(event, ExecutionCompleted):
            self.last = event
            self._complete = True
        self._paused = len(self._events) >= self._room
        self._changed.set()

    def complete(self) -> None:
        """Let the consumer have what is here; nothing follows."""
        self._complete = True
        self._changed.set()

    def fail(self, error: ZephyrusError) -> None:
        """Let the consumer have what is here, then the error."""
        if not self._complete and self._error is None:
            self._error = error
            self._changed.set()

    async def next(self) -> StreamEvent | None:
        """Return the next event, in order; null: there are no more.

        Raises:
            ZephyrusError: The error given to `fail`, once all events were returned.
        """
        while not self._events:
            if self._complete:
                return None
            await self._change()
        event = self._events.popleft()
        if self._paused and len(self._events) <= self._room // 2:
            self._paused = False
            self._ask()
        return event

    async def end(self) -> ExecutionCompleted:
        """Return the last event, whether those before it were taken or not.

        Raises:
            ZephyrusError: The error given to `fail`.
        """
        self._waiting += 1
        try:
            self._ask()
            while self.last is None:
                await self._change()
            return self.last
        finally:
            self._waiting -= 1

    async def _change(self) -> None:
        if self._error is not None:
            raise again(self._error)
        self._changed.clear()
        await self._changed.wait()

    def _ask(self) -> None:
        if self.on_room is not None:
            self.on_room()


class Cursors(ABC):
    """Where a feed gets its events from."""

    @abstractmethod
    def subscribe(self, feed: Feed, after: int) -> bool:
        """Ask for every event after that one; false: there is no connection now."""

    @abstractmethod
    def unsubscribe(self, feed: Feed) -> None:
        """Ask for no more events."""

    @abstractmethod
    def forget(self, feed: Feed) -> None:
        """Let go of a feed that nobody reads."""


class Feed:
    """One stream of events: subscribed to from where the reader is that is furthest behind.

    Args:
        stream: Which.
        cursors: Where its events come from.
    """

    def __init__(self, stream: Stream, cursors: Cursors) -> None:
        self.stream = stream
        self.known = False
        """Whether the server has ever sent events of it: then refusals are worth another try."""
        self._cursors = cursors
        self._readers: WeakSet[Reader] = WeakSet()
        self._position: int | None = None
        self._head: int | None = None
        self._asking = False

    def join(self, reader: Reader) -> None:
        """Let a reader have the events behind those it knows, for as long as it exists."""
        reader.on_room = self.update
        self._readers.add(reader)
        self.update()

    def started(self) -> None:
        """Note that every event is sent, from the first on."""
        self.known = True
        self._position = 0

    def subscribed(self, after: int, answer: Subscribed) -> None:
        """Note that every event after that one is sent, up to the last one if there is one."""
        self.known = True
        self._asking = False
        self._position = after
        self._head = answer.head_seq if answer.terminal else None
        if answer.terminal and answer.head_seq <= after:
            self._position = None
            for reader in [each for each in self._readers if not each.done]:
                self._finish(reader, answer.head_seq)
        self.update()

    def _finish(self, reader: Reader, head: int) -> None:
        """Let a reader that knows all events have the last one again: it tells how it ended."""
        if self.stream.effect:
            reader.complete()
        elif reader.after >= head:
            reader.after = head - 1

    def unsubscribed(self) -> None:
        """Note that nothing is sent."""
        self._asking = False
        self._position = None
        self.update()

    def offer(self, event: StreamEvent) -> None:
        """Hand an event to whoever reads."""
        last = is_last(event) or event.seq == self._head
        self._position = None if last else event.seq
        for reader in list(self._readers):
            reader.offer(event)
            if last and self.stream.effect:
                reader.complete()
        self.update()

    def doubt(self) -> None:
        """Let every reader make sure that the journal still is the one it read."""
        for reader in list(self._readers):
            reader.doubt()

    def lost(self) -> None:
        """Note that the connection is gone."""
        self._asking = False
        self._position = None

    def fail(self, error: ZephyrusError) -> None:
        """Let every reader have the error."""
        self._asking = False
        self._position = None
        for reader in list(self._readers):
            reader.fail(error)
        self.update()

    def update(self) -> None:
        """Ask for what is wanted and is not sent, or for nothing any more."""
        if self._asking:
            return
        reading = [reader.after for reader in self._readers if reader.reads]
        ending = [reader.after for reader in self._readers if reader.awaits_end]
        if reading:
            self._ensure(min(reading))
        elif ending:
            self._ensure(min(ending) if self._position is None else self._position)
        elif self._position is not None:
            self._asking = True
            self._cursors.unsubscribe(self)
        elif all(reader.done for reader in self._readers):
            self._cursors.forget(self)

    def _ensure(self, after: int) -> None:
        """Let every event after that one be sent."""
        if self._position is None or after < self._position:
            self._asking = self._cursors.subscribe(self, after)
