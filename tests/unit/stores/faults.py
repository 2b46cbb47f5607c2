"""A real journal whose connection fails where a test says so."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from zephyrus_exec.stores.sqlite_schema import Database, open_database


def sqlite_error(code: int, text: str = "fault") -> sqlite3.OperationalError:
    """Return the error as the sqlite3 module raises it for a result code."""
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error


class FaultyConnection(sqlite3.Connection):
    """Raises `errors[0]` instead of running a statement that begins with `before`."""

    before = ""
    errors: list[BaseException]
    statements: list[str]

    def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
        self.statements.append(sql.strip())
        if self.errors and sql.startswith(self.before):
            raise self.errors.pop(0)
        return super().execute(sql, parameters)


def journal(path: Path) -> Database:
    """Return an open journal."""
    return open_database(
        path, busy_timeout=5, new_id=lambda: "epoch", pause=lambda _: None, refuse_network=False
    )


def faulty(path: Path) -> FaultyConnection:
    """Return a connection for writing to a journal that is already there."""
    connection = sqlite3.connect(
        path, timeout=0, isolation_level=None, check_same_thread=False, factory=FaultyConnection
    )
    connection.errors = []
    connection.statements = []
    return connection
