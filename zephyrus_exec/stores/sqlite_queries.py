"""Reading the journal: single statements, each over an index of its own."""

from __future__ import annotations

from typing import Final, TypeAlias

Query: TypeAlias = tuple[str, tuple[str | int | float, ...]]
"""A statement and its parameters."""

_EVENT: Final = "SELECT stream, seq, at, kind, body, schema, position FROM zx_event"
_RECORD: Final = "SELECT kind, key, version, body, grp, due, number FROM zx_record"

ALL_EVENTS: Final = f"{_EVENT} ORDER BY stream, seq"
ALL_RECORDS: Final = f"{_RECORD} ORDER BY number"


def read(stream: str, after: int, limit: int) -> Query:
    """Return the query for `ExecutionStore.read`."""
    where = "WHERE stream = ? AND seq > ? ORDER BY seq LIMIT ?"
    return f"{_EVENT} {where}", (stream, after, max(0, limit))


def tail(position: int, limit: int) -> Query:
    """Return the query for `ExecutionStore.tail`."""
    where = "WHERE position > ? ORDER BY position LIMIT ?"
    return f"{_EVENT} {where}", (position, max(0, limit))


def head(stream: str) -> Query:
    """Return the query for `ExecutionStore.head`."""
    return "SELECT coalesce(max(seq), 0) FROM zx_event WHERE stream = ?", (stream,)


def position() -> Query:
    """Return the query for `ExecutionStore.position`.

    SQLite remembers the greatest it ever gave, so that none is given twice.
    """
    return "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'zx_event'", ()


def get(kind: str, key: str) -> Query:
    """Return the query for `ExecutionStore.get`."""
    return f"{_RECORD} WHERE kind = ? AND key = ?", (kind, key)


def scan(
    kind: str,
    *,
    group: str | None,
    due_before: float | None,
    after: int,
    newest_first: bool,
    skip: int = 0,
    limit: int,
) -> Query:
    """Return the query for `ExecutionStore.scan`.

    `INDEXED BY` makes a statement that could not use its index an error instead of a slow one.
    Records come in the order of the index, except with `due_before`, where those due are sorted.
    """
    parts = [_RECORD, "INDEXED BY", _index(group, due_before), "WHERE kind = ?"]
    values: list[str | int | float] = [kind]
    if group is not None:
        parts.append("AND grp = ?" if due_before is not None or not group else _IN_GROUP)
        values.append(group)
    if due_before is not None:
        parts.append("AND due < ?")
        values.append(due_before)
    if after > 0:
        parts.append("AND number < ?" if newest_first else "AND number > ?")
        values.append(after)
    parts.append("ORDER BY number DESC LIMIT ?" if newest_first else "ORDER BY number LIMIT ?")
    values.append(max(0, limit))
    if skip > 0:
        parts.append("OFFSET ?")
        values.append(skip)
    return " ".join(parts), tuple(values)


_IN_GROUP: Final = "AND grp = ? AND grp <> ''"


def _index(group: str | None, due_before: float | None) -> str:
    if due_before is not None:
        return "zx_record_due"
    return "zx_record_group" if group else "zx_record_kind"
