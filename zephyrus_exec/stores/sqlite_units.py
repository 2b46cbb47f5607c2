"""Carrying out commits in SQLite: many units in one transaction, each whole or not at all."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from functools import cache
from typing import Final, TypeAlias

from attrs import define, frozen

from ..errors import StoreConflict, StoreError
from ..interfaces.store import Append, Delete, Expect, Forget, Keep, NewEvent, Put, Write
from .commits import record_conflict, stream_conflict
from .sqlite_connection import rolled_back_on_error
from .sqlite_errors import UNSTORABLE, Locked, commit_failed, is_busy, unavailable, unstorable

Outcome: TypeAlias = int | StoreError
"""What became of a unit: the position of its last event, or why nothing of it was written."""

_HEAD: Final = "SELECT coalesce(max(seq), 0) FROM zx_event WHERE stream = ?"
_APPEND_ONE: Final = """
    INSERT INTO zx_event (stream, seq, at, kind, body, schema)
    SELECT ?1, ?2, ?3, ?4, ?5, ?6
    WHERE (SELECT coalesce(max(seq), 0) FROM zx_event WHERE stream = ?1) = ?2 - 1"""
_APPEND: Final = "INSERT INTO zx_event (stream, seq, at, kind, body, schema) VALUES "
_ROWS: Final = 32
"""Events in one statement; six values each stay far below what SQLite allows."""
_FORGET: Final = "DELETE FROM zx_event WHERE stream = ? AND seq > ?"
_VERSION: Final = "SELECT version FROM zx_record WHERE kind = ? AND key = ?"
_INSERT: Final = """
    INSERT INTO zx_record (kind, key, version, body, grp, due) VALUES (?, ?, 1, ?, ?, ?)
    ON CONFLICT (kind, key) DO NOTHING"""
_UPDATE: Final = """
    UPDATE zx_record SET version = version + 1, body = ?, grp = ?, due = ?
    WHERE kind = ? AND key = ? AND version = ?"""
_DELETE: Final = "DELETE FROM zx_record WHERE kind = ? AND key = ? AND version = ?"
_PROBE: Final = "INSERT INTO zx_meta (name, value) VALUES ('probe', zeroblob(8192))"
_UNPROBE: Final = "DELETE FROM zx_meta WHERE name = 'probe'"


@frozen
class Probe:
    """A write that leaves nothing behind, to prove that writing works."""


@define(eq=False)
class Unit:
    """One commit on its way."""

    writes: Sequence[Write | Probe]
    expect: Sequence[Expect]
    durable: bool
    done: asyncio.Future[Outcome]
    """Resolved with the outcome; cancelled where nobody waits for it any more."""


class _Unfinished(Exception):
    """A unit failed after part of it had been written."""


def run(connection: sqlite3.Connection, units: Sequence[Unit]) -> list[Outcome]:
    """Commit every unit whose conditions hold, in order, in one transaction.

    Savepoints are taken only when a unit fails halfway, which is rare: the transaction is then
    rolled back and run again with a savepoint for each unit.

    Returns:
        The outcome of each unit.

    Raises:
        Locked: Another connection holds the write lock; nothing was written.
        StoreUnavailable: It failed; nothing was written.
        CommitUnknown: It failed while committing.
    """
    try:
        return _transact(connection, units, _apply_bare)
    except _Unfinished:
        return _transact(connection, units, _apply_guarded)


def _transact(
    connection: sqlite3.Connection,
    units: Sequence[Unit],
    apply: Callable[[sqlite3.Connection, Unit], Outcome],
) -> list[Outcome]:
    with rolled_back_on_error(connection):
        try:
            connection.execute("BEGIN IMMEDIATE")
            outcomes = [apply(connection, unit) for unit in units]
        except sqlite3.Error as error:
            if is_busy(error):
                raise Locked from error
            raise unavailable(error) from error
        try:
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise commit_failed(error) from error
    return outcomes


def _apply_bare(connection: sqlite3.Connection, unit: Unit) -> Outcome:
    changes = connection.total_changes
    outcome = _apply(connection, unit)
    if not isinstance(outcome, int) and connection.total_changes != changes:
        raise _Unfinished
    return outcome


def _apply_guarded(connection: sqlite3.Connection, unit: Unit) -> Outcome:
    connection.execute("SAVEPOINT unit")
    outcome = _apply(connection, unit)
    if not isinstance(outcome, int):
        connection.execute("ROLLBACK TO unit")
    connection.execute("RELEASE unit")
    return outcome


def _apply(connection: sqlite3.Connection, unit: Unit) -> Outcome:
    try:
        for condition in unit.expect:
            _require(connection, condition)
        position = 0
        for write in unit.writes:
            position = _write(connection, write) or position
    except StoreConflict as conflict:
        return conflict
    except UNSTORABLE as error:
        return unstorable(error)
    return position


def _write(connection: sqlite3.Connection, write: Write | Probe) -> int:
    if isinstance(write, Append):
        return _append(connection, write)
    if isinstance(write, Put):
        _put(connection, write)
    elif isinstance(write, Forget):
        connection.execute(_FORGET, (write.stream, write.after))
    elif isinstance(write, Keep):
        connection.execute(_INSERT, (write.kind, write.key, write.body, "", None))
    elif isinstance(write, Delete):
        _delete(connection, write)
    else:
        connection.execute(_PROBE)
        connection.execute(_UNPROBE)
    return 0


def _append(connection: sqlite3.Connection, write: Append) -> int:
    stream, seq, events = write.stream, write.seq, write.events
    if len(events) == 1:
        return _append_one(connection, stream, seq, events[0])
    if connection.execute(_HEAD, (stream,)).fetchone()[0] != seq - 1:
        raise stream_conflict(stream, seq)
    position = 0
    for start in range(0, len(events), _ROWS):
        some = events[start : start + _ROWS]
        values: list[str | float] = []
        for new in some:
            values += (stream, seq, new.at, new.kind, new.body, new.schema)
            seq += 1
        cursor = connection.execute(_append_rows(len(some)), values)
        position = cursor.lastrowid or position
    return position


def _append_one(connection: sqlite3.Connection, stream: str, seq: int, new: NewEvent) -> int:
    row = (stream, seq, new.at, new.kind, new.body, new.schema)
    cursor = connection.execute(_APPEND_ONE, row)
    if cursor.rowcount != 1:
        raise stream_conflict(stream, seq)
    return cursor.lastrowid or 0


@cache
def _append_rows(count: int) -> str:
    """Return the statement that appends so many events, which costs half of one for each."""
    return _APPEND + ", ".join(["(?, ?, ?, ?, ?, ?)"] * count)


def _put(connection: sqlite3.Connection, write: Put) -> None:
    kind, key, version = write.kind, write.key, write.version
    if version == 0:
        row = (kind, key, write.body, write.group, write.due)
        cursor = connection.execute(_INSERT, row)
    else:
        change = (write.body, write.group, write.due, kind, key, version)
        cursor = connection.execute(_UPDATE, change)
    if cursor.rowcount != 1:
        raise record_conflict(kind, key, version)


def _delete(connection: sqlite3.Connection, write: Delete) -> None:
    if write.version == 0:
        _require(connection, write)
    elif connection.execute(_DELETE, (write.kind, write.key, write.version)).rowcount != 1:
        raise record_conflict(write.kind, write.key, write.version)


def _require(connection: sqlite3.Connection, condition: Expect | Delete) -> None:
    row = connection.execute(_VERSION, (condition.kind, condition.key)).fetchone()
    if (row[0] if row else 0) != condition.version:
        raise record_conflict(condition.kind, condition.key, condition.version)
