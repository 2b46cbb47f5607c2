"""A real node for tests: anvil, on a free port of this machine."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import NoReturn

import pytest
from attrs import frozen

ROOT = Path(__file__).parent
REPOSITORY = ROOT.parent
_LISTENING = re.compile(r"Listening on 127\.0\.0\.1:(\d+)")
_START_TIMEOUT = 20.0
"""Seconds."""

_PR_SET_PDEATHSIG = 1

CHAIN_ID = 31337
KEYS = (
    "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
)
"""Keys of anvil's first accounts, from words everybody knows."""


@frozen
class Anvil:
    """A running node."""

    url: str
    chain_id: int


def anvil_binary() -> str | None:
    """Return the node's program, or None."""
    candidates = [
        os.environ.get("ZEPHYRUS_TEST_ANVIL"),
        str(ROOT / "node" / "node_modules" / ".bin" / "anvil"),
        str(REPOSITORY / "node_modules" / ".bin" / "anvil"),
        "anvil",
    ]
    found = (shutil.which(one) for one in candidates if one)
    return next((one for one in found if one), None)


def skip_or_fail(reason: str) -> NoReturn:
    """Skip the test on a machine without the tool; fail where CI promises that it is there."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def running_anvil(*options: str) -> Iterator[Anvil]:
    """Run a node of its own until the block ends."""
    binary = anvil_binary()
    if binary is None:
        skip_or_fail(
            "anvil is missing: run `npm install` in tests/node, or set ZEPHYRUS_TEST_ANVIL"
        )
    with NamedTemporaryFile("ab") as output:  # a pipe would fill up, and the node with it stop
        process = subprocess.Popen(
            [binary, "--port", "0", "--chain-id", str(CHAIN_ID), *options],
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
        )
        try:
            yield Anvil(f"http://127.0.0.1:{_port(process, Path(output.name))}", CHAIN_ID)
        finally:
            process.terminate()
            process.wait(timeout=10)


def _end_with_parent() -> None:
    """Have this process ended when its parent is killed and cannot do it."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _port(process: subprocess.Popen[bytes], output: Path) -> int:
    deadline = time.monotonic() + _START_TIMEOUT
    while process.poll() is None and time.monotonic() < deadline:
        if found := _LISTENING.search(output.read_text()):
            return int(found[1])
        time.sleep(0.01)
    raise AssertionError("anvil does not listen")
