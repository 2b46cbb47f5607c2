"""Real processes on one journal file: nothing lost, nothing doubled, nothing half."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from zephyrus_exec.stores.sqlite import SqliteStore

ROOT = Path(__file__).parents[2]
Worker = subprocess.Popen[str]


@contextmanager
def worker(*arguments: object) -> Iterator[Worker]:
    command = [sys.executable, "-m", "tests.integration.sqlite_worker", *map(str, arguments)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def line(process: Worker) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def start_together(*processes: Worker) -> None:
    for process in processes:
        assert line(process) == "ready"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()


@pytest.mark.parametrize("kind", ["plain", "durable"])
async def test_two_processes_that_count_together_lose_and_double_nothing(
    tmp_path: Path, kind: str
) -> None:
    """Each makes its share of progress, and the journal tells every increment once, in order."""
    path = tmp_path / "journal.db"
    with worker("count", path, 150, kind) as one, worker("count", path, 150, kind) as other:
        start_together(one, other)
        assert [line(one).isdigit(), line(other).isdigit()] == [True, True]
        assert [one.wait(30), other.wait(30)] == [0, 0]
    store = await SqliteStore.open(path)
    record = await store.get("counter", "shared")
    events = await store.read("log")
    await store.aclose()
    assert record is not None
    assert (record.version, record.body) == (300, "300")
    assert [event.body for event in events] == [f"{n}" for n in range(1, 301)]
    assert sorted(event.position for event in events) == [event.position for event in events]


@pytest.mark.parametrize("batches", [1, 7, 23])
async def test_a_writer_killed_in_the_middle_leaves_whole_units_only(
    tmp_path: Path, batches: int
) -> None:
    """And everything it had been told was committed."""
    path = tmp_path / "journal.db"
    with worker("write", path) as process:
        told = 0
        for _ in range(batches):
            told = int(line(process))
        process.kill()
        process.wait()
    store = await SqliteStore.open(path)
    records = await store.scan("k", limit=10_000)
    others = await store.scan("j", limit=10_000)
    assert len(records) >= told
    assert [record.key for record in records] == [record.key for record in others]
    assert len(await store.tail(0, limit=100_000)) == 3 * len(records)
    for record in records:
        assert [event.seq for event in await store.read(record.key)] == [1, 2, 3]
    await store.check()
    await store.aclose()


def test_processes_that_create_the_journal_at_once_agree_on_its_epoch(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with (
        worker("open", path) as one,
        worker("open", path) as two,
        worker("open", path) as three,
        worker("open", path) as four,
    ):
        processes = (one, two, three, four)
        start_together(*processes)
        epochs = {line(process) for process in processes}
        assert [process.wait(30) for process in processes] == [0] * 4
    assert len(epochs) == 1
    assert epochs != {""}
