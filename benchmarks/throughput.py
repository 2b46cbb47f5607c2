"""Executions per second, and how long each takes, of an agent that does nothing.

    python -m benchmarks.throughput

The peers only read a request and answer twice; ours journal four events each time. Each server runs
alone on one core, the load generator on the other; the servers take turns, so that a change of the
machine's speed meets all of them. Quote the ratios, not the figures.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Final, TypeAlias

from attrs import evolve, frozen

from benchmarks.dialects import COMPLETED, Dialect, v1, v2
from benchmarks.load import LOAD_CORE, Load, Measurement, allow_connections, drive, pin, run_on
from benchmarks.peers import (
    AGENT,
    FASTAPI,
    MEMORY,
    PICOWS,
    RAW,
    SQLITE,
    WEBSOCKETS,
    Peer,
    running,
)
from benchmarks.results import Chart, Figure, Result, command_line, conclude, median, ratio
from benchmarks.verdicts import Goal

OURS: Final = (MEMORY, SQLITE)
BOTH_LOOPS: Final = tuple(
    evolve(WEBSOCKETS, name=f"{WEBSOCKETS.name} on {loop}", loop=loop)
    for loop in ("asyncio", "uvloop")
)
"""It is not the same one everywhere; the better one of each load is what ours are compared with."""
PEERS: Final = (*BOTH_LOOPS, FASTAPI, PICOWS, *OURS, RAW)

ALONE: Final = Load(1, 1)
SHARED: Final = Load(50, 4)
CROWDED: Final = Load(5_000, 1)
LOADS: Final = (ALONE, SHARED, Load(500, 1), CROWDED)

FIRST_EVENT: Final = "1 × 1, first event"
_TOO_BUSY: Final = 0.9
"""A load generator that takes more of its core may be what limits the figure."""

Found: TypeAlias = dict[tuple[str, str], list[Measurement]]
"""The rounds of each case and subject."""


@frozen
class _Trial:
    case: str
    subject: str
    peer: Peer
    load: Load
    dialect: Dialect
    until: bytes = COMPLETED


def trials(loads: Sequence[Load]) -> list[_Trial]:
    """Return everything that one round measures."""
    plain, bare = v1(AGENT), (*BOTH_LOOPS, FASTAPI)
    whole = [
        _Trial(str(load), peer.name, peer, load, plain) for load, peer in product(loads, PEERS)
    ]
    whole += [
        _Trial(str(load), f"{peer.name}, v2", peer, load, v2(AGENT, load.in_flight))
        for load, peer in product(loads, OURS)
        if load == SHARED
    ]
    first = [
        _Trial(FIRST_EVENT, f"{peer.name}, {dialect.name}", peer, ALONE, dialect, dialect.first)
        for peer, dialect in (*product(OURS, (plain, v2(AGENT, 1))), *product(bare, (plain,)))
    ]
    return whole + first


def measure(loads: Sequence[Load], *, rounds: int, seconds: float) -> Found:
    """Return what each trial gave, round by round."""
    found: Found = {}
    for number in range(rounds):
        for trial in trials(loads):
            print(f"round {number + 1}: {trial.case}, {trial.subject}", file=sys.stderr)
            measured = run_on("uvloop", _measure(trial, seconds))
            found.setdefault((trial.case, trial.subject), []).append(measured)
    return found


async def _measure(trial: _Trial, seconds: float) -> Measurement:
    # many are answered in waves, of which several have to pass
    seconds *= max(1, trial.load.connections // 1_000)
    async with running(trial.peer) as server:
        return await drive(server, trial.load, trial.dialect, seconds, until=trial.until)


def result_of(found: Found) -> Result:
    """Return the figures, and what was to be shown of those that were measured."""
    figures = [figure for case, subject in found for figure in _figures(found, case, subject)]
    return Result(
        "throughput",
        "Executions of an agent that does nothing",
        tuple(figures),
        tuple(_goals(found, figures)),
        (
            Chart("Executions per second", "executions", subjects=_DRAWN),
            Chart("Latency, median", "p50", logarithmic=True, subjects=_DRAWN),
            Chart("Latency, 99 of 100", "p99", logarithmic=True, subjects=_DRAWN),
        ),
        (_LOOPS, *_busy(found)),
    )


_DRAWN: Final = tuple(peer.name for peer in PEERS if peer is not RAW)
_LOOPS: Final = (
    "FastAPI (on uvicorn, with pydantic), picows, ours and the load generator run on uvloop, "
    "`websockets` on both loops; the better one counts. The raw protocol reads nothing and answers "
    "the same bytes: it shows what the load generator can."
)


def _figures(found: Found, case: str, subject: str) -> list[Figure]:
    rounds = found[case, subject]
    return [
        median(case, subject, "executions", [each.per_second for each in rounds], "1/s"),
        *_to_fastapi(found, case, subject),
        median(case, subject, "p50", _percentiles(rounds, 0.5), "ms"),
        ratio(
            case, subject, "p50 to websockets", _percentiles(rounds, 0.5), _best_p50(found, case)
        ),
        median(case, subject, "p99", _percentiles(rounds, 0.99), "ms"),
        median(case, subject, "p99.9", _percentiles(rounds, 0.999), "ms"),
        median(case, subject, "server's CPU", [each.cpu * 1e6 for each in rounds], "µs"),
        median(case, subject, "generator busy", [each.busy * 100 for each in rounds], "%"),
    ]


def _to_fastapi(found: Found, case: str, subject: str) -> list[Figure]:
    theirs = found.get((case, FASTAPI.name))
    if theirs is None:
        return []
    ours = [each.per_second for each in found[case, subject]]
    return [ratio(case, subject, "to FastAPI", ours, [each.per_second for each in theirs])]


def _percentiles(rounds: Sequence[Measurement], share: float) -> list[float]:
    return [each.percentile(share) * 1000 for each in rounds]


def _best_p50(found: Found, case: str) -> list[float]:
    """Return the rounds of `websockets` on the loop on which it is the faster one."""
    candidates = (
        _percentiles(rounds, 0.5)
        for (of, subject), rounds in found.items()
        if of == case and subject.startswith(WEBSOCKETS.name)
    )
    return min(candidates, key=lambda rounds: sorted(rounds)[len(rounds) // 2])


def _goals(found: Found, figures: Sequence[Figure]) -> list[Goal]:
    value = {(each.case, each.subject, each.quantity): each.value for each in figures}
    bounds = {MEMORY.name: (2.5, 1.3), SQLITE.name: (1.25, 2.0)}
    goals: list[Goal] = []
    for name, (rate, p50) in bounds.items():
        shared, alone = (
            (str(SHARED), name, "to FastAPI"),
            (str(ALONE), name, "p50 to websockets"),
        )
        if shared in value:
            goals.append(Goal(f"{SHARED}, {name}, to FastAPI", value[shared], at_least=rate))
        if alone in value:
            goals.append(Goal(f"{ALONE}, {name}, p50 to websockets", value[alone], at_most=p50))
        if {(str(SHARED), name), (str(CROWDED), name)} <= found.keys():
            share = _crowded(found, name)
            goals.append(Goal(f"{name}, {CROWDED} to {SHARED}", share, at_least=0.8))
    return goals


def _crowded(found: Mapping[tuple[str, str], Sequence[Measurement]], name: str) -> float:
    many, few = ([each.per_second for each in found[str(load), name]] for load in (CROWDED, SHARED))
    return ratio(str(CROWDED), name, "", many, few).value


def _busy(found: Found) -> list[str]:
    return [
        f"{case}, {subject}: the load generator took {max(each.busy for each in rounds):.0%} of "
        "its core, so this server may be faster than shown."
        for (case, subject), rounds in found.items()
        if max(each.busy for each in rounds) > _TOO_BUSY
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = command_line("throughput", rounds=3)
    parser.add_argument(
        "--seconds", type=float, default=2.0, help="of each measurement, longer for many [2]"
    )
    parser.add_argument("--connections", type=int, nargs="+", help="only these loads")
    options = parser.parse_args(arguments)
    pin(LOAD_CORE)
    allow_connections()
    if options.quick:
        found = measure([ALONE], rounds=1, seconds=0.1)
    else:
        found = measure(_wanted(options), rounds=options.rounds, seconds=options.seconds)
    return conclude(result_of(found), options)


def _wanted(options: argparse.Namespace) -> list[Load]:
    wanted = options.connections or [load.connections for load in LOADS]
    return [load for load in LOADS if load.connections in wanted]


if __name__ == "__main__":
    sys.exit(main())
