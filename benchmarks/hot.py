"""What one execution costs that does nothing: Python calls and CPU time, split by stage.

    python -m benchmarks.hot

Everything happens in this process, without sockets: 50 peers with 4 requests in flight each. Calls
and CPU time are the same however busy the machine is, so this tells what a change is worth; what
it comes to over sockets, `benchmarks.throughput` tells. Calls are those of Python functions, a
coroutine's resumption counting as one; the time of a stage is its share of the profiled time.
"""

from __future__ import annotations

import asyncio
import cProfile
import pstats
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final, TypeAlias

from attrs import frozen

from benchmarks.peers import AGENT
from benchmarks.results import Figure, Result, command_line, conclude
from zephyrus_exec import (
    Agent,
    Component,
    ExecutionEngine,
    MemoryRepository,
    MemoryStore,
    Service,
    SqliteStore,
    StepsPlanner,
)
from zephyrus_exec.access import TokenAuthenticator
from zephyrus_exec.interfaces.transport import V2_SUBPROTOCOL, Frame, Handshake, Transport

_Rows: TypeAlias = dict[tuple[str, int, str], tuple[int, int, float, float, Any]]
"""Of file, line and name: primitive calls, calls, own seconds, seconds, callers."""

PEERS: Final = 50
IN_FLIGHT: Final = 4

STAGES: Final = {
    "decode": ("protocol/codec", "protocol/connection", "protocol/v2/server", "json/"),
    "submit": (
        *("engine/acceptance", "engine/access", "engine/owner_rule", "engine/quotas"),
        *("engine/roster", "engine/admission", "engine/snapshots", "engine/leases"),
        *("repositories/", "engine/engine", "engine/clock", "engine/deadlines"),
    ),
    "run": ("engine/conductor", "engine/cycle", "engine/context", "planners/", "engine/steps"),
    "events": (
        *("engine/journal", "engine/execution", "engine/recent", "engine/retention"),
        *("engine/wakeups", "engine/watching", "engine/cursors", "stores/", "interfaces/store"),
    ),
    "encode": ("protocol/messages", "protocol/v2/codec", "protocol/v2/events", "session/frames"),
    "session": ("session/", "access/", "service"),
    "conversion": ("conversion", "cattrs", "attr/", "model"),
    "loop": ("asyncio/", "selectors"),
    "peer": ("benchmarks/",),
}
"""Parts of the names of the files that belong to each stage; the first that fits counts."""


class Peer(Transport):
    """Asks, and asks again whenever an execution has ended.

    Args:
        subprotocol: Which dialect it speaks; null: v1.
        ask: Returns another request.
    """

    def __init__(self, subprotocol: str | None, ask: Callable[[], str]) -> None:
        self._handshake = Handshake(peer="127.0.0.1:1", local=True, subprotocol=subprotocol)
        self._ask = ask
        self._asks: list[Frame] = [ask() for _ in range(IN_FLIGHT)]
        self._waiting: asyncio.Future[None] | None = None
        self.ended = 0
        if subprotocol == V2_SUBPROTOCOL:
            self._asks.insert(0, '{"type":"hello","request_id":"h","versions":[2]}')

    @property
    def handshake(self) -> Handshake:
        """What it said when it came."""
        return self._handshake

    async def receive(self) -> Sequence[Frame]:
        """Return its requests."""
        while not self._asks:
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        asks, self._asks = self._asks, []
        return asks

    async def send(self, frames: Sequence[Frame]) -> None:
        """Count what has ended, and ask as often."""
        for frame in frames:
            assert isinstance(frame, str)
            if '"status":"completed"' in frame:
                self.ended += 1
                self._asks.append(self._ask())
            else:
                assert '"error"' not in frame, frame
        if self._asks and self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """Do nothing: whoever serves it is cancelled."""

    def abort(self) -> None:
        """Do nothing, likewise."""


@frozen
class Case:
    """One thing to measure."""

    name: str
    sqlite: bool
    subprotocol: str | None


CASES: Final = (
    Case("v1 memory", False, None),
    Case("v1 sqlite", True, None),
    Case("v2 memory", False, V2_SUBPROTOCOL),
)


@asynccontextmanager
async def peers_of(case: Case) -> AsyncIterator[list[Peer]]:
    """Serve peers that ask all the while."""
    idle = Agent(AGENT, planner=Component("steps", {"steps": []}), max_concurrent=1000)
    numbers = count()

    def ask() -> str:
        if case.subprotocol is None:
            return f'{{"type":"execute","agent_id":"{AGENT}"}}'
        request_id = f"r{next(numbers)}"
        return f'{{"type":"execute","request_id":"{request_id}","agent_id":"{AGENT}"}}'

    with tempfile.TemporaryDirectory() as folder:
        store = await SqliteStore.open(Path(folder, "j.db")) if case.sqlite else MemoryStore()
        repository = MemoryRepository([idle])
        engine = ExecutionEngine(
            agents=repository, contracts=repository, store=store, planners={"steps": StepsPlanner()}
        )
        async with engine:
            service = Service(engine, authenticator=TokenAuthenticator(engine.clock))
            peers = [Peer(case.subprotocol, ask) for _ in range(PEERS)]
            serving = [asyncio.create_task(service.run(peer)) for peer in peers]
            yield peers
            for task in serving:
                task.cancel()
            await asyncio.wait(serving)
        await store.aclose()


async def ended(peers: Sequence[Peer], count: int) -> int:
    """Return once so many more executions have ended; return how many did."""
    began = sum(peer.ended for peer in peers)
    while (done := sum(peer.ended for peer in peers) - began) < count:
        await asyncio.sleep(0.01)
    return done


async def microseconds(case: Case, executions: int, rounds: int) -> float:
    """Return the CPU time of one execution: the least of the rounds, which had least company."""
    async with peers_of(case) as peers:
        await ended(peers, executions // 2)
        best = float("inf")
        for _ in range(rounds):
            began = time.process_time()
            done = await ended(peers, executions)
            best = min(best, (time.process_time() - began) / done)
    return best * 1e6


async def profile(case: Case, executions: int) -> tuple[pstats.Stats, int]:
    """Return what was called, and for how many executions."""
    async with peers_of(case) as peers:
        await ended(peers, executions // 2)
        profiler = cProfile.Profile(builtins=False)
        profiler.enable()
        done = await ended(peers, executions)
        profiler.disable()
    return pstats.Stats(profiler), done


def stage_of(file: str) -> str:
    """Return the stage that a file belongs to; attrs' generated ones are named for their class."""
    name = file.replace(".", "/") if file.startswith("<attrs") else file
    return next((stage for stage, parts in STAGES.items() if any(p in name for p in parts)), "rest")


def figures_of(case: Case, stats: pstats.Stats, done: int, cpu: float) -> Iterator[Figure]:
    """Yield calls and microseconds of one execution, in all and by stage."""
    calls: Counter[str] = Counter()
    seconds: dict[str, float] = defaultdict(float)
    for (file, _, _), (_, called, own, _, _) in _rows(stats).items():
        calls[stage_of(file)] += called
        seconds[stage_of(file)] += own
    whole = sum(seconds.values())
    yield Figure(case.name, "in all", "calls", calls.total() / done)
    yield Figure(case.name, "in all", "CPU", cpu, "µs")
    for stage in (*STAGES, "rest"):
        if calls[stage]:
            yield Figure(case.name, stage, "calls", calls[stage] / done)
            yield Figure(case.name, stage, "CPU", cpu * seconds[stage] / whole, "µs")


def print_dearest(stats: pstats.Stats, done: int, cpu: float, *, top: int) -> None:
    """Print the functions that cost most."""
    rows = _rows(stats)
    whole = sum(own for _, _, own, _, _ in rows.values())
    dearest = sorted(rows.items(), key=lambda row: -row[1][2])[:top]
    for (file, line, name), (_, called, own, _, _) in dearest:
        place = f"{'/'.join(Path(file).parts[-2:])}:{line} {name}"
        print(f"    {called / done:>6.1f} calls {cpu * own / whole:>6.1f} us  {place}")


def _rows(stats: pstats.Stats) -> _Rows:
    rows: _Rows = stats.stats  # type: ignore[attr-defined]  # typeshed has it not
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = command_line("hot", rounds=3)
    parser.add_argument("--executions", type=int, default=4000)
    parser.add_argument("--top", type=int, default=0, help="how many functions to show")
    parser.add_argument("--only", default="", help="a part of the names of the cases")
    options = parser.parse_args(arguments)
    if options.quick:
        options.executions, options.rounds = 200, 1
    figures: list[Figure] = []
    for case in (case for case in CASES if options.only in case.name):
        cpu = asyncio.run(microseconds(case, options.executions, options.rounds))
        stats, done = asyncio.run(profile(case, options.executions))
        figures += figures_of(case, stats, done, cpu)
        if options.top:
            print(case.name)
            print_dearest(stats, done, cpu, top=options.top)
    return conclude(Result("hot", "Where the time of an execution goes", tuple(figures)), options)


if __name__ == "__main__":
    sys.exit(main())
