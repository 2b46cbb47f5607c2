"""How long it takes until something can be done: importing, and `serve --demo`.

    python -m benchmarks.startup

Every figure is the time of a fresh interpreter, in turns. That of one which does nothing is taken
off the imports. `serve --demo` counts until it tells where it listens, against one interpreter
that imports what the server and the chain's process need. Nothing is pinned to a core.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

from benchmarks.results import Figure, Result, command_line, conclude, median, ratio
from benchmarks.verdicts import Goal

IMPORT: Final = "import"
DEMO: Final = "serve --demo"
_NOTHING: Final = "an interpreter"
_ASYNCIO: Final = "asyncio"
_OURS: Final = "zephyrus_exec"
_NEEDED: Final = "what it needs"
_READY: Final = "ready"
_NEEDS: Final = (
    "zephyrus_exec.cli.main",
    "zephyrus_exec.demo",
    "zephyrus_exec.evm.chain",
    "zephyrus_exec.evm.signers",
    "zephyrus_exec.evm.embedded.node",
    "zephyrus_exec.evm.embedded.server",
)
"""Modules of the server's process and of its chain's."""
_LISTENING: Final = "ws://"
_MILLI: Final = 1e3


def time_of(*modules: str) -> float:
    """Return the seconds that a fresh interpreter takes to import these."""
    code = f"import {', '.join(modules)}" if modules else "pass"
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - began


def time_to_ready() -> float:
    """Return the seconds until `serve --demo` tells where it listens."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "zephyrus_exec", "serve", "--demo", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        said = next((line for line in process.stdout if _LISTENING in line), None)
        took = time.perf_counter() - began
        assert said is not None, "serve --demo has ended"
        return took
    finally:
        process.terminate()
        process.communicate()


def measure(turns: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Return each one's rounds; the first, which only fills the caches, is left out."""
    found: dict[str, list[float]] = {name: [] for name in turns}
    for number in range(rounds + 1):
        for name, turn in turns.items():
            took = turn()
            if number:
                found[name].append(took)
    return found


def imports(rounds: int) -> tuple[list[Figure], Goal]:
    """Measure `import zephyrus_exec` against `import asyncio`."""
    turns = {
        _NOTHING: time_of,
        _ASYNCIO: lambda: time_of(_ASYNCIO),
        _OURS: lambda: time_of(_OURS),
    }
    found = measure(turns, rounds)
    alone = found.pop(_NOTHING)
    net = {
        name: [took - nothing for took, nothing in zip(each, alone, strict=True)]
        for name, each in found.items()
    }
    figures = [_milliseconds(IMPORT, name, each) for name, each in net.items()]
    to_asyncio = ratio(IMPORT, _OURS, "ratio", net[_OURS], net[_ASYNCIO])
    goal = Goal("import zephyrus_exec, to import asyncio", to_asyncio.value, at_most=2.5)
    return [*figures, to_asyncio], goal


def demo(rounds: int) -> tuple[list[Figure], Goal]:
    """Measure `serve --demo` against the import of what it needs."""
    found = measure({_NEEDED: lambda: time_of(*_NEEDS), _READY: time_to_ready}, rounds)
    figures = [_milliseconds(DEMO, name, each) for name, each in found.items()]
    to_import = ratio(DEMO, _READY, "ratio", found[_READY], found[_NEEDED])
    goal = Goal("serve --demo ready, to importing what it needs", to_import.value, at_most=1.5)
    return [*figures, to_import], goal


def _milliseconds(case: str, subject: str, seconds: Sequence[float]) -> Figure:
    return median(case, subject, "wall", [each * _MILLI for each in seconds], "ms")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = command_line("startup", rounds=15)
    parser.add_argument("--demos", type=int, default=5, help="rounds of serve --demo [5]")
    options = parser.parse_args(arguments)
    rounds, demos = (1, 1) if options.quick else (options.rounds, options.demos)
    figures, goal = imports(rounds)
    demo_figures, demo_goal = demo(demos)
    notes = ("Imports are told without the interpreter's own start.",)
    goals = (goal, demo_goal)
    result = Result("startup", "Start-up", (*figures, *demo_figures), goals, notes=notes)
    return conclude(result, options)


if __name__ == "__main__":
    sys.exit(main())
