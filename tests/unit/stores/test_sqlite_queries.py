"""Every query of the journal is answered from an index."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from zephyrus_exec.stores import sqlite_queries as queries
from zephyrus_exec.stores import sqlite_units
from zephyrus_exec.stores.sqlite_schema import open_database


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    database = open_database(
        tmp_path / "journal.db",
        busy_timeout=0,
        new_id=lambda: "epoch",
        pause=lambda _: None,
        refuse_network=True,
    )
    yield database.reader
    database.close()


def plan(reader: sqlite3.Connection, query: queries.Query) -> str:
    statement, values = query
    return "; ".join(row[3] for row in reader.execute(f"EXPLAIN QUERY PLAN {statement}", values))


def test_events_are_found_by_place_and_position(reader: sqlite3.Connection) -> None:
    assert "USING INDEX zx_event_place (stream=? AND seq>?)" in plan(
        reader, queries.read("s", 5, 10)
    )
    assert "USING INTEGER PRIMARY KEY (rowid>?)" in plan(reader, queries.tail(5, 10))
    assert "USING INDEX zx_record_key (kind=? AND key=?)" in plan(reader, queries.get("k", "a"))


def test_what_is_written_is_found_by_an_index(reader: sqlite3.Connection) -> None:
    """Whatever is stored: of statements that change something, too, none walks a table."""
    found = [
        plan(reader, (statement, ("x",) * statement.count("?")))
        for statement in vars(sqlite_units).values()
        if isinstance(statement, str) and statement.lstrip().startswith(("DELETE", "UPDATE", "SEL"))
    ]
    assert len(found) >= 5
    assert [one for one in found if "SCAN" in one or "USING" not in one] == []


@pytest.mark.parametrize(
    ("group", "due_before", "after", "newest_first", "skip"),
    list(product([None, "", "open"], [None, 5.0], [0, 7], [False, True], [0, 3])),
)
def test_scans_walk_an_index_and_sort_only_what_is_due(
    reader: sqlite3.Connection,
    group: str | None,
    due_before: float | None,
    after: int,
    newest_first: bool,
    skip: int,
) -> None:
    query = queries.scan(
        "k",
        group=group,
        due_before=due_before,
        after=after,
        newest_first=newest_first,
        skip=skip,
        limit=10,
    )
    found = plan(reader, query)
    if due_before is not None:
        assert "USING INDEX zx_record_due (kind=? AND due<?)" in found
        return
    index = "zx_record_group (kind=? AND grp=?" if group else "zx_record_kind (kind=?"
    assert f"USING INDEX {index}" in found
    assert "TEMP B-TREE" not in found
