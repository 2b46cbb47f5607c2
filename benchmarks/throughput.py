"""Executions per second of an agent that does nothing, against a bare `websockets` handler.

    python -m benchmarks.throughput

Each server runs alone on one core, the load generator on the other; the servers take turns, so
that a change of the machine's speed meets all of them. Quote the ratios, not the figures.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
from collections.abc import Sequence

from benchmarks.load import Load, Measurement, drive, pin
from benchmarks.peers import AGENT, Peer, bare_websockets, running, with_memory, with_sqlite

LOAD_CORE = 1
PEERS = (
    Peer("bare websockets", bare_websockets),
    Peer("zephyrus_exec, memory", with_memory),
    Peer("zephyrus_exec, sqlite", with_sqlite),
)


async def measure(load: Load, *, rounds: int, seconds: float) -> dict[str, list[Measurement]]:
    """Return each peer's rounds."""
    found: dict[str, list[Measurement]] = {peer.name: [] for peer in PEERS}
    for _ in range(rounds):
        for peer in PEERS:
            async with running(peer) as port:
                found[peer.name].append(await drive(port, load, AGENT, seconds))
    return found


def print_results(load: Load, found: dict[str, list[Measurement]]) -> None:
    """Print a row per peer: medians over the rounds, and the ratio to the first."""
    base = _rate(found[PEERS[0].name])
    print(f"{'server, ' + str(load):<26}{'executions/s':>14}{'p50 ms':>9}{'p99 ms':>9}{'ratio':>8}")
    for name, rounds in found.items():
        p50, p99 = (
            statistics.median(each.percentile(share) for each in rounds) * 1000
            for share in (0.5, 0.99)
        )
        rate = _rate(rounds)
        print(f"{name:<26}{rate:>14,.0f}{p50:>9.2f}{p99:>9.2f}{rate / base:>8.2f}")


def _rate(rounds: Sequence[Measurement]) -> float:
    return statistics.median(each.per_second for each in rounds)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    pin(LOAD_CORE)
    for load in (Load(50, 4), Load(1, 1)):
        found = asyncio.run(measure(load, rounds=options.rounds, seconds=options.seconds))
        print_results(load, found)
        print()


if __name__ == "__main__":
    main()
