"""Servers in processes of their own that tell how heavy they are."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import time
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attrs import define, frozen

from benchmarks.load import allow_connections, pin
from benchmarks.peers import AGENT, SERVER_CORE, Serving

if TYPE_CHECKING:  # what it costs to have this in memory is nobody else's
    from zephyrus_exec import ExecutionEngine, Json, RunContext

WAITING: Final = "waiting"
"""An agent that does not end."""
MOST: Final = 10_000
"""Connections, and executions that run at once."""
_STATUS: Final = Path("/proc/self/status")


@asynccontextmanager
async def websockets_server(*, deflate: bool) -> AsyncIterator[int]:
    """`websockets`' own server, which echoes."""
    from websockets.asyncio.server import ServerConnection, serve

    async def echo(connection: ServerConnection) -> None:
        async for frame in connection:
            await connection.send(frame)

    compression = "deflate" if deflate else None
    async with serve(echo, "127.0.0.1", 0, compression=compression) as server:
        yield next(iter(server.sockets)).getsockname()[1]


@asynccontextmanager
async def fastapi_server(*, deflate: bool) -> AsyncIterator[int]:
    """FastAPI on uvicorn, which reads a request and answers twice."""
    import uvicorn

    from benchmarks.fastapi_handler import app

    config = uvicorn.Config(
        app,
        port=0,
        ws="websockets-sansio",
        ws_per_message_deflate=deflate,
        lifespan="off",
        log_config=None,
        access_log=False,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    yield server.servers[0].sockets[0].getsockname()[1]
    server.force_exit = True
    await server.shutdown()


@asynccontextmanager
async def this_library(*, deflate: bool) -> AsyncIterator[int]:
    """This library, with an agent that does nothing and one that waits."""
    from zephyrus_exec import Listener, Service, serve
    from zephyrus_exec.interfaces.transport import select_subprotocol
    from zephyrus_exec.transports.websocket import WebSocketListener

    def listener(service: Service) -> Listener:
        return WebSocketListener(
            "127.0.0.1",
            0,
            deflate=deflate,
            select_subprotocol=select_subprotocol,
            respond=service.respond,
        )

    async with serve(_engine(), listener=listener, drain_timeout=1) as service:
        yield int(service.addresses[0].rpartition(":")[2])


async def _wait(_: RunContext, /) -> Json:
    await asyncio.get_running_loop().create_future()
    return None


def _engine() -> ExecutionEngine:
    from zephyrus_exec import (
        Agent,
        Component,
        ExecutionEngine,
        MemoryRepository,
        MemoryStore,
        StepsPlanner,
    )

    repository = MemoryRepository(
        [
            Agent(AGENT, planner=Component("steps", {"steps": []}), max_concurrent=MOST),
            Agent(WAITING, runner=Component(WAITING), max_concurrent=MOST),
        ]
    )
    return ExecutionEngine(
        agents=repository,
        contracts=repository,
        store=MemoryStore(),
        planners={"steps": StepsPlanner()},
        runners={WAITING: _wait},
        max_running=MOST,
        keep_ended=100,
    )


@frozen
class Weight:
    """How heavy a process is."""

    resident: int
    """Bytes of memory."""
    traced: int
    """Bytes that Python allocated since `tracemalloc` watches; 0: it does not."""
    cpu: float
    """Seconds that it has worked."""


@define(eq=False)
class Scales:
    """A server in a process of its own."""

    port: int
    _pipe: Connection

    async def weigh(self) -> Weight:
        """Return how heavy it is now."""
        self._pipe.send("weigh")
        weight: Weight = await asyncio.to_thread(self._pipe.recv)
        return weight


@asynccontextmanager
async def weighed(serving: Serving, *, traced: bool = False) -> AsyncIterator[Scales]:
    """Run a server in a process of its own, pinned to a core of its own.

    Args:
        serving: The server.
        traced: Whether `tracemalloc` is to watch it.
    """
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_run, args=(serving, traced, theirs))
    process.start()
    try:
        yield Scales(await asyncio.to_thread(ours.recv), ours)
    finally:
        ours.send("stop")
        await asyncio.to_thread(process.join)


def _run(serving: Serving, traced: bool, pipe: Connection) -> None:
    pin(SERVER_CORE)
    allow_connections()
    if traced:
        tracemalloc.start()
    asyncio.run(_serve(serving, pipe))


async def _serve(serving: Serving, pipe: Connection) -> None:
    async with serving() as port:
        pipe.send(port)
        while await asyncio.to_thread(pipe.recv) == "weigh":
            pipe.send(_weight())


def _weight() -> Weight:
    gc.collect()
    lines = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines())
    resident = int(lines["VmRSS"].split()[0]) * 1024
    return Weight(resident, tracemalloc.get_traced_memory()[0], time.process_time())
