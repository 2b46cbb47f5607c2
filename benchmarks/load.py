"""A load generator that costs as little as it can: frames are prebuilt, replies only counted."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from itertools import chain, cycle, islice
from typing import Any, Final, Protocol, TypeVar

from attrs import define, field, frozen

from benchmarks.dialects import (
    COMPLETED,
    FAREWELL,
    HANDSHAKE,
    HELLO_ACK,
    Dialect,
    masked_text_frame,
)

__all__ = ["Load", "Measurement", "drive", "masked_text_frame", "pin"]

LOAD_CORE: Final = 1
T = TypeVar("T")

_PATIENCE: Final = 120
"""Seconds for connecting, for first answers and for last ones: who is gone gives none."""

_AT_ONCE: Final = 50
"""So many connections are being opened at a time: fewer than any listener lets wait."""


@frozen
class Load:
    """So many connections, each with so many requests in flight."""

    connections: int
    in_flight: int

    def __str__(self) -> str:
        return f"{self.connections:,} × {self.in_flight}"


@frozen
class Measurement:
    """What one round gave."""

    per_second: float
    """Executions."""
    latencies: tuple[float, ...]
    """Seconds, sorted."""
    busy: float
    """The share of its core that the load generator took."""
    cpu: float
    """Seconds that the server worked for one execution."""

    def percentile(self, share: float) -> float:
        """Return the latency that this share of the requests did not exceed, in seconds."""
        return self.latencies[min(len(self.latencies) - 1, int(share * len(self.latencies)))]


@define(eq=False)
class Connection(asyncio.Protocol):
    """Asks again as often as an execution has ended; times from request to `until`."""

    dialect: Dialect
    until: bytes
    open: asyncio.Event = field(factory=asyncio.Event)
    latencies: list[float] = field(factory=list)
    ended: int = 0
    stopped: bool = False
    _greeted: bool = False
    _tail: bytes = b""
    _asked: list[float] = field(factory=list)
    _running: int = 0
    _requests: cycle[bytes] = field(init=False)
    _socket: asyncio.Transport = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._requests = cycle(self.dialect.requests)

    def connection_made(self, transport: Any) -> None:  # uvloop's is no asyncio.Transport
        self._socket = transport
        transport.write(HANDSHAKE)

    def data_received(self, data: bytes) -> None:
        if not self.open.is_set():
            self._opening(data)
            return
        ended = self._count(data)
        if ended:
            self.ended += ended
            self._running -= ended
            if not self.stopped:
                self.ask(ended)

    def _opening(self, data: bytes) -> None:
        if self._greeted:
            assert HELLO_ACK in data, data[:200]
            self.open.set()
            return
        assert data.startswith(b"HTTP/1.1 101"), data[:200]
        self._greeted = True
        if self.dialect.opening:
            self._socket.write(self.dialect.opening)
        else:
            self.open.set()

    def _count(self, data: bytes) -> int:
        """Note the latencies of what has come, and return how many executions have ended."""
        seen = self._tail + data
        ended = seen.count(COMPLETED)
        arrived = ended if self.until is COMPLETED else seen.count(self.until)
        last = max(seen.rfind(marker) + 1 for marker in {COMPLETED, self.until})
        self._tail = seen[max(last, len(seen) - _LONGEST) :]
        if arrived:
            now = time.perf_counter()
            self.latencies += [now - asked for asked in self._asked[:arrived]]
            del self._asked[:arrived]
        return ended

    def ask(self, count: int) -> None:
        """Ask for so many executions."""
        self._running += count
        self._asked += [time.perf_counter()] * count
        self._socket.write(b"".join(islice(self._requests, count)))

    @property
    def waiting(self) -> int:
        """How many executions have not ended yet."""
        return self._running

    def connection_lost(self, exc: Exception | None) -> None:
        assert not self._running, "the server closed the connection"

    def close(self) -> None:
        """Say farewell and go."""
        self._socket.write(FAREWELL)
        self._socket.close()


_LONGEST: Final = 32
"""No marker is longer: what may have been cut is among so many bytes at the end."""


class Server(Protocol):
    """What is asked, in a process of its own."""

    port: int

    async def cpu(self) -> float:
        """Return the seconds that it has worked."""
        ...


async def drive(
    server: Server, load: Load, dialect: Dialect, seconds: float, *, until: bytes = COMPLETED
) -> Measurement:
    """Ask for executions as fast as replies come, and count, after a warm-up.

    Args:
        server: On this machine.
        load: How many connections, how much in flight.
        dialect: How to ask.
        seconds: How long to measure.
        until: What ends the time of a request: `COMPLETED`, or the dialect's first event.

    Raises:
        TimeoutError: Something was never answered.
    """
    async with (
        asyncio.timeout(seconds + _PATIENCE),
        _connections(server.port, load, dialect, until) as connections,
    ):
        for connection in connections:
            connection.ask(load.in_flight)
        await _warm_up(connections, seconds / 5)
        for connection in connections:
            connection.latencies.clear()
            connection.ended = 0
        began, served, worked = time.perf_counter(), await server.cpu(), time.process_time()
        await asyncio.sleep(seconds)
        took, worked = time.perf_counter() - began, time.process_time() - worked
        ended = sum(connection.ended for connection in connections)
        served = await server.cpu() - served
        latencies = sorted(chain.from_iterable(each.latencies for each in connections))
        await _come_to_rest(connections)
    assert latencies, "nothing was answered"
    return Measurement(ended / took, tuple(latencies), worked / took, served / ended)


@asynccontextmanager
async def _connections(
    port: int, load: Load, dialect: Dialect, until: bytes
) -> AsyncIterator[list[Connection]]:
    loop = asyncio.get_running_loop()
    connections: list[Connection] = []
    while len(connections) < load.connections:
        batch = [
            (await loop.create_connection(lambda: Connection(dialect, until), "127.0.0.1", port))[1]
            for _ in range(min(_AT_ONCE, load.connections - len(connections)))
        ]
        await asyncio.gather(*(each.open.wait() for each in batch))
        connections += batch
    yield connections
    for connection in connections:
        connection.close()


async def _warm_up(connections: Sequence[Connection], seconds: float) -> None:
    """Wait so long at least, and until every connection has had an answer."""
    await asyncio.sleep(seconds)
    while not all(connection.ended for connection in connections):
        await asyncio.sleep(0.01)


async def _come_to_rest(connections: Sequence[Connection]) -> None:
    for connection in connections:
        connection.stopped = True
    while any(connection.waiting for connection in connections):
        await asyncio.sleep(0.01)


def pin(core: int) -> None:
    """Keep this process on one core, where the system can."""
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > core:
        os.sched_setaffinity(0, {core})


def allow_connections() -> None:
    """Let this process have as many files open as the system allows it, where it counts them."""
    if sys.platform != "win32":
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def run_on(loop: str, main: Coroutine[Any, Any, T]) -> T:
    """Run it on asyncio's loop or on uvloop's."""
    if loop == "asyncio":
        return asyncio.run(main)
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)
