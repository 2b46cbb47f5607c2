"""Servers to compare, each run alone in a process of its own."""

from __future__ import annotations

import asyncio
import multiprocessing
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final, Literal, TypeAlias

from attrs import define, frozen

from benchmarks.bare import bare_fastapi, bare_picows, bare_websockets, raw_protocol
from benchmarks.load import allow_connections, pin, run_on
from zephyrus_exec import ExecutionStore
from zephyrus_exec.cli.garbage import looked_for_seldom

AGENT: Final = "00000000-0000-4000-8000-000000000001"
SERVER_CORE: Final = 0

Serving: TypeAlias = Callable[[], AbstractAsyncContextManager[int]]
"""Serves on a free port of 127.0.0.1, and yields it."""


@frozen
class Peer:
    """One server."""

    name: str
    serving: Serving
    loop: Literal["asyncio", "uvloop"] = "asyncio"
    """On which it is faster."""


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

    idle = Agent(AGENT, planner=Component("steps", {"steps": []}), max_concurrent=10_000)
    repository = MemoryRepository([idle])
    engine = ExecutionEngine(
        agents=repository, contracts=repository, store=store, planners={"steps": StepsPlanner()}
    )
    async with serve(engine, host="127.0.0.1", port=0, drain_timeout=1) as service:
        yield int(service.addresses[0].rpartition(":")[2])


WEBSOCKETS: Final = Peer("bare websockets", bare_websockets)
FASTAPI: Final = Peer("bare FastAPI", bare_fastapi, "uvloop")
PICOWS: Final = Peer("bare picows", bare_picows, "uvloop")
MEMORY: Final = Peer("zephyrus_exec, memory", with_memory, "uvloop")
SQLITE: Final = Peer("zephyrus_exec, sqlite", with_sqlite, "uvloop")
RAW: Final = Peer("raw protocol", raw_protocol, "uvloop")


@define(eq=False)
class Running:
    """A server's process, as seen from ours."""

    port: int
    _pipe: Connection

    async def cpu(self) -> float:
        """Return the seconds that it has worked."""
        self._pipe.send("cpu")
        worked: float = await asyncio.to_thread(self._pipe.recv)
        return worked


@asynccontextmanager
async def running(peer: Peer) -> AsyncIterator[Running]:
    """Run a peer in a process of its own, pinned to a core of its own."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_run, args=(peer, theirs))
    process.start()
    theirs.close()  # so that its end is seen should it die
    try:
        yield Running(await asyncio.to_thread(ours.recv), ours)
        ours.send("stop")
    finally:
        ours.close()
        await asyncio.to_thread(process.join)


def _run(peer: Peer, pipe: Connection) -> None:
    pin(SERVER_CORE)
    allow_connections()

    async def serve() -> None:
        # Garbage is looked for as seldom as in our own `serve`, which spares all of them work.
        async with peer.serving() as port:
            with looked_for_seldom():
                pipe.send(port)
                while await asyncio.to_thread(_wanted, pipe) == "cpu":
                    pipe.send(time.process_time())

    run_on(peer.loop, serve())


def _wanted(pipe: Connection) -> str:
    try:
        wanted: str = pipe.recv()
    except EOFError:  # whoever measured has failed
        return "stop"
    return wanted
