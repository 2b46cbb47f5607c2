"""Reading without ever waiting on the event loop, and without keeping a snapshot open."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from .sqlite_connection import connect
from .sqlite_errors import UNSTORABLE, is_busy, locked_out, unavailable, unstorable
from .sqlite_queries import Query


class Reader:
    """Runs queries inline, each to its last row.

    Args:
        connection: For reading, with a busy time-out of 0; the reader's own.
        path: Of the database.
        busy_timeout: Seconds to wait for a lock, in a thread.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, *, busy_timeout: float) -> None:
        self._connection = connection
        self._path = path
        self._busy_timeout = busy_timeout

    async def rows(self, query: Query) -> list[Any]:
        """Return all rows.

        Raises:
            StoreUnavailable: The file cannot be read now.
            StoreError: A parameter is a value SQLite cannot hold.
        """
        try:
            return self._connection.execute(*query).fetchall()
        except UNSTORABLE as error:
            raise unstorable(error) from error
        except sqlite3.Error as error:
            if not is_busy(error):
                raise unavailable(error) from error
        # Rare: readers of a write-ahead log wait only while another process repairs it.
        return await asyncio.to_thread(self._wait_for_rows, query)

    def _wait_for_rows(self, query: Query) -> list[Any]:
        try:
            with closing(connect(self._path, self._busy_timeout)) as connection:
                return connection.execute(*query).fetchall()
        except sqlite3.Error as error:
            if is_busy(error):
                raise locked_out(self._busy_timeout) from error
            raise unavailable(error) from error
