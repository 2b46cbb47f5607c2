"""Opening a journal file: what is in it, what must never be touched, and how SQLite is set up."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from attrs import frozen

from ..errors import ConfigurationError, StoreTooNew, ZephyrusError
from ..interfaces.clock import NewId
from .mounts import MOUNT_TABLE, network_filesystem, read_mounts
from .sqlite_connection import connect, rolled_back_on_error
from .sqlite_errors import is_busy, locked_out, result_code, unavailable
from .sqlite_incarnation import begin_anew, enter, leave

APPLICATION_ID: Final = 0x5A784A31
"""`ZxJ1`, in the header of every journal file."""
SCHEMA_VERSION: Final = 1
"""Grows by one with every change of the tables."""
WAL_BYTES_KEPT: Final = 8 << 20
"""What the write-ahead log keeps of its length when it starts over, for speed."""

# Rows keep the order of commits because AUTOINCREMENT never gives a number twice, even after
# deletions, and SQLite lets one writer at a time in. Most records have neither group nor due: the
# partial indexes leave them out.
TABLES: Final = (
    """CREATE TABLE zx_meta (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE zx_event (
        position INTEGER PRIMARY KEY AUTOINCREMENT,
        stream TEXT NOT NULL, seq INTEGER NOT NULL,
        at REAL NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL, schema INTEGER NOT NULL)""",
    """CREATE UNIQUE INDEX zx_event_place ON zx_event (stream, seq)""",
    """CREATE TABLE zx_record (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL, key TEXT NOT NULL, version INTEGER NOT NULL,
        body TEXT NOT NULL, grp TEXT NOT NULL, due REAL)""",
    """CREATE UNIQUE INDEX zx_record_key ON zx_record (kind, key)""",
    """CREATE INDEX zx_record_kind ON zx_record (kind)""",
    """CREATE INDEX zx_record_group ON zx_record (kind, grp) WHERE grp <> ''""",
    """CREATE INDEX zx_record_due ON zx_record (kind, due) WHERE due IS NOT NULL""",
)

_OUR_FAULT: Final = {
    sqlite3.SQLITE_CANTOPEN: "cannot be opened: create its folder, or make it writable",
    sqlite3.SQLITE_READONLY: "is read-only: make the file and its folder writable",
    sqlite3.SQLITE_PERM: "is read-only: make the file and its folder writable",
    sqlite3.SQLITE_NOTADB: "is not a database: choose another file for the journal",
}


@frozen
class Database:
    """An open journal file."""

    writer: sqlite3.Connection
    """Used by the loop or by the store's thread, never by both at once."""
    reader: sqlite3.Connection
    """Used by the loop only, one statement at a time, so that it never holds a snapshot."""
    path: Path
    epoch: str
    busy_timeout: float
    """Seconds to wait for other processes' locks."""

    def close(self) -> None:
        """Let go of the file; the last one to do so empties the write-ahead log into it."""
        self.reader.close()
        leave(self.writer, self.busy_timeout)
        self.writer.close()


def open_database(
    path: Path,
    *,
    busy_timeout: float,
    new_id: NewId,
    pause: Callable[[float], None],
    refuse_network: bool,
    mounts: Path = MOUNT_TABLE,
    boot: str = "",
    restored: bool = False,
) -> Database:
    """Open the journal, creating it where there is none. Blocks: call it in a thread.

    Args:
        path: Absolute.
        busy_timeout: Seconds to wait for other processes' locks.
        new_id: Gives the epoch of a new journal.
        pause: Sleeps that many seconds.
        refuse_network: Whether a network file system is an error.
        mounts: Table that tells what lies where.
        boot: Name of the time since the machine was started; empty: not known.
        restored: Whether the file is a backup: it gets a new epoch.

    Raises:
        ConfigurationError: The file cannot be a journal; it was not touched.
        StoreTooNew: A newer release wrote it.
        StoreUnavailable: It is locked, or its disk fails.
    """
    kind = network_filesystem(path.resolve(), read_mounts(mounts)) if refuse_network else None
    if kind is not None:
        raise ConfigurationError(
            f"{path.name} lies on a network file system ({kind}), where SQLite loses data: "
            "choose a local folder, or allow it with allow_network=True",
            filesystem=kind,
        )
    try:
        return _open(path, busy_timeout, new_id, pause, boot, restored=restored)
    except sqlite3.Error as error:
        raise opening_failed(error, path, busy_timeout) from error


def opening_failed(error: sqlite3.Error, path: Path, busy_timeout: float) -> ZephyrusError:
    """Return the error for whoever opens a journal, after SQLite's."""
    problem = _OUR_FAULT.get(result_code(error))
    if problem is not None:
        return ConfigurationError(f"{path.name} {problem}", file=path.name)
    return locked_out(busy_timeout) if is_busy(error) else unavailable(error)


def _open(
    path: Path,
    busy_timeout: float,
    new_id: NewId,
    pause: Callable[[float], None],
    boot: str,
    *,
    restored: bool,
) -> Database:
    with ExitStack() as undo:
        writer = connect(path, busy_timeout)
        undo.callback(writer.close)
        _refuse_foreign(writer, path)
        _use_wal(writer, path, busy_timeout, pause)
        _set_up_writer(writer)
        writer.execute(f"PRAGMA busy_timeout = {round(busy_timeout * 1000)}")
        epoch = _ensure_schema(writer, path, new_id, boot, restored=restored)
        reader = connect(path, busy_timeout)
        undo.callback(reader.close)
        reader.execute("PRAGMA query_only = ON")
        # Its files are opened by the first query: now, while waiting for a lock does no harm.
        reader.execute("SELECT count(*) FROM zx_meta").fetchone()
        for connection in (writer, reader):
            connection.execute("PRAGMA busy_timeout = 0")
        undo.pop_all()
    return Database(writer, reader, path, epoch, busy_timeout)


def _refuse_foreign(connection: sqlite3.Connection, path: Path) -> None:
    with rolled_back_on_error(connection):
        connection.execute("BEGIN")
        is_ours(connection, path)
        connection.execute("ROLLBACK")


def is_ours(connection: sqlite3.Connection, path: Path) -> bool:
    """Return whether the file holds a journal; False: it is empty. Within a transaction."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != APPLICATION_ID:
        if application or version or tables:
            raise ConfigurationError(
                f"{path.name} is a database of another program: choose another file for the "
                "journal",
                file=path.name,
            )
        return False
    if version > SCHEMA_VERSION:
        raise StoreTooNew(
            f"{path.name} has schema {version}, this release knows {SCHEMA_VERSION}: "
            "upgrade zephyrus-exec, or choose another file",
            found=version,
            supported=SCHEMA_VERSION,
        )
    return True


def _use_wal(
    connection: sqlite3.Connection,
    path: Path,
    busy_timeout: float,
    pause: Callable[[float], None],
) -> None:
    """Switch the file to write-ahead logging, for good.

    SQLite does not always wait for a second process that switches at the same moment, so we do.
    """
    step = 0.01
    connection.execute("PRAGMA busy_timeout = 0")
    for _ in range(int(busy_timeout / step)):
        try:
            return _switch(connection, path)
        except sqlite3.OperationalError as error:
            if not is_busy(error):
                raise
            pause(step)
    return _switch(connection, path)


def _switch(connection: sqlite3.Connection, path: Path) -> None:
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise ConfigurationError(
            f"{path.name} cannot use write-ahead logging (its mode stays {mode}): choose a file "
            "in a local folder",
            file=path.name,
        )


def _set_up_writer(connection: sqlite3.Connection) -> None:
    for setting in (
        "synchronous = NORMAL",
        "fullfsync = ON",
        "wal_autocheckpoint = 0",
        f"journal_size_limit = {WAL_BYTES_KEPT}",
        "cache_size = -16384",
        "temp_store = MEMORY",
    ):
        connection.execute(f"PRAGMA {setting}")


def _ensure_schema(
    connection: sqlite3.Connection, path: Path, new_id: NewId, boot: str, *, restored: bool
) -> str:
    connection.execute("PRAGMA synchronous = FULL")
    with rolled_back_on_error(connection):
        connection.execute("BEGIN IMMEDIATE")
        if not is_ours(connection, path):
            _create(connection, new_id())
        epoch = enter(connection, boot, new_id)
        if restored:
            epoch = begin_anew(connection, new_id)
        connection.execute("COMMIT")
    connection.execute("PRAGMA synchronous = NORMAL")
    return epoch


def _create(connection: sqlite3.Connection, epoch: str) -> None:
    for statement in TABLES:
        connection.execute(statement)
    connection.execute("INSERT INTO zx_meta (name, value) VALUES ('epoch', ?)", (epoch,))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
