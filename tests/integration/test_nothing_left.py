"""A finished execution leaves nothing in memory: not in engine, session, store or journal."""

from __future__ import annotations

import asyncio
import gc
import sys
from pathlib import Path

import pytest

from zephyrus_exec import (
    Agent,
    Component,
    ExecutionEngine,
    ExecutionStore,
    MemoryRepository,
    MemoryStore,
    SqliteStore,
    StepsPlanner,
)
from zephyrus_exec.interfaces.runner import RunContext
from zephyrus_exec.service import serve
from zephyrus_exec.testing.v1 import V1Peer
from zephyrus_exec.transports.memory import MemoryListener

AT_ONCE = Agent("at once", planner=Component("steps", {"steps": []}), max_concurrent=100)
RUNNING = Agent("running", runner=Component("running"), max_concurrent=100)
WARM = 2500
"""Executions after which what is kept of the last ones is full."""
MORE = 10_000


async def tell(context: RunContext) -> str:
    await context.emit({"text": "on the way"})
    return "done"


def blocks() -> int:
    """Return how many blocks of memory Python has given out."""
    gc.collect()
    return sys.getallocatedblocks()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@pytest.mark.parametrize("agent", [AT_ONCE, RUNNING], ids=lambda one: one.id)
async def test_memory_is_flat_however_much_was_executed(
    kind: str, agent: Agent, tmp_path: Path
) -> None:
    store: ExecutionStore = MemoryStore()
    if kind == "sqlite":
        store = await SqliteStore.open(tmp_path / "journal.db")
    agents = MemoryRepository([agent])
    engine = ExecutionEngine(
        agents=agents,
        contracts=agents,
        store=store,
        runners={"running": tell},
        planners={"steps": StepsPlanner()},
        keep_ended=500,
    )
    listener = MemoryListener()
    async with serve(engine, listener=listener):
        await executed(listener, agent, WARM)
        before = blocks()
        await executed(listener, agent, MORE)
        left = blocks() - before
    await store.aclose()
    assert left < MORE // 4, f"{left / MORE:.2f} blocks of each execution"


async def executed(listener: MemoryListener, agent: Agent, count: int) -> None:
    """Let clients execute so often in all, over connections of their own."""

    async def ask() -> None:
        transport = await listener.connect()
        client = V1Peer(transport)
        for _ in range(count // 10):
            replies = [reply async for reply in client.execute(agent.id)]
            assert len(replies) == 2
        await transport.aclose()

    await asyncio.gather(*(ask() for _ in range(10)))
