"""Runs all benchmarks, one after the other, and puts what they found on one page.

    python -m benchmarks                      # into docs/benchmarks, and docs/performance.md
    python -m benchmarks --only throughput    # that one anew, the others as they were recorded
    python -m benchmarks --quick --into /tmp  # whether all of them run; its figures mean nothing

The machine must have nothing else to do: the figures are ratios, but one who waits shows in them.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from benchmarks import BENCHMARKS
from benchmarks.machine import this_machine
from benchmarks.page import Record, markdown, pictures, read_records, write_record
from benchmarks.results import read

ROOT: Final = Path(__file__).parents[1]
PUBLISHED: Final = ROOT / "docs" / "benchmarks"
MISSED, FAILED = 1, 2
"""Exit statuses: a goal was missed, a benchmark did not end well."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for, and write records, pictures and the page."""
    options = _options(arguments)
    into: Path = options.into or PUBLISHED
    into.mkdir(parents=True, exist_ok=True)
    failed = [
        name
        for number, name in enumerate(options.only, start=1)
        if not _run(name, f"{number} of {len(options.only)}", into, _passed_on(options))
    ]
    _publish(into)
    for name in failed:
        print(f"benchmarks.{name} failed: nothing of it was recorded", file=sys.stderr)
    missed = any(not goal.met for each in _recorded(into) for goal in each.result.goals)
    return FAILED if failed else MISSED if missed else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=BENCHMARKS)
    parser.add_argument("--quick", action="store_true", help="whether all run, no more")
    parser.add_argument("--rounds", type=int, help="how often, instead of as often as each thinks")
    parser.add_argument("--into", type=Path, metavar="FOLDER", help="of records and pictures")
    options = parser.parse_args(arguments)
    if options.quick and options.into is None:
        parser.error("--quick needs --into: its figures are not for the documentation")
    return options


def _passed_on(options: argparse.Namespace) -> list[str]:
    """Return the options that each benchmark gets, too."""
    rounds = [] if options.rounds is None else ["--rounds", str(options.rounds)]
    return [*rounds, *["--quick"] * options.quick]


def _run(name: str, place: str, into: Path, passed_on: Sequence[str]) -> bool:
    """Record what one benchmark found; return whether it found anything."""
    print(f"== {name}, {place}", file=sys.stderr, flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "result.json")
        command = [sys.executable, "-m", f"benchmarks.{name}", "--json", str(file)]
        subprocess.run([*command, *passed_on], cwd=ROOT, check=False)
        found = read(file) if file.exists() else None
    print(f"== {name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    if found is not None:
        today = datetime.now(UTC).date().isoformat()
        write_record(Record(today, this_machine(), found), into)
    return found is not None


def _recorded(folder: Path) -> list[Record]:
    return read_records(folder, BENCHMARKS)


def _publish(folder: Path) -> None:
    """Write what the records make: the documentation's, or pictures and a page beside them."""
    if folder == PUBLISHED:
        subprocess.run([sys.executable, ROOT / "docs" / "generate.py"], check=True)
        return
    records = _recorded(folder)
    for name, text in pictures(records).items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    page = folder / "performance.md"
    page.write_text(markdown(records, ".") + "\n", encoding="utf-8", newline="\n")
    print(f"written: {page}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
