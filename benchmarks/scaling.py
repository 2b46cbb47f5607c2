"""Whether anything costs more the more is stored, or the longer an execution is.

    python -m benchmarks.scaling

Everything happens in this process, without sockets. Figures are CPU time, which a busy machine
changes little; only how long the loop stands still is by the clock.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

from attrs import frozen

from benchmarks.journals import (
    TALKER,
    TEXT,
    engine_on,
    execute,
    fill_memory,
    fill_sqlite,
    stored_id,
)
from benchmarks.results import Chart, Figure, Result, command_line, conclude, median, ratio
from benchmarks.verdicts import Goal
from zephyrus_exec import ExecutionEngine, ExecutionStore, MemoryStore, Service, SqliteStore
from zephyrus_exec.access import TokenAuthenticator
from zephyrus_exec.engine.clock import SystemClock
from zephyrus_exec.engine.reconciler import Reconciler
from zephyrus_exec.engine.retention import Retention
from zephyrus_exec.interfaces.store import Append, NewEvent
from zephyrus_exec.interfaces.transport import V2_SUBPROTOCOL, Frame, Handshake, Transport

FEW: Final = 10
"""What is stored where everything is compared with."""
_STORED: Final = {"sqlite": (FEW, 1000, 100_000, 1_000_000), "memory": (FEW, 1000, 100_000)}
_LENGTHS: Final = (10, 100, 1000, 10_000)
_LONG: Final = 10_000
"""Events of the execution that is replayed."""
_AT_LOAD: Final = 200
"""Journals that are appended to at the same time."""
_MICRO: Final = 1e6
_COSTS_AS_MUCH: Final = 1.3
"""What a ratio may come to that should be 1."""

Work = Callable[[], Awaitable[object]]


@frozen
class Amounts:
    """How much is done for one figure."""

    times: int
    """So often each thing is done."""
    forgotten: int
    """So many executions are forgotten."""
    stored: Mapping[str, Sequence[int]]
    lengths: Sequence[int]


async def cost(work: Work, times: int) -> float:
    """Return the CPU time of doing it once, in microseconds."""
    await work()
    began = time.process_time()
    for _ in range(times):
        await work()
    return (time.process_time() - began) / times * _MICRO


@asynccontextmanager
async def journal(kind: str, stored: int) -> AsyncIterator[ExecutionStore]:
    """Give a store with so many executions in it."""
    if kind == "memory":
        memory = MemoryStore()
        await fill_memory(memory, stored)
        yield memory
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "journal.db")
        await fill_sqlite(file, stored)
        store = await SqliteStore.open(file)
        yield store
        await store.aclose()


# --- how much is stored --------------------------------------------------------------------------


async def measure_stored(
    kind: str, stored: int, amounts: Amounts
) -> tuple[dict[str, float], float]:
    """Return what each thing costs with so much stored, and how long the loop stood still."""
    async with journal(kind, stored) as store:
        async with engine_on(store) as engine:
            await cost(partial(_execute, engine), amounts.times)  # the file is cold
            costs = {
                name: await cost(partial(work, engine), amounts.times)
                for name, work in _WORKS.items()
            }
        # As many at a time as a server forgets that keeps so many: it has to count them first.
        count = max(min(amounts.forgotten, stored // 2), stored // 16)
        forgotten, still = await _forget(store, count)
    return {**costs, "forget": forgotten}, still


async def _execute(engine: ExecutionEngine) -> None:
    await engine.result(await engine.submit(TALKER, input=1))


async def _watch(engine: ExecutionEngine) -> None:
    async for _ in engine.watch(stored_id(3)):
        pass


async def _list(engine: ExecutionEngine) -> None:
    await engine.list_executions(limit=FEW, agent_id=TALKER)


async def _reconcile(engine: ExecutionEngine) -> None:
    await Reconciler(engine.store, engine.clock, {}).start()


_WORKS: Final[Mapping[str, Callable[[ExecutionEngine], Awaitable[None]]]] = {
    "submit": _execute,
    "watch": _watch,
    "list": _list,
    "reconcile": _reconcile,
}


async def _forget(store: ExecutionStore, count: int) -> tuple[float, float]:
    """Forget some; return the CPU time for each, and the longest stall in milliseconds.

    Half of them are for the one and half for the other: who looks for stalls uses up CPU time.
    """
    some, stored = count // 2, await _count(store)
    began = time.process_time()
    await _sweep(store, stored - some)
    used = time.process_time() - began
    watching = asyncio.create_task(_longest_stall())
    await asyncio.sleep(0)
    await _sweep(store, stored - 2 * some)
    watching.cancel()
    return used / some * _MICRO, await watching * 1000


async def _sweep(store: ExecutionStore, keep: int) -> None:
    await Retention(store, SystemClock(), keep=keep).sweep()


async def _count(store: ExecutionStore) -> int:
    """Return how many executions have ended."""
    place = count = 0
    step = 10_000
    while found := await store.scan("execution", group="ended", after=place, skip=step, limit=1):
        place, count = found[0].number, count + step + 1
    return count + len(await store.scan("execution", group="ended", after=place, limit=step + 1))


async def _longest_stall() -> float:
    """Return, once cancelled, the longest time between two turns, in seconds."""
    longest, last = 0.0, time.perf_counter()
    try:
        while True:
            await asyncio.sleep(0)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now
    except asyncio.CancelledError:
        return longest


async def by_stored(amounts: Amounts, rounds: int) -> tuple[list[Figure], list[Goal]]:
    """Return what everything costs, by how much is stored."""
    figures: list[Figure] = []
    goals: list[Goal] = []
    for kind, sizes in amounts.stored.items():
        found = {
            stored: [await measure_stored(kind, stored, amounts) for _ in range(rounds)]
            for stored in sizes
        }
        for stored, each in found.items():
            costs = [one for one, _ in each]
            figures += _compared(kind, stored, costs, [one for one, _ in found[FEW]])
            if stored >= sizes[1]:  # of a few, forgetting is all preparation
                some = [one for one, _ in found[sizes[1]]]
                figures += _compared_by("forget", kind, stored, costs, some, sizes[1])
            stall = median(_case(stored), _subject(kind), "stall", [ms for _, ms in each], "ms")
            figures.append(stall)
        most = sizes[-1]
        goals += [
            Goal(f"{kind}: {each.quantity}, {_case(most)}", each.value, at_most=_COSTS_AS_MUCH)
            for each in figures
            if each.case == _case(most) and each.subject == _subject(kind) and not each.unit
        ]
        ours = [one for one in figures if one.subject == _subject(kind)]
        stalls = [one.value for one in ours if one.quantity == "stall"]
        goals.append(Goal(f"{kind}: longest stall while forgetting, ms", max(stalls), at_most=20))
    return figures, goals


def _compared(
    kind: str, stored: int, costs: Sequence[dict[str, float]], few: Sequence[dict[str, float]]
) -> list[Figure]:
    figures: list[Figure] = []
    for name in _WORKS:
        figures += _compared_by(name, kind, stored, costs, few, FEW)
    return figures


def _compared_by(
    name: str,
    kind: str,
    stored: int,
    costs: Sequence[dict[str, float]],
    few: Sequence[dict[str, float]],
    base: int,
) -> list[Figure]:
    case, subject = _case(stored), _subject(kind)
    ours, theirs = [one[name] for one in costs], [one[name] for one in few]
    return [
        median(case, subject, name, ours, "µs"),
        ratio(case, subject, f"{name}, to {base:,} stored", ours, theirs),
    ]


def _case(stored: int) -> str:
    return f"{stored:,} stored"


def _subject(kind: str) -> str:
    return f"zephyrus_exec, {kind}"


# --- how long an execution is --------------------------------------------------------------------


async def by_length(amounts: Amounts, rounds: int) -> list[Figure]:
    """Return what an event costs, by how many an execution has."""
    figures = []
    for kind in amounts.stored:
        for length in amounts.lengths:
            async with journal(kind, FEW) as store, engine_on(store) as engine:
                each = [await _emit(engine, length, amounts) for _ in range(rounds)]
            figures.append(
                median(f"{length:,} events", _subject(kind), "cost of an event", each, "µs")
            )
    return figures


async def _emit(engine: ExecutionEngine, length: int, amounts: Amounts) -> float:
    times = max(1, max(amounts.lengths) // length)

    async def once() -> None:
        await engine.result(await engine.submit(TALKER, input=length))

    return await cost(once, times) / length


async def append(rounds: int, times: int) -> Figure:
    """Return what appending an event costs where many executions append at the same time."""
    each = []
    for _ in range(rounds):
        async with journal("sqlite", FEW) as store:
            each.append(await _append(store, times))
    return median("at load", _subject("sqlite"), "append of an event", each, "µs")


async def _append(store: ExecutionStore, times: int) -> float:
    events = tuple(NewEvent(1.0, "progress", f'{{"text":"{TEXT}"}}') for _ in range(4))
    began = time.process_time()
    for turn in range(times):
        seq = turn * len(events) + 1
        await asyncio.gather(
            *(store.commit([Append(f"load{n}", seq, events)]) for n in range(_AT_LOAD))
        )
    return (time.process_time() - began) / (times * _AT_LOAD * len(events)) * _MICRO


class Reader(Transport):
    """A peer that watches one execution to its end.

    Args:
        execution_id: Which.
    """

    def __init__(self, execution_id: str) -> None:
        self._handshake = Handshake(peer="127.0.0.1:1", local=True, subprotocol=V2_SUBPROTOCOL)
        self._asks = [
            '{"type":"hello","request_id":"h","versions":[2]}',
            f'{{"type":"subscribe","request_id":"s","execution_id":"{execution_id}","from_seq":0}}',
        ]
        self.frames = 0
        self.done = asyncio.Event()

    @property
    def handshake(self) -> Handshake:
        """What it said when it came."""
        return self._handshake

    async def receive(self) -> Sequence[Frame]:
        """Return its requests, then nothing."""
        if not self._asks:
            await asyncio.Event().wait()
        asks, self._asks = self._asks, []
        return asks

    async def send(self, frames: Sequence[Frame]) -> None:
        """Count frames."""
        for frame in frames:
            self.frames += 1
            if '"status":"completed"' in frame:
                self.done.set()

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """Do nothing: whoever serves it is cancelled."""

    def abort(self) -> None:
        """Do nothing, likewise."""


async def replay(rounds: int, length: int) -> list[Figure]:
    """Return how fast a long execution is read from SQLite, as events and as frames."""
    events, frames = [], []
    for _ in range(rounds):
        async with journal("sqlite", FEW) as store:
            execution_id = await execute(store, length)
            async with engine_on(store) as engine:  # it has nothing of it in memory
                events.append(await _rate(partial(_drain, engine, execution_id)))
                frames.append(await _rate(partial(_read_frames, engine, execution_id)))
    case, subject = f"{length:,} events", _subject("sqlite")
    return [
        median(case, subject, "replay, events", events, "1/s"),
        median(case, subject, "replay, frames", frames, "1/s"),
    ]


async def _rate(work: Callable[[], Awaitable[int]]) -> float:
    began = time.process_time()
    count = await work()
    return count / (time.process_time() - began)


async def _drain(engine: ExecutionEngine, execution_id: str) -> int:
    return sum([1 async for _ in engine.watch(execution_id)])


async def _read_frames(engine: ExecutionEngine, execution_id: str) -> int:
    reader = Reader(execution_id)
    service = Service(engine, authenticator=TokenAuthenticator(engine.clock))
    serving = asyncio.create_task(service.run(reader))
    await reader.done.wait()
    serving.cancel()
    await asyncio.wait({serving})
    return reader.frames


# --- all of it -----------------------------------------------------------------------------------


async def measure(rounds: int, *, quick: bool) -> Result:
    """Measure everything."""
    amounts = (
        Amounts(3, 4, {"sqlite": (FEW, 100), "memory": (FEW, 100)}, (10, 50))
        if quick
        else Amounts(300, 2000, _STORED, _LENGTHS)
    )
    figures, goals = await by_stored(amounts, rounds)
    lengths = await by_length(amounts, rounds)
    appended = await append(rounds, 2 if quick else 50)
    replayed = await replay(rounds, 100 if quick else _LONG)
    for kind in amounts.stored:
        costs = [one.value for one in lengths if one.subject == _subject(kind)]
        name = f"{kind}: an event of {amounts.lengths[-1]:,}, to one of {amounts.lengths[0]}"
        goals.append(Goal(name, costs[-1] / costs[0], at_most=1.0))
    goals += [
        Goal("sqlite: append of an event at load, µs", appended.value, at_most=15),
        Goal("sqlite: events replayed a second", replayed[0].value, at_least=100_000),
        Goal("sqlite: frames replayed a second", replayed[1].value, at_least=50_000),
    ]
    return Result(
        "scaling",
        "Cost that does not grow",
        figures=(*figures, *lengths, appended, *replayed),
        goals=tuple(goals),
        charts=tuple(
            Chart(f"CPU time of {name}, by executions stored", name, "lines")
            for name in (*_WORKS, "forget")
        ),
        notes=(
            "CPU time of one process on asyncio's own loop, without sockets.",
            "Every tenth stored execution has a final effect. What is forgotten are the oldest, as "
            "many at a time as a server does that keeps so many.",
        ),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return the exit status."""
    options = command_line("scaling", rounds=3).parse_args(arguments)
    rounds = 1 if options.quick else options.rounds
    return conclude(asyncio.run(measure(rounds, quick=options.quick)), options)


if __name__ == "__main__":
    sys.exit(main())
