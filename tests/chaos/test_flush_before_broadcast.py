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


def trace(url: str, counter: str, folder: Path) -> Path:
    """Run a process that sends, its system calls written down."""
    strace = shutil.which("strace")
    if strace is None:
        skip_or_fail("strace is missing: run `apt-get install strace`")
    output = folder / "trace"
    options = ["-f", "-y", "-s", "16384", "-e", f"trace={','.join(CALLS)}", "-o", str(output)]
    worker = [sys.executable, "-m", "tests.chaos.lane_fighter", url, counter]
    done = subprocess.run(
        [strace, *options, *worker, str(folder / "journal.db"), str(SECONDS)],
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
        file = trace(anvil.url, asyncio.run(deployed(anvil.url)), tmp_path)
    calls = list(read_trace(file))
    sent = sendings(calls)
    assert len(sent) >= 3
    for one in sent:
        written = written_at(calls, one.raw)
        assert written >= 0, f"{one.raw} was sent and is not in the journal"
        assert flushed_between(calls, written, one.begun), f"{one.raw} was sent before its flush"
