"""What the tests of the engine share: an engine on a manual clock, with everything at hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from zephyrus_exec.engine import ExecutionEngine
from zephyrus_exec.interfaces.planner import Plan, PlanRequest
from zephyrus_exec.interfaces.runner import RunContext, Runner
from zephyrus_exec.interfaces.store import ExecutionStore
from zephyrus_exec.model import (
    Action,
    Agent,
    AgentFunction,
    Component,
    Contract,
    Event,
    FunctionType,
    Json,
)
from zephyrus_exec.repositories.memory import MemoryRepository
from zephyrus_exec.stores.memory import MemoryStore
from zephyrus_exec.testing.chain import ModelChain, ModelSigner
from zephyrus_exec.testing.clock import ManualClock, settle
from zephyrus_exec.testing.faulty_store import FaultyStore

TARGET = "0x" + "11" * 20
CONTRACT = Contract("c", TARGET, 1337)


def ids(prefix: str = "id") -> Callable[[], str]:
    """Return an id source whose ids a test can foretell."""
    numbers = count(1)
    return lambda: f"{prefix}{next(numbers)}"


async def forever(_context: RunContext) -> None:
    """Run until cancelled."""
    await asyncio.Event().wait()


async def nothing(_context: RunContext) -> None:
    """Do nothing."""


class Gate:
    """A runner that waits at a gate."""

    def __init__(self) -> None:
        self.entered = 0
        self.open = asyncio.Event()

    async def __call__(self, _context: RunContext) -> Json:
        self.entered += 1
        await self.open.wait()
        return None


class Script:
    """A planner that answers with the plans it was given, then with nothing to do."""

    def __init__(self, *plans: Plan) -> None:
        self.plans = list(plans)
        self.requests: list[PlanRequest] = []

    async def plan(self, request: PlanRequest) -> Plan:
        self.requests.append(request)
        return self.plans.pop(0) if self.plans else Plan()


def runner_agent(name: str, **more: Any) -> Agent:
    """Return an agent that the runner of the same name runs."""
    return Agent(name, runner=Component(name), **more)


def chain_agent(**more: Any) -> Agent:
    """Return an agent with a read, a write and a payable function, planned by `script`."""
    fields: dict[str, Any] = {
        "contract_id": "c",
        "planner": Component("script"),
        "signer": "key",
        "functions": (
            AgentFunction("get"),
            AgentFunction("set", type=FunctionType.WRITE),
            AgentFunction("pay", type=FunctionType.PAYABLE),
        ),
    }
    return Agent("a", **(fields | more))


class World:
    """One store and clock; engines are made on them."""

    def __init__(self, *agents: Agent, chain: ModelChain | None = None) -> None:
        self.clock = ManualClock()
        self.inner = MemoryStore()
        self.repository = MemoryRepository(agents, [CONTRACT])
        self.chain = chain or ModelChain()
        self.signer = ModelSigner()
        self.chain.fund(self.signer.address)
        self.chain.deploy(TARGET, {"get": "7", "set": None, "pay": None})
        self._engines = count(1)

    def faulty(self, *, turns: int = 0) -> FaultyStore:
        """Return another way into the one store."""
        return FaultyStore(self.inner, turns=turns)

    def engine(
        self,
        store: ExecutionStore | None = None,
        runners: Mapping[str, Runner] | None = None,
        **more: Any,
    ) -> ExecutionEngine:
        """Return an engine, not started."""
        known = {"forever": forever, "nothing": nothing, **(runners or {})}
        return ExecutionEngine(
            agents=self.repository,
            contracts=self.repository,
            store=store or self.inner,
            runners=known,
            clock=self.clock,
            new_id=more.pop("new_id", ids(f"e{next(self._engines)}-")),
            **more,
        )

    def chain_engine(
        self, *plans: Plan, store: ExecutionStore | None = None, **more: Any
    ) -> ExecutionEngine:
        """Return an engine with the chain, the signer and a planner that follows a script."""
        more.setdefault("planners", {"script": Script(*plans)})
        more.setdefault("chains", {1337: self.chain})
        more.setdefault("signers", {"key": self.signer})
        return self.engine(store, **more)

    async def events(self, execution_id: str) -> list[Event]:
        """Return the journal as stored."""
        return await self.inner.read(execution_id)

    async def kinds(self, execution_id: str) -> list[str]:
        """Return the kinds of the events as stored."""
        return [event.kind for event in await self.events(execution_id)]

    async def ended(self, execution_id: str) -> dict[str, Any]:
        """Return the data of `completed`, after a check of the whole stream."""
        events = await self.events(execution_id)
        check_stream(events)
        assert events[-1].kind == "completed", [event.kind for event in events]
        body: dict[str, Any] = json.loads(events[-1].body)
        return body


def check_stream(events: list[Event]) -> None:
    """Events are contiguous from 1, the first is `accepted`, nothing follows `completed`."""
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    kinds = [event.kind for event in events]
    assert kinds[:1] == ["accepted"]
    assert "completed" not in kinds[:-1]


def plan(*functions: str, final: bool = True) -> Plan:
    """Return a plan that calls these functions without parameters."""
    return Plan(tuple(Action(function) for function in functions), final=final)


def is_empty(engine: ExecutionEngine) -> bool:
    """Whether the engine holds nothing of any execution."""
    return not (
        engine._roster.executions
        or engine._roster._of_agent
        or len(engine._wakeups)
        or len(engine._watching._stalls)
        or engine._roster.admission._agents
        or engine._roster.admission._ready
        or engine._roster.admission.running
        or engine._roster.admission.queued
        or engine._reconciler.open_slots
        or engine._tools.effects._queues
    )


async def die(engine: ExecutionEngine, store: FaultyStore) -> None:
    """End the engine as a process ends that is killed: nothing of it reaches the store."""
    store.cut()
    running = [execution.task for execution in engine._roster.executions.values()]
    for task in (*engine._life.tasks, engine._life.looking, *engine._reconciler._tasks, *running):
        if task is not None:
            task.cancel()
    await settle()


__all__ = [
    "CONTRACT",
    "TARGET",
    "Gate",
    "Script",
    "World",
    "chain_agent",
    "check_stream",
    "die",
    "forever",
    "ids",
    "is_empty",
    "nothing",
    "plan",
    "runner_agent",
    "settle",
]
