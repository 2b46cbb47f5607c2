"""What may be opened as a journal, and what must be refused untouched."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from zephyrus_exec.errors import ConfigurationError, StoreTooNew, StoreUnavailable
from zephyrus_exec.stores import sqlite_schema
from zephyrus_exec.stores.sqlite_schema import APPLICATION_ID, SCHEMA_VERSION, Database

from .faults import sqlite_error


def open_database(path: Path, **changes: Any) -> Database:
    settings: dict[str, Any] = {
        "busy_timeout": 0.05,
        "new_id": lambda: "epoch",
        "pause": lambda _: None,
        "refuse_network": True,
    }
    return sqlite_schema.open_database(path, **settings | changes)


@contextmanager
def plain(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def test_a_new_journal_says_whose_it_is(tmp_path: Path) -> None:
    database = open_database(tmp_path / "x.db")
    database.close()
    assert database.epoch == "epoch"
    with plain(tmp_path / "x.db") as connection:
        assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_an_old_journal_keeps_its_epoch(tmp_path: Path) -> None:
    open_database(tmp_path / "x.db").close()
    database = open_database(tmp_path / "x.db", new_id=lambda: "another")
    database.close()
    assert database.epoch == "epoch"


def test_closing_the_last_one_leaves_one_file(tmp_path: Path) -> None:
    open_database(tmp_path / "x.db").close()
    assert [path.name for path in tmp_path.iterdir()] == ["x.db"]


def test_an_empty_file_becomes_a_journal(tmp_path: Path) -> None:
    (tmp_path / "x.db").touch()
    open_database(tmp_path / "x.db").close()


def test_a_journal_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    open_database(tmp_path / "x.db").close()
    with plain(tmp_path / "x.db") as connection:
        connection.execute("PRAGMA user_version = 7")
    with pytest.raises(StoreTooNew, match="schema 7") as caught:
        open_database(tmp_path / "x.db")
    assert caught.value.details == {"found": 7, "supported": SCHEMA_VERSION}


@pytest.mark.parametrize(
    "statement",
    ["CREATE TABLE notes (a)", "PRAGMA user_version = 3", "PRAGMA application_id = 99"],
)
def test_a_database_of_another_program_is_refused_untouched(tmp_path: Path, statement: str) -> None:
    with plain(tmp_path / "x.db") as connection:
        connection.execute(statement)
    before = (tmp_path / "x.db").read_bytes()
    with pytest.raises(ConfigurationError, match="another program"):
        open_database(tmp_path / "x.db")
    assert (tmp_path / "x.db").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["x.db"]


def test_a_file_that_is_no_database_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("dear diary\n" * 500, encoding="utf-8")
    with pytest.raises(ConfigurationError, match="not a database"):
        open_database(tmp_path / "x.db")
    assert (tmp_path / "x.db").read_text(encoding="utf-8") == "dear diary\n" * 500


def test_a_missing_folder_is_named_with_a_remedy_but_without_its_path(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="create its folder") as caught:
        open_database(tmp_path / "none" / "x.db")
    assert str(tmp_path) not in caught.value.message
    with pytest.raises(ConfigurationError):
        open_database(tmp_path)


def test_a_network_file_system_is_refused_unless_allowed(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text("1 0 0:1 / / rw - nfs4 host:/ rw\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="network file system") as caught:
        open_database(tmp_path / "x.db", mounts=mounts)
    assert caught.value.details == {"filesystem": "nfs4"}
    assert not (tmp_path / "x.db").exists()
    open_database(tmp_path / "x.db", mounts=mounts, refuse_network=False).close()


def test_a_locked_new_file_is_waited_for_and_then_unavailable(tmp_path: Path) -> None:
    with plain(tmp_path / "x.db") as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreUnavailable, match="locked"):
            open_database(tmp_path / "x.db")


def test_a_switch_to_write_ahead_logging_elsewhere_is_waited_for(tmp_path: Path) -> None:
    """Another process holds the file when the switch is tried, and lets go during a pause."""
    with plain(tmp_path / "x.db") as other:
        other.execute("BEGIN IMMEDIATE")

        def pause(_: float) -> None:
            if other.in_transaction:
                other.execute("ROLLBACK")

        open_database(tmp_path / "x.db", pause=pause).close()


def test_a_switch_that_never_succeeds_is_unavailable(tmp_path: Path) -> None:
    pauses: list[float] = []
    with plain(tmp_path / "x.db") as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked"):
            open_database(tmp_path / "x.db", pause=pauses.append)
    assert pauses


def test_a_file_without_write_ahead_logging_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="mode stays memory"):
        open_database(Path(":memory:"))


def test_a_failing_disk_is_unavailable(tmp_path: Path) -> None:
    def no_id() -> str:
        raise sqlite_error(sqlite3.SQLITE_IOERR, "disk I/O error")

    with pytest.raises(StoreUnavailable, match="look at its disk"):
        open_database(tmp_path / "x.db", new_id=no_id)
    open_database(tmp_path / "x.db").close()
