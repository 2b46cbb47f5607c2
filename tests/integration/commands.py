"""The command line as a user runs it: processes of its own, with a clean environment."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from attrs import define, frozen

PATIENCE: Final = 30.0
OURS: Final = ("WS_", "PORT", "ZEPHYRUS_")
"""How the variables begin that the command line reads."""

WITHOUT: Final = """
import sys
from importlib.machinery import PathFinder
hidden = set({hidden!r})

class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        hides = name.partition(".")[0] in hidden
        return None if hides else super().find_spec(name, path, target)

sys.meta_path = [Without if finder is PathFinder else finder for finder in sys.meta_path]
from zephyrus_exec.cli import main
sys.exit(main({arguments!r}))
"""
"""A Python without certain packages, as far as imports can tell."""


@frozen
class Ended:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The one line that tells what is wrong; there may be notes of progress before it."""
        (line,) = [line for line in self.err.splitlines() if not line.startswith("starting")]
        return line


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment in which nobody has configured anything."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return {**clean, "COLUMNS": "200", "PYTHONUTF8": "1", "LC_ALL": "C.UTF-8", **(extra or {})}


def command(*arguments: str, hidden: Sequence[str] = ()) -> list[str]:
    """Return how to start the command line, perhaps without some packages."""
    if hidden:
        script = WITHOUT.format(hidden=[*hidden], arguments=[*arguments])
        return [sys.executable, "-W", "error", "-c", script]
    return [sys.executable, "-W", "error", "-m", "zephyrus_exec", *arguments]


def run(
    *arguments: str,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    hidden: Sequence[str] = (),
    stdout: int | None = None,
) -> Ended:
    """Run a command to its end.

    Args:
        arguments: As a user types them.
        env: Variables on top of a clean environment.
        cwd: Where; null: here.
        hidden: Packages that are not installed.
        stdout: A descriptor to write to; null: it is returned.
    """
    done = subprocess.run(
        command(*arguments, hidden=hidden),
        env=environment(env),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if stdout is None else stdout,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        timeout=PATIENCE,
    )
    return Ended(done.returncode, done.stdout or "", done.stderr)


@define(eq=False)
class Serving:
    """A `serve` that is up."""

    process: asyncio.subprocess.Process
    banner: list[str]
    """What it has written to stderr until it was up."""

    @property
    def urls(self) -> list[str]:
        """Its addresses, as the banner tells them."""
        said = " ".join(self.banner).replace('"', " ")  # a line may be one of JSON
        return [word for word in said.split() if word.startswith("ws://")]

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> Ended:
        """Send the whole process group a signal, as a terminal does, and wait for the end."""
        os.killpg(self.process.pid, number)
        return await self.end()

    async def end(self) -> Ended:
        """Wait for the end."""
        async with asyncio.timeout(PATIENCE):
            out, err = await self.process.communicate()
        assert self.process.returncode is not None
        return Ended(self.process.returncode, out.decode(), err.decode())


@asynccontextmanager
async def serving(
    *arguments: str,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    hidden: Sequence[str] = (),
) -> AsyncIterator[Serving]:
    """Run `serve` until the block ends; it is killed then if it still runs."""
    program, *rest = command("serve", *arguments, hidden=hidden)
    process = await asyncio.create_subprocess_exec(
        program,
        *rest,
        env=environment(env),
        cwd=cwd,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield Serving(process, await _banner(process))
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def _banner(process: asyncio.subprocess.Process) -> list[str]:
    assert process.stderr is not None
    lines: list[str] = []
    async with asyncio.timeout(PATIENCE):
        while not lines or "Ctrl-C stops it." not in lines[-1]:
            line = (await process.stderr.readline()).decode()
            assert line, "serve ended before it was up: " + "".join(lines)
            lines.append(line.rstrip("\n"))
    return lines
