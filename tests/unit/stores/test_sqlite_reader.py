"""Reads never wait on the loop, and say why they could not be had."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from zephyrus_exec.errors import StoreError, StoreUnavailable
from zephyrus_exec.stores.sqlite_connection import connect
from zephyrus_exec.stores.sqlite_reader import Reader

QUERY = ("SELECT a FROM t WHERE a > ?", (0,))


@pytest.fixture
def other(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Another process's connection; without write-ahead log, so that it can lock readers out."""
    with closing(sqlite3.connect(tmp_path / "x.db", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE t (a)")
        connection.execute("INSERT INTO t VALUES (1)")
        yield connection


async def test_a_lock_is_waited_for_beside_the_loop(
    tmp_path: Path, other: sqlite3.Connection
) -> None:
    with closing(connect(tmp_path / "x.db", 0)) as connection:
        reader = Reader(connection, tmp_path / "x.db", busy_timeout=30)
        other.execute("BEGIN EXCLUSIVE")
        rows = asyncio.ensure_future(reader.rows(QUERY))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not rows.done()
        other.execute("ROLLBACK")
        assert await rows == [(1,)]


async def test_a_lock_held_for_too_long_is_unavailable(
    tmp_path: Path, other: sqlite3.Connection
) -> None:
    with closing(connect(tmp_path / "x.db", 0)) as connection:
        reader = Reader(connection, tmp_path / "x.db", busy_timeout=0.01)
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreUnavailable, match=r"locked for 0\.01 seconds"):
            await reader.rows(QUERY)


async def test_a_file_that_is_gone_after_the_lock_is_unavailable(
    tmp_path: Path, other: sqlite3.Connection
) -> None:
    with closing(connect(tmp_path / "x.db", 0)) as connection:
        reader = Reader(connection, tmp_path / "none" / "x.db", busy_timeout=0.01)
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreUnavailable, match="unable to open"):
            await reader.rows(QUERY)


async def test_a_damaged_file_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"damaged " * 1000)
    with closing(connect(tmp_path / "x.db", 0)) as connection:
        reader = Reader(connection, tmp_path / "x.db", busy_timeout=0)
        with pytest.raises(StoreUnavailable, match="not a database"):
            await reader.rows(QUERY)


async def test_a_parameter_that_cannot_be_stored_is_an_error_of_the_caller(
    tmp_path: Path, other: sqlite3.Connection
) -> None:
    with closing(connect(tmp_path / "x.db", 0)) as connection:
        reader = Reader(connection, tmp_path / "x.db", busy_timeout=0)
        with pytest.raises(StoreError) as caught:
            await reader.rows(("SELECT a FROM t WHERE a = ?", ("\ud800",)))
    assert not isinstance(caught.value, StoreUnavailable)
