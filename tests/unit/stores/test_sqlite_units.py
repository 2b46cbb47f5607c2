"""Many units in one transaction: each whole or not at all, and every failure told truthfully."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from zephyrus_exec.errors import CommitUnknown, StoreConflict, StoreError, StoreUnavailable
from zephyrus_exec.interfaces.store import Append, Keep, NewEvent, Put, Write
from zephyrus_exec.stores.sqlite_connection import connect
from zephyrus_exec.stores.sqlite_errors import Locked
from zephyrus_exec.stores.sqlite_units import Probe, Unit, run

from .faults import FaultyConnection, faulty, journal, sqlite_error

EVENT = NewEvent(1.0, "a", "{}")


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncIterator[FaultyConnection]:
    database = journal(tmp_path / "journal.db")
    opened = faulty(database.path)
    yield opened
    opened.close()
    database.close()


def unit(*writes: Write | Probe) -> Unit:
    return Unit(writes, (), False, asyncio.get_running_loop().create_future())


def keys(connection: sqlite3.Connection) -> list[str]:
    return [key for (key,) in connection.execute("SELECT key FROM zx_record ORDER BY number")]


async def test_savepoints_are_taken_only_after_a_unit_failed_halfway(
    connection: FaultyConnection,
) -> None:
    run(connection, [unit(Keep("k", "a", "{}")), unit(Put("k", "b", 1, "{}"))])
    assert not any(sql.startswith("SAVEPOINT") for sql in connection.statements)
    outcomes = run(
        connection,
        [unit(Keep("k", "b", "{}")), unit(Keep("k", "c", "{}"), Put("k", "d", 1, "{}"))],
    )
    assert [type(outcome) for outcome in outcomes] == [int, StoreConflict]
    assert keys(connection) == ["a", "b"]
    assert sum(sql.startswith("SAVEPOINT") for sql in connection.statements) == 2


@pytest.mark.parametrize(
    "bad",
    [
        Put("k", "\ud800", 0, "{}"),
        Put("k", "x", 0, "\ud800"),
        Put("k", "x", 2**63, "{}"),
        Append("s", 1, (EVENT, NewEvent(float("nan"), "a", "{}"))),
        Append("s", 1, (EVENT, NewEvent(1.0, "a", object()))),  # type: ignore[arg-type]
    ],
)
async def test_a_value_that_cannot_be_stored_fails_its_own_unit_only(
    connection: FaultyConnection, bad: Write
) -> None:
    units = [unit(Keep("k", "a", "{}")), unit(Keep("k", "b", "{}"), bad), unit(Keep("k", "c", ""))]
    outcomes = run(connection, units)
    assert [type(outcome) for outcome in outcomes] == [int, StoreError, int]
    assert keys(connection) == ["a", "c"]


async def test_a_probe_leaves_nothing_behind(connection: FaultyConnection) -> None:
    assert run(connection, [unit(Probe())]) == [0]
    names = connection.execute("SELECT name FROM zx_meta ORDER BY name").fetchall()
    assert names == [("boot",), ("epoch",), ("open",)]


async def test_a_lock_elsewhere_is_told_before_anything_is_done(
    connection: FaultyConnection, tmp_path: Path
) -> None:
    with closing(connect(tmp_path / "journal.db", 0)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Locked):
            run(connection, [unit(Keep("k", "a", "{}"))])
    assert not connection.in_transaction


@pytest.mark.parametrize(
    "code", [sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, 0]
)
@pytest.mark.parametrize("before", ["BEGIN", "\n    INSERT"])
async def test_a_failure_before_the_commit_wrote_nothing(
    connection: FaultyConnection, code: int, before: str
) -> None:
    connection.before, connection.errors = before, [sqlite_error(code)]
    with pytest.raises(StoreUnavailable):
        run(connection, [unit(Keep("k", "a", "{}"))])
    assert not connection.in_transaction
    assert keys(connection) == []


@pytest.mark.parametrize("code", [sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY])
async def test_a_full_disk_while_committing_wrote_nothing(
    connection: FaultyConnection, code: int
) -> None:
    connection.before, connection.errors = "COMMIT", [sqlite_error(code)]
    with pytest.raises(StoreUnavailable):
        run(connection, [unit(Keep("k", "a", "{}"))])
    assert not connection.in_transaction
    assert keys(connection) == []


@pytest.mark.parametrize("code", [sqlite3.SQLITE_IOERR | 4 << 8, sqlite3.SQLITE_CORRUPT])
async def test_any_other_failure_while_committing_leaves_it_open(
    connection: FaultyConnection, code: int
) -> None:
    connection.before, connection.errors = "COMMIT", [sqlite_error(code)]
    with pytest.raises(CommitUnknown):
        run(connection, [unit(Keep("k", "a", "{}"))])
    assert not connection.in_transaction


async def test_an_error_of_another_kind_leaves_no_transaction_open(
    connection: FaultyConnection,
) -> None:
    connection.before, connection.errors = "\n    INSERT", [MemoryError()]
    with pytest.raises(MemoryError):
        run(connection, [unit(Keep("k", "a", "{}"))])
    assert not connection.in_transaction
    assert run(connection, [unit(Keep("k", "a", "{}"))]) == [0]
