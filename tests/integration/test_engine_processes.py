"""Engines in real processes on one journal file: what is asked of one holds for all."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.engine_worker import engine_on
from zephyrus_exec import Cursor, ExecutionEngine
from zephyrus_exec.engine.listing import list_executions
from zephyrus_exec.model import Event
from zephyrus_exec.stores.sqlite import SqliteStore

ROOT = Path(__file__).parents[2]
PATIENCE = 30.0


class Worker:
    """A process with an engine, which does what it is told."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def heard(self) -> Any:
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            return json.loads(await self.process.stdout.readline())

    def tell(self, command: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(command.encode() + b"\n")

    async def ask(self, command: str) -> Any:
        self.tell(command)
        return await self.heard()

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()


@asynccontextmanager
async def worker(journal: Path) -> AsyncIterator[Worker]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.integration.engine_worker",
        str(journal),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        running = Worker(process)
        assert await running.heard() == "ready"
        yield running
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@asynccontextmanager
async def engine(journal: Path) -> AsyncIterator[ExecutionEngine]:
    """An engine in this process."""
    store = await SqliteStore.open(journal)
    async with engine_on(store) as running:
        yield running
    await store.aclose()


async def follow(watching: ExecutionEngine, execution_id: str) -> list[Event]:
    """Return every event to the last, by a cursor."""
    grown = asyncio.Event()

    def ready(_cursor: Cursor) -> None:
        grown.set()

    cursor = await watching.open_cursor(execution_id, ready=ready)
    seen: list[Event] = []
    async with asyncio.timeout(PATIENCE):
        while not cursor.ended:
            grown.clear()
            events = await cursor.take(1)
            seen += events
            if not events and not cursor.ended:
                await grown.wait()
    return seen


async def test_one_key_a_hundred_times_at_once_in_two_processes_and_after_a_kill_is_one_execution(
    tmp_path: Path,
) -> None:
    journal = tmp_path / "journal.db"
    told: list[list[Any]] = []
    async with worker(journal) as one:
        async with worker(journal) as other:
            for process in (one, other):
                process.tell("once k 100")
            told += await one.heard() + await other.heard()
            other.tell("once k 100")
            await other.kill()
        async with worker(journal) as again:
            for process in (one, again):
                process.tell("once k 100")
            told += await one.heard() + await again.heard()
    assert len(told) == 400
    assert len({execution_id for execution_id, _ in told}) == 1
    assert [replayed for _, replayed in told].count(False) == 1
    store = await SqliteStore.open(journal)
    listed = await list_executions(store, limit=10)
    assert [execution.id for execution in listed] == [told[0][0]]
    await store.aclose()


async def test_what_another_process_runs_is_followed_and_cancelled_from_here(
    tmp_path: Path,
) -> None:
    journal = tmp_path / "journal.db"
    async with worker(journal) as other, engine(journal) as here:
        execution_id = await other.ask("hold")
        following = asyncio.ensure_future(follow(here, execution_id))
        assert await here.cancel(execution_id, reason="enough") == "requested"
        events = await following
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert events[-1].data["outcome"] == "cancelled"
        assert "cancel_requested" in [event.kind for event in events]
        assert await here.cancel(execution_id) == "already_terminal"


@pytest.mark.slow
async def test_what_a_killed_process_ran_hears_the_request_of_another(tmp_path: Path) -> None:
    journal = tmp_path / "journal.db"
    async with engine(journal) as here:
        async with worker(journal) as other:
            execution_id = await other.ask("hold")
            await other.kill()
        assert await here.cancel(execution_id) == "requested"
        assert (await follow(here, execution_id))[-1].data["outcome"] == "cancelled"
