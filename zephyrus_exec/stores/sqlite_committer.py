"""Group commit: everything pending of all executions goes into one transaction."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from copy import copy
from functools import partial
from typing import Final

from ..errors import CommitUnknown, StoreError
from .sqlite_errors import Locked, locked_out
from .sqlite_units import Outcome, Unit, run
from .sqlite_wal import WriteAheadLog

LARGEST_BATCH: Final = 256
"""Units in one transaction; keeps one inline transaction to a few milliseconds."""
WARY_BATCHES: Final = 32
"""For so many batches after meeting another process, it is left a chance first."""
SHORTEST_PAUSE: Final = 0.001
LONGEST_PAUSE: Final = 0.005
"""Seconds."""


class Contention:
    """How this process shares the lock with others once it has met them.

    SQLite gives its lock to whoever looks first and lets those that wait sleep up to a tenth of a
    second between two looks, so a process that commits without a break starves them. Ours look
    again after a few milliseconds, and pause as long before they take the lock again.

    Args:
        jitter: Returns a random number from 0 to 1.
        pause: Sleeps that many seconds.
    """

    def __init__(
        self, jitter: Callable[[], float], pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._jitter = jitter
        self._pause = pause
        self._left = 0

    @property
    def recent(self) -> bool:
        """Whether another process was met lately."""
        return self._left > 0

    def met(self) -> None:
        """Note that another process held the lock."""
        self._left = WARY_BATCHES

    def give_way(self) -> None:
        """Pause, if another process was met lately. Blocks: called in the thread."""
        if self._left > 0:
            self._left -= 1
            self.wait()

    def wait(self) -> float:
        """Pause, and return for how many seconds. Blocks: called in the thread."""
        seconds = SHORTEST_PAUSE + self._jitter() * (LONGEST_PAUSE - SHORTEST_PAUSE)
        self._pause(seconds)
        return seconds


class Committer:
    """Collects units and commits them in order, a batch at a time.

    A batch is committed inline, on the loop, which costs less than handing it over. It goes to the
    thread where it would have to wait: for a flush that a unit asked for, for the flush with which
    the write-ahead log starts over, or for another process's lock. Meanwhile further units gather.

    Args:
        connection: For writing, with a busy time-out of 0; the committer's own.
        wal: Decides about checkpoints.
        thread: One thread, also the committer's own.
        busy_timeout: Seconds to wait, in the thread, for another process's lock.
        contention: Says when to go easy.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        wal: WriteAheadLog,
        thread: Executor,
        *,
        busy_timeout: float,
        contention: Contention,
    ) -> None:
        self._connection = connection
        self._wal = wal
        self._thread = thread
        self._busy_timeout = busy_timeout
        self._contention = contention
        self._loop = asyncio.get_running_loop()
        self._pending: list[Unit] = []
        self._active = False
        self._idle = asyncio.Event()
        self._idle.set()

    def submit(self, unit: Unit) -> None:
        """Commit the unit after all that were submitted before; its future tells the outcome."""
        self._pending.append(unit)
        if not self._active:
            self._active = True
            self._idle.clear()
            self._loop.call_soon(self._flush)

    async def drain(self) -> None:
        """Return once nothing is pending and the thread has nothing to do."""
        await self._idle.wait()

    def _flush(self) -> None:
        batch = self._pending[:LARGEST_BATCH]
        del self._pending[:LARGEST_BATCH]
        if self._may_wait(batch) or not self._commit_inline(batch):
            work = self._loop.run_in_executor(self._thread, self._commit_in_thread, batch)
            work.add_done_callback(partial(self._committed_in_thread, batch))

    def _may_wait(self, batch: Sequence[Unit]) -> bool:
        """Return whether committing it may flush or find the lock taken."""
        return (
            self._wal.starts_over or self._contention.recent or any(unit.durable for unit in batch)
        )

    def _commit_inline(self, batch: Sequence[Unit]) -> bool:
        """Return whether it came to an end; False: another process holds the lock."""
        try:
            outcomes = self._attempt(batch)
        except Locked:
            self._contention.met()
            return False
        except BaseException:
            self._settle(batch, _unknown(batch))
            raise
        self._settle(batch, outcomes)
        return True

    def _commit_in_thread(self, batch: Sequence[Unit]) -> list[Outcome]:
        self._contention.give_way()
        if any(unit.durable for unit in batch):
            self._connection.execute("PRAGMA synchronous = FULL")
        try:
            return self._wait_for_lock(batch)
        finally:
            self._connection.execute("PRAGMA synchronous = NORMAL")

    def _wait_for_lock(self, batch: Sequence[Unit]) -> list[Outcome]:
        waited = 0.0
        while True:
            try:
                return self._attempt(batch)
            except Locked:
                self._contention.met()
            if waited >= self._busy_timeout:
                return [locked_out(self._busy_timeout) for _ in batch]
            waited += self._contention.wait()

    def _attempt(self, batch: Sequence[Unit]) -> list[Outcome]:
        """Return the outcomes, a failure of the whole as the outcome of each; or raise `Locked`."""
        try:
            self._wal.check_in_place()
            return run(self._connection, batch)
        except StoreError as error:
            return [copy(error) for _ in batch]

    def _committed_in_thread(
        self, batch: Sequence[Unit], work: asyncio.Future[list[Outcome]]
    ) -> None:
        self._settle(batch, _unknown(batch) if work.exception() else work.result())
        work.result()

    def _settle(self, batch: Sequence[Unit], outcomes: Sequence[Outcome]) -> None:
        for unit, outcome in zip(batch, outcomes, strict=True):
            if not unit.done.done():
                unit.done.set_result(outcome)
        if self._wal.committed():
            work = self._loop.run_in_executor(self._thread, self._wal.checkpoint, self._connection)
            work.add_done_callback(self._checkpointed)
        else:
            self._go_on()

    def _checkpointed(self, work: asyncio.Future[None]) -> None:
        self._go_on()
        work.result()

    def _go_on(self) -> None:
        if self._pending:
            self._loop.call_soon(self._flush)
        else:
            self._active = False
            self._idle.set()


def _unknown(batch: Sequence[Unit]) -> list[Outcome]:
    """Return the outcomes after an error that nobody foresaw; the error itself goes to the log."""
    return [CommitUnknown("the journal failed: read back what is there") for _ in batch]
