"""The JavaScript client in Node: against scripted servers, and against ours, which is killed."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.anvil import ROOT
from tests.javascript import MODULES, need, node_command
from zephyrus_exec import (
    Agent,
    Component,
    ExecutionEngine,
    Json,
    MemoryRepository,
    MemoryStore,
    RunContext,
    Service,
    serve,
)
from zephyrus_exec.access import Anonymous, TokenAuthenticator, new_token
from zephyrus_exec.interfaces.transport import V1_SUBPROTOCOL, select_subprotocol
from zephyrus_exec.transports.peers import SelectSubprotocol
from zephyrus_exec.transports.websocket import WebSocketListener

from .kills import NextEvent, check_that_kills_go_unnoticed
from .processes import PATIENCE

CLIENT = ROOT / "node" / "client"
TOKEN = new_token()

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", sorted(path.stem for path in CLIENT.glob("*.test.mjs")))
def test_the_client_keeps_its_promises_to_scripted_servers(name: str) -> None:
    need("zephyrus-exec", "ws")
    done = subprocess.run(
        [*node_command(), "--test", str(CLIENT / f"{name}.mjs")],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_program_in_typescript_may_rely_on_the_types() -> None:
    need("zephyrus-exec", "typescript")
    compiler = str(MODULES / "typescript" / "bin" / "tsc")
    options = ("--strict", "--noEmit", "--module", "nodenext", "--lib", "es2022,dom")
    done = subprocess.run(
        [node_command()[0], compiler, *options, "--types", "", str(CLIENT / "consumer.ts")],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(os.name == "nt", reason="kills the server by SIGKILL")
async def test_killed_five_times_the_server_tells_every_event_once_and_in_order(
    tmp_path: Path,
) -> None:
    await check_that_kills_go_unnoticed(tmp_path / "journal.db", _following)


async def test_with_a_token_it_is_who_it_says() -> None:
    async with _guarded() as url:
        *events, result = await _told(url, "noop", TOKEN)
        assert [event["event"] for event in events] == ["accepted", "started", "completed"]
        assert result == events[-1]
        assert await _told(url, "noop", TOKEN[::-1]) == [{"code": "unauthenticated"}]
        assert await _told(url, "noop") == [{"code": "unauthenticated"}]


async def test_a_server_that_speaks_v1_only_is_spoken_to_in_v1_with_the_token_too() -> None:
    async with _guarded(_only_v1) as url:
        first, last, result = await _told(url, "noop", TOKEN)
    assert (first["event"], first["seq"]) == ("started", None)
    assert first["data"] == {"message": "Iniciando ejecución del agente noop"}
    assert (last["event"], last["outcome"], last["results"]) == ("completed", "succeeded", [])
    assert result == last


def _only_v1(offered: Sequence[str]) -> str | None:
    return V1_SUBPROTOCOL if V1_SUBPROTOCOL in offered else None


@asynccontextmanager
async def _guarded(select: SelectSubprotocol = select_subprotocol) -> AsyncIterator[str]:
    """Serve an agent to whoever has the token; yields the URL."""
    agents = MemoryRepository([Agent("noop", runner=Component("noop"))])
    engine = ExecutionEngine(
        agents=agents, contracts=agents, store=MemoryStore(), runners={"noop": _noop}
    )
    authenticator = TokenAuthenticator(
        engine.clock, operator_token=TOKEN, anonymous=Anonymous.NOBODY
    )

    def listener(service: Service) -> WebSocketListener:
        return WebSocketListener(
            "127.0.0.1", 0, select_subprotocol=select, authenticate=service.authenticate
        )

    async with serve(engine, listener=listener, authenticator=authenticator) as service:
        yield service.addresses[0]


async def _noop(context: RunContext) -> Json:
    return None


async def _told(url: str, *arguments: str) -> list[dict[str, Any]]:
    """Return all that Node is told of an execution."""
    need("zephyrus-exec")
    process = await asyncio.create_subprocess_exec(
        *node_command(), str(CLIENT / "follow.mjs"), url, *arguments, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(PATIENCE):
        stdout, _ = await process.communicate()
    return [json.loads(line) for line in stdout.splitlines()]


@asynccontextmanager
async def _following(url: str) -> AsyncIterator[NextEvent]:
    """Have Node execute `walk`; yields what returns the next thing it is told."""
    need("zephyrus-exec")
    process = await asyncio.create_subprocess_exec(
        *node_command(), str(CLIENT / "follow.mjs"), url, "walk", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    output = process.stdout

    async def next_event() -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE):
            event: dict[str, Any] = json.loads(await output.readline())
            return event

    try:
        yield next_event
        assert await asyncio.wait_for(process.wait(), PATIENCE) == 0
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
