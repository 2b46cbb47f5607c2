"""Server processes that tests start, and really kill."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from attrs import define

PATIENCE = 30.0
"""Seconds after which a process that says nothing fails the test."""


@define(eq=False)
class ServerProcess:
    """A running server."""

    process: asyncio.subprocess.Process
    url: str
    stderr: list[str]

    def kill(self) -> None:
        """SIGKILL: nothing of it runs any more, no handler, no `finally`."""
        self.process.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    async def exit_code(self) -> int:
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()


@asynccontextmanager
async def host(
    store: Path,
    *,
    port: int = 0,
    lease: float = 20.0,
    drain: float = 5.0,
    without: str = "",
    env: Mapping[str, str] | None = None,
) -> AsyncIterator[ServerProcess]:
    """Run `tests.integration.host` on this store; it is killed on leaving if it still runs."""
    arguments: tuple[str, ...] = ("-m", "tests.integration.host", "--store", str(store))
    arguments += ("--without", without, "--port", str(port))
    arguments += ("--lease", str(lease), "--drain", str(drain))
    async with server(*arguments, env={**os.environ, **(env or {})}) as running:
        yield running


@asynccontextmanager
async def server(
    *arguments: str, env: dict[str, str] | None = None, scheme: str = "ws"
) -> AsyncIterator[ServerProcess]:
    """Run Python with these arguments until its output names a URL of this scheme."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=env,
    )
    lines: list[str] = []
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE):
            url = await _url(process.stdout, lines, scheme)
        reading = asyncio.create_task(_read_on(process.stdout, lines))
        try:
            yield ServerProcess(process, url, lines)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
            await reading
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _url(output: asyncio.StreamReader, lines: list[str], scheme: str) -> str:
    while line := (await output.readline()).decode():
        lines.append(line)
        for word in line.split():
            if word.startswith(f"{scheme}://"):
                return word
    raise AssertionError("the server ended without saying where it listens:\n" + "".join(lines))


async def _read_on(output: asyncio.StreamReader, lines: list[str]) -> None:
    while line := (await output.readline()).decode():
        lines.append(line)


def resident_bytes(pid: int) -> int:
    """Return how much memory a process holds; Linux only."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024
