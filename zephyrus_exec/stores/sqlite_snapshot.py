"""A journal's file as it is at one moment, for looking at it and for copying it."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from attrs import frozen

from ..errors import ConfigurationError
from ..interfaces.store import Record
from ..model import Event
from . import sqlite_queries as queries
from .sqlite_errors import is_damage, unavailable
from .sqlite_schema import TABLES, is_ours, opening_failed

_BUSY_TIMEOUT: Final = 5.0
"""Seconds to wait for whoever opens or recovers the file at this moment."""
_MOST_PROBLEMS: Final = 20
"""As many of SQLite's complaints are told; there can be one for every page."""


@contextmanager
def snapshot(path: Path) -> Iterator[Snapshot]:
    """Open a journal for reading, as it is now; whoever writes it goes on, and is not seen.

    Nothing is written, and all of it belongs into a thread: it may take as long as the file is big.

    Raises:
        ConfigurationError: The file is no journal.
        StoreTooNew: A newer release wrote it.
        StoreUnavailable: It is damaged, or cannot be read.
    """
    try:
        with closing(_connect(path)) as connection:
            connection.execute("BEGIN")
            if not is_ours(connection, path):
                raise ConfigurationError(f"{path.name} is empty: it holds no journal")
            yield Snapshot(connection)
    except sqlite3.Error as error:
        if is_damage(error):
            raise unavailable(error) from error
        raise opening_failed(error, path, _BUSY_TIMEOUT) from error


def _connect(path: Path) -> sqlite3.Connection:
    # as a URL, for only so can the file be opened without a right to write
    url = f"file:{quote(str(path.absolute()))}?mode=ro"
    return sqlite3.connect(url, uri=True, timeout=_BUSY_TIMEOUT, isolation_level=None)


@frozen
class Snapshot:
    """What a journal holds at one moment."""

    connection: sqlite3.Connection
    """In a transaction that sees it."""

    def events(self) -> Iterator[Event]:
        """Yield every event, stream by stream, in order within each.

        Raises:
            StoreUnavailable: The file is damaged there.
        """
        for row in self._rows(queries.ALL_EVENTS):
            yield Event(*row)

    def records(self) -> Iterator[Record]:
        """Yield every record, in order of creation.

        Raises:
            StoreUnavailable: The file is damaged there.
        """
        for row in self._rows(queries.ALL_RECORDS):
            yield Record(*row)

    def problems(self) -> Iterator[str]:
        """Yield what is wrong with the file itself: its pages, its indexes, its tables.

        Raises:
            StoreUnavailable: The file is damaged so much that looking ends there.
        """
        for (complaint,) in self._rows(f"PRAGMA integrity_check({_MOST_PROBLEMS})"):
            if complaint != "ok":
                yield str(complaint)
        there = {_shape(sql) for (sql,) in self._rows(_OUR_OBJECTS)}
        for statement in TABLES:
            if _shape(statement) not in there:
                yield f"{_name(statement)} is missing, or not as this release makes it"

    def _rows(self, statement: str) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self.connection.execute(statement)
        except sqlite3.Error as error:
            raise unavailable(error) from error


_OUR_OBJECTS: Final = "SELECT sql FROM sqlite_master WHERE name LIKE 'zx@_%' ESCAPE '@'"


def _shape(statement: str) -> str:
    return re.sub(r"\s+", " ", statement).strip()


def _name(statement: str) -> str:
    found = re.search(r"zx_\w+", statement)
    assert found is not None, "each of our statements makes something of ours"
    return found[0]
