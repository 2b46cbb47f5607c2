"""Servers to compare, each run alone in a process of its own."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeAlias

from attrs import frozen

from benchmarks.load import pin
from zephyrus_exec import ExecutionStore

AGENT = "00000000-0000-4000-8000-000000000001"
SERVER_CORE = 0

Serving: TypeAlias = Callable[[], AbstractAsyncContextManager[int]]
"""Serves on a free port of 127.0.0.1, and yields it."""


@frozen
class Peer:
    """One server."""

    name: str
    serving: Serving


@asynccontextmanager
async def bare_websockets() -> AsyncIterator[int]:
    """Parse, answer `started` and `completed`, nothing else: `websockets`' own server."""
    from websockets.asyncio.server import ServerConnection, serve

    async def handle(connection: ServerConnection) -> None:
        async for frame in connection:
            agent_id = json.loads(frame)["agent_id"]
            started = {"success": True, "message": f"Iniciando {agent_id}", "status": "started"}
            completed = {
                "success": True,
                "results": [],
                "agent_id": agent_id,
                "execution_count": 0,
                "status": "completed",
            }
            for data in (started, completed):
                reply = {"type": "execution_response", "data": data}
                await connection.send(json.dumps(reply, separators=(",", ":")))

    async with serve(handle, "127.0.0.1", 0, compression=None) as server:
        yield next(iter(server.sockets)).getsockname()[1]


@asynccontextmanager
async def with_memory() -> AsyncIterator[int]:
    """This library, journal in memory."""
    from zephyrus_exec import MemoryStore

    async with _this_library(MemoryStore()) as port:
        yield port


@asynccontextmanager
async def with_sqlite() -> AsyncIterator[int]:
    """This library, every execution journaled in SQLite."""
    from zephyrus_exec import SqliteStore

    with tempfile.TemporaryDirectory() as folder:
        store = await SqliteStore.open(Path(folder, "journal.db"))
        async with _this_library(store) as port:
            yield port
        await store.aclose()


@asynccontextmanager
async def _this_library(store: ExecutionStore) -> AsyncIterator[int]:
    from zephyrus_exec import (
        Agent,
        Component,
        ExecutionEngine,
        MemoryRepository,
        StepsPlanner,
        serve,
    )

    idle = Agent(AGENT, planner=Component("steps", {"steps": []}), max_concurrent=1000)
    repository = MemoryRepository([idle])
    engine = ExecutionEngine(
        agents=repository, contracts=repository, store=store, planners={"steps": StepsPlanner()}
    )
    async with serve(engine, host="127.0.0.1", port=0, drain_timeout=1) as service:
        yield int(service.addresses[0].rpartition(":")[2])


@asynccontextmanager
async def running(peer: Peer) -> AsyncIterator[int]:
    """Run a peer in a process of its own, pinned to a core of its own; yield its port."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_run, args=(peer, theirs))
    process.start()
    try:
        yield await asyncio.to_thread(ours.recv)
    finally:
        ours.send("stop")
        await asyncio.to_thread(process.join)


def _run(peer: Peer, pipe: Connection) -> None:
    pin(SERVER_CORE)

    async def serve() -> None:
        async with peer.serving() as port:
            pipe.send(port)
            await asyncio.to_thread(pipe.recv)

    asyncio.run(serve())
