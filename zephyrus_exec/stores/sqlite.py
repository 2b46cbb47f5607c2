"""A journal in one SQLite file: durable, and shared by several processes of one machine."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from ..errors import CommitUnknown, StoreError, StoreUnavailable
from ..interfaces.clock import NewId
from ..interfaces.store import ExecutionStore, Expect, Record, Write
from ..model import Event
from . import sqlite_queries as queries
from .commits import check_shape, closed
from .sqlite_committer import Committer, Contention
from .sqlite_incarnation import read_boot_id
from .sqlite_reader import Reader
from .sqlite_schema import Database, open_database
from .sqlite_units import Outcome, Probe, Unit
from .sqlite_wal import WriteAheadLog


def _random_id() -> str:
    return str(uuid4())


class SqliteStore(ExecutionStore):
    """The store for everything that must outlive its process. Made by `open`.

    Commits of all executions that are pending together share a transaction, inline on the event
    loop, which therefore never waits: what has to wait, for a flush or for another process, does so
    in the store's one thread. Text must be encodable as UTF-8, and integers fit 64 bits.

    A commit whose caller is cancelled happens nevertheless, whole.
    """

    durable = True

    def __init__(
        self, database: Database, thread: Executor, committer: Committer, reader: Reader
    ) -> None:
        self.epoch = database.epoch
        self.description = f"sqlite {database.path.name}"
        self._database = database
        self._thread = thread
        self._committer = committer
        self._reader = reader
        self._loop = asyncio.get_running_loop()
        self._closing: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls,
        path: str | os.PathLike[str],
        *,
        busy_timeout: float = 5.0,
        allow_network: bool = False,
        new_id: NewId = _random_id,
        jitter: Callable[[], float] = random.random,
        pause: Callable[[float], None] = time.sleep,
        boot_id: Callable[[], str] = read_boot_id,
        restored: bool = False,
    ) -> SqliteStore:
        """Return the store in that file, which is created where there is none.

        Args:
            path: The file; its folder exists, on a disk of this machine.
            busy_timeout: Seconds to wait for another process's lock, at least 0.
            allow_network: Whether to open a file on a network file system, where SQLite's locks
                are known to lose data.
            new_id: Gives the epoch of a new journal.
            jitter: Returns a random number from 0 to 1, for pauses.
            pause: Sleeps that many seconds; called in the store's thread.
            boot_id: Names the time since the machine was started; empty: not known. Where it
                changed while somebody had the file open, the journal gets a new epoch.
            restored: True: the file is a restored backup, so it gets a new epoch. That alone
                protects no account: see `zephyrus-exec store restored`.

        Raises:
            ConfigurationError: The file cannot be a journal: read-only, another program's, on a
                network file system. It was not changed.
            StoreTooNew: A newer release wrote it.
            StoreUnavailable: It is locked, or its disk fails.
        """
        place = _absolute(path)
        thread = ThreadPoolExecutor(1, "zephyrus-store")
        start = partial(
            open_database,
            place,
            busy_timeout=busy_timeout,
            new_id=new_id,
            pause=pause,
            refuse_network=not allow_network,
            boot=boot_id(),
            restored=restored,
        )
        try:
            database = await asyncio.get_running_loop().run_in_executor(thread, start)
        except BaseException:
            thread.shutdown(wait=False)
            raise
        committer = Committer(
            database.writer,
            WriteAheadLog(place),
            thread,
            busy_timeout=busy_timeout,
            contention=Contention(jitter, pause),
        )
        reader = Reader(database.reader, place, busy_timeout=busy_timeout)
        return cls(database, thread, committer, reader)

    async def commit(
        self, writes: Sequence[Write], *, expect: Sequence[Expect] = (), durable: bool = False
    ) -> int:
        """Apply all writes if all conditions hold, as `ExecutionStore.commit` promises.

        Returns:
            Position of the last event appended; 0 where none was.

        Raises:
            StoreConflict: A condition does not hold; nothing was written.
            StoreUnavailable: The store cannot write now; nothing was written.
            CommitUnknown: It failed in a way that leaves open whether it was written.
            StoreError: The writes name a record or stream twice, or hold a value that cannot be
                stored.
        """
        self._ensure_usable()
        check_shape(writes)
        return _position(await self._submit(tuple(writes), tuple(expect), durable=durable))

    async def read(self, stream: str, *, after: int = 0, limit: int = 1000) -> list[Event]:
        """Return events of a stream with `seq > after`, in order, at most `limit`."""
        rows = await self._select(queries.read(stream, after, limit))
        return [Event(*row) for row in rows]

    async def tail(self, position: int, *, limit: int = 1000) -> list[Event]:
        """Return events of all streams with a greater position, in order, at most `limit`."""
        rows = await self._select(queries.tail(position, limit))
        return [Event(*row) for row in rows]

    async def head(self, stream: str) -> int:
        """Return the number of the stream's last event; 0: it has none."""
        return int((await self._select(queries.head(stream)))[0][0])

    async def position(self) -> int:
        """Return the position of the last event that was ever appended."""
        return int((await self._select(queries.position()))[0][0])

    async def get(self, kind: str, key: str) -> Record | None:
        """Return the record, or None where there is none."""
        rows = await self._select(queries.get(kind, key))
        return Record(*rows[0]) if rows else None

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
        query = queries.scan(
            kind,
            group=group,
            due_before=due_before,
            after=after,
            newest_first=newest_first,
            skip=skip,
            limit=limit,
        )
        return [Record(*row) for row in await self._select(query)]

    async def check(self) -> None:
        """Return if a commit is possible now, proven by a flushed one that leaves nothing behind.

        The flush is of the whole write-ahead log, so it takes along what others committed before.

        Raises:
            StoreUnavailable: It is not; the message says why.
        """
        self._ensure_usable()
        try:
            _position(await self._submit((Probe(),), (), durable=True))
        except CommitUnknown as error:
            raise StoreUnavailable(error.message) from error

    async def aclose(self) -> None:
        """Finish every commit under way, and let go of the file; closing again does nothing."""
        self._ensure_own_loop()
        if self._closing is None:
            self._closing = self._loop.create_task(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        await self._committer.drain()
        await self._loop.run_in_executor(self._thread, self._database.close)
        self._thread.shutdown(wait=False)

    async def _submit(
        self, writes: Sequence[Write | Probe], expect: Sequence[Expect], *, durable: bool
    ) -> Outcome:
        done: asyncio.Future[Outcome] = self._loop.create_future()
        self._committer.submit(Unit(writes, expect, durable, done))
        return await done

    async def _select(self, query: queries.Query) -> list[Any]:
        self._ensure_usable()
        return await self._reader.rows(query)

    def _ensure_usable(self) -> None:
        self._ensure_own_loop()
        if self._closing is not None:
            raise closed()

    def _ensure_own_loop(self) -> None:
        if asyncio.get_running_loop() is not self._loop:
            raise StoreError("this store belongs to another event loop: open one for this loop")


def _absolute(path: str | os.PathLike[str]) -> Path:
    """Return where the file is whatever becomes of the working directory."""
    return Path(path).absolute()


def _position(outcome: Outcome) -> int:
    if isinstance(outcome, int):
        return outcome
    raise outcome
