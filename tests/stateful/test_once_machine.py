"""Whatever fails, dies or is forgotten: a key never stands for two executions."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from tests.unit.engine.test_once import uuid7
from tests.unit.engine.world import World, die, runner_agent, settle
from zephyrus_exec.engine import ExecutionEngine
from zephyrus_exec.errors import OutcomeUnknown, Overloaded, StoreError
from zephyrus_exec.model import Agent, Component
from zephyrus_exec.planners.steps import StepsPlanner
from zephyrus_exec.testing.faulty_store import Fault, FaultyStore

T = TypeVar("T")

RETENTION = 50.0
FAULTS = [fault for fault in Fault if fault is not Fault.KILLED]


class OnceMachine(RuleBasedStateMachine):
    """Two processes on one store; each request is told from the others by its input."""

    keys = Bundle("keys")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.numbers = 0
        self.executions: defaultdict[str, set[str]] = defaultdict(set)
        self.agents: dict[str, str] = {}
        self.told: dict[str, str] = {}
        self.world = World(
            runner_agent("nothing"),
            runner_agent("forever", max_concurrent=999),
            Agent("at once", planner=Component("steps", {"steps": []})),
        )
        self.processes = [self.run(self.start()) for _ in range(2)]

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    async def start(self) -> tuple[ExecutionEngine, FaultyStore]:
        store = self.world.faulty(turns=2)
        store.durable = True
        engine = self.world.engine(
            store, planners={"steps": StepsPlanner()}, key_retention=RETENTION, keep_ended=3
        )
        await engine.start()
        return engine, store

    def teardown(self) -> None:
        self.run(self.end())
        self.loop.close()

    async def end(self) -> None:
        """Cancel again and again: what is cancelled may wait for the store once more."""
        while left := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in left:
                task.cancel()
            await asyncio.wait(left, timeout=0.01)

    # --- asking ----------------------------------------------------------------------------------

    @rule(target=keys, ahead=st.sampled_from([-40, 0, 0, 0, 30]))
    def new_key(self, ahead: int) -> str:
        """The clocks of clients differ from ours."""
        self.numbers += 1
        return f"{uuid7(self.world.clock.now() + ahead)[:-6]}{self.numbers:06x}"

    @rule(
        key=keys,
        agent=st.sampled_from(["nothing", "forever", "at once"]),
        where=st.lists(st.sampled_from([0, 1]), min_size=1, max_size=4),
        patience=st.sampled_from([1, 5, 200]),
    )
    def ask(self, key: str, agent: str, where: list[int], patience: int) -> None:
        """At once, by several; some give up before they are answered."""
        self.run(self._ask(key, agent, where, patience))

    async def _ask(self, key: str, agent: str, where: list[int], patience: int) -> None:
        asking = [asyncio.ensure_future(self._submit(one, agent, key)) for one in where]
        await settle(patience)
        for task in asking:
            task.cancel()
        await asyncio.wait(asking)
        for task in asking:
            if not task.cancelled() and (told := task.result()) is not None:
                assert self.told.setdefault(key, told) == told

    async def _submit(self, where: int, agent: str, key: str) -> str | None:
        engine, store = self.processes[where]
        agent = self.agents.setdefault(key, agent)
        try:
            submission = await engine.submit_once(agent, key, input=key, store_epoch=store.epoch)
        except (OutcomeUnknown, Overloaded, StoreError):
            return None
        return submission.execution_id

    # --- what happens ----------------------------------------------------------------------------

    @rule(which=st.sampled_from([0, 1]), fault=st.sampled_from(FAULTS), nth=st.integers(1, 4))
    def fail_a_commit(self, which: int, fault: Fault, nth: int) -> None:
        self.processes[which][1].fail(fault, nth=nth)

    @rule(which=st.sampled_from([0, 1]))
    def release(self, which: int) -> None:
        self.processes[which][1].release()

    @rule(which=st.sampled_from([0, 1]))
    def kill(self, which: int) -> None:
        engine, store = self.processes[which]
        self.run(die(engine, store))
        self.processes[which] = self.run(self.start())

    @rule(seconds=st.sampled_from([1.0, 10.0, 200.0]))
    def let_time_pass(self, seconds: float) -> None:
        for _, store in self.processes:
            store.release()
        self.run(self.world.clock.advance(seconds))

    @invariant()
    def a_key_stands_for_one_execution(self) -> None:
        self.run(self._look())

    async def _look(self) -> None:
        for record in await self.world.inner.scan("execution", limit=9999):
            (accepted,) = await self.world.inner.read(record.key, limit=1)
            self.executions[str(accepted.data["input"])].add(record.key)
        for key, found in self.executions.items():
            assert len(found) == 1
            assert self.told.get(key) in (None, *found)


TestOnce = pytest.mark.slow(OnceMachine.TestCase)
TestOnce.settings = settings(stateful_step_count=40)
