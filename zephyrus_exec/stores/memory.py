"""A journal in this process's memory: fast, and gone with the process."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from ..interfaces.store import (
    Append,
    Delete,
    ExecutionStore,
    Expect,
    Forget,
    Put,
    Record,
    Write,
)
from ..model import Event
from .commits import check_shape, closed, record_conflict, stream_conflict
from .memory_events import EventLog
from .memory_index import RecordIndex


class MemoryStore(ExecutionStore):
    """The store for tests, demonstrations and work that need not outlive its process.

    No method suspends, so a commit is atomic by itself: nothing else runs meanwhile.

    Args:
        epoch: Name of this incarnation; null: a random one.
    """

    durable = False
    description = "memory"

    def __init__(self, *, epoch: str | None = None) -> None:
        self.epoch = str(uuid4()) if epoch is None else epoch
        self._events = EventLog()
        self._records: dict[tuple[str, str], Record] = {}
        self._indexes: dict[str, RecordIndex] = {}
        self._number = 0
        self._closed = False

    async def commit(
        self, writes: Sequence[Write], *, expect: Sequence[Expect] = (), durable: bool = False
    ) -> int:
        """Apply all writes if all conditions hold; `durable` changes nothing here.

        Returns:
            Position of the last event appended; 0 where none was.

        Raises:
            StoreConflict: A condition does not hold; nothing was written.
            StoreUnavailable: The store is closed.
            StoreError: The writes name a record or stream twice.
        """
        if self._closed:
            raise closed()
        check_shape(writes)
        for condition in expect:
            self._require(condition)
        for write in writes:
            if isinstance(write, Append):
                if self._events.head(write.stream) != write.seq - 1:
                    raise stream_conflict(write.stream, write.seq)
            elif isinstance(write, (Put, Delete)):
                self._require(write)
        position = 0
        for write in writes:
            position = self._apply(write) or position
        return position

    async def read(self, stream: str, *, after: int = 0, limit: int = 1000) -> list[Event]:
        """Return events of a stream with `seq > after`, in order, at most `limit`."""
        self._ensure_open()
        return self._events.read(stream, after, max(0, limit))

    async def tail(self, position: int, *, limit: int = 1000) -> list[Event]:
        """Return events of all streams with a greater position, in order, at most `limit`."""
        self._ensure_open()
        return self._events.tail(position, max(0, limit))

    async def head(self, stream: str) -> int:
        """Return the number of the stream's last event; 0: it has none."""
        self._ensure_open()
        return self._events.head(stream)

    async def position(self) -> int:
        """Return the position of the last event that was ever appended."""
        self._ensure_open()
        return self._events.position

    async def get(self, kind: str, key: str) -> Record | None:
        """Return the record, or None where there is none."""
        self._ensure_open()
        return self._records.get((kind, key))

    async def scan(
        self,
        kind: str,
        *,
        group: str | None = None,
        due_before: float | None = None,
        after: int = 0,
        newest_first: bool = False,
        skip: int = 0,
        limit: int = 100,
    ) -> list[Record]:
        """Return records of a kind in order of creation, as `ExecutionStore.scan` promises."""
        self._ensure_open()
        index = self._indexes.get(kind)
        if index is None:
            return []
        return index.scan(
            group,
            due_before,
            after=after,
            newest_first=newest_first,
            skip=max(0, skip),
            limit=max(0, limit),
        )

    async def check(self) -> None:
        """Return if the store is open.

        Raises:
            StoreUnavailable: It is closed.
        """
        self._ensure_open()

    async def aclose(self) -> None:
        """Refuse every later call; closing again does nothing."""
        self._closed = True

    def _ensure_open(self) -> None:
        if self._closed:
            raise closed()

    def _require(self, condition: Put | Delete | Expect) -> None:
        record = self._records.get((condition.kind, condition.key))
        if (record.version if record else 0) != condition.version:
            raise record_conflict(condition.kind, condition.key, condition.version)

    def _apply(self, write: Write) -> int:
        if isinstance(write, Append):
            return self._events.append(write)
        if isinstance(write, Forget):
            self._events.forget(write.stream, max(0, write.after))
            return 0
        place = (write.kind, write.key)
        old = self._records.get(place)
        if isinstance(write, Put):
            self._store(place, old, write.body, write.group, write.due)
        elif isinstance(write, Delete):
            self._delete(place, old)
        elif old is None:
            self._store(place, None, write.body, "", None)
        return 0

    def _store(
        self,
        place: tuple[str, str],
        old: Record | None,
        body: str,
        group: str,
        due: float | None,
    ) -> None:
        kind, key = place
        if old is None:
            self._number += 1
            new = Record(kind, key, 1, body, group, due, self._number)
        else:
            new = Record(kind, key, old.version + 1, body, group, due, old.number)
        self._records[place] = new
        index = self._indexes.get(kind)
        if index is None:
            index = self._indexes[kind] = RecordIndex()
        index.replace(old, new)

    def _delete(self, place: tuple[str, str], old: Record | None) -> None:
        if old is not None:
            del self._records[place]
            self._indexes[place[0]].remove(old)
