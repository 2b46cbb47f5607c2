"""Backups of a journal that a server writes meanwhile, and what `verify` says of them."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.make_journal import JOURNALS, load
from zephyrus_exec.protocol.messages import Completed
from zephyrus_exec.testing.v1 import connect_v1

from .commands import Ended, run, serving

pytestmark = pytest.mark.skipif(os.name == "nt", reason="stops servers by POSIX signals")

AGENT = """
[[agents]]
id = "idle"
planner = { name = "steps", settings = { steps = [] } }
max_concurrent = 50
"""


async def command(*arguments: str, cwd: Path) -> Ended:
    return await asyncio.to_thread(run, *arguments, cwd=cwd)


async def verified(file: Path) -> dict[str, Any]:
    """Return what `store verify` says of a sound file."""
    ended = await command("store", "verify", str(file), "--json", cwd=file.parent)
    assert (ended.code, ended.err) == (0, ""), ended
    found: dict[str, Any] = json.loads(ended.out)
    assert found["problems"] == []
    return found


@pytest.mark.slow
async def test_backups_of_a_journal_under_load_are_whole_and_the_server_goes_on(
    tmp_path: Path,
) -> None:
    (tmp_path / "z.toml").write_text(AGENT, encoding="utf-8")
    done, stop = 0, asyncio.Event()

    async def ask(url: str) -> None:
        nonlocal done
        async with connect_v1(url) as client:
            while not stop.is_set():
                replies = [reply async for reply in client.execute("idle")]
                assert isinstance(replies[-1], Completed), replies
                done += 1

    arguments = ("--host", "127.0.0.1", "--port", "0", "--store", "z.db", "--config", "z.toml")
    async with serving(*arguments, cwd=tmp_path) as server:
        load = [asyncio.create_task(ask(server.urls[0])) for _ in range(8)]
        counts = []
        for n in range(3):
            before = done
            name = f"copy{n}.db"
            backup = await command("store", "backup", name, "--store", "z.db", cwd=tmp_path)
            assert backup.code == 0, backup.err
            assert done > before, "nothing was executed meanwhile: this proves nothing"
            counts.append((before, (await verified(tmp_path / name))["executions"], done))
        live = await verified(tmp_path / "z.db")
        stop.set()
        await asyncio.gather(*load)
        server.process.kill()
        await server.end()
    assert all(before <= found <= after + 8 for before, found, after in counts), counts
    assert live["executions"] >= counts[-1][1]
    assert (await verified(tmp_path / "z.db"))["executions"] >= done


async def test_a_backup_is_restored_as_the_documentation_says(tmp_path: Path) -> None:
    load(JOURNALS / "0.1.0" / "journal.sql", tmp_path / "z.db")
    backup = await command("store", "backup", "b.db", "--store", "z.db", cwd=tmp_path)
    assert (backup.code, backup.out.split(":")[0]) == (0, "b.db")
    again = await command("store", "backup", "b.db", "--store", "z.db", cwd=tmp_path)
    assert (again.code, again.out) == (2, "")
    restored = await command("store", "restored", "--store", "b.db", cwd=tmp_path)
    assert restored.code == 0, restored.err
    assert (await verified(tmp_path / "b.db"))["executions"] == 4


async def test_damage_is_exit_code_1_and_a_readable_report(tmp_path: Path) -> None:
    load(JOURNALS / "0.1.0" / "journal.sql", tmp_path / "z.db")
    os.truncate(tmp_path / "z.db", (tmp_path / "z.db").stat().st_size // 2)
    ended = await command("store", "verify", "--store", "z.db", cwd=tmp_path)
    assert ended.code == 1
    assert "restore the file from a backup" in ended.out
    assert ended.out.splitlines()[-1].endswith("1 problems")
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("content", [b"", b"no database at all, and long enough to be none" * 100])
async def test_a_file_that_is_no_journal_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "z.db").write_bytes(content)
    ended = await command("store", "verify", "z.db", cwd=tmp_path)
    assert ended.code == (1 if content else 2)
    assert (tmp_path / "z.db").read_bytes() == content


async def test_a_journal_that_is_not_there_is_told(tmp_path: Path) -> None:
    for arguments in (("verify", "gone.db"), ("verify",), ("backup", "b.db")):
        ended = await command("store", *arguments, "--store", "gone.db", cwd=tmp_path)
        assert ended.code == 2
        assert "gone.db" in ended.complaint
    assert os.listdir(tmp_path) == []
