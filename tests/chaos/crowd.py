"""Many agents of one signer at once, on a node that mines only when it is told to."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from attrs import define, field

from tests.anvil import CHAIN_ID, KEYS, Anvil
from tests.chaos.node import ANVIL_OPTIONS, Node
from tests.chaos.worker import SPEED, QuickClock
from tests.counter import deploy_counter
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
from zephyrus_exec.engine.fees import FeePolicy
from zephyrus_exec.engine.listing import read_all, scan_all
from zephyrus_exec.engine.records import EFFECT, Effect, EffectState
from zephyrus_exec.evm import EvmChain, KeySigner
from zephyrus_exec.evm.rpc import Request, RpcError, Send

NODE_OPTIONS: Final = (*ANVIL_OPTIONS, "--order", "fees")
AGENTS: Final = 10
EACH: Final = 5
BUMP_AFTER: Final = 30.0
"""Seconds of the quick clock."""
BLOCK_TIME: Final = 0.1
"""Seconds between blocks; ten times as long on the engine's clock, too."""
FINAL: Final = frozenset({EffectState.FINAL_OK, EffectState.CANCELLED})
UNLUCKY: Final = 777
"""Amount of the transaction that something is wrong with."""


@define(eq=False)
class Crowd:
    """An engine with ten agents that count, each five times at once."""

    node: Node
    engine: ExecutionEngine
    store: SqliteStore
    calls: Counter[str] = field(factory=Counter)
    """Requests since it was cleared, by method."""
    poor: bool = False
    """Whether offers that are made now are far too low."""
    refused: bool = False
    """Whether every broadcast of the unlucky transaction is refused."""

    async def around(self, request: Request, send: Send) -> Json:
        """Count, and spoil what is to be spoiled."""
        self.calls[request.method] += 1
        if self.refused and request.method == "eth_sendRawTransaction" and _unlucky(request):
            raise RpcError(-32000, "this sender's calls are not relayed here")
        reply = await send()
        if self.poor and request.method == "eth_maxPriorityFeePerGas":
            return hex(1)
        if self.poor and request.method == "eth_getBlockByNumber" and isinstance(reply, dict):
            return {**reply, "baseFeePerGas": hex(1)}
        return reply

    async def submit(self, count: int, *, agent: str = "") -> list[str]:
        """Ask for so many executions, evenly of all agents or all of one."""
        names = [agent or f"counting {n % AGENTS}" for n in range(count)]
        return [await self.engine.submit(name) for name in names]

    async def effects(self) -> list[Effect]:
        """Return all effects, by nonce."""
        records = await scan_all(self.store, EFFECT)
        return sorted((Effect.of(record) for record in records), key=lambda one: one.nonce)

    async def signed(self, count: int) -> None:
        """Return once so many effects are signed and have been offered."""
        async with asyncio.timeout(60):
            while len(await self.effects()) < count:
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.3)

    async def mine_until_used(self, nonces: int) -> None:
        """Mine block after block until the account has used so many nonces."""
        async with asyncio.timeout(60):
            while self.node.nonce() < nonces:
                await self._mine()

    async def mine_until_final(self) -> None:
        """Mine block after block until every effect is final, one way or the other."""
        async with asyncio.timeout(60):
            while any(effect.state not in FINAL for effect in await self.effects()):
                await self._mine()

    async def _mine(self) -> None:
        self.node.mine()
        await asyncio.sleep(BLOCK_TIME)

    async def positions(self, kind: str) -> list[int]:
        """Return where the journal tells this of the effects, by nonce."""
        found = []
        for effect in await self.effects():
            events = await read_all(self.store, f"effect:{effect.key}")
            found += [event.position for event in events if event.kind == kind]
        return found


def _unlucky(request: Request) -> bool:
    return f"{UNLUCKY:064x}" in str(request.params[0])


@asynccontextmanager
async def crowd_at(
    anvil: Anvil, folder: Path, *, stuck_after: float | None = None
) -> AsyncIterator[Crowd]:
    """Run the crowd on a node; from here on it mines only when it is told to.

    Args:
        anvil: The node.
        folder: Where the journal goes.
        stuck_after: Seconds of the quick clock after which what is stuck is cancelled; null: never.
    """
    node = Node(anvil.url)
    signer = KeySigner.from_key(KEYS[0])
    store = await SqliteStore.open(folder / "journal.db")
    chain: EvmChain | None = None
    repository = MemoryRepository()
    crowd: Crowd

    async def around(request: Request, send: Send) -> Json:
        return await crowd.around(request, send)

    try:
        chain = EvmChain(CHAIN_ID, [anvil.url], poll_interval=0.02, around=around)
        engine = ExecutionEngine(
            agents=repository,
            contracts=repository,
            store=store,
            planners={"steps": StepsPlanner()},
            chains={CHAIN_ID: chain},
            signers={"first": signer},
            clock=QuickClock(time.time()),
            fee_policies={CHAIN_ID: FeePolicy(bump_after=BUMP_AFTER, stuck_after=stuck_after)},
            lease_duration=20.0 * SPEED,
            settle_timeout=0.0,
        )
        crowd = Crowd(node, engine, store)
        counter = await deploy_counter(chain, KeySigner.from_key(KEYS[1]))
        amounts = {f"counting {n}": n for n in range(AGENTS)} | {"unlucky": UNLUCKY}
        await repository.put([counter, *(_agent(*one) for one in amounts.items())])
        node.automine(False)
        async with engine:
            yield crowd
    finally:
        await store.aclose()
        if chain is not None:
            await chain.aclose()


def _agent(name: str, amount: int) -> Agent:
    steps: Json = [{"function": "increment", "parameters": {"amount": amount}}]
    return Agent(
        name,
        contract_id="counter",
        planner=Component("steps", {"steps": steps}),
        functions=(AgentFunction("increment", type=FunctionType.WRITE),),
        signer="first",
        max_concurrent=EACH,
    )
