"""What a peer leaves behind goes with it, since `serve` looks for garbage seldom."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Iterator

import pytest
from websockets.asyncio.client import connect

from zephyrus_exec import (
    Agent,
    Component,
    ExecutionEngine,
    MemoryRepository,
    MemoryStore,
    Service,
    StepsPlanner,
    serve,
)

PEERS = 10
AGENT = Agent("idle", planner=Component("steps", {"steps": []}))
JOURNALS = ("interfaces.store.", "stores.memory", "engine.recent.", "engine.execution.")
"""Where the classes are of which kept executions consist."""


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def ours() -> Counter[str]:
    """Return how many there are of each of our classes."""
    kinds = (type(one) for one in gc.get_objects())
    names = (f"{kind.__module__}.{kind.__qualname__}" for kind in kinds)
    return Counter(name for name in names if name.startswith("zephyrus_exec."))


async def everybody_left(service: Service) -> None:
    async with asyncio.timeout(10):
        while service.sessions:
            await asyncio.sleep(0.01)
    for _ in range(5):
        await asyncio.sleep(0)


async def test_peers_of_v1_that_left_need_no_collector(no_collector: None) -> None:
    repository = MemoryRepository([AGENT])
    engine = ExecutionEngine(
        agents=repository,
        contracts=repository,
        store=MemoryStore(),
        planners={"steps": StepsPlanner()},
    )

    async def come_and_go(url: str) -> None:
        async with connect(url) as peer:
            await peer.send('{"type":"execute","agent_id":"idle"}')
            while '"status":"completed"' not in str(await peer.recv()):
                pass

    async with serve(engine, host="127.0.0.1", port=0) as service:
        (url,) = service.addresses
        await come_and_go(url)
        await everybody_left(service)
        before = ours()
        for _ in range(PEERS):
            await come_and_go(url)
        await everybody_left(service)
        grown = ours() - before
    left = {name for name in grown if not any(part in name for part in JOURNALS)}
    assert left == set()
