"""Killed at every commit of its journal, an execution goes on and ends as if nothing had been."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from attrs import define, field

from tests.unit.engine.world import World, chain_agent, check_stream, die, plan, runner_agent
from zephyrus_exec.engine import ExecutionEngine
from zephyrus_exec.errors import ActionInDoubt, StoreError
from zephyrus_exec.interfaces.planner import Plan, PlanRequest
from zephyrus_exec.interfaces.runner import RunContext
from zephyrus_exec.interfaces.store import Expect, Write
from zephyrus_exec.model import Json
from zephyrus_exec.stores.memory import MemoryStore
from zephyrus_exec.testing.clock import settle
from zephyrus_exec.testing.faulty_store import FaultyStore


class StoppingStore(FaultyStore):
    """A process's way into the store, which stops for good or for a while at one commit."""

    def __init__(self, inner: MemoryStore, at: int, *, written: bool) -> None:
        super().__init__(inner)
        self.durable = True
        self._at = at
        self._written = written
        self.buried = False
        self.stopped = asyncio.Event()
        self.going = asyncio.Event()
        self.going.set()

    async def commit(
        self, writes: Sequence[Write], *, expect: Sequence[Expect] = (), durable: bool = False
    ) -> int:
        at = len(self.commits) + 1
        if at == self._at and not self._written:
            self._stop()
        position = await super().commit(writes, expect=expect, durable=durable)
        if at == self._at and self._written:
            self._stop()
        await self.going.wait()
        return position

    def _stop(self) -> None:
        self.going.clear()
        self.stopped.set()

    async def _answer(self, *, readable: bool) -> None:
        if self.buried:
            raise StoreError("this process is over")
        await self.going.wait()
        await super()._answer(readable=readable)


class Cycles:
    """A planner that decides by what it is told, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: Counter[int] = Counter()

    async def plan(self, request: PlanRequest) -> Plan:
        self.asked[request.cycle] += 1
        assert len(request.history) == 2 * (request.cycle - 1)
        plans = [plan("get", "set", final=False), plan("set", "get", final=False)]
        return plans[request.cycle - 1] if request.cycle <= len(plans) else Plan()


@define
class Script:
    """A coroutine that does everything a context offers, and counts what it really did."""

    ran: Counter[str] = field(factory=Counter)

    async def __call__(self, context: RunContext) -> Json:
        await context.emit({"n": 1})
        assert await context.action("one", self._doing("one"), parameters={"n": 1}) == "one"
        try:
            await context.action("pay", self._doing("pay"), once=True)
        except ActionInDoubt:
            await context.emit({"doubt": True})
        choice = await context.decide(self._choosing())
        await context.emit({"n": 2})
        side_by_side = (self._branch(context, "left"), self._branch(context, "right"))
        await asyncio.gather(*side_by_side)
        await context.action("last", self._doing("last"))
        return {"choice": choice["choice"], "done": len(context.history)}

    def _doing(self, name: str) -> Callable[[], Awaitable[Json]]:
        async def perform() -> Json:
            self.ran[name] += 1
            await asyncio.sleep(0)
            return name

        return perform

    def _choosing(self) -> Callable[[], Awaitable[dict[str, Json]]]:
        async def ask() -> dict[str, Json]:
            self.ran["choose"] += 1
            return {"choice": "left"}

        return ask

    async def _branch(self, context: RunContext, name: str) -> None:
        for n in range(2):
            await context.action(name, self._doing(f"{name}{n}"), parameters={"n": n})


@define(eq=False)
class Case:
    """One execution, and the processes that run it one after the other."""

    agent: str
    world: World = field(init=False)
    script: Script = field(factory=Script)
    planner: Cycles = field(factory=Cycles)
    processes: list[tuple[ExecutionEngine, StoppingStore]] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.world = World(runner_agent("script"), chain_agent())

    async def process(self, at: int = 0, *, written: bool = False) -> StoppingStore:
        """Start a process that stops at its commit of that number; 0: at none."""
        store = StoppingStore(self.world.inner, at, written=written)
        engine = self.world.chain_engine(
            store=store, runners={"script": self.script}, planners={"script": self.planner}
        )
        self.processes.append((engine, store))
        await self._until_stopped(store, asyncio.create_task(engine.start()))
        return store

    async def submit(self) -> None:
        engine, store = self.processes[-1]
        if not store.stopped.is_set():
            await self._until_stopped(store, asyncio.create_task(engine.submit(self.agent)))

    async def _until_stopped(self, store: StoppingStore, work: asyncio.Task[Any]) -> None:
        stopped = asyncio.create_task(store.stopped.wait())
        await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()

    async def run(self, seconds: float) -> None:
        """Let time pass until the last process stops, or everything has ended."""
        store = self.processes[-1][1]
        for _ in range(int(seconds / 0.25)):
            await self.world.clock.advance(0.25)
            if store.stopped.is_set() or await self._all_ended():
                return

    async def _all_ended(self) -> bool:
        records = await self.world.inner.scan("execution")
        return bool(records) and all(record.group == "ended" for record in records)

    async def kill(self) -> None:
        """End the last process as `kill -9` does."""
        await die(*self.processes[-1])

    async def close(self) -> None:
        """Let nothing be left, not even of what hangs."""
        for _, store in self.processes:
            store.buried = True
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await settle()

    async def check(self, expected: dict[str, Any] | None) -> dict[str, Any] | None:
        """Return what the execution ended with, after a check of everything it left."""
        records = await self.world.inner.scan("execution")
        if not records:
            assert not self.script.ran
            assert not self.planner.asked
            return None
        [record] = records
        events = await self.world.events(record.key)
        check_stream(events)
        assert events[-1].kind == "completed"
        body: dict[str, Any] = events[-1].data
        kinds = Counter(event.kind for event in events)
        assert kinds["started"] == kinds["completed"] == 1
        started = [_place(e) for e in events if e.kind == "action_started"]
        finished = [_place(e) for e in events if e.kind == "action_finished"]
        assert sorted(started) == sorted(finished) == sorted(set(started))
        doubt = body["outcome"] == "in_doubt"
        assert self.script.ran["pay"] <= 1
        assert kinds["progress"] == ({"script": 2}.get(self.agent, 0) + doubt)
        keys = [str(e.data["effect_key"]) for e in events if e.kind == "effect_signed"]
        assert len(keys) == len(set(keys)) == {"a": 2}.get(self.agent, 0)
        account = await self.world.chain.account(self.world.signer.address)
        assert account.nonce == len(keys)
        if expected is not None:
            assert all(self.script.ran[name] for name in expected["ran"] if name != "pay")
            assert _but_doubt(body) == _but_doubt(expected["body"])
        return {"body": body, "ran": dict(self.script.ran), "taken_over": kinds["taken_over"]}


def _place(event: Any) -> tuple[int, int]:
    return event.data["cycle"], event.data["step"]


def _but_doubt(body: dict[str, Any]) -> dict[str, Any]:
    """Return the body without what an action in doubt makes different."""
    results = [one for one in body["results"] if one["function_name"] != "pay"]
    return {
        "results": sorted(json.dumps(one, sort_keys=True) for one in results),
        "effects": body["effects"],
        "planned": body["planned"],
        "error": body["error"] if body["outcome"] != "in_doubt" else None,
        "outcome": {"in_doubt": "succeeded"}.get(body["outcome"], body["outcome"]),
    }


async def uninterrupted(agent: str) -> tuple[dict[str, Any], int]:
    """Return what the execution comes to by itself, and how many commits that takes."""
    case = Case(agent)
    store = await case.process()
    await case.submit()
    await case.run(5)
    result = await case.check(None)
    assert result is not None
    assert result["body"]["outcome"] == "succeeded"
    commits = len(store.commits)
    await case.close()
    return result, commits


@pytest.mark.parametrize("agent", ["script", "a"])
@pytest.mark.parametrize("written", [False, True])
async def test_killed_at_any_commit_it_is_taken_up_and_ends_the_same(
    agent: str, written: bool
) -> None:
    expected, commits = await uninterrupted(agent)
    taken_over: list[int] = []
    outcomes = Counter[str]()
    for at in range(2, commits + 1):
        case = Case(agent)
        await case.process(at, written=written)
        await case.submit()
        await case.run(5)
        await case.kill()
        await case.process()
        await case.run(60)
        ended = await case.check(expected)
        if ended is not None:
            taken_over.append(ended["taken_over"])
            outcomes[ended["body"]["outcome"]] += 1
        await case.close()
    assert taken_over.count(1) >= commits - 4
    assert outcomes["in_doubt"] == {("script", True): 1, ("script", False): 1}.get(
        (agent, written), 0
    )


@pytest.mark.parametrize("agent", ["script", "a"])
@pytest.mark.parametrize("written", [False, True])
async def test_a_process_that_only_stood_still_is_fenced_and_changes_nothing(
    agent: str, written: bool
) -> None:
    expected, commits = await uninterrupted(agent)
    for at in range(2, commits + 1):
        case = Case(agent)
        zombie = await case.process(at, written=written)
        await case.submit()
        await case.run(5)
        await case.process()
        await case.run(60)
        before = await case.check(expected)
        if before is not None:
            zombie.going.set()
            await case.world.clock.advance(30)
            after = await case.check(expected)
            assert after is not None
            assert after["body"] == before["body"]
        await case.close()


@pytest.mark.parametrize("agent", ["script", "a"])
@pytest.mark.parametrize("again", range(2, 9))
async def test_killed_again_while_it_is_taken_up_it_still_ends_the_same(
    agent: str, again: int
) -> None:
    expected, commits = await uninterrupted(agent)
    for at in range(3, commits + 1, 2):
        case = Case(agent)
        await case.process(at, written=True)
        await case.submit()
        await case.run(5)
        await case.kill()
        await case.process(again, written=bool(at % 4 == 1))
        await case.run(60)
        await case.kill()
        await case.process()
        await case.run(60)
        await case.check(expected)
        await case.close()


async def test_asking_a_planner_again_is_only_for_what_was_not_journaled() -> None:
    expected, commits = await uninterrupted("a")
    for at in range(2, commits + 1):
        case = Case("a")
        await case.process(at, written=True)
        await case.submit()
        await case.run(5)
        await case.kill()
        await case.process()
        await case.run(60)
        await case.check(expected)
        assert case.planner.asked[1] == case.planner.asked[2] == 1
        await case.close()
