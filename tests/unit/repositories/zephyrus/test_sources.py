"""Files, folders and databases are read, and never written."""

from __future__ import annotations

import json
import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.zephyrus import ROWS, make_database
from zephyrus_exec.errors import ConfigurationError
from zephyrus_exec.repositories.zephyrus import Tables, Verdict, read_source, read_tables, sources


def test_a_folder_of_tables_a_file_and_a_database_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for table, rows in ROWS.items():
        (tmp_path / "folder" / f"{table}.json").write_text(json.dumps(rows))
    (tmp_path / "file.json").write_text("\ufeff" + json.dumps(ROWS), encoding="utf-8")
    make_database(tmp_path / "file.db")
    readings = [
        read_tables(read_source(tmp_path / name), chain_id=1)
        for name in ("folder", "file.json", "file.db")
    ]
    assert readings[0] == readings[1]
    assert [one.agents for one in readings] == [readings[0].agents] * 3
    assert [one.contracts for one in readings] == [readings[0].contracts] * 3


def test_a_folder_may_hold_documents_of_one_agent_each(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.json").write_text(json.dumps({"agentId": name, "functions": []}))
    (tmp_path / "notes.txt").write_text("not read")
    assert [one.id for one in read_tables(read_source(tmp_path)).agents] == ["a", "b"]


def test_a_table_that_is_missing_has_no_rows(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection, connection:
        connection.execute("CREATE TABLE AGENTS (agent_id, status)")
        connection.execute("INSERT INTO agents VALUES (7, 'active')")
    assert [one.id for one in read_tables(read_source(tmp_path / "a.db")).agents] == ["7"]


def test_a_row_that_is_no_utf8_is_refused_and_the_others_are_not(tmp_path: Path) -> None:
    path = make_database(tmp_path / "a.db", {"agents": [{"agent_id": "a", "name": "a"}]})
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "INSERT INTO agents (agent_id, name, gas_limit) VALUES ('b', 'b', CAST(x'80' AS TEXT))"
        )
    lines = read_tables(read_source(path)).report.lines
    assert [line.verdict for line in lines] == [Verdict.TAKEN, Verdict.REFUSED]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no JSON"),
        (b"\xff", "is no JSON"),
        (b"[NaN]", "NaN is no number of JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[]", "holds no rows"),
        (b"{}", "it holds no rows"),
        (b"SQLite format 3\0 and nothing more", "cannot be read"),
    ],
)
def test_what_holds_nothing_of_the_kind_is_refused_by_name(
    tmp_path: Path, content: bytes, said: str
) -> None:
    (tmp_path / "it.json").write_bytes(content)
    with pytest.raises(ConfigurationError, match=said) as caught:
        read_source(tmp_path / "it.json")
    assert "it.json" in caught.value.message
    assert str(tmp_path) not in caught.value.message


def test_a_file_that_cannot_be_read_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"gone\.db cannot be read"):
        read_source(tmp_path / "gone.db")
    (tmp_path / "it.json").mkdir()
    with pytest.raises(ConfigurationError, match=r"it\.json cannot be read"):
        read_source(tmp_path)


def test_reading_a_database_with_a_log_leaves_nothing_beside_it(tmp_path: Path) -> None:
    rows = {"agents": [{"agent_id": "a", "name": ""}]}
    path = make_database(tmp_path / "a.db", rows, journal="wal")
    assert [one.id for one in read_tables(read_source(path)).agents] == ["a"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_database_somebody_has_open_is_read_with_what_is_in_its_log(tmp_path: Path) -> None:
    path = make_database(tmp_path / "a.db", {}, journal="wal")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO agents (agent_id, name) VALUES ('a', 'a')")
        connection.commit()
        assert [one.id for one in read_tables(read_source(path)).agents] == ["a"]


def test_a_database_that_somebody_opens_meanwhile_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_database(tmp_path / "a.db", {}, journal="wal")
    rows_in = sources._rows_in
    with ExitStack() as stack:

        def rows_while_somebody_writes(file: Path, how: str) -> Tables:
            monkeypatch.setattr(sources, "_rows_in", rows_in)
            tables = rows_in(file, how)
            connection = stack.enter_context(closing(sqlite3.connect(path)))
            connection.execute("INSERT INTO agents (agent_id, name) VALUES ('a', 'a')")
            connection.commit()
            return tables

        monkeypatch.setattr(sources, "_rows_in", rows_while_somebody_writes)
        assert [one.id for one in read_tables(read_source(path)).agents] == ["a"]


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "it.json").write_text('{"agents": []}')
    with pytest.raises(ConfigurationError, match="larger"):
        read_source(tmp_path / "it.json", max_file_bytes=10)
