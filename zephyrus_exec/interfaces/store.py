"""The journal: streams of events and versioned records, changed by one compare-and-set commit."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TypeAlias

from attrs import frozen

from ..model import Event, Json


@frozen
class NewEvent:
    """An event about to be appended; the store gives it its place."""

    at: float
    """Seconds since the epoch."""
    kind: str
    body: str
    """Its data, a JSON object as text."""
    schema: int = 1


@frozen
class Append:
    """Append events to a stream. Holds if the stream's last event is number `seq - 1`."""

    stream: str
    seq: int
    """Number the first event gets, from 1."""
    events: tuple[NewEvent, ...]


@frozen
class Forget:
    """Remove a stream's events, the last ones first. Always holds; there may be none."""

    stream: str
    after: int = 0
    """What stays: the events up to this number; 0: none, the stream begins anew."""


@frozen
class Put:
    """Write a record. Holds if its version is `version`; afterwards that is `version + 1`."""

    kind: str
    key: str
    version: int
    """The version it replaces; 0: there is no such record yet."""
    body: str
    """Its value, a JSON object as text."""
    group: str = ""
    """What `scan` may select by, for example `open`."""
    due: float | None = None
    """What `scan` may order and bound by, seconds since the epoch, for example a lease's end."""


@frozen
class Keep:
    """Write a record unless there is one with that key already. Always holds."""

    kind: str
    key: str
    body: str


@frozen
class Delete:
    """Remove a record. Holds if its version is `version`."""

    kind: str
    key: str
    version: int


@frozen
class Expect:
    """A condition without a write: the record's version is `version` (0: there is none)."""

    kind: str
    key: str
    version: int


Write: TypeAlias = Append | Forget | Put | Keep | Delete


@frozen
class Record:
    """A record as stored."""

    kind: str
    key: str
    version: int
    """1 after its first write, one more after each."""
    body: str
    group: str = ""
    due: float | None = None
    number: int = 0
    """Order of creation among all records of the store; grows, may have gaps."""

    @property
    def data(self) -> dict[str, Json]:
        """The body, decoded anew at each call."""
        value: dict[str, Json] = json.loads(self.body)
        return value


class ExecutionStore(ABC):
    """Where executions live.

    All or nothing: a commit happens whole, when every write's and every expectation's condition
    holds, or not at all. Commits of one store are in one order, which `Event.position` shows.
    """

    epoch: str
    """Names this incarnation of the store; another one means that events may have been lost."""
    durable: bool
    """Whether what was committed with `durable=True` survives the process and the power."""
    description: str
    """For banners and logs, for example `sqlite executions.db`; no absolute path."""

    @abstractmethod
    async def commit(
        self, writes: Sequence[Write], *, expect: Sequence[Expect] = (), durable: bool = False
    ) -> int:
        """Apply all writes if all conditions hold.

        Args:
            writes: At most one per record and per stream.
            expect: Further conditions, on records that are not written.
            durable: True: return only once it is flushed to the medium. False: it survives the
                end of the process, but perhaps not a power cut.

        Returns:
            Position of the last event appended; 0 where none was.

        Raises:
            StoreConflict: A condition does not hold; nothing was written.
            StoreUnavailable: The store cannot write now; nothing was written.
            CommitUnknown: It failed in a way that leaves open whether it was written.
        """

    @abstractmethod
    async def read(self, stream: str, *, after: int = 0, limit: int = 1000) -> list[Event]:
        """Return events of a stream with `seq > after`, in order, at most `limit`."""

    @abstractmethod
    async def tail(self, position: int, *, limit: int = 1000) -> list[Event]:
        """Return events of all streams with a greater position, in order, at most `limit`.

        An event once returned is never followed by one with a smaller position.
        """

    @abstractmethod
    async def head(self, stream: str) -> int:
        """Return the number of the stream's last event; 0: it has none."""

    @abstractmethod
    async def position(self) -> int:
        """Return a position behind which `tail` has only what is committed from now on.

        That of the last event there is, or where that was forgotten perhaps a greater one.
        """

    @abstractmethod
    async def get(self, kind: str, key: str) -> Record | None:
        """Return the record, or None where there is none."""

    @abstractmethod
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
        """Return records of a kind, in order of creation, at most `limit`.

        Args:
            kind: Which.
            group: Only those whose group equals this; null: any.
            due_before: Only those with a `due`, and that smaller than this; null: any.
            after: Continue after the record with this `number` (with `newest_first`: before it);
                0: from the start.
            newest_first: Reverse order.
            skip: Leave out so many first, which costs less than reading them.
            limit: At most so many.
        """

    @abstractmethod
    async def check(self) -> None:
        """Return if a commit is possible now, with everything committed before on the medium.

        So whoever acts on what somebody else committed calls this first: that one may have died
        before its flush.

        Raises:
            StoreUnavailable: It is not; the message says why.
        """

    @abstractmethod
    async def aclose(self) -> None:
        """Finish every commit under way, and let go of the medium."""
