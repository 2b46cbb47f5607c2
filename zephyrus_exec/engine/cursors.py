"""Places in journals, from which whoever watches reads on at its own pace."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Final, TypeAlias

from attrs import frozen

from ..errors import (
    EffectNotFound,
    ExecutionLost,
    ExecutionNotFound,
    ExecutionReleased,
    StoreError,
    ZephyrusError,
)
from ..interfaces.clock import Clock
from ..interfaces.store import ExecutionStore, NewEvent
from ..model import Event
from .execution import ENDED
from .journal import EXECUTION
from .pace import Pace
from .records import EFFECT, SETTLED, effect_stream
from .roster import Roster
from .wakeups import Wakeups

_log = logging.getLogger(__name__)

_POLL_FOREIGN: Final = 0.5
"""Seconds between looks at what others have written."""

_MOST_CHARACTERS: Final = 64 * 1024
"""Characters of data that are enough to be taken from a store together."""

Ready: TypeAlias = "Callable[[Cursor], None]"
"""Hears, from the loop, that there may be more to take."""


@frozen
class Source:
    """A journal, and the record that says whether it goes on."""

    stream: str
    kind: str
    key: str
    """Of the record."""
    over: str
    """Its group once nothing will follow in the journal."""

    @classmethod
    def execution(cls, execution_id: str) -> Source:
        """Return the journal of an execution."""
        return cls(execution_id, EXECUTION, execution_id, ENDED)

    @classmethod
    def effect(cls, effect_key: str) -> Source:
        """Return the journal of an effect."""
        return cls(effect_stream(effect_key), EFFECT, effect_key, SETTLED)

    def missing(self) -> ZephyrusError:
        """Return the error of there being no such journal."""
        if self.kind == EFFECT:
            return EffectNotFound(f"there is no effect {self.key}", effect_key=self.key)
        return ExecutionNotFound(f"there is no execution {self.key}", execution_id=self.key)


class Cursor:
    """A place in one journal. However far behind it is, nothing is kept for it but that place.

    Made by `Cursors.open`. One `take` at a time.
    """

    def __init__(
        self,
        cursors: Cursors,
        source: Source,
        *,
        agent_id: str,
        head: int,
        terminal: bool,
        after: int,
        ready: Ready,
    ) -> None:
        self._cursors = cursors
        self._source = source
        self._ready = ready
        self.agent_id = agent_id
        """The agent whose execution it is about; empty: that execution is forgotten."""
        self.head = head
        """Number of the journal's last event when the cursor was opened."""
        self.terminal = terminal
        """Whether that was the last there will ever be."""
        self.after = after
        """Number of the last event that was taken."""
        self.ended = terminal and after >= head
        """Whether every event there will ever be was taken."""
        self.closed = False
        """Whether nobody takes anything any more."""
        self.waits = False
        """Whether all there was is taken, so that `ready` will be called when there may be more."""
        self._fitting: int | None = None
        """How many events are asked for, where fewer than the caller takes are long enough."""

    @property
    def stream(self) -> str:
        """The journal: an execution's id, or `effect:` and an effect's key."""
        return self._source.stream

    def take_now(self, limit: int) -> list[Event] | None:
        """Return the next events as `take` does, where that needs no look at the store.

        Returns:
            What `take` returns; null: the store has to be asked.
        """
        recent, after = self._cursors.recent(self.stream), self.after
        kept = self.take_kept(limit)
        if kept is None:
            return None
        return recent.whole(after, kept) if recent is not None else []

    def take_kept(self, limit: int) -> Sequence[NewEvent | Event] | None:
        """Return what `take_now` does, as it is in memory, for who tells many.

        Returns:
            The events, the first of which is number `after + 1`, of `after` before; null: the store
            has to be asked.
        """
        if self.ended or self.closed:
            return ()
        recent = self._cursors.recent(self.stream)
        events = None if recent is None else recent.after(self.after, limit)
        if recent is None or events is None:
            return None
        self._advance(len(events), recent.head if recent.ended else None)
        self.waits = self.after >= recent.head and not self.ended
        if self.waits:
            self._cursors.arm(self)
        return events

    async def take(self, limit: int) -> list[Event]:
        """Return the next events, in order and without a gap.

        Args:
            limit: At most so many, at least 1; up to a multiple of it where there are more, so
                that all who are behind take the same.

        Returns:
            The events; fewer than there are where those are long. Where none is left, which may
            be known then (`waits`) and is where this is empty, `ready` is called once, from the
            loop, when there may be more; unless the cursor has ended or is closed.

        Raises:
            ExecutionNotFound: It was forgotten meanwhile.
            ExecutionReleased: It goes on, but this process ends.
            StoreUnavailable: The store cannot be read now; take again later.
        """
        while (events := self.take_now(limit)) is None:
            events = await self._read(limit)
            if events or self._cursors.armed(self):
                break
        return [] if self.closed else events

    async def _read(self, limit: int) -> list[Event]:
        """Return what the store has. None, and the cursor is armed: there is nothing now."""
        self.waits = False
        self._cursors.arm(self, foreign=True)  # before the look, so that nothing is missed
        waits = False
        try:
            last = await self._cursors.last(self._source)
            events = await self._read_some(limit)
            waits = not events and last is None
            if waits and self._cursors.closed:
                waits = False
                raise ExecutionReleased(
                    f"this process ends; {self.stream} goes on in the next one that opens its "
                    "journal"
                )
        finally:
            if not waits:
                self._cursors.disarm(self)
        self._advance(len(events), last)
        self.waits = waits and not self.closed
        return events

    async def _read_some(self, limit: int) -> list[Event]:
        """Return what the store has next, at least one event, and not much more than is enough."""
        whole = limit - self.after % limit
        asked = whole if self._fitting is None else min(whole, self._fitting)
        events = await self._cursors.store.read(self.stream, after=self.after, limit=asked)
        fitting = _fitting(events)
        if fitting < len(events):
            self._fitting = fitting
        elif self._fitting is not None:
            self._fitting = 2 * asked if asked < limit else None
        return events[:fitting]

    def close(self) -> None:
        """Let go of it: nothing is called and nothing is kept for it any more."""
        self.closed = True
        self.waits = False
        self._cursors.disarm(self)
        self._ready = _nobody  # who was called mostly holds the cursor

    def wake(self) -> None:
        """Hear, from the loop, that the journal grew, or that this process ends."""
        self._cursors.disarm(self)
        if self.waits:  # else it was woken for what was taken meanwhile
            self.waits = False
            self._ready(self)

    def _advance(self, count: int, last: int | None) -> None:
        if self.closed:
            return
        self.after += count
        self.ended = last is not None and self.after >= last


def _nobody(_: Cursor) -> None:
    """Tell nobody."""


def _fitting(events: list[Event]) -> int:
    """Return how many of the events are enough together; one is, however long."""
    sizes = accumulate(len(event.body) for event in events)
    return next((n for n, size in enumerate(sizes, 1) if size >= _MOST_CHARACTERS), len(events))


class Cursors:
    """Opens cursors, and tells them when there may be more.

    What this process journals wakes them at once. What others write, effects included, is found by
    one task that follows the store, however many cursors wait, and only while one does.

    Args:
        store: Where the journals are.
        clock: The time.
        roster: The executions of this process.
        wakeups: Tell when one of them grew.
    """

    def __init__(
        self, store: ExecutionStore, clock: Clock, roster: Roster, wakeups: Wakeups
    ) -> None:
        self.store = store
        """Where the journals are."""
        self.recent = roster.recent
        """Returns what is in memory of a journal; null: nothing."""
        self.closed = False
        """Whether this process waits for others no more."""
        self._clock = clock
        self._wakeups = wakeups
        self.grew = Pace(wakeups, self.recent).grew
        """Tells those who wait, and in time those who follow, that a journal of ours grew."""
        self._foreign: set[Cursor] = set()
        self._wanted = asyncio.Event()

    async def open(self, source: Source, *, agent_id: str, after: int, ready: Ready) -> Cursor:
        """Return a cursor.

        Args:
            source: Which journal.
            agent_id: The agent whose execution it is about.
            after: Begin behind the event of this number; 0: at the beginning.
            ready: Hears when there may be more.

        Raises:
            ExecutionNotFound, EffectNotFound: There is no such journal.
            ExecutionLost: It does not reach as far as `after`.
            StoreUnavailable: The store cannot be read now.
        """
        head, terminal = await self._stands(source)
        if after > head:  # others may have read a commit whose outcome is not known here yet
            head = await self.store.head(source.stream)
        if after > head:
            raise ExecutionLost(
                f"{source.stream} ends at event {head}, before {after}: events were lost",
                stream=source.stream,
                head_seq=head,
            )
        return Cursor(
            self,
            source,
            agent_id=agent_id,
            head=head,
            terminal=terminal,
            after=after,
            ready=ready,
        )

    async def head(self, stream: str) -> int:
        """Return the number of a journal's last event; 0: it has none."""
        recent = self.recent(stream)
        return await self.store.head(stream) if recent is None else recent.head

    async def last(self, source: Source) -> int | None:
        """Return the number of the last event there will ever be; null: that is not known yet.

        Raises:
            ExecutionNotFound, EffectNotFound: There is no such journal any more.
        """
        record = await self.store.get(source.kind, source.key)
        if record is not None and record.group != source.over:
            return None
        head = await self.store.head(source.stream)
        if record is None or not head:
            raise source.missing()
        return head

    async def _stands(self, source: Source) -> tuple[int, bool]:
        """Return the number of the last event, and whether none will follow."""
        recent = self.recent(source.stream)
        if recent is not None:
            return recent.head, recent.ended
        last = await self.last(source)
        if last is not None:
            return last, True
        head = await self.store.head(source.stream)
        last = await self.last(source)
        return (head, False) if last is None else (last, True)

    # --- waking ----------------------------------------------------------------------------------

    def arm(self, cursor: Cursor, *, foreign: bool = False) -> None:
        """Wake the cursor, once, when its journal grows.

        Args:
            cursor: Which.
            foreign: Whether others may write it.
        """
        self._wakeups.arm(cursor.stream, cursor.wake)
        if foreign:
            self._foreign.add(cursor)
            self._wanted.set()

    def armed(self, cursor: Cursor) -> bool:
        """Return whether it will be woken, and was not yet."""
        return self._wakeups.armed(cursor.stream, cursor.wake)

    def disarm(self, cursor: Cursor) -> None:
        """Do not wake the cursor."""
        self._wakeups.disarm(cursor.stream, cursor.wake)
        self._foreign.discard(cursor)

    async def run(self) -> None:
        """Follow what others write, while cursors wait for it, until cancelled."""
        while True:
            await self._wanted.wait()
            try:
                await self._follow()
            except StoreError as error:
                _log.info("the journals of other processes cannot be followed now: %s", error)
                await self._clock.sleep_until(self._clock.now() + _POLL_FOREIGN)

    async def _follow(self) -> None:
        """Wake those whose journals grow, until nobody waits any more."""
        position = await self.store.position()
        for cursor in list(self._foreign):  # what came before that, they look for themselves
            self._wakeups.wake(cursor.stream)
        while True:
            await self._clock.sleep_until(self._clock.now() + _POLL_FOREIGN)
            if not self._foreign:
                self._wanted.clear()
                return
            while events := await self.store.tail(position):
                position = events[-1].position
                for stream in {event.stream for event in events}:
                    if self.recent(stream) is None:
                        self._wakeups.wake(stream)
                await asyncio.sleep(0)  # a store that is behind may answer at once, again and again
