"""The JavaScript client in Node: against scripted servers, and against ours, which is killed."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.anvil import ROOT
from tests.javascript import MODULES, need, node_command

from .kills import NextEvent, check_that_kills_go_unnoticed
from .processes import PATIENCE

CLIENT = ROOT / "node" / "client"

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", sorted(path.stem for path in CLIENT.glob("*.test.mjs")))
def test_the_client_keeps_its_promises_to_scripted_servers(name: str) -> None:
    need("zephyrus-exec", "ws")
    done = subprocess.run(
        [*node_command(), "--test", str(CLIENT / f"{name}.mjs")],
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_program_in_typescript_may_rely_on_the_types() -> None:
    need("zephyrus-exec", "typescript")
    compiler = str(MODULES / "typescript" / "bin" / "tsc")
    options = ("--strict", "--noEmit", "--module", "nodenext", "--lib", "es2022,dom")
    done = subprocess.run(
        [node_command()[0], compiler, *options, "--types", "", str(CLIENT / "consumer.ts")],
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(os.name == "nt", reason="kills the server by SIGKILL")
async def test_killed_five_times_the_server_tells_every_event_once_and_in_order(
    tmp_path: Path,
) -> None:
    await check_that_kills_go_unnoticed(tmp_path / "journal.db", _following)


@asynccontextmanager
async def _following(url: str) -> AsyncIterator[NextEvent]:
    """Have Node execute `walk`; yields what returns the next thing it is told."""
    need("zephyrus-exec")
    process = await asyncio.create_subprocess_exec(
        *node_command(), str(CLIENT / "follow.mjs"), url, "walk", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    output = process.stdout

    async def next_event() -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE):
            event: dict[str, Any] = json.loads(await output.readline())
            return event

    try:
        yield next_event
        assert await asyncio.wait_for(process.wait(), PATIENCE) == 0
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
