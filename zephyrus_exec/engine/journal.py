"""The one writer of an execution's journal."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from attrs import frozen

from ..conversion import dumps
from ..errors import CommitUnknown, StoreConflict, StoreError, StoreFenced, StoreUnavailable
from ..interfaces.clock import Clock
from ..interfaces.store import Append, ExecutionStore, Expect, NewEvent, Put, Write
from ..model import JsonObject

_log = logging.getLogger(__name__)

EXECUTION = "execution"
"""Kind of the record that says how an execution stands."""

_RETRY_AFTER = 0.5
"""Seconds between attempts while the store cannot write."""


@frozen
class _Unit:
    """One commit of a journal."""

    writes: tuple[Write, ...]
    events: tuple[NewEvent, ...]
    taken: int
    """How many of the events were pending ones."""
    with_record: bool


class Journal:
    """Appends an execution's events in order, each commit whole or not at all.

    Events added are on their way once `commit` returns; nothing that follows from them may be done
    before. While the store cannot write, `commit` waits: an execution pauses rather than go on
    unrecorded. Once another process has taken the execution over, every commit raises.

    Args:
        store: Where to.
        clock: Stamps the events.
        execution_id: The stream, and the key of the execution's record.
        committed: Called after each commit that appended something.
    """

    def __init__(
        self,
        store: ExecutionStore,
        clock: Clock,
        execution_id: str,
        committed: Callable[[str], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._committed = committed
        self.execution_id = execution_id
        self._seq = 0
        self._version = 0
        self._pending: list[NewEvent] = []
        self._unresolved: _Unit | None = None
        self._turn = asyncio.Lock()

    def add(self, kind: str, data: JsonObject) -> None:
        """Append an event with the next commit."""
        self.add_encoded(kind, dumps(data))

    def add_encoded(self, kind: str, body: str) -> None:
        """Append an event whose data is JSON text already, with the next commit."""
        self._pending.append(self._event(kind, body))

    def _event(self, kind: str, body: str) -> NewEvent:
        return NewEvent(at=self._clock.now(), kind=kind, body=body)

    async def commit(
        self,
        writes: Sequence[Write] = (),
        *,
        event: tuple[str, JsonObject] | None = None,
        record: tuple[str, str] | None = None,
        expect: Sequence[Expect] = (),
        durable: bool = False,
    ) -> None:
        """Write what was added, and more, in one commit.

        Args:
            writes: Further writes whose conditions must hold, too.
            event: Kind and data of one more event that stands or falls with this commit.
            record: Body and group of the execution's record, to replace it.
            expect: Further conditions.
            durable: True: flushed to the medium on return.

        Raises:
            StoreFenced: The execution is another process's now.
            StoreConflict: A condition of `writes` or `expect` does not hold; nothing was written.
                What was added before goes with the next commit, `event` is forgotten.
        """
        async with self._turn:
            await self._resolve()
            unit = self._unit(writes, event, record)
            self._unresolved = unit
            try:
                await self._write(unit.writes, expect, durable, unit.events)
            except StoreError:
                self._unresolved = None
                raise
            self._done(unit)

    def _unit(
        self,
        writes: Sequence[Write],
        event: tuple[str, JsonObject] | None,
        record: tuple[str, str] | None,
    ) -> _Unit:
        events = tuple(self._pending)
        if event is not None:
            events += (self._event(event[0], dumps(event[1])),)
        unit: list[Write] = list(writes)
        if events:
            unit.append(Append(self.execution_id, self._seq + 1, events))
        if record is not None:
            body, group = record
            unit.append(Put(EXECUTION, self.execution_id, self._version, body, group))
        return _Unit(tuple(unit), events, len(self._pending), record is not None)

    def _done(self, unit: _Unit) -> None:
        self._unresolved = None
        del self._pending[: unit.taken]
        self._seq += len(unit.events)
        self._version += unit.with_record
        if unit.events:
            self._committed(self.execution_id)

    async def _resolve(self) -> None:
        """Find out what became of a commit whose caller was cancelled while it was under way."""
        unit = self._unresolved
        if unit is None:
            return
        await self._store.commit(())  # commits keep their order: afterwards that one is decided
        if await self._arrived(unit.events):
            self._done(unit)
        self._unresolved = None

    async def _write(
        self,
        unit: Sequence[Write],
        expect: Sequence[Expect],
        durable: bool,
        events: tuple[NewEvent, ...],
    ) -> None:
        while True:
            try:
                await self._store.commit(unit, expect=expect, durable=durable)
                return
            except StoreConflict as conflict:
                if await self._fenced():
                    raise StoreFenced(
                        "another process has taken this execution over",
                        execution_id=self.execution_id,
                    ) from conflict
                raise
            except CommitUnknown:
                if await self._arrived(events):
                    return
            except StoreUnavailable as error:
                if self._seq == 0:
                    raise
                _log.warning("execution %s waits for the store: %s", self.execution_id, error)
                await self._clock.sleep_until(self._clock.now() + _RETRY_AFTER)

    async def _fenced(self) -> bool:
        """Whether the stream or the record moved without us."""
        record = await self._store.get(EXECUTION, self.execution_id)
        version = record.version if record is not None else 0
        beyond = await self._store.read(self.execution_id, after=self._seq, limit=1)
        return version != self._version or bool(beyond)

    async def _arrived(self, events: tuple[NewEvent, ...]) -> bool:
        """Whether a commit of unknown result was written: its events can only be ours."""
        stored = await self._store.read(self.execution_id, after=self._seq, limit=len(events) or 1)
        written = tuple((event.at, event.kind, event.body) for event in stored)
        return bool(events) and written == tuple((e.at, e.kind, e.body) for e in events)
