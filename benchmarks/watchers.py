"""One execution of 10,000 events, watched by many of whom most have stopped reading.

    python -m benchmarks.watchers

The execution emits as fast as it can. The server runs alone on one core, everybody who watches on
the other. Who reads must get everything in order; so must those who stopped and read on later.
Linux only. Quote the ratios, not the figures.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from attrs import frozen

from benchmarks.emitting import STORES, Emitted, Server, Usage, emitting_server
from benchmarks.load import LOAD_CORE, pin
from benchmarks.results import Chart, Figure, Result, command_line, conclude, median, ratio
from benchmarks.sockets import Reader, connect, hello, subscribe, unread
from benchmarks.verdicts import Goal

CHARACTERS: Final = 400
"""Of each event's data: what 10,000 of them come to fits into no kernel's buffers."""
RECEIVE_BUFFER: Final = 4096
"""Bytes that the kernel keeps for who does not read."""
_READING_ON: Final = 5
"""So many of them read on in the end."""
_READ_ON: Final = 1 << 20
"""Bytes that the kernel keeps for these."""
_OTHERS: Final = 3
"""Events besides those emitted: accepted, started, completed."""


@frozen
class Audience:
    """Who watches."""

    name: str
    stalled: int
    reading: int


@frozen
class Run:
    """What one execution, watched or not, came to."""

    emitted: Emitted
    grown: int
    """Bytes by which the peak of the server's memory was above what it used before."""
    cpu: float
    """Seconds that the server worked until those who read had everything."""
    frames: int
    """Delivered to them."""
    behind: float
    """Seconds from the last event to the last frame."""
    held_back: int
    """How many of the stalled had not been given everything by then."""


async def run(audience: Audience, store: str, *, events: int, profile: str | None = None) -> Run:
    """Let it happen once, and check that nobody missed anything."""
    async with emitting_server(store, profile=profile) as server:
        execution_id = await server.submit(events=events, characters=CHARACTERS)
        stalled = [_watch(server, execution_id, RECEIVE_BUFFER) for _ in range(audience.stalled)]
        readers = [
            await Reader.on(_watch(server, execution_id, None)) for _ in range(audience.reading)
        ]
        await asyncio.sleep(0.2)  # what is there already, and the loop, come to rest
        await server.watch_peak()
        before = await server.usage()
        await server.go()
        for reader in readers:
            await reader.done.wait()
        read = time.perf_counter()
        after = await server.usage()
        emitted = (await server.emitted())[execution_id]
        size = len(readers[0].data) if readers else 0
        held_back = _held_back(server, stalled, size)
        for connection in stalled[:_READING_ON]:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _READ_ON)
            readers.append(await Reader.on(connection))
        for reader in readers:
            await reader.done.wait()
            _check(reader, events)
        for connection in stalled[_READING_ON:]:
            connection.close()
    return _made(audience, emitted, before, after, read, held_back, events)


def _made(
    audience: Audience,
    emitted: Emitted,
    before: Usage,
    after: Usage,
    read: float,
    held_back: int,
    events: int,
) -> Run:
    return Run(
        emitted,
        grown=after.peak - before.resident,
        cpu=after.cpu - before.cpu,
        frames=audience.reading * (events + _OTHERS),
        behind=read - emitted.times[-1],
        held_back=held_back,
    )


def _watch(server: Server, execution_id: str, receive_buffer: int | None) -> socket.socket:
    connection = connect(server.port, receive_buffer=receive_buffer)
    hello(connection)
    subscribe(connection, execution_id)
    return connection


def _held_back(server: Server, stalled: Sequence[socket.socket], size: int) -> int:
    """Return for how many the kernel does not hold everything already."""
    waiting = unread(server.port)
    return sum(waiting[connection.getsockname()[1]] < size for connection in stalled)


def _check(reader: Reader, events: int) -> None:
    messages = [message for message in reader.messages() if message["type"] != "ping"]
    seqs = [message["seq"] for message in messages]
    assert seqs == list(range(1, events + _OTHERS + 1)), "events are missing or out of order"
    numbers = [
        message["data"]["number"] for message in messages if message.get("event") == "progress"
    ]
    assert numbers == list(range(1, events + 1)), "an event is not what was emitted"
    assert messages[-1]["data"]["outcome"] == "succeeded", messages[-1]


def measure(
    audiences: Sequence[Audience], *, rounds: int, events: int
) -> dict[tuple[str, str], list[Run]]:
    """Return every store's and audience's runs, in turns."""
    found: dict[tuple[str, str], list[Run]] = {}
    for _ in range(rounds):
        for store in STORES:
            for audience in audiences:
                result = asyncio.run(run(audience, store, events=events))
                found.setdefault((store, audience.name), []).append(result)
    return found


def result_of(
    audiences: Sequence[Audience], found: Mapping[tuple[str, str], Sequence[Run]]
) -> Result:
    """Return every store's and audience's figures, the first audience being nobody."""
    figures: list[Figure] = []
    goals: list[Goal] = []
    for store in STORES:
        alone = found[store, audiences[0].name]
        for audience in audiences:
            figures += _figures(store, audience.name, found[store, audience.name], alone)
        what = f"{store}, {audiences[-1].name}"
        value = {
            each.quantity: each.value
            for each in figures
            if (each.case, each.subject) == (store, audiences[-1].name)
        }
        goals.append(Goal(f"{what}: rate", value["rate to unwatched"], at_least=0.9))
        goals.append(Goal(f"{what}: MB grown", value["grown"], at_most=20.0))
    return Result(
        "watchers",
        "An execution that many watch",
        tuple(figures),
        tuple(goals),
        (Chart("Events per second", "events"),),
        (
            "*By CPU*: the rate per second that the server worked, to the unwatched one's. "
            "*Grown*: memory beyond what the same execution takes unwatched. *A frame*: all that "
            "watching costs, the stalled included, for each frame that was read. *Behind*: from "
            "the last event to the last frame read. Servers run on uvloop.",
        ),
    )


def _figures(
    store: str, audience: str, runs: Sequence[Run], alone: Sequence[Run]
) -> Iterator[Figure]:
    def each(of: Callable[[Run], float], among: Sequence[Run] = runs) -> list[float]:
        return [of(run) for run in among]

    def rate(run: Run) -> float:
        return run.emitted.rate

    def by_cpu(run: Run) -> float:
        return run.emitted.rate_of_cpu

    where = store, audience
    yield median(*where, "events", each(rate), "1/s")
    yield ratio(*where, "rate to unwatched", each(rate), each(rate, alone))
    yield ratio(*where, "by CPU", each(by_cpu), each(by_cpu, alone))
    if not runs[0].frames:
        return
    pairs = list(zip(runs, alone, strict=True))
    yield median(*where, "grown", [(run.grown - other.grown) / 1e6 for run, other in pairs], "MB")
    costs = [(run.cpu - other.cpu) / run.frames * 1e6 for run, other in pairs]
    yield median(*where, "a frame", costs, "µs")
    yield median(*where, "behind", [run.behind * 1e3 for run in runs], "ms")
    yield Figure(*where, "held back", min(run.held_back for run in runs))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = command_line("watchers", rounds=5)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--stalled", type=int, default=100)
    parser.add_argument("--reading", type=int, default=5)
    options = parser.parse_args(arguments)
    pin(LOAD_CORE)
    if options.quick:
        options.rounds, options.events, options.stalled, options.reading = 1, 200, 6, 2
    reading = f"{options.reading} reading"
    audiences = (
        Audience("nobody", 0, 0),
        Audience(reading, 0, options.reading),
        Audience(f"{reading}, {options.stalled} stalled", options.stalled, options.reading),
    )
    found = measure(audiences, rounds=options.rounds, events=options.events)
    return conclude(result_of(audiences, found), options)


if __name__ == "__main__":
    sys.exit(main())
