"""From an event's being journaled to its frame on the client's socket.

    python -m benchmarks.latency

As many connections as executions, each of which emits at a steady rate and is watched by who asked
for it. The peer is a bare `websockets` server that sends back what it gets, asked by as many
connections at the same rate: its figure is the whole way there and back. Each server runs alone on
one core, the clients on the other; the servers take turns. Quote the ratios, not the figures.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from attrs import define, field, frozen

from benchmarks.emitting import EMITTING, STORES, emitting_server
from benchmarks.load import LOAD_CORE, masked_text_frame, pin, run_on
from benchmarks.peers import Peer, running
from benchmarks.results import Chart, Figure, Result, command_line, conclude, median, ratio
from benchmarks.sockets import connect, hello, split

ECHO: Final = "bare websockets, echo"
_FIRST: Final = 2
_LAST: Final = 1
"""So many of each one's events do not count: others begin or end meanwhile."""
_OTHERS: Final = 4
"""Messages besides: the answer, accepted, started, completed."""


@frozen
class Load:
    """So many executions at once, each of which emits so many events a second."""

    executions: int
    rate: float

    def __str__(self) -> str:
        return f"{self.executions:,} × {self.rate:g}/s"


LOADS: Final = (Load(1, 100.0), Load(100, 5.0), Load(1000, 1.0))


@define(eq=False)
class _Follower(asyncio.Protocol):
    """Notes when each message came."""

    wanted: int
    """How many messages are to come."""
    came: list[tuple[float, bytes]] = field(factory=list)
    done: asyncio.Event = field(factory=asyncio.Event)
    _rest: bytes = b""
    _socket: asyncio.Transport = field(init=False)

    def connection_made(self, transport: Any) -> None:  # uvloop's is no asyncio.Transport
        self._socket = transport

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        messages, self._rest = split(self._rest + data)
        self.came += [(now, message) for message in messages]
        if len(self.came) >= self.wanted:
            self.done.set()

    def write(self, data: bytes) -> None:
        self._socket.write(data)

    def close(self) -> None:
        """Say farewell (RFC 6455 section 5.5.1) and go."""
        self._socket.write(b"\x88\x80\0\0\0\0")
        self._socket.close()


@asynccontextmanager
async def _followers(
    port: int, load: Load, wanted: int, *, v2: bool
) -> AsyncIterator[list[_Follower]]:
    loop = asyncio.get_running_loop()
    followers: list[_Follower] = []
    for _ in range(load.executions):
        connection = connect(port)
        if v2:
            hello(connection)
        connection.setblocking(False)
        followers.append(
            (await loop.create_connection(lambda: _Follower(wanted), sock=connection))[1]
        )
    try:
        yield followers
    finally:
        for follower in followers:
            follower.close()


async def _staggered(load: Load, number: int) -> None:
    """Wait so long that all begin at different moments of one interval."""
    await asyncio.sleep(number / load.executions / load.rate)


def _events(load: Load, seconds: float) -> int:
    return round(seconds * load.rate) + _FIRST + _LAST


async def measure_events(store: str, load: Load, seconds: float) -> list[float]:
    """Return each event's way, in seconds, sorted."""
    events = _events(load, seconds)
    wanted = {"events": events, "interval": 1 / load.rate}
    request = masked_text_frame(
        json.dumps(
            {"type": "execute", "request_id": "e", "agent_id": EMITTING, "input": wanted},
            separators=(",", ":"),
        )
    )

    async def ask(number: int, follower: _Follower) -> None:
        await _staggered(load, number)
        follower.write(request)
        await follower.done.wait()

    async with (
        emitting_server(store) as server,
        _followers(server.port, load, events + _OTHERS, v2=True) as followers,
    ):
        await asyncio.gather(*(ask(*each) for each in enumerate(followers)))
        journaled = {id: each.times for id, each in (await server.emitted()).items()}
    return sorted(way for follower in followers for way in _ways(follower, journaled))


def _ways(follower: _Follower, journaled: Mapping[str, Sequence[float]]) -> list[float]:
    events = [
        (came, json.loads(message))
        for came, message in follower.came
        if b'"event":"progress"' in message
    ]
    times = journaled[events[0][1]["execution_id"]]
    assert [event["data"]["number"] for _, event in events] == list(range(1, len(times) + 1))
    ways = [came - at for (came, _), at in zip(events, times, strict=True)]
    return ways[_FIRST:-_LAST]


@asynccontextmanager
async def _echoing() -> AsyncIterator[int]:
    from websockets.asyncio.server import ServerConnection, serve

    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with serve(echo, "127.0.0.1", 0, compression=None) as server:
        yield next(iter(server.sockets)).getsockname()[1]


async def measure_echo(load: Load, seconds: float) -> list[float]:
    """Return each message's way there and back, in seconds, sorted."""
    messages = _events(load, seconds)
    request = masked_text_frame('{"type":"execution_event","text":"' + "x" * 80 + '"}')
    ways: list[float] = []

    async def ask(number: int, follower: _Follower) -> None:
        await _staggered(load, number)
        began, sent = time.perf_counter(), []
        for each in range(1, messages + 1):
            await asyncio.sleep(began + each / load.rate - time.perf_counter())
            sent.append(time.perf_counter())
            follower.write(request)
        await follower.done.wait()
        found = [came - at for (came, _), at in zip(follower.came, sent, strict=True)]
        ways.extend(found[_FIRST:-_LAST])

    async with (
        running(Peer(ECHO, _echoing, "uvloop")) as server,
        _followers(server.port, load, messages, v2=False) as followers,
    ):
        await asyncio.gather(*(ask(*each) for each in enumerate(followers)))
    return sorted(ways)


async def measure(load: Load, *, rounds: int, seconds: float) -> dict[str, list[list[float]]]:
    """Return each one's rounds."""
    found: dict[str, list[list[float]]] = {}
    for _ in range(rounds):
        found.setdefault(ECHO, []).append(await measure_echo(load, seconds))
        for store in STORES:
            ways = await measure_events(store, load, seconds)
            found.setdefault(f"zephyrus_exec, {store}", []).append(ways)
    return found


def result_of(found: Mapping[Load, Mapping[str, Sequence[Sequence[float]]]]) -> Result:
    """Return the figures of every load, with the ratios to the echo's of the same round."""
    figures = [
        figure
        for load, subjects in found.items()
        for name, rounds in subjects.items()
        for figure in _figures(str(load), name, rounds, subjects[ECHO])
    ]
    return Result(
        "latency",
        "From the journal to the client",
        tuple(figures),
        charts=(Chart("From the journal to the client, median", "p50", logarithmic=True),),
        notes=("The echo's figure is its way there and back. Servers and clients run on uvloop.",),
    )


def _figures(
    case: str, name: str, rounds: Sequence[Sequence[float]], echo: Sequence[Sequence[float]]
) -> Iterator[Figure]:
    for quantity, share in (("p50", 0.5), ("p99", 0.99)):
        ours, theirs = _percentiles(rounds, share), _percentiles(echo, share)
        yield median(case, name, quantity, ours, "ms")
        yield ratio(case, name, f"{quantity} to the echo", ours, theirs)


def _percentiles(rounds: Sequence[Sequence[float]], share: float) -> list[float]:
    return [each[min(len(each) - 1, int(share * len(each)))] * 1e3 for each in rounds]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = command_line("latency", rounds=3)
    parser.add_argument("--loads", type=int, nargs="+", default=[1, 100, 1000], help="executions")
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args(arguments)
    pin(LOAD_CORE)
    if options.quick:
        options.loads, options.rounds, options.seconds = [1], 1, 0.2
    found = {
        load: run_on("uvloop", measure(load, rounds=options.rounds, seconds=options.seconds))
        for load in LOADS
        if load.executions in options.loads
    }
    return conclude(result_of(found), options)


if __name__ == "__main__":
    sys.exit(main())
