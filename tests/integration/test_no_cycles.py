"""What a peer leaves behind goes with it, since `serve` looks for garbage seldom."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Iterator
from typing import Final

import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

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
from zephyrus_exec.interfaces.transport import V2_SUBPROTOCOL

PEERS = 10
AGENT = Agent("idle", planner=Component("steps", {"steps": []}))
V1: Final = (None, ['{"type":"execute","agent_id":"idle"}'])
V2: Final = (
    [Subprotocol(V2_SUBPROTOCOL)],
    [
        '{"type":"hello","request_id":"h","versions":[2]}',
        '{"type":"execute","request_id":"r","agent_id":"idle"}',
    ],
)
KEPT = (
    *("interfaces.store.", "stores.memory", "engine.recent.", "engine.execution."),
    "interfaces.transport.SharedTexts",
)
"""Where the classes are of which kept executions consist, and the frames that tell of them."""


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


@pytest.mark.parametrize(("subprotocols", "frames"), [V1, V2])
async def test_peers_that_left_need_no_collector(
    no_collector: None, subprotocols: list[Subprotocol] | None, frames: list[str]
) -> None:
    repository = MemoryRepository([AGENT])
    engine = ExecutionEngine(
        agents=repository,
        contracts=repository,
        store=MemoryStore(),
        planners={"steps": StepsPlanner()},
    )

    async def come_and_go(url: str) -> None:
        async with connect(url, subprotocols=subprotocols) as peer:
            for frame in frames:
                await peer.send(frame)
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
    left = {name for name in grown if not any(part in name for part in KEPT)}
    assert left == set()
