"""A process of its own that sends as fast as it can: `python -m tests.chaos.lane_fighter`.

Arguments: URL of the node, address of the counter, journal, seconds. Prints `ready`, waits for a
line, then prints `{"done": …, "slowest": …}`: how many executions ended well, and the seconds that
the slowest took.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Final

from tests.anvil import CHAIN_ID, KEYS
from tests.counter import counter_contract
from zephyrus_exec import (
    Agent,
    AgentFunction,
    Component,
    ExecutionEngine,
    FunctionType,
    Json,
    MemoryRepository,
    SqliteStore,
    StepsPlanner,
)
from zephyrus_exec.evm import EvmChain, KeySigner

_AT_ONCE: Final = 4
_STEPS: Final[Json] = [{"function": "increment", "parameters": {"amount": 1}}]
_AGENT: Final = Agent(
    "counting",
    contract_id="counter",
    planner=Component("steps", {"steps": _STEPS}),
    functions=(AgentFunction("increment", type=FunctionType.WRITE),),
    signer="first",
    max_concurrent=_AT_ONCE,
)


async def fight(url: str, counter: str, journal: str, seconds: float) -> None:
    """Send from several executions at once until the time is over."""
    repository = MemoryRepository([_AGENT], [counter_contract(counter, CHAIN_ID)])
    store = await SqliteStore.open(journal)
    chain = EvmChain(CHAIN_ID, [url], poll_interval=0.02)
    took: list[float] = []
    async with ExecutionEngine(
        agents=repository,
        contracts=repository,
        store=store,
        planners={"steps": StepsPlanner()},
        chains={CHAIN_ID: chain},
        signers={"first": KeySigner.from_key(KEYS[0])},
    ) as engine:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        end = time.monotonic() + seconds

        async def send() -> None:
            while (began := time.monotonic()) < end:
                last = await engine.result(await engine.submit(_AGENT.id))
                assert last["outcome"] == "succeeded", last
                took.append(time.monotonic() - began)

        await asyncio.gather(*(send() for _ in range(_AT_ONCE)))
    print(json.dumps({"done": len(took), "slowest": max(took)}), flush=True)
    await store.aclose()
    await chain.aclose()


if __name__ == "__main__":
    asyncio.run(fight(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])))
