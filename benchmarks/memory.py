"""What a connection costs that is only there: memory, and CPU time.

    python -m benchmarks.memory

Each server runs alone in a process of its own. Its resident memory is told before and after so
many clients have come; the difference, divided, is what one costs. A second run, in which
`tracemalloc` watches, tells how much of that Python allocated. Linux only.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from attrs import frozen

from benchmarks.crowd import crowd
from benchmarks.dialects import masked_text_frame
from benchmarks.load import allow_connections, pin
from benchmarks.peers import AGENT, Serving
from benchmarks.results import Chart, Figure, Result, command_line, conclude, median, ratio
from benchmarks.verdicts import Goal
from benchmarks.weighing import (
    WAITING,
    Weight,
    fastapi_server,
    this_library,
    websockets_server,
    weighed,
)

LOAD_CORE: Final = 1
_WARM_UP: Final = 50
"""Clients that come and go before any is counted."""
_SETTLE: Final = 0.5
"""Seconds a server gets to finish what it does for those who came or went."""
_KIB: Final = 1024
_MOST: Final = 16
"""KiB that an idle connection of ours may cost."""


def _frame(**message: object) -> bytes:
    return masked_text_frame(json.dumps(message, separators=(",", ":")))


@frozen
class Visit:
    """What clients do before they fall silent."""

    asks: tuple[bytes, ...]
    """Frames, one after the other."""
    answers: tuple[bytes, ...]
    """What their answers contain."""


_EXECUTE: Final = _frame(type="execute", agent_id=AGENT)
_HELLO: Final = _frame(type="hello", request_id="h", versions=[2])
NOTHING: Final = Visit((), ())
ECHO: Final = Visit((_EXECUTE,), (b'"execute"',))
V1: Final = Visit((_EXECUTE,), (b'"status":"completed"',))
V1_ACTIVE: Final = Visit((_frame(type="execute", agent_id=WAITING),), (b'"status":"started"',))
V2: Final = Visit((_HELLO,), (b'"hello_ack"',))
V2_ACTIVE: Final = Visit(
    (_HELLO, _frame(type="execute", request_id="e", agent_id=WAITING)),
    (b'"hello_ack"', b'"event":"started"'),
)


@frozen
class Server:
    """A server, and what is done with it."""

    case: str
    name: str
    serving: Serving
    visit: Visit
    deflate: bool = False


_IDLE: Final = "idle"
_DEFLATED: Final = "idle, compression agreed"
_ACTIVE: Final = "an execution under way"
WEBSOCKETS: Final = "bare websockets"
FASTAPI: Final = "bare FastAPI"
OURS: Final = "zephyrus_exec, v1"
OURS_V2: Final = "zephyrus_exec, v2"
_PLAIN: Final = partial(this_library, deflate=False)
SERVERS: Final = (
    Server(_IDLE, WEBSOCKETS, partial(websockets_server, deflate=False), ECHO),
    Server(_IDLE, FASTAPI, partial(fastapi_server, deflate=False), V1),
    Server(_IDLE, OURS, _PLAIN, V1),
    Server(_IDLE, OURS_V2, _PLAIN, V2),
    Server(_DEFLATED, WEBSOCKETS, partial(websockets_server, deflate=True), NOTHING, True),
    Server(_DEFLATED, FASTAPI, partial(fastapi_server, deflate=True), NOTHING, True),
    Server(_DEFLATED, OURS, partial(this_library, deflate=True), NOTHING, True),
    Server(_ACTIVE, OURS, _PLAIN, V1_ACTIVE),
    Server(_ACTIVE, OURS_V2, _PLAIN, V2_ACTIVE),
)


@frozen
class Cost:
    """What one connection costs."""

    resident: float
    """KiB of resident memory."""
    allocated: float
    """KiB that Python allocated."""
    idle_cpu: float
    """Microseconds of CPU time in a second of silence."""


async def measure(server: Server, clients: int, *, seconds: float) -> Cost:
    """Return what one of so many clients costs.

    Args:
        server: Whose.
        clients: How many come.
        seconds: How long they stay silent.
    """
    before, there, later = await _weigh(server, clients, seconds=seconds, traced=False)
    traced_before, traced_there, _ = await _weigh(server, clients, seconds=0, traced=True)
    return Cost(
        (there.resident - before.resident) / clients / _KIB,
        (traced_there.traced - traced_before.traced) / clients / _KIB,
        (later.cpu - there.cpu) / clients / max(seconds, _SETTLE) * 1e6,
    )


async def _weigh(
    server: Server, clients: int, *, seconds: float, traced: bool
) -> tuple[Weight, Weight, Weight]:
    """Return the server's weight before, with them, and when they have been silent for so long."""
    visit = server.visit
    coming = partial(crowd, deflate=server.deflate, asks=visit.asks, answers=visit.answers)
    async with weighed(server.serving, traced=traced) as scales:
        async with coming(scales.port, _WARM_UP):
            await asyncio.sleep(_SETTLE)
        await asyncio.sleep(_SETTLE)
        before = await scales.weigh()
        async with coming(scales.port, clients):
            await asyncio.sleep(_SETTLE)
            there = await scales.weigh()
            await asyncio.sleep(seconds)
            later = await scales.weigh()
        await asyncio.sleep(_SETTLE)
    return before, there, later


Found = Mapping[Server, Sequence[Cost]]


def result_of(found: Found, clients: int) -> Result:
    """Return what was found, and whether it is as it should be."""
    figures: list[Figure] = []
    base = {each.case: costs for each, costs in found.items() if each.name == WEBSOCKETS}
    for server, costs in found.items():
        resident = [each.resident for each in costs]
        figures += [
            median(server.case, server.name, "resident", resident, "KiB"),
            median(server.case, server.name, "Python", [each.allocated for each in costs], "KiB"),
            median(server.case, server.name, "silence", [each.idle_cpu for each in costs], "µs/s"),
        ]
        if server.case in base:
            theirs = [each.resident for each in base[server.case]]
            figures.append(ratio(server.case, server.name, "to websockets", resident, theirs))
    return Result(
        "memory",
        "Memory per connection",
        tuple(figures),
        _goals(figures),
        (Chart("Memory per connection, KiB", "resident"),),
        (
            f"{clients:,} clients with a browser's request headers; all servers on asyncio's own "
            "loop. *silence*: microseconds of CPU time in a second in which nothing is asked, "
            "answers to pings included.",
        ),
    )


def _goals(figures: Sequence[Figure]) -> tuple[Goal, ...]:
    return tuple(
        Goal("KiB of an idle v1 connection", each.value, at_most=_MOST)
        for each in figures
        if (each.case, each.subject, each.quantity) == (_IDLE, OURS, "resident")
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = command_line("memory", rounds=3)
    parser.add_argument("--clients", type=int, default=5000, help="of each server [5000]")
    parser.add_argument("--seconds", type=float, default=60.0, help="of silence [60]")
    parser.add_argument("--only", default="", help="part of the names of the servers to measure")
    options = parser.parse_args(arguments)
    clients, rounds, seconds = options.clients, options.rounds, options.seconds
    if options.quick:
        clients, rounds, seconds = 300, 1, 0
    pin(LOAD_CORE)
    allow_connections()
    found: dict[Server, list[Cost]] = {}
    for _ in range(rounds):
        for server in (each for each in SERVERS if options.only in each.name):
            cost = asyncio.run(measure(server, clients, seconds=seconds))
            found.setdefault(server, []).append(cost)
    return conclude(result_of(found, clients), options)


if __name__ == "__main__":
    sys.exit(main())
