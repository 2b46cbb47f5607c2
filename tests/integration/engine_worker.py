"""An engine in a process of its own: `python -m tests.integration.engine_worker JOURNAL`.

Reads one command a line and answers each with one line of JSON: `once KEY TIMES` asks for the same
execution so many times at once, `hold` begins one that does not end by itself, `cancel ID` asks
one to end.
"""

from __future__ import annotations

import asyncio
import json
import sys

from zephyrus_exec import Agent, Component, ExecutionEngine, MemoryRepository, RunContext
from zephyrus_exec.stores.sqlite import SqliteStore


async def hold(context: RunContext) -> None:
    """Say that it began, and wait for ever."""
    await context.emit({"began": True})
    await asyncio.Event().wait()


async def nothing(_context: RunContext) -> None:
    """Do nothing."""


RUNNERS = {"hold": hold, "nothing": nothing}
AGENTS = [Agent(name, runner=Component(name)) for name in RUNNERS]


def engine_on(store: SqliteStore) -> ExecutionEngine:
    """Return an engine with the agents that all of these processes have."""
    agents = MemoryRepository(AGENTS)
    return ExecutionEngine(
        agents=agents, contracts=agents, store=store, runners=RUNNERS, lease_duration=2.0
    )


async def answer(engine: ExecutionEngine, command: str, *rest: str) -> object:
    """Do what was asked."""
    if command == "hold":
        return await engine.submit("hold")
    if command == "cancel":
        return await engine.cancel(rest[0])
    key, times = rest
    submissions = await asyncio.gather(
        *(engine.submit_once("nothing", key, input=[1]) for _ in range(int(times)))
    )
    return [[one.execution_id, one.replayed] for one in submissions]


async def main(path: str) -> None:
    """Answer until there is nothing more to read."""
    store = await SqliteStore.open(path)
    async with engine_on(store) as engine:
        print(json.dumps("ready"), flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(await answer(engine, *line.split())), flush=True)
    await store.aclose()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
