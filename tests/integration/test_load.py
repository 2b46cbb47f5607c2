"""Many clients of one real server: everybody is served, memory stays, and the end is orderly."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest
from attrs import define, field
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from zephyrus_exec.demo import IDLE_AGENT, MINTED, MINTING_AGENT

from .peers import execute, nothing_done, started
from .processes import ServerProcess, resident_bytes, server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="ends the server by a POSIX signal"),
]

IDLE_CLIENTS: Final = 500
MINTING_CLIENTS: Final = 50
ROUNDS: Final = 10
"""How often each idle client executes."""
PATIENCE: Final = 80.0
DRAIN: Final = 8.0

MEBIBYTE: Final = 1 << 20
PAGE_CACHE: Final = 16 * MEBIBYTE
"""What SQLite may keep of its file in memory, and does after some 20,000 executions."""
SLACK: Final = 2 * MEBIBYTE
"""How much the allocator's holdings go up and down from one look to the next."""


@asynccontextmanager
async def demo(*options: str) -> AsyncIterator[ServerProcess]:
    """Run the demo's server."""
    command = ("-m", "zephyrus_exec", "serve", "--demo", "--host", "127.0.0.1", "--port", "0")
    async with server(*command, "--drain-timeout", str(DRAIN), *options) as running:
        yield running


async def ask(client: ClientConnection, agent_id: str) -> dict[str, Any]:
    """Execute once and return the data of the last reply."""
    await client.send(execute(agent_id))
    assert await client.recv() == started(agent_id)
    data: dict[str, Any] = json.loads(await client.recv())["data"]
    return data


async def test_500_idle_clients_and_50_minting_ones_are_all_served() -> None:
    """Every mint is a transaction of its own, and none of them sees the balance of another."""

    async def idle(url: str) -> int:
        async with connect(url, open_timeout=PATIENCE) as client:
            return [await ask(client, IDLE_AGENT) for _ in range(ROUNDS)].count(
                json.loads(nothing_done(IDLE_AGENT))["data"]
            )

    async def mint(url: str) -> list[dict[str, Any]]:
        async with connect(url, open_timeout=PATIENCE) as client:
            results: list[dict[str, Any]] = (await ask(client, MINTING_AGENT))["results"]
            return results

    async with demo() as running:
        clock = asyncio.get_running_loop().time
        began = clock()
        async with asyncio.timeout(PATIENCE):
            idlers = asyncio.gather(*(idle(running.url) for _ in range(IDLE_CLIENTS)))
            minted = await asyncio.gather(*(mint(running.url) for _ in range(MINTING_CLIENTS)))
            done = await idlers
        took = clock() - began
    print(f"{IDLE_CLIENTS} x {ROUNDS} idle and {MINTING_CLIENTS} minting in {took:.1f} s")
    assert done == [ROUNDS] * IDLE_CLIENTS
    assert all(len(results) == 2 and all(r["success"] for r in results) for results in minted)
    hashes = {results[1]["transaction_hash"] for results in minted}
    assert len(hashes) == MINTING_CLIENTS
    balances = sorted(int(results[0]["result"]) for results in minted)
    assert balances == [MINTED * number for number in range(MINTING_CLIENTS)]


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of a process from /proc")
@pytest.mark.parametrize(
    ("options", "cache"),
    [
        pytest.param((), PAGE_CACHE, id="sqlite"),
        pytest.param(("--store", "memory:"), 0, id="memory"),
    ],
)
async def test_after_50000_executions_memory_is_what_it_was_after_5000(
    options: tuple[str, ...], cache: int
) -> None:
    async def work(url: str, count: int) -> None:
        async with connect(url, compression=None) as client:
            for _ in range(count // 4):
                for _ in range(4):
                    await client.send(execute(IDLE_AGENT))
                for _ in range(8):
                    await client.recv()

    async def run(running: ServerProcess, count: int) -> int:
        await asyncio.gather(*(work(running.url, count // 50) for _ in range(50)))
        return resident_bytes(running.process.pid)

    async with demo(*options) as running:
        early = await run(running, 5_000)
        middle = await run(running, 20_000)
        late = await run(running, 25_000)
    print(f"after 5,000: {early >> 10} KiB; 25,000: {middle >> 10}; 50,000: {late >> 10}")
    assert late - early <= cache + SLACK
    assert late - middle <= SLACK


@define(eq=False)
class Looping:
    """A client that executes again and again until the server says farewell."""

    agent_id: str
    begun: int = 0
    ended: int = 0
    last: dict[str, Any] = field(factory=dict)
    closed: int | None = None

    async def run(self, url: str, up: asyncio.Event) -> None:
        async with connect(url, open_timeout=PATIENCE, close_timeout=1) as client:
            try:
                while self.last.get("success", True):
                    await client.send(execute(self.agent_id))
                    await client.recv()
                    self.begun += 1
                    up.set()
                    self.last = json.loads(await client.recv())["data"]
                    self.ended += 1
                await client.recv()
            except ConnectionClosed as end:
                self.closed = None if end.rcvd is None else end.rcvd.code


async def test_sigterm_under_load_answers_or_closes_everybody_within_the_time_out() -> None:
    clients = [Looping(IDLE_AGENT) for _ in range(IDLE_CLIENTS)]
    clients += [Looping(MINTING_AGENT) for _ in range(MINTING_CLIENTS)]
    async with demo() as running:
        clock = asyncio.get_running_loop().time
        ups = [asyncio.Event() for _ in clients]
        looping = asyncio.gather(
            *(client.run(running.url, up) for client, up in zip(clients, ups, strict=True))
        )
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*(up.wait() for up in ups))
        running.terminate()
        asked = clock()
        async with asyncio.timeout(PATIENCE):
            await looping
        took = clock() - asked
        assert await running.exit_code() == 0
        stopped = clock() - asked
    print(f"everybody was told after {took:.1f} s, the process ended after {stopped:.1f} s")
    assert {client.closed for client in clients} == {1001}
    # What was under way is let go with the close: it goes on where its journal is opened next.
    assert all(client.begun - client.ended <= 1 for client in clients), "more than one open"
    assert took <= DRAIN + 2
    assert not [line for line in running.stderr if "Traceback" in line]
