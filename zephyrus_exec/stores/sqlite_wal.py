"""When the write-ahead log is due to be copied into the database, and doing so."""

from __future__ import annotations

import logging
import os
import sqlite3
from pathlib import Path
from typing import Final

from ..errors import StoreUnavailable
from .sqlite_schema import WAL_BYTES_KEPT

TRANSACTIONS: Final = 1000
"""A checkpoint is due after so many transactions."""
GROWTH_BYTES: Final = 8 << 20
"""A checkpoint is due once the log has grown by so many bytes beyond what it keeps."""

_log = logging.getLogger(__name__)


class WriteAheadLog:
    """Watches the log grow and checkpoints it, which flushes and thus belongs into a thread.

    SQLite would checkpoint by itself, but inside a commit, on the event loop.

    Args:
        path: Of the database.
        transactions: A checkpoint is due after so many.
        growth_bytes: A checkpoint is due once the log has grown by so much,
        kept_bytes: beyond this length, to which SQLite cuts it when it starts over.
    """

    def __init__(
        self,
        path: Path,
        *,
        transactions: int = TRANSACTIONS,
        growth_bytes: int = GROWTH_BYTES,
        kept_bytes: int = WAL_BYTES_KEPT,
    ) -> None:
        self._path = path
        self._file = f"{path}-wal"
        self._identity = self._look()
        self._limit = transactions
        self._growth = growth_bytes
        self._kept = kept_bytes
        self._transactions = 0
        self._ceiling = kept_bytes + growth_bytes
        self.starts_over = False
        """Whether the next commit starts the log over, and therefore flushes its header."""

    def check_in_place(self) -> None:
        """Return while database and log are the files they were.

        SQLite writes on into files that were removed or replaced: nobody would find what it wrote,
        and another process would begin another journal under the same accounts.

        Raises:
            StoreUnavailable: They are not.
        """
        if self._look() != self._identity:
            raise StoreUnavailable(
                f"the file {self._path.name}, or its -wal, was removed or replaced while it was "
                "open: put it back, or stop every process that uses it"
            )

    def _look(self) -> list[tuple[int, int] | None]:
        return [_identity(self._path), _identity(self._file)]

    def committed(self) -> bool:
        """Count one more transaction; return whether a checkpoint is due."""
        self.starts_over = False
        self._transactions += 1
        return self._transactions >= self._limit or self._size() >= self._ceiling

    def checkpoint(self, connection: sqlite3.Connection) -> None:
        """Copy into the database what no reader of another process holds back.

        A failure loses nothing, since the log keeps what was committed: it is logged, and tried
        again after further growth.
        """
        self._transactions = 0
        try:
            row = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error as error:
            _log.warning("checkpoint of the journal failed, to be tried again: %s", error)
            row = (1, 0, 0)
        busy, pages, copied = row
        self.starts_over = not busy and pages == copied
        kept = self._kept if self.starts_over else self._size()
        self._ceiling = kept + self._growth

    def _size(self) -> int:
        """Return the log's length in bytes; opening it instead would cost POSIX locks."""
        try:
            return os.stat(self._file).st_size
        except FileNotFoundError:
            return 0


def _identity(path: str | Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
