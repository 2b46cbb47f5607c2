"""A server of executions that emit events, in a process of its own, that tells what it used."""

from __future__ import annotations

import asyncio
import cProfile
import multiprocessing
import os
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, TypeAlias

from attrs import define, field, frozen

from benchmarks.load import pin, run_on
from benchmarks.peers import SERVER_CORE
from zephyrus_exec import (
    Agent,
    Component,
    ExecutionEngine,
    ExecutionStore,
    Json,
    MemoryRepository,
    MemoryStore,
    RunContext,
    SqliteStore,
    serve,
)

EMITTING: Final = "emitting"
"""The agent: emits what its input, `{"events": …, "interval": …, "characters": …}`, says."""
STORES: Final = ("memory", "sqlite")
_STATUS: Final = Path("/proc/self/status")
_PEAK_ANEW: Final = "5"
"""Written to `clear_refs`, lets the peak begin anew (man 5 proc)."""


@frozen
class Usage:
    """What a process has used."""

    cpu: float
    """Seconds."""
    resident: int
    """Bytes of memory now."""
    peak: int
    """Bytes, the most since `watch_peak`."""


def usage() -> Usage:
    """Return what this process has used. Linux only."""
    lines = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines())
    resident, peak = (int(lines[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))
    return Usage(time.process_time(), resident, peak)


def watch_peak() -> None:
    """Forget the peak of memory so far."""
    Path("/proc/self/clear_refs").write_text(_PEAK_ANEW)


@frozen
class Emitted:
    """What one execution did, by its own account."""

    times: tuple[float, ...]
    """`time.perf_counter()`, which processes share, after each event was journaled."""
    began: float
    cpu: float
    """Seconds that the process worked meanwhile, on whatever."""

    @property
    def rate(self) -> float:
        """Events per second."""
        return len(self.times) / (self.times[-1] - self.began)

    @property
    def rate_of_cpu(self) -> float:
        """Events per second that the process worked: what a busy machine does not change."""
        return len(self.times) / self.cpu


@define(eq=False)
class _Emitter:
    """The runner. Executions with no interval wait for `go`."""

    emitted: dict[str, Emitted] = field(factory=dict)
    go: asyncio.Event = field(factory=asyncio.Event)

    async def __call__(self, context: RunContext, /) -> Json:
        wanted: Any = context.input
        interval = float(wanted.get("interval", 0))
        if not interval:
            await self.go.wait()
        text = "x" * int(wanted.get("characters", 0))
        began, cpu, times = time.perf_counter(), time.process_time(), []
        for number in range(1, int(wanted["events"]) + 1):
            # Whatever else an agent does lets others run, too.
            await asyncio.sleep(began + number * interval - time.perf_counter() if interval else 0)
            await context.emit({"number": number, "text": text})
            times.append(time.perf_counter())
        cpu = time.process_time() - cpu
        self.emitted[context.execution_id] = Emitted(tuple(times), began, cpu)
        return None


Order: TypeAlias = tuple[str, tuple[Any, ...]]


@define(eq=False)
class Server:
    """The process, as seen from ours."""

    port: int
    _pipe: Connection

    async def submit(self, **input: Json) -> str:
        """Start an execution, and return its id."""
        return str(await self._ask("submit", dict(input)))

    async def go(self) -> None:
        """Let executions without an interval begin, and return when all have ended."""
        await self._ask("go")

    async def emitted(self) -> dict[str, Emitted]:
        """Return what executions that have ended did, by id."""
        found: dict[str, Emitted] = await self._ask("emitted")
        return found

    async def usage(self) -> Usage:
        """Return what it has used."""
        found: Usage = await self._ask("usage")
        return found

    async def watch_peak(self) -> None:
        """Let its peak of memory begin anew."""
        await self._ask("watch_peak")

    async def _ask(self, name: str, *arguments: object) -> Any:
        self._pipe.send((name, arguments))
        return await asyncio.to_thread(self._pipe.recv)


@define(eq=False)
class _Orders:
    """Does what the other process asks for."""

    engine: ExecutionEngine
    emitter: _Emitter
    started: list[str] = field(factory=list)

    async def submit(self, input: Json) -> str:
        execution_id = await self.engine.submit(EMITTING, input=input)
        self.started.append(execution_id)
        return execution_id

    async def go(self) -> None:
        self.emitter.go.set()
        for execution_id in self.started:
            await self.engine.result(execution_id)

    async def emitted(self) -> dict[str, Emitted]:
        return self.emitter.emitted

    async def usage(self) -> Usage:
        return usage()

    async def watch_peak(self) -> None:
        watch_peak()


@asynccontextmanager
async def emitting_server(store: str, *, profile: str | None = None) -> AsyncIterator[Server]:
    """Run one in a process of its own, pinned to a core of its own.

    Args:
        store: One of `STORES`.
        profile: File for what `cProfile` finds from the first order to the end; null: nothing.
    """
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_run, args=(store, profile, theirs))
    process.start()
    try:
        yield Server(await asyncio.to_thread(ours.recv), ours)
    finally:
        ours.send(None)
        await asyncio.to_thread(process.join)


def _run(store: str, profile: str | None, pipe: Connection) -> None:
    pin(SERVER_CORE)
    if profile is None:
        run_on("uvloop", _serve(store, pipe))
        return
    profiler = cProfile.Profile()
    profiler.runcall(run_on, "uvloop", _serve(store, pipe))
    profiler.dump_stats(profile)


async def _serve(store_name: str, pipe: Connection) -> None:
    async with AsyncExitStack() as stack:
        store = await _open_store(store_name, stack)
        stack.push_async_callback(store.aclose)
        emitter = _Emitter()
        agent = Agent(EMITTING, runner=Component(EMITTING), max_concurrent=10_000)
        repository = MemoryRepository([agent])
        engine = ExecutionEngine(
            agents=repository, contracts=repository, store=store, runners={EMITTING: emitter}
        )
        service = await stack.enter_async_context(
            serve(engine, host="127.0.0.1", port=0, drain_timeout=1)
        )
        pipe.send(int(service.addresses[0].rpartition(":")[2]))
        await _obey(pipe, _Orders(engine, emitter))


async def _open_store(name: str, stack: AsyncExitStack) -> ExecutionStore:
    if name == "memory":
        return MemoryStore()
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    return await SqliteStore.open(Path(folder, "journal.db"))


async def _obey(pipe: Connection, orders: _Orders) -> None:
    while (order := await _next_order(pipe)) is not None:
        name, arguments = order
        method: Callable[..., Awaitable[object]] = getattr(orders, name)
        pipe.send(await method(*arguments))


async def _next_order(pipe: Connection) -> Order | None:
    """Wait for it without a thread: that one would be woken, and pre-empt the loop, at its ease."""
    arrived = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(pipe.fileno(), arrived.set)
    try:
        await arrived.wait()
    finally:
        loop.remove_reader(pipe.fileno())
    order: Order | None = pipe.recv()
    return order


def cores() -> int:
    """Return how many cores there are."""
    return os.cpu_count() or 1
