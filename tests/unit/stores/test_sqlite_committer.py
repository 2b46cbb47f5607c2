"""Batches: what runs on the loop, what in the thread, and who learns what."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from zephyrus_exec.errors import CommitUnknown, StoreUnavailable
from zephyrus_exec.interfaces.store import Put
from zephyrus_exec.stores.sqlite_committer import LARGEST_BATCH, Committer, Contention
from zephyrus_exec.stores.sqlite_connection import connect
from zephyrus_exec.stores.sqlite_units import Outcome, Unit
from zephyrus_exec.stores.sqlite_wal import WriteAheadLog

from .faults import FaultyConnection, journal, sqlite_error


class ThreadNoting(FaultyConnection):
    """Notes in which thread each transaction began."""

    threads: list[bool]

    def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
        if sql.startswith("BEGIN"):
            self.threads.append(threading.current_thread() is not threading.main_thread())
        return super().execute(sql, parameters)


class Bench:
    """A committer on a real journal, with its connection at hand."""

    def __init__(self, path: Path, *, transactions: int = 1000, busy_timeout: float = 0.05) -> None:
        self.database = journal(path)
        self.connection = sqlite3.connect(
            path, timeout=0, isolation_level=None, check_same_thread=False, factory=ThreadNoting
        )
        self.connection.errors, self.connection.statements = [], []
        self.connection.threads = []
        self.pauses: list[float] = []
        self.pause: Callable[[float], None] = self.pauses.append
        self.thread = ThreadPoolExecutor(1)
        self.committer = Committer(
            self.connection,
            WriteAheadLog(path, transactions=transactions),
            self.thread,
            busy_timeout=busy_timeout,
            contention=Contention(lambda: 0.5, lambda seconds: self.pause(seconds)),
        )

    def submit(self, key: str, *, durable: bool = False) -> asyncio.Future[Outcome]:
        done: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.committer.submit(Unit((Put("k", key, 0, "{}"),), (), durable, done))
        return done

    async def aclose(self) -> None:
        await self.committer.drain()
        self.thread.shutdown()
        self.connection.close()
        self.database.close()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path / "journal.db")
    yield made
    await made.aclose()


async def test_what_is_pending_shares_one_transaction_on_the_loop(bench: Bench) -> None:
    assert await asyncio.gather(*(bench.submit(str(n)) for n in range(20))) == [0] * 20
    assert bench.connection.threads == [False]


async def test_a_batch_is_bounded_and_the_rest_follows_in_order(bench: Bench) -> None:
    units = [bench.submit(str(n)) for n in range(LARGEST_BATCH * 2 + 1)]
    await asyncio.gather(*units)
    assert bench.connection.threads == [False] * 3


async def test_a_durable_unit_is_flushed_in_the_thread(bench: Bench) -> None:
    await asyncio.gather(bench.submit("a"), bench.submit("b", durable=True))
    assert bench.connection.threads == [True]
    statements = bench.connection.statements
    assert statements.index("PRAGMA synchronous = FULL") < statements.index("BEGIN IMMEDIATE")
    assert statements[-1] == "PRAGMA synchronous = NORMAL"


async def test_units_gather_while_the_thread_works(bench: Bench) -> None:
    first = bench.submit("a", durable=True)
    await asyncio.sleep(0)
    rest = [bench.submit("b"), bench.submit("c")]
    await asyncio.gather(first, *rest)
    assert bench.connection.threads == [True, False]


async def test_the_commit_after_a_checkpoint_runs_in_the_thread(tmp_path: Path) -> None:
    """It starts the log over, which flushes the log's header."""
    bench = Bench(tmp_path / "journal.db", transactions=2)
    for key in "abcd":
        await bench.submit(key)
    assert bench.connection.threads == [False, False, True, False]
    await bench.aclose()


async def test_a_lock_elsewhere_sends_the_batch_to_the_thread_which_waits(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "journal.db")
    with closing(connect(tmp_path / "journal.db", 0)) as other:
        other.execute("BEGIN IMMEDIATE")

        def pause(seconds: float) -> None:
            bench.pauses.append(seconds)
            if len(bench.pauses) == 3:
                other.execute("ROLLBACK")

        bench.pause = pause
        assert await bench.submit("a") == 0
    assert bench.connection.threads == [False, True, True, True]
    assert bench.pauses == [0.003] * 3
    await bench.aclose()


async def test_a_lock_held_for_too_long_is_told_to_every_unit(bench: Bench) -> None:
    with closing(connect(bench.database.path, 0)) as other:
        other.execute("BEGIN IMMEDIATE")
        outcomes = await asyncio.gather(bench.submit("a"), bench.submit("b", durable=True))
    assert [type(outcome) for outcome in outcomes] == [StoreUnavailable] * 2
    assert outcomes[0] is not outcomes[1]
    assert await bench.submit("a") == 0


async def test_after_meeting_another_process_it_gives_way_for_a_while(bench: Bench) -> None:
    with closing(connect(bench.database.path, 0)) as other:
        other.execute("BEGIN IMMEDIATE")
        await bench.submit("a")
    bench.pauses.clear()
    for n in range(40):
        await bench.submit(str(n))
    assert bench.connection.threads[-1] is False
    assert len(bench.pauses) == 32
    assert set(bench.pauses) == {0.003}


async def test_a_failure_of_the_whole_is_told_to_every_unit(bench: Bench) -> None:
    bench.connection.before, bench.connection.errors = "COMMIT", [sqlite_error(10)]
    outcomes = await asyncio.gather(bench.submit("a"), bench.submit("b"))
    assert [type(outcome) for outcome in outcomes] == [CommitUnknown] * 2
    assert outcomes[0] is not outcomes[1]


@pytest.mark.parametrize("durable", [False, True])
async def test_an_unforeseen_error_leaves_nobody_waiting(bench: Bench, durable: bool) -> None:
    """The units learn that the result is unknown, the loop's handler gets the error."""
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    bench.connection.before, bench.connection.errors = "COMMIT", [MemoryError()]
    assert isinstance(await bench.submit("a", durable=durable), CommitUnknown)
    await bench.committer.drain()
    assert [type(context["exception"]) for context in told] == [MemoryError]
    assert await bench.submit("b", durable=durable) == 0


async def test_an_unforeseen_error_of_a_checkpoint_stops_nothing(tmp_path: Path) -> None:
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    bench = Bench(tmp_path / "journal.db", transactions=1)
    bench.connection.before = "PRAGMA wal_checkpoint"
    bench.connection.errors = [MemoryError()]
    assert await bench.submit("a") == 0
    assert await bench.submit("b") == 0
    await bench.aclose()
    assert [type(context["exception"]) for context in told] == [MemoryError]


async def test_nobody_waiting_does_not_stop_a_unit(bench: Bench) -> None:
    abandoned = bench.submit("a")
    abandoned.cancel()
    assert await bench.submit("b") == 0
    (count,) = bench.connection.execute("SELECT count(*) FROM zx_record").fetchone()
    assert count == 2


async def test_draining_an_idle_committer_returns_at_once(bench: Bench) -> None:
    await bench.committer.drain()
