"""Checkpoints happen when due, and a failed one is tried again."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from zephyrus_exec.stores.sqlite_connection import connect
from zephyrus_exec.stores.sqlite_wal import WriteAheadLog


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(connect(tmp_path / "x.db", 0)) as opened:
        opened.execute("PRAGMA journal_mode = WAL")
        opened.execute("PRAGMA wal_autocheckpoint = 0")
        opened.execute("CREATE TABLE t (a)")
        yield opened


def test_it_is_due_after_so_many_transactions(
    tmp_path: Path, connection: sqlite3.Connection
) -> None:
    wal = WriteAheadLog(tmp_path / "x.db", transactions=3)
    assert [wal.committed() for _ in range(3)] == [False, False, True]
    wal.checkpoint(connection)
    assert [wal.committed() for _ in range(3)] == [False, False, True]


def test_it_is_due_when_the_log_has_grown(tmp_path: Path, connection: sqlite3.Connection) -> None:
    wal = WriteAheadLog(tmp_path / "x.db", kept_bytes=100_000, growth_bytes=100_000)
    connection.execute("INSERT INTO t VALUES (zeroblob(100000))")
    assert not wal.committed()
    connection.execute("INSERT INTO t VALUES (zeroblob(100000))")
    assert wal.committed()


def test_the_commit_after_a_complete_checkpoint_starts_the_log_over(
    tmp_path: Path, connection: sqlite3.Connection
) -> None:
    wal = WriteAheadLog(tmp_path / "x.db")
    seen = [wal.starts_over]
    wal.checkpoint(connection)
    seen.append(wal.starts_over)
    wal.committed()
    seen.append(wal.starts_over)
    assert seen == [False, True, False]


def test_a_reader_elsewhere_makes_it_incomplete_and_the_next_waits_for_growth(
    tmp_path: Path, connection: sqlite3.Connection
) -> None:
    wal = WriteAheadLog(tmp_path / "x.db", kept_bytes=0, growth_bytes=100_000)
    with closing(connect(tmp_path / "x.db", 0)) as other:
        other.execute("BEGIN")
        other.execute("SELECT * FROM t").fetchall()
        connection.execute("INSERT INTO t VALUES (zeroblob(200000))")
        assert wal.committed()
        wal.checkpoint(connection)
        assert not wal.starts_over
        assert not wal.committed()
        connection.execute("INSERT INTO t VALUES (zeroblob(200000))")
        assert wal.committed()


def test_a_failed_checkpoint_is_logged_and_tried_again(
    tmp_path: Path, connection: sqlite3.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    wal = WriteAheadLog(tmp_path / "x.db", transactions=1)
    connection.close()
    with caplog.at_level(logging.WARNING):
        wal.checkpoint(connection)
    assert "checkpoint of the journal failed" in caplog.text
    assert not wal.starts_over
    assert wal.committed()


def test_a_missing_log_has_not_grown(tmp_path: Path) -> None:
    assert not WriteAheadLog(tmp_path / "none.db").committed()
