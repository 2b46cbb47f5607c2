"""Executions on a terminal: a real one, a real server, and what happens to either."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from attrs import define

from tests.terminal import COLUMNS, on_screen

from .commands import Ended, command, environment, run
from .processes import PATIENCE, host

if sys.platform == "win32":
    pytest.skip("a terminal as POSIX has it", allow_module_level=True)

import pty

pytestmark = pytest.mark.slow

LINES = 60
STEPS = 30
"""Of the host's agent `walk`."""


@define(eq=False)
class Terminal:
    """A command that somebody started on a terminal."""

    process: asyncio.subprocess.Process
    _screen: int
    written: str = ""

    @property
    def screen(self) -> list[str]:
        """What is to be seen now."""
        return on_screen(self.written, lines=LINES)

    async def until(self, seen: Callable[[list[str]], bool]) -> list[str]:
        """Wait until something is to be seen."""
        async with asyncio.timeout(PATIENCE):
            while not seen(self.screen):
                assert await self._read(), "it ended before that: " + "\n".join(self.screen)
        return self.screen

    async def _read(self) -> bool:
        try:
            more = await asyncio.to_thread(os.read, self._screen, 65536)
        except OSError:  # how Linux says that nobody writes any more
            return False
        self.written += more.decode(errors="replace")
        return bool(more)

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._screen, text.encode())

    async def end(self) -> int:
        """Wait for the end, and return the exit code."""
        async with asyncio.timeout(PATIENCE):
            while await self._read():
                pass
            return await self.process.wait()


@asynccontextmanager
async def on_terminal(*arguments: str, **env: str) -> AsyncIterator[Terminal]:
    """Run a command on a terminal of its own; it is killed on leaving if it still runs."""
    screen, inside = pty.openpty()
    size = {"COLUMNS": str(COLUMNS), "LINES": str(LINES), "TERM": "xterm-256color", **env}
    clean = {k: v for k, v in environment(size).items() if k not in ("CI", "NO_COLOR")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "import os, sys, fcntl, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
        "os.execv(sys.executable, sys.argv[1:])",
        *command(*arguments),
        env=clean,
        stdin=inside,
        stdout=inside,
        stderr=inside,
    )
    os.close(inside)
    try:
        yield Terminal(process, screen)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        os.close(screen)


async def later(*arguments: str) -> Ended:
    return await asyncio.to_thread(run, *arguments)


def shows(text: str) -> Callable[[list[str]], bool]:
    return lambda screen: any(text in line for line in screen)


def frames(ended: Ended) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ended.out.splitlines()]


async def test_a_terminal_shows_each_step_once_although_its_server_is_killed(
    tmp_path: Path,
) -> None:
    store = tmp_path / "journal.db"
    async with (
        host(store, lease=1.0) as first,
        on_terminal("execute", "walk", "--url", first.url) as terminal,
    ):
        await terminal.until(shows("6 step(number = 5)"))
        first.kill()
        await first.exit_code()
        await terminal.until(shows("connection lost ("))
        async with host(store, port=urlsplit(first.url).port or 0, lease=1.0):
            code = await terminal.end()
    seen = terminal.screen
    rows = [line.split()[1] for line in seen if "step(number" in line]
    assert code == 0
    assert rows == [str(number) for number in range(1, STEPS + 1)]
    assert seen[-1] == f"succeeded: agent walk, {STEPS} actions done"
    assert not any("connection lost" in line or "running" in line for line in seen)


async def test_lines_are_contiguous_although_the_server_is_killed(tmp_path: Path) -> None:
    store = tmp_path / "journal.db"
    async with host(store, lease=1.0) as first:
        asking = asyncio.create_task(later("execute", "walk", "--url", first.url))
        await asyncio.to_thread(_until_begun, store)
        first.kill()
        await first.exit_code()
        async with host(store, port=urlsplit(first.url).port or 0, lease=1.0):
            ended = await asking
    numbers = [int(line[:4]) for line in ended.out.splitlines()]
    assert ended.code == 0
    assert numbers == list(range(1, len(numbers) + 1))
    assert ended.out.count("another process of the server goes on with it") == 1
    assert re.match(r"connection lost \(.+\), trying again in \d+ s\n", ended.err)
    assert ended.err.endswith("connected again\n")


def _until_begun(store: Path) -> None:
    for _ in range(50):
        if run("executions", "list", "--json", "--store", str(store)).out:
            return
    raise AssertionError("the execution never began")


@pytest.mark.shows("watch --url", "watch --json", "watch --from")
async def test_ctrl_c_leaves_the_execution_running_and_says_how_to_come_back(
    tmp_path: Path,
) -> None:
    async with host(tmp_path / "journal.db") as server:
        async with on_terminal("execute", "walk", "--url", server.url) as terminal:
            await terminal.until(shows("2 step(number = 1)"))
            terminal.type("\x03")
            assert await terminal.end() == 130
        said = " ".join(terminal.screen)
        found = re.search(r"to come back: zephyrus-exec watch (\S+)", said)
        assert found is not None, said
        assert f"--url {server.url}" in said
        assert "Traceback" not in said
        back = ("watch", found[1], "--url", server.url, "--json")
        whole = frames(await later(*back))
        rest = frames(await later(*back, "--from", "7"))
    assert [frame["seq"] for frame in whole] == list(range(1, len(whole) + 1))
    assert whole[-1]["data"]["outcome"] == "succeeded"
    assert rest == whole[7:]


async def test_ctrl_c_in_a_pipe_names_the_last_event_that_was_written(tmp_path: Path) -> None:
    async with host(tmp_path / "journal.db") as server:
        asking = await asyncio.create_subprocess_exec(
            *command("execute", "steady", "--url", server.url, "--json"),
            env=environment(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert asking.stdout is not None
        await asking.stdout.readline()
        asking.send_signal(signal.SIGINT)
        out, err = await asking.communicate()
    last = json.loads(out.decode().splitlines()[-1])
    assert asking.returncode == 130
    assert f"watch {last['execution_id']} --from {last['seq']} --url" in err.decode()


async def test_what_a_server_does_not_know_is_said_instead_of_a_table(tmp_path: Path) -> None:
    async with (
        host(tmp_path / "journal.db") as server,
        on_terminal("watch", "nothing", "--url", server.url, LC_ALL="es_ES.UTF-8") as terminal,
    ):
        assert await terminal.end() == 1
    assert terminal.screen == ["Ejecución no encontrada: nothing"]


@pytest.mark.shows("execute --idempotency-key")
async def test_the_same_key_asks_for_the_same_execution(tmp_path: Path) -> None:
    async with host(tmp_path / "journal.db") as server:
        more = ("--idempotency-key", "rent of june", "--url", server.url, "--json")
        asked = await later("execute", "brief", *more)
        again = await later("execute", "brief", *more)
        other = await later("execute", "noop", *more)
    assert (asked.code, again) == (0, asked)
    (refusal,) = frames(other)
    assert (other.code, refusal["data"]["code"]) == (1, "idempotency_conflict")


# --- executions ----------------------------------------------------------------------------------


@pytest.mark.shows("executions list --url", "executions show --url")
async def test_a_server_and_its_journal_tell_the_same(tmp_path: Path) -> None:
    store = ("--store", str(tmp_path / "journal.db"))
    async with host(tmp_path / "journal.db") as server:
        url = ("--url", server.url)
        for agent in ("noop", "brief", "noop"):
            assert (await later("execute", agent, *url)).code == 0
        listed = [await later("executions", "list", *place, "--json") for place in (url, store)]
        tables = [await later("executions", "list", *place) for place in (url, store)]
        views = frames(listed[0])
        execution = views[1]["execution_id"]
        shown = [await later("executions", "show", execution, *place) for place in (url, store)]
        told = [
            await later("executions", "show", execution, *place, "--json") for place in (url, store)
        ]
    assert listed[0] == listed[1]
    assert [view["agent_id"] for view in views] == ["noop", "brief", "noop"]
    assert tables[0] == tables[1]
    assert shown[0] == shown[1]
    assert "1 work: done" in shown[0].out
    assert told[0] == told[1]


@pytest.mark.shows(
    "executions cancel --url", "executions cancel --reason", "executions cancel --json"
)
async def test_what_still_runs_is_shown_as_far_as_it_is(tmp_path: Path) -> None:
    async with host(tmp_path / "journal.db") as server:
        asking = asyncio.create_task(
            asyncio.to_thread(run, "execute", "steady", "--url", server.url, "--json")
        )
        await asyncio.to_thread(_until_begun, tmp_path / "journal.db")
        (view,) = frames(await later("executions", "list", "--url", server.url, "--json"))
        place = (view["execution_id"], "--url", server.url)
        shown = await later("executions", "show", *place)
        canceled = await later("executions", "cancel", *place, "--reason", "enough")
        ended = await asking
        again = await later("executions", "cancel", *place, "--json")
    assert shown.out.startswith(f"{view['execution_id']}: running\n")
    assert (canceled.code, "asked to end" in canceled.out) == (0, True)
    assert ended.code == 1
    *_, last = frames(ended)
    assert last["data"]["outcome"] == "cancelled"
    asked = [one for one in frames(ended) if one.get("event") == "cancel_requested"]
    assert [one["data"]["reason"] for one in asked] == ["enough"]
    assert (again.code, frames(again)[0]["disposition"]) == (0, "already_terminal")


async def test_a_request_to_end_may_be_left_in_the_journal(tmp_path: Path) -> None:
    store = ("--store", str(tmp_path / "journal.db"))
    async with host(tmp_path / "journal.db") as server:
        asking = asyncio.create_task(
            asyncio.to_thread(run, "execute", "steady", "--url", server.url, "--json")
        )
        await asyncio.to_thread(_until_begun, tmp_path / "journal.db")
        (view,) = frames(await later("executions", "list", *store, "--json"))
        left = await later("executions", "cancel", view["execution_id"], *store)
        ended = await asking
    assert (left.code, "its journal holds the request" in left.out) == (0, True)
    *_, last = frames(ended)
    assert last["data"]["outcome"] == "cancelled"
