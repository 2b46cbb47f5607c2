"""Old executions are forgotten by real servers, and by an operator beside them."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from tests.fixtures.make_journal import JOURNALS, load
from zephyrus_exec import Agent, Component, ExecutionEngine, MemoryRepository, SqliteStore
from zephyrus_exec.interfaces.runner import RunContext
from zephyrus_exec.stores.sqlite_snapshot import snapshot

from .commands import Ended, run, serving

pytestmark = pytest.mark.skipif(os.name == "nt", reason="stops servers by POSIX signals")


async def _nothing(_: RunContext) -> None: ...


async def execute(file: Path, count: int) -> list[str]:
    """Let a process execute something so many times, and return the ids."""
    store = await SqliteStore.open(file)
    agents = MemoryRepository([Agent("idle", runner=Component("idle"), max_concurrent=100)])
    engine = ExecutionEngine(
        agents=agents, contracts=agents, store=store, runners={"idle": _nothing}
    )
    async with engine:
        ids = [await engine.submit("idle") for _ in range(count)]
        await engine.drain()
    await store.aclose()
    return ids


def stored(file: Path) -> list[str]:
    """Return the ids of the executions in a journal."""
    with snapshot(file) as contents:
        return [record.key for record in contents.records() if record.kind == "execution"]


@pytest.fixture
async def journal(tmp_path: Path) -> tuple[Path, list[str]]:
    """Give a journal in which 300 executions have ended, and their ids."""
    file = tmp_path / "j.db"
    return file, await execute(file, 300)


async def forgotten_to(file: Path, left: int) -> list[str]:
    """Return what is stored once no more than so many executions are."""
    async with asyncio.timeout(20):
        while len(found := stored(file)) > left:
            await asyncio.sleep(0.02)
    return found


KEEP = [
    (("--keep-executions", "7"), {}, 7),
    ((), {"ZEPHYRUS_KEEP_EXECUTIONS": "7"}, 7),
    (("--keep-for", "0.1s"), {}, 0),
    ((), {"ZEPHYRUS_KEEP_FOR": "0.1"}, 0),
]


@pytest.mark.slow
@pytest.mark.shows(
    "serve --keep-executions", "ZEPHYRUS_KEEP_EXECUTIONS", "serve --keep-for", "ZEPHYRUS_KEEP_FOR"
)
@pytest.mark.parametrize(("flags", "env", "left"), KEEP)
async def test_a_server_forgets_what_an_earlier_one_executed(
    journal: tuple[Path, list[str]], flags: tuple[str, ...], env: dict[str, str], left: int
) -> None:
    file, ids = journal
    where = ("--host", "127.0.0.1", "--port", "0", "--store", file.name)
    async with serving(*where, *flags, env=env, cwd=file.parent):
        assert await forgotten_to(file, left) == ids[300 - left :]
    assert (await command("store", "verify", "--store", file.name, cwd=file.parent)).code == 0


async def command(*arguments: str, cwd: Path) -> Ended:
    return await asyncio.to_thread(run, *arguments, cwd=cwd)


@pytest.mark.slow
@pytest.mark.shows(
    "store prune --keep-executions", "store prune --dry-run", "store prune --keep-for",
    "store prune --json",
)  # fmt: skip
async def test_an_operator_forgets_old_executions_beside_a_server(
    journal: tuple[Path, list[str]],
) -> None:
    file, ids = journal
    prune = ("store", "prune", "--store", file.name)
    where = ("--host", "127.0.0.1", "--port", "0", "--store", file.name)
    async with serving(*where, cwd=file.parent):
        told = await command(*prune, "--keep-executions", "9", "--dry-run", cwd=file.parent)
        assert (told.code, told.out) == (0, "would be forgotten: 291\n")
        told = await command(*prune, "--keep-for", "30m", "--json", cwd=file.parent)
        assert json.loads(told.out) == {"forgotten": 0, "needed": 0, "dry": False}
        assert stored(file) == ids
        told = await command(*prune, "--keep-executions", "9", cwd=file.parent)
        assert (told.code, told.out) == (0, "forgotten: 291\n")
        assert stored(file) == ids[-9:]
        told = await command(*prune, cwd=file.parent)
        assert told.code == 2
        assert "--keep-executions COUNT, or --keep-for TIME" in told.err


async def test_an_old_release_s_journal_is_pruned_and_stays_sound(tmp_path: Path) -> None:
    """None of it has ended: none of it is forgotten."""
    load(JOURNALS / "0.1.0" / "journal.sql", tmp_path / "j.db")
    before = stored(tmp_path / "j.db")
    prune = ("store", "prune", "--store", "j.db", "--keep-for", "0")
    told = await command(*prune, cwd=tmp_path)
    assert (told.code, told.out) == (0, "forgotten: 0\n")
    assert stored(tmp_path / "j.db") == before
