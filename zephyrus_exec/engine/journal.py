"""The one writer of an execution's journal."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from attrs import define

from ..conversion import dumps
from ..errors import (
    CommitUnknown,
    NotRunning,
    StoreConflict,
    StoreError,
    StoreFenced,
    StoreUnavailable,
)
from ..interfaces.clock import Clock
from ..interfaces.store import Append, ExecutionStore, Expect, NewEvent, Put, Write
from ..model import Event, EventKind, JsonObject
from .recent import Recent

T = TypeVar("T")

_log = logging.getLogger(__name__)

SCHEMA = 1
"""Newest form of event data that this release writes and reads."""

EXECUTION = "execution"
"""Kind of the record that says how an execution stands."""

_RETRY_AFTER = 0.5
"""Seconds between attempts while the store cannot write."""


async def patiently(clock: Clock, work: Callable[[], Awaitable[T]]) -> T:
    """Return what `work` returns, asking again for as long as the store is unavailable."""
    while True:
        try:
            return await work()
        except StoreUnavailable as error:
            await _pause(clock, error)


async def _pause(clock: Clock, error: StoreError) -> None:
    _log.warning("waiting for the store: %s", error)
    await clock.sleep_until(clock.now() + _RETRY_AFTER)


def _unheard(_execution_id: str, _since: float) -> None:
    """Tell nobody that the store does not write."""


@define
class _Unit:
    """One commit of a journal."""

    writes: tuple[Write, ...]
    events: tuple[NewEvent, ...]
    taken: int
    """How many of the events were pending ones."""
    with_record: bool
    durable: bool
    then: Callable[[], None] | None


class Journal:
    """Appends an execution's events in order, each commit whole or not at all.

    Events added are on their way once `commit` returns; nothing that follows from them may be done
    before. While the store cannot write, `commit` waits: an execution pauses rather than go on
    unrecorded. Once another process has taken the execution over, every commit raises. `completed`
    is the last event: whoever comes with another after it is refused.

    Args:
        store: Where to.
        clock: Stamps the events.
        execution_id: The stream, and the key of the execution's record.
        committed: Called after each commit that appended something.
        stalled: Called with the id and since when, again and again, while the store does not
            write.
        seq: How many events the stream has already.
        version: Of the execution's record already.
    """

    def __init__(
        self,
        store: ExecutionStore,
        clock: Clock,
        execution_id: str,
        committed: Callable[[str], None],
        *,
        stalled: Callable[[str, float], None] = _unheard,
        seq: int = 0,
        version: int = 0,
    ) -> None:
        self._store = store
        self._clock = clock
        self._committed = committed
        self.execution_id = execution_id
        self._stalled = stalled
        self._stalled_since: float | None = None
        self.recent = Recent(execution_id, seq)
        """Its last events, for those who follow it."""
        self._seq = seq
        self._version = version
        self._pending: list[NewEvent] = []
        self._unresolved: _Unit | None = None
        self._turn = asyncio.Lock()
        self._closed = False

    @property
    def empty(self) -> bool:
        """Whether nothing is known to be written yet."""
        return self._seq == 0

    def add(self, kind: str, data: JsonObject) -> None:
        """Append an event with the next commit.

        Raises:
            InvalidValue: The data are no JSON.
            NotRunning: `completed` was added before.
        """
        self.add_encoded(kind, dumps(data))

    def add_encoded(self, kind: str, body: str) -> None:
        """Append an event whose data is JSON text already, with the next commit.

        Raises:
            NotRunning: `completed` was added before.
        """
        if self._closed:
            raise self._over()
        self._pending.append(NewEvent(self._clock.now(), kind, body))
        self._closed = kind == EventKind.COMPLETED

    def _over(self) -> NotRunning:
        return NotRunning(
            "this execution has ended; nothing can be added to it",
            execution_id=self.execution_id,
        )

    async def commit(
        self,
        writes: Sequence[Write] = (),
        *,
        event: tuple[str, JsonObject] | None = None,
        record: tuple[str, str] | None = None,
        expect: Sequence[Expect] = (),
        durable: bool = False,
        then: Callable[[], None] | None = None,
    ) -> None:
        """Write what was added, and more, in one commit.

        Args:
            writes: Further writes whose conditions must hold, too.
            event: Kind and data of one more event that stands or falls with this commit.
            record: Body and group of the execution's record, to replace it.
            expect: Further conditions.
            durable: True: flushed to the medium on return.
            then: Called once it is known to be written, also where that is found out only after
                the caller was cancelled; needs an `event`, by which that can be found out. Null:
                nothing follows.

        Raises:
            StoreFenced: The execution is another process's now.
            StoreUnavailable: The store cannot write the very first commit; nothing was written.
            NotRunning: There is an `event`, and `completed` was added before.
            StoreConflict: A condition of `writes` or `expect` does not hold; nothing was written.
                What was added before goes with the next commit, `event` is forgotten.
        """
        await self._turn.acquire()  # `async with` would cost twice as many calls
        try:
            if self._unresolved is not None:
                await self._resolve()
            unit = self._unit(writes, event, record, durable=durable, then=then)
            self._unresolved = unit
            try:
                await self._write(unit, expect)
            except StoreError:
                self._unresolved = None
                raise
            self._done(unit)
        finally:
            self._turn.release()

    def close(self) -> None:
        """Refuse everything from now on; what is under way may still be written."""
        self._closed = True

    async def settle(self) -> None:
        """Find out what became of commits that are under way, or whose callers were cancelled."""
        if self._unresolved is not None:
            async with self._turn:
                await self._resolve()

    def _unit(
        self,
        writes: Sequence[Write],
        event: tuple[str, JsonObject] | None,
        record: tuple[str, str] | None,
        *,
        durable: bool,
        then: Callable[[], None] | None,
    ) -> _Unit:
        events = tuple(self._pending)
        if event is not None:
            if self._closed:
                raise self._over()
            events += (NewEvent(self._clock.now(), event[0], dumps(event[1])),)
        unit: list[Write] = list(writes)
        if events:
            unit.append(Append(self.execution_id, self._seq + 1, events))
        if record is not None:
            body, group = record
            unit.append(Put(EXECUTION, self.execution_id, self._version, body, group))
        taken, with_record = len(self._pending), record is not None
        return _Unit(tuple(unit), events, taken, with_record, durable, then)

    def _done(self, unit: _Unit) -> None:
        self._unresolved = None
        self._stalled_since = None
        del self._pending[: unit.taken]
        self._seq += len(unit.events)
        self._version += unit.with_record
        if unit.then is not None:
            unit.then()
        if unit.events:
            self.recent.add(unit.events)
            self._committed(self.execution_id)

    async def _resolve(self) -> None:
        unit = self._unresolved
        if unit is None:
            return
        # A barrier for every commit handed to the store before: commits keep their order.
        await self._insist(lambda: self._store.commit(()))
        if await self._arrived(unit):
            self._done(unit)
        self._unresolved = None

    async def _insist(self, work: Callable[[], Awaitable[object]]) -> None:
        """Do it as soon as the store can."""
        while True:
            try:
                await work()
                return
            except (CommitUnknown, StoreUnavailable) as error:
                await self._wait_for_store(error)

    async def _wait_for_store(self, error: StoreError) -> None:
        if self._stalled_since is None:
            self._stalled_since = self._clock.now()
        self._stalled(self.execution_id, self._stalled_since)
        await _pause(self._clock, error)

    async def _write(self, unit: _Unit, expect: Sequence[Expect]) -> None:
        while True:
            failure: StoreError
            try:
                await self._store.commit(unit.writes, expect=expect, durable=unit.durable)
                return
            except StoreConflict as conflict:
                if await self._fenced():
                    raise StoreFenced(
                        "another process has taken this execution over",
                        execution_id=self.execution_id,
                    ) from conflict
                raise
            except CommitUnknown as error:
                if await self._arrived(unit):
                    return
                failure = error
            except StoreUnavailable as error:
                failure = error
            if self._seq == 0:
                raise StoreUnavailable(failure.message) from failure
            await self._wait_for_store(failure)

    async def _fenced(self) -> bool:
        """Whether the stream or the record moved without us."""
        record = await patiently(self._clock, lambda: self._store.get(EXECUTION, self.execution_id))
        version = record.version if record is not None else 0
        return version != self._version or bool(await self._beyond(1))

    async def _arrived(self, unit: _Unit) -> bool:
        """Whether a commit of unknown result was written, and as durable as it was to be.

        Its events can only be ours. That they can be read does not mean that they were flushed.
        """
        stored = await self._beyond(len(unit.events))
        written = [(event.at, event.kind, event.body) for event in stored]
        arrived = bool(unit.events) and written == [(e.at, e.kind, e.body) for e in unit.events]
        if arrived and unit.durable:
            await self._insist(self._store.check)
        return arrived

    async def _beyond(self, limit: int) -> list[Event]:
        """Return events that are stored after the last one known to be ours."""
        return await patiently(
            self._clock,
            lambda: self._store.read(self.execution_id, after=self._seq, limit=limit),
        )
