"""A journal whose disk is full, read-only or locked: refused truthfully, and well again after."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from zephyrus_exec.errors import CommitUnknown, ConfigurationError, StoreUnavailable
from zephyrus_exec.interfaces.store import Append, NewEvent, Put
from zephyrus_exec.stores.sqlite import SqliteStore
from zephyrus_exec.stores.sqlite_committer import Committer, Contention
from zephyrus_exec.stores.sqlite_connection import connect
from zephyrus_exec.stores.sqlite_reader import Reader
from zephyrus_exec.stores.sqlite_schema import Database, open_database
from zephyrus_exec.stores.sqlite_wal import WriteAheadLog

BIG = "x" * 50_000


def assemble(database: Database) -> SqliteStore:
    """Return the store as `SqliteStore.open` would, on connections a test can get at."""
    thread = ThreadPoolExecutor(1)
    committer = Committer(
        database.writer,
        WriteAheadLog(database.path),
        thread,
        busy_timeout=0,
        contention=Contention(lambda: 0.0),
    )
    reader = Reader(database.reader, database.path, busy_timeout=0)
    return SqliteStore(database, thread, committer, reader)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = open_database(
        tmp_path / "journal.db",
        busy_timeout=5,
        new_id=lambda: "epoch",
        pause=lambda _: None,
        refuse_network=False,
    )
    yield opened
    opened.close()


@pytest.mark.parametrize("durable", [False, True])
async def test_a_full_database_refuses_whole_commits_and_recovers(
    database: Database, durable: bool
) -> None:
    """SQLite's page limit gives the result code of a full disk; nothing of a unit is written."""
    store = assemble(database)
    (pages,) = database.writer.execute("PRAGMA page_count").fetchone()
    database.writer.execute(f"PRAGMA max_page_count = {pages + 4}")
    writes = (Append("s", 1, (NewEvent(0.0, "a", "{}"),)), Put("k", "a", 0, BIG))
    with pytest.raises(StoreUnavailable, match="free space") as caught:
        await store.commit(writes, durable=durable)
    assert caught.value.retryable
    assert await store.tail(0) == []
    await store.commit([Put("k", "small", 0, "{}")])
    database.writer.execute("PRAGMA max_page_count = 1000000")
    await store.commit(writes, durable=durable)
    assert len(await store.tail(0)) == 1
    await store.aclose()


async def test_check_notices_a_full_database(database: Database) -> None:
    store = assemble(database)
    await store.check()
    (pages,) = database.writer.execute("PRAGMA page_count").fetchone()
    database.writer.execute(f"PRAGMA max_page_count = {pages}")
    database.writer.execute("INSERT INTO zx_meta VALUES ('fill', zeroblob(8192))")
    with pytest.raises(StoreUnavailable, match="free space"):
        await store.check()
    database.writer.execute("PRAGMA max_page_count = 1000000")
    await store.check()
    await store.aclose()


async def test_a_read_only_connection_refuses_to_write_but_reads(database: Database) -> None:
    store = assemble(database)
    await store.commit([Put("k", "a", 0, "{}")])
    database.writer.execute("PRAGMA query_only = ON")
    with pytest.raises(StoreUnavailable, match="writable"):
        await store.commit([Put("k", "b", 0, "{}")])
    with pytest.raises(StoreUnavailable, match="writable"):
        await store.check()
    assert await store.get("k", "a") is not None
    database.writer.execute("PRAGMA query_only = OFF")
    await store.aclose()


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Give up the superuser's right to write everywhere, where the tests run with it."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder an ordinary user may look into, as pytest's own may not be."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)
        os.chmod(name, 0o755)


@pytest.mark.parametrize("empty", [False, True])
async def test_a_read_only_file_is_refused_on_opening(public_folder: Path, empty: bool) -> None:
    path = public_folder / "journal.db"
    await (await SqliteStore.open(path)).aclose()
    if empty:
        os.truncate(path, 0)
    os.chmod(path, 0o444)
    with ordinary_user(), pytest.raises(ConfigurationError, match="writable"):
        await SqliteStore.open(path)
    os.chmod(path, 0o644)


@pytest.mark.skipif(os.name == "nt", reason="folders have no such mode there")
async def test_a_read_only_folder_is_refused_on_opening(public_folder: Path) -> None:
    os.chmod(public_folder, 0o555)
    with ordinary_user(), pytest.raises(ConfigurationError, match="writable"):
        await SqliteStore.open(public_folder / "journal.db")


@pytest.mark.parametrize("durable", [False, True])
async def test_a_lock_held_for_too_long_is_unavailable_while_the_loop_turns(
    tmp_path: Path, durable: bool
) -> None:
    """A ticking task shows that nothing waited on the event loop."""
    store = await SqliteStore.open(tmp_path / "journal.db", busy_timeout=0.3)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.005)

    ticking = asyncio.create_task(tick())
    with closing(connect(tmp_path / "journal.db", 0)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match=r"locked for 0\.3 seconds"):
            await store.commit([Put("k", "a", 0, "{}")], durable=durable)
        with pytest.raises(StoreUnavailable, match="locked"):
            await store.check()
        assert await store.get("k", "a") is None
    ticking.cancel()
    await asyncio.wait([ticking])
    assert ticks > 20
    await store.commit([Put("k", "a", 0, "{}")], durable=durable)
    await store.aclose()


async def test_reading_goes_on_while_another_process_writes(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "journal.db")
    await store.commit([Put("k", "a", 0, "{}")])
    with closing(connect(tmp_path / "journal.db", 0)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("DELETE FROM zx_record")
        assert await store.get("k", "a") is not None
    await store.aclose()


@contextmanager
def files_no_longer_than(size: int) -> Iterator[None]:
    """Let every write beyond that length fail, as a quota does."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("durable", [False, True])
async def test_a_disk_that_fails_while_committing_leaves_the_result_open(
    tmp_path: Path, durable: bool
) -> None:
    """Reading back tells what is there, and writing works again once the disk does."""
    path = tmp_path / "journal.db"
    store = await SqliteStore.open(path)
    await store.commit([Put("k", "a", 0, "{}")])
    with files_no_longer_than(os.stat(f"{path}-wal").st_size + 100):
        with pytest.raises(CommitUnknown):
            await store.commit([Put("k", "b", 0, BIG)], durable=durable)
        with pytest.raises(StoreUnavailable):
            await store.check()
        assert await store.get("k", "b") is None
    await store.check()
    await store.commit([Put("k", "b", 0, BIG)], durable=durable)
    await store.aclose()
    store = await SqliteStore.open(path)
    assert [record.key for record in await store.scan("k")] == ["a", "b"]
    await store.aclose()


async def test_a_damaged_file_is_told_not_guessed_at(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    store = await SqliteStore.open(path)
    await store.commit([Put("k", f"{n}", 0, BIG) for n in range(10)])
    await store.aclose()
    content = path.read_bytes()
    path.write_bytes(content[: 3 * 4096] + b"\xff" * (len(content) - 3 * 4096))
    store = await SqliteStore.open(path)
    with pytest.raises(StoreUnavailable, match="backup"):
        await store.get("k", "5")
    with pytest.raises(StoreUnavailable, match="backup"):
        await store.commit([Put("k", "5", 1, "{}")])
    await store.aclose()


@pytest.mark.skipif(os.name == "nt", reason="Windows removes no file that is open")
@pytest.mark.parametrize("which", ["journal.db", "journal.db-wal"])
@pytest.mark.parametrize("durable", [False, True])
async def test_a_file_that_was_removed_or_replaced_takes_nothing_until_it_is_back(
    tmp_path: Path, which: str, durable: bool
) -> None:
    store = await SqliteStore.open(tmp_path / "journal.db")
    await store.commit([Put("k", "before", 0, "{}")])
    away = (tmp_path / which).rename(tmp_path / "away")
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="put it back"):
            await store.commit([Put("k", "meanwhile", 0, "{}")], durable=durable)
        with pytest.raises(StoreUnavailable):
            await store.check()
        shutil.copy(away, tmp_path / which)
    away.replace(tmp_path / which)
    await store.commit([Put("k", "after", 0, "{}")], durable=durable)
    await store.aclose()
    again = await SqliteStore.open(tmp_path / "journal.db")
    assert [record.key for record in await again.scan("k")] == ["before", "after"]
    await again.aclose()
