"""Connections as every part of the journal uses them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def connect(path: Path, busy_timeout: float) -> sqlite3.Connection:
    """Return a connection without transactions of Python's making, for any one thread at a time."""
    return sqlite3.connect(
        path, timeout=busy_timeout, isolation_level=None, check_same_thread=False
    )


@contextmanager
def rolled_back_on_error(connection: sqlite3.Connection) -> Iterator[None]:
    """Leave no transaction open where the block raises.

    Some errors make SQLite roll back by itself; rolling back once more would be another error.
    """
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
