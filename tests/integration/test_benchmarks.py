"""Every benchmark runs, in its smallest form, so that none can rot unseen."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks import BENCHMARKS
from benchmarks.results import read
from tests.anvil import REPOSITORY, anvil_binary, skip_or_fail

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def peers() -> None:
    missing = [
        name
        for name in ("uvloop", "fastapi", "uvicorn", "picows", "msgspec", "web3")
        if not find_spec(name)
    ]
    if missing:
        skip_or_fail(f"{', '.join(missing)} of the extra bench is not installed")


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_runs_and_finds_something(name: str, tmp_path: Path) -> None:
    if name == "effects" and anvil_binary() is None:
        skip_or_fail("anvil is not installed: npm install in tests/node")
    file = tmp_path / "result.json"
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", "--quick", "--json", str(file)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    # 1: a goal was missed, which figures as small as these say nothing about
    assert done.returncode in (0, 1), done.stderr
    found = read(file)
    assert found.benchmark == name
    assert found.figures
    assert "Traceback" not in done.stderr


def test_the_suite_writes_records_pictures_and_a_page(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--only", "latency", "--quick", "--into", tmp_path],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "== latency, 1 of 1" in done.stderr
    assert {file.name for file in tmp_path.iterdir()} == {
        *("latency.json", "latency-1.svg", "performance.md"),
    }
    assert "![" in (tmp_path / "performance.md").read_text(encoding="utf-8")


def test_the_suite_names_every_benchmark() -> None:
    modules = {
        file.stem
        for file in (REPOSITORY / "benchmarks").glob("*.py")
        if "command_line(" in file.read_text(encoding="utf-8")
    }
    assert modules - {"results"} == {*BENCHMARKS}


def test_quick_figures_do_not_get_into_the_documentation() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "--quick needs --into" in done.stderr
