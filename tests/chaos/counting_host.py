"""A server whose agent makes ten steps, three of them on a chain: for tests that kill it.

`python -m tests.chaos.counting_host --node URL --contract ADDRESS --store FILE --port PORT` prints
`ws://HOST:PORT` once it serves.
"""

from __future__ import annotations

import argparse
import asyncio
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
    serve,
)
from zephyrus_exec.evm import EvmChain, KeySigner

AGENT_ID: Final = "counting"
AMOUNTS: Final = (1, 10, 100)
"""So that the sum tells which one is missing or was made twice."""
LEASE: Final = 1.0
"""Seconds."""

_READ: Final[Json] = {"function": "total"}


def _increment(amount: int) -> Json:
    return {"function": "increment", "parameters": {"amount": amount}}


STEPS: Final[Json] = [
    _READ,
    _increment(1),
    _READ,
    _READ,
    _increment(10),
    _READ,
    _READ,
    _increment(100),
    _READ,
    _READ,
]
_AGENT: Final = Agent(
    AGENT_ID,
    contract_id="counter",
    planner=Component("steps", {"steps": STEPS}),
    functions=(AgentFunction("total"), AgentFunction("increment", type=FunctionType.WRITE)),
    signer="first",
)


async def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("node", "contract", "store"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    repository = MemoryRepository([_AGENT], [counter_contract(options.contract, CHAIN_ID)])
    store = await SqliteStore.open(options.store)
    engine = ExecutionEngine(
        agents=repository,
        contracts=repository,
        store=store,
        planners={"steps": StepsPlanner()},
        chains={CHAIN_ID: EvmChain(CHAIN_ID, [options.node], poll_interval=0.05)},
        signers={"first": KeySigner.from_key(KEYS[0])},
        lease_duration=LEASE,
    )
    async with serve(engine, host="127.0.0.1", port=options.port) as service:
        print(service.addresses[0], flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
