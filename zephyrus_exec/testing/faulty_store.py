"""`FaultyStore`: any store, with the faults a test asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from enum import Enum

from attrs import frozen

from ..errors import CommitUnknown, StoreConflict, StoreUnavailable
from ..interfaces.store import ExecutionStore, Expect, Record, Write
from ..model import Event


class Fault(Enum):
    """What may become of one commit."""

    UNAVAILABLE = "unavailable"
    """`StoreUnavailable`; nothing is written."""
    CONFLICT = "conflict"
    """`StoreConflict`; nothing is written."""
    UNKNOWN_WRITTEN = "unknown, written"
    """`CommitUnknown`; it was written, and not flushed."""
    UNKNOWN_LOST = "unknown, lost"
    """`CommitUnknown`; nothing was written."""
    KILLED = "killed"
    """Nothing answers any more, as for a process that is killed inside: it was written, and not
    flushed."""
    HELD = "held"
    """It waits for `release`, and is written then even if its caller was cancelled."""
    HELD_LOST = "held, lost when cancelled"
    """It waits for `release`; if its caller is cancelled meanwhile, nothing is written."""


@frozen
class Commit:
    """One commit that was asked for."""

    writes: tuple[Write, ...]
    expect: tuple[Expect, ...]
    durable: bool


class FaultyStore(ExecutionStore):
    """Hands everything on to another store, except where it was told to fail.

    Args:
        inner: The store behind it.
        turns: Turns of the event loop that every commit takes before and after it is written.
    """

    def __init__(self, inner: ExecutionStore, *, turns: int = 0) -> None:
        self.inner = inner
        self.epoch = inner.epoch
        self.durable = inner.durable
        self.description = f"faulty {inner.description}"
        self.commits: list[Commit] = []
        """Every commit that was asked for, in order, faulty ones included."""
        self.checks = 0
        """How many checks succeeded."""
        self.writable = True
        """False: every commit and `check` raises `StoreUnavailable`."""
        self.readable = True
        """False: everything that reads raises `StoreUnavailable`."""
        self._turns = turns
        self._faults: dict[int, Fault] = {}
        self._released = asyncio.Event()
        self._cut = False
        self._held: asyncio.Future[int] | None = None

    def fail(self, fault: Fault, *, nth: int = 1) -> None:
        """Make a commit meet a fault.

        Args:
            fault: Which.
            nth: 1: the next commit, 2: the one after that, and so on.
        """
        self._faults[len(self.commits) + nth] = fault
        self._released.clear()

    def release(self) -> None:
        """Let what is held go on."""
        self._released.set()

    def cut(self) -> None:
        """Make nothing answer any more, as for a process that is gone."""
        self._cut = True

    async def commit(
        self, writes: Sequence[Write], *, expect: Sequence[Expect] = (), durable: bool = False
    ) -> int:
        """Apply all writes, or do what `fail` asked for."""
        commit = Commit(tuple(writes), tuple(expect), durable)
        self.commits.append(commit)
        fault = self._faults.pop(len(self.commits), None)
        await self._answer(readable=True)
        await self._keep_order()
        if not self.writable or fault is Fault.UNAVAILABLE:
            raise StoreUnavailable("the store cannot write now: this was asked for")
        if fault is Fault.CONFLICT:
            raise StoreConflict("a condition does not hold: this was asked for", what="faulty")
        if fault is Fault.UNKNOWN_LOST:
            raise CommitUnknown("the commit may have happened: this was asked for")
        position = await self._write(commit, fault)
        if fault is Fault.UNKNOWN_WRITTEN:
            raise CommitUnknown("the commit may have happened: this was asked for")
        if fault is Fault.KILLED:
            self.cut()
        await self._answer(readable=True)
        return position

    async def _write(self, commit: Commit, fault: Fault | None) -> int:
        if fault in (Fault.UNKNOWN_WRITTEN, Fault.KILLED):
            return await self.inner.commit(commit.writes, expect=commit.expect)
        if fault is Fault.HELD:
            self._held = asyncio.ensure_future(self._write_when_released(commit))
            return await asyncio.shield(self._held)
        if fault is Fault.HELD_LOST:
            await self._released.wait()
        return await self.inner.commit(commit.writes, expect=commit.expect, durable=commit.durable)

    async def _write_when_released(self, commit: Commit) -> int:
        await self._released.wait()
        return await self.inner.commit(commit.writes, expect=commit.expect, durable=commit.durable)

    async def _keep_order(self) -> None:
        if self._held is not None:
            await asyncio.wait({self._held})

    async def _turn(self) -> None:
        for _ in range(self._turns):
            await asyncio.sleep(0)

    async def _answer(self, *, readable: bool) -> None:
        if self._cut:
            await asyncio.Event().wait()
        await self._turn()
        if not readable:
            raise StoreUnavailable("the store cannot be read now: this was asked for")

    async def read(self, stream: str, *, after: int = 0, limit: int = 1000) -> list[Event]:
        """Return what the inner store has."""
        await self._answer(readable=self.readable)
        return await self.inner.read(stream, after=after, limit=limit)

    async def tail(self, position: int, *, limit: int = 1000) -> list[Event]:
        """Return what the inner store has."""
        await self._answer(readable=self.readable)
        return await self.inner.tail(position, limit=limit)

    async def head(self, stream: str) -> int:
        """Return what the inner store has."""
        await self._answer(readable=self.readable)
        return await self.inner.head(stream)

    async def position(self) -> int:
        """Return what the inner store has."""
        await self._answer(readable=self.readable)
        return await self.inner.position()

    async def get(self, kind: str, key: str) -> Record | None:
        """Return what the inner store has."""
        await self._answer(readable=self.readable)
        return await self.inner.get(kind, key)

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
        """Return what the inner store has."""
        await self._answer(readable=self.readable)
        return await self.inner.scan(
            kind,
            group=group,
            due_before=due_before,
            after=after,
            newest_first=newest_first,
            skip=skip,
            limit=limit,
        )

    async def check(self) -> None:
        """Return if a commit would be possible now."""
        await self._answer(readable=self.writable)
        await self.inner.check()
        self.checks += 1

    async def aclose(self) -> None:
        """Close the inner store."""
        await self.inner.aclose()
