"""A journal that may have lost events says so by a new epoch."""

from __future__ import annotations

import logging
from itertools import count
from pathlib import Path

import pytest

from zephyrus_exec.stores.sqlite import SqliteStore
from zephyrus_exec.stores.sqlite_incarnation import leave, read_boot_id
from zephyrus_exec.stores.sqlite_schema import Database

from .test_sqlite_schema import open_database, plain


class Machine:
    """A machine with one journal; it may be stopped in good order, or by a power cut."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "x.db"
        self.boots = count(1)
        self.boot = f"boot{next(self.boots)}"
        epochs = count(1)
        self.new_id = lambda: f"epoch{next(epochs)}"
        self.lost: list[Database] = []

    def open(self, boot: str | None = None) -> Database:
        return open_database(
            self.file, new_id=self.new_id, boot=self.boot if boot is None else boot
        )

    def kill(self, database: Database) -> None:
        """End a process without a word."""
        database.reader.close()
        database.writer.close()

    def restart(self) -> None:
        self.boot = f"boot{next(self.boots)}"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_journal_that_was_closed_keeps_its_epoch_over_a_restart(machine: Machine) -> None:
    machine.open().close()
    machine.restart()
    database = machine.open()
    database.close()
    assert database.epoch == "epoch1"


def test_a_process_that_is_killed_costs_no_event_and_no_epoch(machine: Machine) -> None:
    machine.kill(machine.open())
    database = machine.open()
    database.close()
    assert database.epoch == "epoch1"


def test_a_machine_that_stops_with_the_journal_open_costs_the_epoch(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    machine.kill(machine.open())
    machine.restart()
    first, second = machine.open(), machine.open()
    assert first.epoch == second.epoch == "epoch2"
    assert "new epoch" in caplog.text
    first.close()
    second.close()
    machine.restart()
    database = machine.open()
    database.close()
    assert database.epoch == "epoch2"


def test_one_of_two_that_was_not_closed_is_enough(machine: Machine) -> None:
    left, closed = machine.open(), machine.open()
    closed.close()
    machine.kill(left)
    machine.restart()
    database = machine.open()
    database.close()
    assert database.epoch == "epoch2"


def test_where_the_system_names_no_boot_no_loss_is_suspected(machine: Machine) -> None:
    machine.kill(machine.open())
    for boot in ("", ""):
        database = machine.open(boot)
        machine.kill(database)
        assert database.epoch == "epoch1"
    with plain(machine.file) as connection:
        rows = dict(connection.execute("SELECT name, value FROM zx_meta").fetchall())
    assert rows["boot"] == "boot1"


def test_a_journal_of_an_older_release_is_marked_from_now_on(machine: Machine) -> None:
    machine.open().close()
    with plain(machine.file) as connection:
        connection.execute("DELETE FROM zx_meta WHERE name <> 'epoch'")
    machine.kill(machine.open())
    machine.restart()
    assert machine.open().epoch == "epoch2"


def test_the_boot_is_named_by_the_system_or_by_nothing(tmp_path: Path) -> None:
    (tmp_path / "boot_id").write_text("a-b-c\n")
    assert read_boot_id(tmp_path / "boot_id") == "a-b-c"
    assert read_boot_id(tmp_path / "missing") == ""


def test_a_close_that_cannot_be_marked_is_told(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    database = machine.open()
    machine.kill(database)
    with caplog.at_level(logging.WARNING):
        leave(database.writer, 0.0)
    assert "could not be closed in good order" in caplog.text


async def test_a_restored_backup_gets_a_new_epoch_for_good(tmp_path: Path) -> None:
    epochs = count(1)

    async def epoch(*, restored: bool = False) -> str:
        store = await SqliteStore.open(
            tmp_path / "x.db",
            new_id=lambda: f"epoch{next(epochs)}",
            boot_id=lambda: "boot",
            restored=restored,
        )
        await store.aclose()
        return store.epoch

    assert [await epoch(), await epoch(restored=True), await epoch()] == [
        *("epoch1", "epoch2", "epoch2")
    ]
