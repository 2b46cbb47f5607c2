"""What SQLite's result codes mean to those who use the journal."""

from __future__ import annotations

import sqlite3
from typing import Final

from ..errors import CommitUnknown, StoreError, StoreUnavailable

_REMEDIES: Final = {
    sqlite3.SQLITE_BUSY: "another process holds its lock: try again, or raise busy_timeout",
    sqlite3.SQLITE_PROTOCOL: "another process holds its lock: try again, or raise busy_timeout",
    sqlite3.SQLITE_FULL: "free space on its disk",
    sqlite3.SQLITE_READONLY: "make the file and its folder writable",
    sqlite3.SQLITE_PERM: "make the file and its folder writable",
    sqlite3.SQLITE_CANTOPEN: "make sure that the file and its folder exist and are writable",
    sqlite3.SQLITE_IOERR: "look at its disk",
    sqlite3.SQLITE_CORRUPT: "restore the file from a backup",
    sqlite3.SQLITE_NOTADB: "restore the file from a backup",
}

UNSTORABLE: Final = (
    UnicodeEncodeError,
    OverflowError,
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
)
"""Raised for what SQLite cannot hold: lone surrogates, integers over 64 bits, NaN, gigabytes."""


class Locked(Exception):
    """Another connection holds the write lock; nothing was done."""


def result_code(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code; 0 where Python raised the error by itself."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF


def is_busy(error: sqlite3.Error) -> bool:
    """Return whether another connection's lock is the cause, so that waiting may help."""
    return result_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_PROTOCOL)


def unavailable(error: sqlite3.Error) -> StoreUnavailable:
    """Return the error for callers of a store that cannot do its work now."""
    remedy = _REMEDIES.get(result_code(error), "see the log of the service")
    return StoreUnavailable(f"the journal is not available ({error}): {remedy}")


def is_damage(error: sqlite3.Error) -> bool:
    """Return whether the file is not what SQLite wrote."""
    return result_code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def locked_out(busy_timeout: float) -> StoreUnavailable:
    """Return the error for callers after the lock could not be had in time."""
    remedy = _REMEDIES[sqlite3.SQLITE_BUSY]
    return StoreUnavailable(f"the journal was locked for {busy_timeout:g} seconds: {remedy}")


def commit_failed(error: sqlite3.Error) -> StoreError:
    """Return what an error raised by COMMIT proves.

    A busy or full medium is told before the last page of a transaction is written, so SQLite has
    rolled it back. After any other error, a failed flush for example, the transaction may be whole
    on the medium although SQLite gave it up, and a recovery would bring it back.
    """
    if is_busy(error) or result_code(error) == sqlite3.SQLITE_FULL:
        return unavailable(error)
    return CommitUnknown(f"the journal failed while committing ({error}): read back what is there")


def unstorable(error: Exception) -> StoreError:
    """Return the error for a caller whose values SQLite cannot hold; nothing was written."""
    return StoreError(f"the journal cannot hold a value ({type(error).__name__}): change it")
