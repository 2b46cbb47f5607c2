"""One execution of 10,000 events, watched by many of whom most have stopped reading.

    python -m benchmarks.watchers

The execution emits as fast as it can. The server runs alone on one core, everybody who watches on
the other. Who reads must get everything in order; so must those who stopped and read on later.
Linux only. Quote the ratios, not the figures.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

from attrs import frozen

from benchmarks.emitting import STORES, Emitted, Server, Usage, emitting_server
from benchmarks.load import pin
from benchmarks.sockets import Reader, connect, hello, subscribe, unread
from benchmarks.verdicts import Goal, print_verdicts

LOAD_CORE: Final = 1
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


def print_results(
    audiences: Sequence[Audience], found: dict[tuple[str, str], list[Run]]
) -> list[Goal]:
    """Print a row for each store and audience, and return what was to be shown."""
    print(
        f"{'store, who watches':<36}{'events/s':>9}{'ratio':>7}{'by cpu':>8}{'grown MB':>10}"
        f"{'µs/frame':>10}{'behind ms':>11}{'held back':>11}"
    )
    goals: list[Goal] = []
    for store in STORES:
        alone = found[store, audiences[0].name]
        for audience in audiences:
            runs = found[store, audience.name]
            ratio = _ratio(runs, alone, lambda each: each.emitted.rate)
            by_cpu = _ratio(runs, alone, lambda each: each.emitted.rate_of_cpu)
            grown = (_median(runs, _grown) - _median(alone, _grown)) / 1e6
            frames = runs[0].frames
            cost = (_median(runs, _cpu) - _median(alone, _cpu)) / frames * 1e6 if frames else 0.0
            print(
                f"{store + ', ' + audience.name:<36}"
                f"{_median(runs, lambda each: each.emitted.rate):>9,.0f}{ratio:>7.2f}{by_cpu:>8.2f}"
                f"{grown:>10.1f}{cost:>10.1f}{_median(runs, lambda each: each.behind) * 1e3:>11.0f}"
                f"{min(each.held_back for each in runs):>11}"
            )
        what = f"{store}, {audiences[-1].name}"
        goals.append(Goal(f"{what}: rate", ratio, at_least=0.9))
        goals.append(Goal(f"{what}: MB grown", grown, at_most=20.0))
    return goals


def _ratio(runs: Sequence[Run], alone: Sequence[Run], rate: Callable[[Run], float]) -> float:
    """Return the median over the rounds: both of a round met the same machine."""
    return statistics.median(
        rate(each) / rate(other) for each, other in zip(runs, alone, strict=True)
    )


def _median(runs: Sequence[Run], of: Callable[[Run], float]) -> float:
    return statistics.median(map(of, runs))


def _grown(each: Run) -> float:
    return each.grown


def _cpu(each: Run) -> float:
    return each.cpu


def main() -> None:
    """Measure and print; end with 1 where a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.watchers")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--stalled", type=int, default=100)
    parser.add_argument("--reading", type=int, default=5)
    options = parser.parse_args()
    pin(LOAD_CORE)
    audiences = (
        Audience("nobody", 0, 0),
        Audience(f"{options.reading} reading", 0, options.reading),
        Audience(
            f"{options.reading} reading, {options.stalled} stalled",
            options.stalled,
            options.reading,
        ),
    )
    found = measure(audiences, rounds=options.rounds, events=options.events)
    sys.exit(print_verdicts(print_results(audiences, found)))


if __name__ == "__main__":
    main()
