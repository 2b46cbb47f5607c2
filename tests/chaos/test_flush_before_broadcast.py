"""The kernel's own word for it: bytes are on the disk before their first one is on the wire."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.anvil import REPOSITORY, running_anvil, skip_or_fail
from tests.chaos.node import ANVIL_OPTIONS
from tests.chaos.syscalls import CALLS, flushed_between, read_trace, sendings, written_at
from tests.chaos.test_two_processes_one_lane import deployed

SECONDS = 0.5


MARK = "what somebody committed who died before the flush"
TWO_PROCESSES = """
import asyncio, sys
from zephyrus_exec import SqliteStore
from zephyrus_exec.interfaces.store import Keep

async def main():
    one, other = [await SqliteStore.open(sys.argv[1]) for _ in range(2)]
    await one.commit([Keep("lane", "a", sys.argv[2])])
    await other.check()
    print("checked", flush=True)
    await one.aclose()
    await other.aclose()

asyncio.run(main())
"""


def trace(folder: Path, *worker: str) -> Path:
    """Run Python with these arguments, its system calls written down."""
    strace = shutil.which("strace")
    if strace is None:
        skip_or_fail("strace is missing: run `apt-get install strace`")
    output = folder / "trace"
    options = ["-f", "-y", "-s", "16384", "-e", f"trace={','.join(CALLS)}", "-o", str(output)]
    done = subprocess.run(
        [strace, *options, sys.executable, *worker],
        cwd=REPOSITORY,
        input="go\n",
        text=True,
        capture_output=True,
        timeout=120,
        check=False,
    )
    if "ptrace" in done.stderr:
        skip_or_fail("this machine does not let a process be traced")
    assert done.returncode == 0, done.stderr
    return output


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="strace is Linux's")
def test_every_attempt_is_flushed_before_the_first_byte_of_its_broadcast(tmp_path: Path) -> None:
    with running_anvil(*ANVIL_OPTIONS) as anvil:
        counter = asyncio.run(deployed(anvil.url))
        fighter = ("-m", "tests.chaos.lane_fighter", anvil.url, counter)
        file = trace(tmp_path, *fighter, str(tmp_path / "journal.db"), str(SECONDS))
    calls = list(read_trace(file))
    sent = sendings(calls)
    assert len(sent) >= 3
    for one in sent:
        written = written_at(calls, one.raw)
        assert written >= 0, f"{one.raw} was sent and is not in the journal"
        assert flushed_between(calls, written, one.begun), f"{one.raw} was sent before its flush"


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="strace is Linux's")
def test_a_check_flushes_what_another_connection_has_committed(tmp_path: Path) -> None:
    """On this whoever takes a journal up relies before it sends bytes that it has found there."""
    file = trace(tmp_path, "-c", TWO_PROCESSES, str(tmp_path / "journal.db"), MARK)
    calls = list(read_trace(file))
    written = next(c.ended for c in calls if "-wal>" in c.arguments and MARK in c.arguments)
    told = next(c.begun for c in calls if c.name == "write" and '"checked' in c.arguments)
    assert flushed_between(calls, written, told)
