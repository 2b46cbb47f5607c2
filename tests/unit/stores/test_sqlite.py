"""What the SQLite store promises beyond the conformance suite."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from zephyrus_exec.errors import ConfigurationError, StoreError, StoreUnavailable
from zephyrus_exec.interfaces.store import Append, ExecutionStore, NewEvent, Put
from zephyrus_exec.stores.sqlite import SqliteStore
from zephyrus_exec.stores.sqlite_committer import Committer, Contention
from zephyrus_exec.stores.sqlite_reader import Reader
from zephyrus_exec.stores.sqlite_wal import WriteAheadLog

from .faults import faulty, journal, sqlite_error


async def test_it_names_its_file_and_promises_durability(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "executions.db", new_id=lambda: "e")
    assert (store.epoch, store.durable) == ("e", True)
    assert store.description == "sqlite executions.db"
    await store.aclose()


async def test_a_relative_path_means_the_folder_at_the_time_of_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = await SqliteStore.open("x.db")
    (tmp_path / "elsewhere").mkdir()
    os.chdir(tmp_path / "elsewhere")
    await store.commit([Put("k", "a", 0, "{}")])
    await store.aclose()
    assert (tmp_path / "x.db").stat().st_size > 0


async def test_a_refused_file_is_let_go(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        await SqliteStore.open(tmp_path / "none" / "x.db")


def test_another_event_loop_is_refused(tmp_path: Path) -> None:
    async def use(store: SqliteStore) -> None:
        for call in (store.commit([]), store.read("s"), store.check(), store.aclose()):
            with pytest.raises(StoreError, match="another event loop"):
                await call

    first = asyncio.new_event_loop()
    store = first.run_until_complete(SqliteStore.open(tmp_path / "x.db"))
    asyncio.run(use(store))
    first.run_until_complete(store.aclose())
    first.close()


async def test_a_writer_may_reuse_its_list_at_once(tmp_path: Path) -> None:
    """What is committed is what was given, not what became of the list meanwhile."""
    store = await SqliteStore.open(tmp_path / "x.db")
    writes = [Put("k", "a", 0, "{}")]
    task = asyncio.ensure_future(store.commit(writes))
    asyncio.get_running_loop().call_soon(writes.clear)
    await task
    assert await store.get("k", "a") is not None
    await store.aclose()


async def test_two_closers_both_wait_and_a_cancelled_one_stops_nothing(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "x.db")
    commit = asyncio.ensure_future(store.commit([Put("k", "a", 0, "{}")], durable=True))
    await asyncio.sleep(0)
    closers = [asyncio.ensure_future(store.aclose()) for _ in range(2)]
    await asyncio.sleep(0)
    closers[0].cancel()
    await closers[1]
    assert await commit == 0
    assert os.listdir(tmp_path) == ["x.db"]


async def test_two_stores_on_one_file_see_each_other(tmp_path: Path) -> None:
    one = await SqliteStore.open(tmp_path / "x.db")
    other = await SqliteStore.open(tmp_path / "x.db")
    assert one.epoch == other.epoch
    stores: list[ExecutionStore] = [one, other]
    for seq in range(1, 21):
        await stores[seq % 2].commit([Append("s", seq, (NewEvent(1.0, "a", "{}"),))])
    assert await one.tail(0) == await other.tail(0)
    assert len(await one.read("s")) == 20
    await one.aclose()
    await other.aclose()


async def test_a_check_whose_result_is_unknown_is_a_failed_check(tmp_path: Path) -> None:
    """Whoever asks only wants to know whether writing works."""
    database = journal(tmp_path / "x.db")
    connection = faulty(database.path)
    thread = ThreadPoolExecutor(1)
    committer = Committer(
        connection,
        WriteAheadLog(database.path),
        thread,
        busy_timeout=0,
        contention=Contention(lambda: 0.0),
    )
    reader = Reader(database.reader, database.path, busy_timeout=0)
    store = SqliteStore(database, thread, committer, reader)
    connection.before, connection.errors = "COMMIT", [sqlite_error(sqlite3.SQLITE_IOERR)]
    with pytest.raises(StoreUnavailable, match="read back"):
        await store.check()
    await store.check()
    connection.close()
    await store.aclose()
