"""What goes to one peer: answers, and the events it watches, as fast as it takes them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from ..engine.cursors import Cursor
from ..errors import EffectNotFound, ExecutionNotFound, ExecutionReleased, ZephyrusError
from ..interfaces.clock import Clock
from ..interfaces.store import NewEvent
from ..interfaces.transport import SharedTexts, Transport
from ..model import Event
from ..protocol.connection import Close
from .frames import BLOCK

_BATCH: Final = 32 * 1024
"""Characters of frames that are enough to go out together."""
_MOST_ANSWERS: Final = 4096
_MOST_CHARACTERS: Final = 4 << 20
"""How much may wait here at most, beside the one frame that was too much."""


FramesOf: TypeAlias = Callable[[Cursor, int, Sequence[NewEvent | Event]], Sequence[str]]
"""Makes the frames of events, the first of which has this number."""


class Watch:
    """Something that the peer watches, and how far it has been told.

    Args:
        key: What the peer calls it by; unique on its connection.
        frames_of: Makes the frames of events.
        wake: Called with it when there may be something to tell.
    """

    def __init__(
        self,
        key: str,
        frames_of: FramesOf,
        wake: Callable[[Watch], None],
    ) -> None:
        self.key = key
        self.frames_of = frames_of
        self._wake = wake
        self.greeting = ""
        """The answer to whoever asked for it, which goes before the first event."""
        self.cursor: Cursor
        self.queued = False
        """Whether its turn will come."""

    def ready(self, _: Cursor) -> None:
        """Hear that there may be more."""
        self._wake(self)


class Outbox:
    """Sends, in one task, what is there to be sent; nothing waits here but answers.

    A peer that reads slowly is told slowly: its cursors stay where they are meanwhile.

    Args:
        transport: The channel.
        clock: The time.
        lost: Makes the frame that tells that something watched is gone.
        released: Called where something watched goes on in another process.
        busy: Whether answers are still to come.
    """

    def __init__(
        self,
        transport: Transport,
        clock: Clock,
        *,
        lost: Callable[[ZephyrusError], str],
        released: Callable[[], None],
        busy: Callable[[], bool],
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._lost = lost
        self._released = released
        self._busy = busy
        self._frames: list[str] = []
        self._characters = 0
        self._room: asyncio.Event | None = None
        """Set when there is room again; null: there is."""
        self._watches: dict[str, Watch] = {}
        self._ready: deque[Watch] = deque()
        self._waiting: asyncio.Future[None] | None = None
        self._end: Close | None = None
        self._farewell: Close | None = None
        self._sending_since: float | None = None
        self._closed = False

    @property
    def watches(self) -> int:
        """How much the peer watches."""
        return len(self._watches)

    def has(self, key: str) -> bool:
        """Return whether the peer watches that."""
        return key in self._watches

    @property
    def full(self) -> bool:
        """Whether so much waits that the peer cannot be reading."""
        return len(self._frames) > _MOST_ANSWERS or self._characters > _MOST_CHARACTERS

    def send(self, frame: str) -> None:
        """Send a frame, behind those that wait; none behind the order to close."""
        if self._end is not None:
            return
        self._frames.append(frame)
        self._characters += len(frame)
        if self._characters >= _BATCH and self._room is None:
            self._room = asyncio.Event()
        self._wake()

    async def room(self) -> None:
        """Return once less waits than goes out together, for who can make much more of it."""
        if self._room is not None:
            await self._room.wait()

    def add(self, watch: Watch) -> None:
        """Send the watch's greeting and then its events, instead of what had the same key."""
        if self._closed:
            watch.cursor.close()
            return
        self.drop(watch.key)
        self._watches[watch.key] = watch
        self.turn(watch)

    def drop(self, key: str) -> None:
        """Send no more of that."""
        watch = self._watches.pop(key, None)
        if watch is not None:
            watch.cursor.close()
            if watch.greeting:
                self.send(watch.greeting)  # it was asked for, and is still an answer
                watch.greeting = ""

    def turn(self, watch: Watch) -> None:
        """Let the watch have its turn, unless it will anyway."""
        if not watch.queued and self._watches.get(watch.key) is watch:
            watch.queued = True
            self._ready.append(watch)
            self._wake()

    def end(self, close: Close) -> None:
        """Close the channel once the frames that wait are sent; tell nothing more of events."""
        self._end = close
        self._wake()

    def end_when_told(self, farewell: Close) -> None:
        """Close the channel once every answer is sent and all that is watched has ended."""
        self._farewell = farewell
        self._wake()

    def stalled(self, timeout: float) -> bool:
        """Return whether the peer has taken nothing for so many seconds, though it should."""
        since = self._sending_since
        return since is not None and self._clock.now() - since >= timeout

    def close(self) -> None:
        """Let go of everything watched, now and later, and of whoever is called."""
        self._closed = True
        self._lost, self._released, self._busy = str, _nobody, bool
        for watch in self._watches.values():
            watch.cursor.close()
        self._watches.clear()

    async def run(self) -> None:
        """Send until the channel is to be closed, then close it.

        Raises:
            TransportError: The channel has ended.
            StoreError: A journal cannot be read now.
        """
        while True:
            frames = await self._collect()
            if frames:
                self._sending_since = self._clock.now()
                await self._transport.send(frames)
                self._sending_since = None
            elif (close := self._over()) is not None:
                await self._transport.aclose(close.code, close.reason)
                return
            else:
                await self._wait()

    def _over(self) -> Close | None:
        if self._frames:
            return None  # they came while a journal was read
        if self._end is not None:
            return self._end
        told = not self._watches and not self._busy()
        return self._farewell if told else None

    async def _collect(self) -> Sequence[str]:
        frames: Sequence[str]
        frames, self._frames = self._frames, []
        size, self._characters = self._characters, 0
        if self._room is not None:
            self._room.set()
            self._room = None
        while self._ready and size < _BATCH and self._end is None:
            watch = self._ready.popleft()
            watch.queued = False
            told = await self._take(watch)
            frames = [*frames, *told] if frames else told  # what is shared may go out as it is
            size += told.characters if isinstance(told, SharedTexts) else sum(map(len, told))
        return frames

    async def _take(self, watch: Watch) -> Sequence[str]:
        cursor = watch.cursor
        greeting = [watch.greeting] if watch.greeting else []
        watch.greeting = ""
        first = cursor.after + 1
        try:
            events = cursor.take_kept(BLOCK)
            if events is None:
                events = await cursor.take(BLOCK)
        except (ExecutionReleased, ExecutionNotFound, EffectNotFound) as error:
            return greeting + self._gone(watch, error)
        if self._watches.get(watch.key) is not watch:
            return greeting  # it was let go of meanwhile
        told = watch.frames_of(cursor, first, events)
        if cursor.ended:
            self.drop(watch.key)
        elif not cursor.waits:
            self.turn(watch)
        return [*greeting, *told] if greeting else told

    def _gone(self, watch: Watch, error: ZephyrusError) -> list[str]:
        """Let go of what is gone, or goes on elsewhere."""
        if self._watches.get(watch.key) is not watch:
            return []
        self.drop(watch.key)
        if not isinstance(error, ExecutionReleased):
            return [self._lost(error)]
        self._released()
        return []

    async def _wait(self) -> None:
        if self._frames or self._ready:
            return  # they came while a journal was read
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            await self._waiting
        finally:
            self._waiting = None

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


def _nobody() -> None:
    """Tell nobody."""
