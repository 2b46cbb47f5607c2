"""The crash matrix: every effect exactly once, and no execution lost, through kill -9."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.anvil import REPOSITORY, anvil_binary, skip_or_fail

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")


def run(capsys: pytest.CaptureFixture[str], *options: str) -> int:
    """Run the matrix, its output shown as it comes, and return its exit status."""
    if anvil_binary() is None:
        skip_or_fail("anvil is missing: run `npm install` in tests/node")
    with capsys.disabled():
        print(flush=True)
        command = [sys.executable, "-m", "tests.chaos.matrix", *options]
        return subprocess.run(command, cwd=REPOSITORY, check=False).returncode


@pytest.mark.slow
def test_a_sample_of_deaths_leaves_every_effect_exactly_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(capsys, "--sample", "8", "--seed", "8") == 0


@pytest.mark.slow
def test_death_at_every_write_and_every_request_leaves_every_effect_exactly_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And so do all other faults, alone, in pairs, and together with sampled deaths."""
    assert run(capsys) == 0
