"""Backups and snapshots of a journal's file, sound and damaged."""

from __future__ import annotations

import errno
import os
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from zephyrus_exec import SqliteStore
from zephyrus_exec.errors import ConfigurationError, StoreTooNew, StoreUnavailable
from zephyrus_exec.interfaces.store import Append, NewEvent, Put
from zephyrus_exec.stores.sqlite_backup import back_up
from zephyrus_exec.stores.sqlite_snapshot import snapshot


async def write(file: Path, *, events: int = 3) -> SqliteStore:
    """Return an open journal with that many events and one record."""
    store = await SqliteStore.open(file)
    new = tuple(NewEvent(1.0, "progress", f'{{"n":{n},"x":"{"y" * 50}"}}') for n in range(events))
    await store.commit([Append("s", 1, new), Put("k", "r", 0, "{}", group="g", due=2.0)])
    return store


@pytest.fixture
async def journal(tmp_path: Path) -> Path:
    """Return a closed journal of many pages."""
    file = tmp_path / "journal.db"
    await (await write(file, events=2000)).aclose()
    return file


def left_in(folder: Path) -> set[str]:
    return {one.name for one in folder.iterdir() if not one.name.startswith("journal.db")}


# --- snapshots


async def test_a_snapshot_sees_everything_and_nothing_that_comes_later(tmp_path: Path) -> None:
    store = await write(tmp_path / "journal.db")
    with snapshot(tmp_path / "journal.db") as found:
        before = list(found.events())
        await store.commit([Append("s", 4, (NewEvent(2.0, "later", "{}"),))])
        assert list(found.events()) == before == await store.read("s", limit=3)
        assert list(found.records()) == await store.scan("k")
        assert list(found.problems()) == []
    await store.aclose()


def test_a_snapshot_changes_nothing_of_the_file(journal: Path) -> None:
    before = journal.read_bytes()
    with snapshot(journal) as found:
        assert len(list(found.events())) == 2000
    assert journal.read_bytes() == before


def test_what_is_no_journal_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    with (
        pytest.raises(ConfigurationError, match="holds no journal"),
        snapshot(tmp_path / "empty.db"),
    ):
        pass
    with (
        pytest.raises(ConfigurationError, match="cannot be opened"),
        snapshot(tmp_path / "missing.db"),
    ):
        pass
    assert not (tmp_path / "missing.db").exists()


def sql(statement: str) -> Callable[[Path], None]:
    def change(file: Path) -> None:
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA writable_schema = ON")
            connection.execute(statement)
            connection.commit()

    return change


def scribble(place: float) -> Callable[[Path], None]:
    def change(file: Path) -> None:
        with open(file, "r+b") as opened:
            opened.seek(int(file.stat().st_size * place) // 4096 * 4096)
            opened.write(os.urandom(4096))

    return change


def truncate(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (sql("DROP INDEX zx_event_place"), "zx_event_place is missing"),
        (sql("DROP INDEX zx_record_due"), "zx_record_due is missing"),
        (
            sql(
                "UPDATE sqlite_master SET sql = replace(sql, '(stream, seq)', '(seq, stream)') "
                "WHERE name = 'zx_event_place'"
            ),
            "missing from index zx_event_place",
        ),
        (sql("ALTER TABLE zx_record ADD COLUMN mine"), "zx_record is missing, or not as this"),
    ],
)
def test_a_schema_that_is_not_ours_is_told(
    journal: Path, damage: Callable[[Path], None], told: str
) -> None:
    damage(journal)
    with snapshot(journal) as found:
        assert any(told in problem for problem in found.problems())


def _problems(file: Path) -> list[str]:
    try:
        with snapshot(file) as found:
            problems = list(found.problems())
            for each in (*found.events(), *found.records()):
                assert each is not None
            return problems
    except StoreUnavailable as error:
        return [error.message]


@pytest.mark.parametrize("damage", [scribble(0.0), scribble(0.3), scribble(0.9), truncate])
def test_damaged_pages_are_told_and_never_a_traceback(
    journal: Path, damage: Callable[[Path], None]
) -> None:
    damage(journal)
    problems = _problems(journal)
    assert problems
    assert "Traceback" not in str(problems)


# --- backups


async def test_a_backup_is_one_whole_file_with_what_was_there(tmp_path: Path) -> None:
    store = await write(tmp_path / "journal.db")
    size = back_up(tmp_path / "journal.db", tmp_path / "copy.db")
    await store.commit([Append("s", 4, (NewEvent(2.0, "later", "{}"),))])
    await store.aclose()
    assert left_in(tmp_path) == {"copy.db"}
    assert (tmp_path / "copy.db").stat().st_size == size
    copy = await SqliteStore.open(tmp_path / "copy.db")
    assert [event.seq for event in await copy.read("s")] == [1, 2, 3]
    assert copy.epoch != store.epoch
    await copy.aclose()


def test_a_backup_replaces_no_file(journal: Path, tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="never replaces one"):
        back_up(journal, tmp_path / "copy.db")
    assert (tmp_path / "copy.db").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_comes_meanwhile_is_not_replaced_either(
    journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    real = os.link

    def link(part: Path, target: Path) -> None:
        Path(target).write_text("mine", encoding="utf-8")
        if not links:
            raise OSError(errno.EPERM, "no links here")
        real(part, target)

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(ConfigurationError, match="never replaces one"):
        back_up(journal, tmp_path / "copy.db")
    assert (tmp_path / "copy.db").read_text(encoding="utf-8") == "mine"
    assert left_in(tmp_path) == {"copy.db"}


def test_a_file_system_without_links_will_do(
    journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(part: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", link)
    assert back_up(journal, tmp_path / "copy.db") == (tmp_path / "copy.db").stat().st_size
    assert left_in(tmp_path) == {"copy.db"}


def test_a_folder_that_is_not_there_is_told(journal: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no folder"):
        back_up(journal, tmp_path / "nowhere" / "copy.db")


@pytest.mark.parametrize("damage", [scribble(0.3), truncate])
def test_a_damaged_journal_gives_no_backup(
    journal: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    damage(journal)
    with pytest.raises(StoreUnavailable):
        back_up(journal, tmp_path / "copy.db")
    assert left_in(tmp_path) == set()


@pytest.mark.skipif(sys.platform != "linux", reason="needs a folder nobody can write to")
def test_a_folder_that_takes_no_file_is_told(journal: Path) -> None:
    with pytest.raises(StoreUnavailable, match="folder exist and are writable"):
        back_up(journal, Path("/proc/self/copy.db"))


def test_a_disk_that_fails_leaves_nothing(
    journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(StoreUnavailable, match=r"copy\.db cannot be written: Input/output error"):
        back_up(journal, tmp_path / "copy.db")
    assert left_in(tmp_path) == set()


def test_a_newer_release_s_journal_is_left_to_it(journal: Path, tmp_path: Path) -> None:
    sql("PRAGMA user_version = 99")(journal)
    with pytest.raises(StoreTooNew):
        back_up(journal, tmp_path / "copy.db")
    assert left_in(tmp_path) == set()
