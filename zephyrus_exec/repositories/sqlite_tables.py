"""The tables of agents and contracts, and every statement on them. All of it blocks."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final, TypeAlias

from ..errors import ConfigurationError, RepositoryUnavailable
from ..model import Agent, Contract
from .definitions import Definition

SCHEMA_VERSION: Final = 1
"""Grows by one with every change of the tables."""

TABLES: Final[dict[type[Definition], str]] = {Agent: "zx_agent", Contract: "zx_contract"}
"""Where definitions are kept: the id, and the JSON text of the whole."""

_OURS: Final = ("zx_repository", *TABLES.values())
_JOURNAL: Final = "zx_event"
"""A table that every journal of executions has."""

# Nothing here may leave a trace outside of our own tables: no AUTOINCREMENT, which would make
# SQLite add a table of its own, and no pragma that the file remembers.
_CREATE: Final = (
    "CREATE TABLE zx_repository (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID",
    *(
        f"CREATE TABLE {table} (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, body NOT NULL)"
        for table in TABLES.values()
    ),
)
_RECORD_VERSION: Final = "INSERT INTO zx_repository (name, value) VALUES ('schema', ?)"

Statement: TypeAlias = tuple[str, Sequence[Any]]


def get(kind: type[Definition], name: str) -> Statement:
    """Return what selects the body stored under an id."""
    return f"SELECT CAST(body AS BLOB) FROM {TABLES[kind]} WHERE id = ?", (name,)  # noqa: S608


def page(kind: type[Definition], after: int, limit: int) -> Statement:
    """Return what selects `(number, id, body)` beyond a number, in the order they came."""
    return (
        f"SELECT number, CAST(id AS BLOB), CAST(body AS BLOB) FROM {TABLES[kind]} "  # noqa: S608
        "WHERE number > ? ORDER BY number LIMIT ?",
        (after, limit),
    )


def put(kind: type[Definition], name: str, body: str) -> Statement:
    """Return what keeps a body under an id; a replaced one keeps its number."""
    return (
        f"INSERT INTO {TABLES[kind]} (id, body) VALUES (?, ?) "  # noqa: S608
        "ON CONFLICT (id) DO UPDATE SET body = excluded.body",
        (name, body),
    )


def remove(kind: type[Definition], name: str) -> Statement:
    """Return what forgets an id."""
    return f"DELETE FROM {TABLES[kind]} WHERE id = ?", (name,)  # noqa: S608


def connect(path: Path, busy_timeout: float) -> sqlite3.Connection:
    """Return a connection without transactions of Python's making, for any one thread at a time."""
    return sqlite3.connect(
        path, timeout=busy_timeout, isolation_level=None, check_same_thread=False
    )


def open_tables(path: Path, *, busy_timeout: float, create: bool) -> sqlite3.Connection:
    """Return a connection for reading that never waits, once the file holds our tables.

    Args:
        path: The file.
        busy_timeout: Seconds to wait for another's lock meanwhile.
        create: Whether to make the file, and the tables in it, where there are none.

    Raises:
        ConfigurationError: The file cannot hold agents, or a newer release wrote them; it was not
            changed.
        RepositoryUnavailable: It is locked, or its disk fails.
    """
    if not create and not path.is_file():
        raise ConfigurationError(f"there is no database {path.name}", file=path.name)
    try:
        connection = connect(path, busy_timeout)
        try:
            _ensure_tables(connection, path, create=create)
            connection.execute("PRAGMA busy_timeout = 0")
            connection.execute("PRAGMA query_only = ON")
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise unavailable(path, error) from error
    return connection


def _ensure_tables(connection: sqlite3.Connection, path: Path, *, create: bool) -> None:
    if _is_ours(connection, path):
        return
    if not create:
        raise ConfigurationError(
            f"{path.name} holds no agents of zephyrus-exec: put some in first", file=path.name
        )
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        if not _is_ours(connection, path):
            for statement in _CREATE:
                connection.execute(statement)
            connection.execute(_RECORD_VERSION, (SCHEMA_VERSION,))


def _is_ours(connection: sqlite3.Connection, path: Path) -> bool:
    """Return whether our tables are there; False: nothing of ours is."""
    names = {
        str(name).lower()
        for (name,) in connection.execute("SELECT CAST(name AS TEXT) FROM sqlite_master")
    }
    if _JOURNAL in names:
        raise ConfigurationError(
            f"{path.name} is a journal of executions: keep agents in a file of their own, so that "
            "restoring one never takes the other back",
            file=path.name,
        )
    present = names.intersection(_OURS)
    if not present:
        return False
    if present != set(_OURS):
        raise ConfigurationError(
            f"{path.name} has a table {min(present)} that is not ours: choose another file",
            file=path.name,
        )
    _check_version(connection, path)
    return True


def _check_version(connection: sqlite3.Connection, path: Path) -> None:
    row = connection.execute("SELECT value FROM zx_repository WHERE name = 'schema'").fetchone()
    if row is None or row[0] != SCHEMA_VERSION:
        found = "none" if row is None else row[0]
        raise ConfigurationError(
            f"the agents in {path.name} have schema {found}, this release knows {SCHEMA_VERSION}: "
            "upgrade zephyrus-exec, or choose another file",
            file=path.name,
        )


def write(path: Path, statements: Iterable[Statement], *, busy_timeout: float) -> None:
    """Run all of these in one transaction, flushed, or none of them.

    Raises:
        RepositoryUnavailable: The file is locked, read-only or gone, or its disk fails.
    """
    try:
        with closing(connect(path, busy_timeout)) as connection, connection:
            connection.execute("BEGIN IMMEDIATE")
            for statement in statements:
                connection.execute(*statement)
    except sqlite3.Error as error:
        raise unavailable(path, error) from error


def wait_for_rows(path: Path, statement: Statement, *, busy_timeout: float) -> list[Any]:
    """Return all rows, once others let go of the file.

    Raises:
        RepositoryUnavailable: They do not in time, or the file cannot be read.
    """
    try:
        with closing(connect(path, busy_timeout)) as connection:
            return connection.execute(*statement).fetchall()
    except sqlite3.Error as error:
        raise unavailable(path, error) from error


_REMEDIES: Final = {
    sqlite3.SQLITE_BUSY: "another process holds its lock: try again",
    sqlite3.SQLITE_FULL: "free space on its disk",
    sqlite3.SQLITE_READONLY: "make the file and its folder writable",
    sqlite3.SQLITE_PERM: "make the file and its folder writable",
    sqlite3.SQLITE_CANTOPEN: "make sure that the file and its folder exist and are writable",
    sqlite3.SQLITE_IOERR: "look at its disk",
    sqlite3.SQLITE_CORRUPT: "restore the file from a backup",
    sqlite3.SQLITE_NOTADB: "it is not a database: choose another file",
}


def is_busy(error: sqlite3.Error) -> bool:
    """Return whether another connection's lock is the cause, so that waiting may help."""
    return _result_code(error) == sqlite3.SQLITE_BUSY


def unavailable(path: Path, error: sqlite3.Error) -> RepositoryUnavailable:
    """Return the error for callers of a repository that cannot do its work now."""
    remedy = _REMEDIES.get(_result_code(error), "see what else uses the file")
    return RepositoryUnavailable(f"{path.name} is not available ({error}): {remedy}")


def _result_code(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code; 0 where Python raised the error by itself."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF
