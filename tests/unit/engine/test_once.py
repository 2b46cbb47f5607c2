"""A request with a key is executed once, however often it is made."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from attrs import evolve

from tests.unit.engine.conftest import Enter
from tests.unit.engine.world import Gate, World, runner_agent, settle
from zephyrus_exec.engine import ExecutionEngine
from zephyrus_exec.engine.once import KEY
from zephyrus_exec.engine.quotas import Quota
from zephyrus_exec.errors import (
    AgentNotFound,
    AgentStopped,
    Draining,
    IdempotencyConflict,
    InvalidValue,
    OutcomeUnknown,
    Overloaded,
    RateLimited,
    StoreConflict,
    StoreUnavailable,
)
from zephyrus_exec.interfaces.repositories import AgentRepository
from zephyrus_exec.interfaces.store import Delete
from zephyrus_exec.model import Agent, AgentStatus, Overlap, Principal
from zephyrus_exec.testing.faulty_store import Fault

ALICE = Principal("alice")


def uuid7(at: float) -> str:
    """Return a UUIDv7 made at that time, in seconds since the epoch."""
    text = f"{int(at * 1000):012x}"
    return f"{text[:8]}-{text[8:]}-7abc-8def-0123456789ab"


async def executions(engine: ExecutionEngine) -> int:
    return len(await engine.list_executions(limit=999))


async def test_the_same_request_again_is_the_same_execution(enter: Enter) -> None:
    world = World(runner_agent("nothing"))
    engine = await enter(world.engine())
    first = await engine.submit_once("nothing", "k", input={"a": 1, "b": [2.5, None]})
    again = await engine.submit_once("nothing", "k", input={"b": (2.5, None), "a": 1})
    await engine.drain()
    ended = await engine.submit_once("nothing", "k", input={"a": 1, "b": [2.5, None]})
    assert not first.replayed
    assert again == ended == evolve(first, replayed=True)
    assert await executions(engine) == 1


async def test_the_key_is_written_by_the_very_commit_that_accepts(enter: Enter) -> None:
    world = World(runner_agent("nothing"))
    store = world.faulty()
    engine = await enter(world.engine(store))
    await engine.submit_once("nothing", "k")
    kinds = [{getattr(write, "kind", "") for write in one.writes} for one in store.commits]
    assert [{KEY, "execution"} <= one for one in kinds if KEY in one] == [True]


@pytest.mark.parametrize(("agent", "given"), [("nothing", 1), ("nothing", True), ("forever", None)])
async def test_another_request_with_the_key_is_a_conflict(
    enter: Enter, agent: str, given: Any
) -> None:
    world = World(runner_agent("nothing"), runner_agent("forever"))
    engine = await enter(world.engine())
    first = await engine.submit_once("nothing", "k")
    with pytest.raises(IdempotencyConflict) as conflict:
        await engine.submit_once(agent, "k", input=given)
    assert conflict.value.details == {"execution_id": first.execution_id}
    assert not conflict.value.retryable
    assert await executions(engine) == 1


async def test_a_key_is_each_principals_own(enter: Enter) -> None:
    world = World(runner_agent("nothing"))
    engine = await enter(world.engine())
    mine = await engine.submit_once("nothing", "k", principal=ALICE)
    other = await engine.submit_once("nothing", "k", input="another", principal=Principal("bob"))
    assert mine.execution_id != other.execution_id
    assert not other.replayed


@pytest.mark.parametrize("key", ["", "k" * 257])
async def test_a_key_has_1_to_256_characters(enter: Enter, key: str) -> None:
    world = World(runner_agent("nothing"))
    engine = await enter(world.engine())
    with pytest.raises(InvalidValue, match=r"\$\.idempotency_key"):
        await engine.submit_once("nothing", key)
    await engine.submit_once("nothing", "ñ" * 256)
    assert await executions(engine) == 1


# --- whatever happens meanwhile ------------------------------------------------------------------


async def test_a_known_key_is_answered_though_the_agent_is_stopped_or_gone(enter: Enter) -> None:
    world = World(runner_agent("nothing"))
    engine = await enter(world.engine())
    first = await engine.submit_once("nothing", "k")
    await world.repository.put([runner_agent("nothing", status=AgentStatus.STOPPED)])
    assert await engine.submit_once("nothing", "k") == evolve(first, replayed=True)
    with pytest.raises(AgentStopped):
        await engine.submit_once("nothing", "other")
    await world.repository.remove(agents=["nothing"])
    assert await engine.submit_once("nothing", "k") == evolve(first, replayed=True)
    with pytest.raises(AgentNotFound):
        await engine.submit_once("nothing", "other")


async def test_a_known_key_is_answered_though_agent_and_quota_are_busy(enter: Enter) -> None:
    world = World(runner_agent("forever", overlap=Overlap.REFUSE))
    engine = await enter(world.engine(quota=Quota(rate=1, running=1)))
    first = await engine.submit_once("forever", "k")
    assert await engine.submit_once("forever", "k") == evolve(first, replayed=True)
    with pytest.raises(RateLimited):
        await engine.submit_once("forever", "other")


async def test_a_known_key_is_answered_while_the_engine_drains(enter: Enter) -> None:
    world = World(runner_agent("nothing"))
    engine = await enter(world.engine())
    first = await engine.submit_once("nothing", "k")
    await engine.drain()
    assert await engine.submit_once("nothing", "k") == evolve(first, replayed=True)
    with pytest.raises(Draining):
        await engine.submit_once("nothing", "other")


async def test_a_key_whose_request_was_refused_is_free(enter: Enter) -> None:
    world = World(runner_agent("nothing", status=AgentStatus.STOPPED))
    engine = await enter(world.engine())
    with pytest.raises(AgentStopped):
        await engine.submit_once("nothing", "k")
    await world.repository.put([runner_agent("nothing")])
    assert not (await engine.submit_once("nothing", "k", input="another")).replayed


async def test_the_key_stands_for_the_execution_that_was_joined(enter: Enter) -> None:
    world = World(runner_agent("gate", overlap=Overlap.JOIN))
    gate = Gate()
    engine = await enter(world.engine(runners={"gate": gate}))
    running = await engine.submit("gate")
    joined = await engine.submit_once("gate", "k")
    assert (joined.execution_id, joined.replayed) == (running, False)
    gate.open.set()
    await engine.result(running)
    assert await engine.submit_once("gate", "k") == evolve(joined, replayed=True)


async def test_a_key_that_cannot_be_written_for_a_joined_execution_is_told(enter: Enter) -> None:
    world = World(runner_agent("forever", overlap=Overlap.JOIN))
    store = world.faulty()
    engine = await enter(world.engine(store))
    await engine.submit("forever")
    store.writable = False
    with pytest.raises(Overloaded):
        await engine.submit_once("forever", "k")
    store.writable = True
    assert not (await engine.submit_once("forever", "k")).replayed


# --- at once -------------------------------------------------------------------------------------


async def test_a_hundred_at_once_are_one_execution(enter: Enter) -> None:
    world = World(runner_agent("nothing"))
    engine = await enter(world.engine(world.faulty(turns=3)))
    all_of_them = await asyncio.gather(*(engine.submit_once("nothing", "k") for _ in range(100)))
    assert len({one.execution_id for one in all_of_them}) == 1
    assert sum(not one.replayed for one in all_of_them) == 1
    assert await executions(engine) == 1


async def test_two_engines_at_once_are_one_execution(enter: Enter) -> None:
    world = World(runner_agent("nothing"))
    engines = [await enter(world.engine(world.faulty(turns=n))) for n in (2, 3)]
    all_of_them = await asyncio.gather(
        *(engine.submit_once("nothing", "k") for _ in range(10) for engine in engines)
    )
    assert len({one.execution_id for one in all_of_them}) == 1
    assert sum(not one.replayed for one in all_of_them) == 1
    for engine in engines:
        await engine.drain()
        assert await executions(engine) == 1


async def test_at_once_another_request_with_the_key_is_a_conflict(enter: Enter) -> None:
    world = World(runner_agent("nothing"))
    engine = await enter(world.engine(world.faulty(turns=3)))
    first = asyncio.ensure_future(engine.submit_once("nothing", "k"))
    await asyncio.sleep(0)
    with pytest.raises(IdempotencyConflict):
        await engine.submit_once("nothing", "k", input=1)
    assert not (await first).replayed


class SlowAgents(AgentRepository):
    """Agents that are looked up only once a gate is open."""

    def __init__(self, world: World) -> None:
        self.open = asyncio.Event()
        self.lookups = 0
        self._world = world

    async def get_agent(self, agent_id: str) -> Agent:
        self.lookups += 1
        await self.open.wait()
        return await self._world.repository.get_agent(agent_id)

    def list_agents(self) -> AsyncIterator[Agent]:
        return self._world.repository.list_agents()


async def test_the_first_of_many_may_be_cancelled(enter: Enter) -> None:
    world = World(runner_agent("nothing"))
    engine = await enter(world.engine())
    engine._access._agents = agents = SlowAgents(world)
    first = asyncio.ensure_future(engine.submit_once("nothing", "k"))
    await settle()
    second = asyncio.ensure_future(engine.submit_once("nothing", "k"))
    await settle()
    first.cancel()
    await settle()
    agents.open.set()
    assert (await second).replayed
    assert agents.lookups == 1
    assert await executions(engine) == 1


async def test_what_nobody_waits_for_any_more_is_decided_all_the_same(enter: Enter) -> None:
    world = World(runner_agent("nothing", status=AgentStatus.STOPPED))
    engine = await enter(world.engine())
    engine._access._agents = agents = SlowAgents(world)
    for key in "ab":
        only = asyncio.ensure_future(engine.submit_once("nothing", key))
        await settle()
        only.cancel()
        await settle()
        agents.open.set()
        await settle()
        await world.repository.put([runner_agent("nothing")])
    assert not engine._once._deciding
    assert await executions(engine) == 1
    assert (await engine.submit_once("nothing", "b")).replayed
    assert not (await engine.submit_once("nothing", "a")).replayed


async def test_those_who_wait_get_the_error_of_the_first(enter: Enter) -> None:
    world = World(runner_agent("nothing", status=AgentStatus.STOPPED))
    engine = await enter(world.engine())
    engine._access._agents = agents = SlowAgents(world)
    waiting = [asyncio.ensure_future(engine.submit_once("nothing", "k")) for _ in range(5)]
    await settle()
    agents.open.set()
    errors = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(error) for error in errors} == {AgentStopped}
    assert agents.lookups == 1


# --- what is not known any more ------------------------------------------------------------------


async def test_an_unknown_key_of_another_incarnation_of_the_store_is_not_executed(
    enter: Enter,
) -> None:
    world = World(runner_agent("nothing"))
    engine = await enter(world.engine())
    with pytest.raises(OutcomeUnknown) as unknown:
        await engine.submit_once("nothing", "k", store_epoch="older")
    assert unknown.value.details == {"reason": "epoch"}
    assert not unknown.value.retryable
    assert await executions(engine) == 0
    first = await engine.submit_once("nothing", "k", store_epoch=world.inner.epoch)
    assert await engine.submit_once("nothing", "k", store_epoch="older") == evolve(
        first, replayed=True
    )


async def test_an_unknown_key_that_is_older_than_keys_are_kept_is_not_executed(
    enter: Enter,
) -> None:
    world = World(runner_agent("nothing"))
    engine = await enter(world.engine(key_retention=100))
    now = world.clock.now()
    with pytest.raises(OutcomeUnknown) as unknown:
        await engine.submit_once("nothing", uuid7(now - 100))
    assert unknown.value.details == {"reason": "expired"}
    assert not (await engine.submit_once("nothing", uuid7(now - 99))).replayed
    assert not (await engine.submit_once("nothing", uuid7(now - 101).replace("-7", "-4"))).replayed
    assert not (await engine.submit_once("nothing", uuid7(now + 9999))).replayed


async def test_a_key_whose_execution_was_forgotten_is_not_executed_again(enter: Enter) -> None:
    world = World(runner_agent("nothing"))
    engine = await enter(world.engine(keep_ended=1))
    await engine.submit_once("nothing", "k")
    for _ in range(100):
        await engine.result(await engine.submit("nothing"))
    with pytest.raises(OutcomeUnknown) as unknown:
        await engine.submit_once("nothing", "k")
    assert unknown.value.details == {"reason": "forgotten"}


async def test_no_uuidv7_is_ever_executed_twice_however_late_it_is_repeated(enter: Enter) -> None:
    world = World(runner_agent("nothing"))
    engine = await enter(world.engine(key_retention=1000))
    keys = [uuid7(world.clock.now() + ahead) for ahead in (-999, -1, 0, 500, 999)]
    for key in keys:
        await engine.submit_once("nothing", key)
    for _ in range(60):
        await world.clock.advance(50)
        for key in keys:
            try:
                assert (await engine.submit_once("nothing", key)).replayed
            except OutcomeUnknown:
                continue
    assert await executions(engine) == len(keys)
    assert await world.inner.scan(KEY) == []


# --- forgetting ----------------------------------------------------------------------------------


async def test_keys_are_forgotten_in_due_time_by_several_engines(enter: Enter) -> None:
    world = World(runner_agent("nothing"))
    engines = [await enter(world.engine(world.faulty(turns=n), key_retention=1000)) for n in (1, 2)]
    for n in range(600):
        await engines[n % 2].submit_once("nothing", f"k{n}")
    await world.clock.advance(500)
    await engines[0].submit_once("nothing", "young")
    assert len(await world.inner.scan(KEY, limit=999)) == 601
    await world.clock.advance(900)
    assert len(await world.inner.scan(KEY)) == 1
    assert (await engines[1].submit_once("nothing", "young")).replayed
    assert not (await engines[1].submit_once("nothing", "k1", input="another")).replayed


async def test_keys_that_cannot_be_forgotten_now_are_forgotten_later(
    enter: Enter, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(runner_agent("nothing"))
    store = world.faulty()
    engine = await enter(world.engine(store, key_retention=1, lease_duration=100_000))
    await engine.submit_once("nothing", "k")
    await engine.drain()
    store.readable = False
    with caplog.at_level(logging.INFO):
        await world.clock.advance(400)
    assert "could not be forgotten now" in caplog.text
    store.readable = True
    await world.clock.advance(60)
    assert await world.inner.scan(KEY) == []


# --- faults --------------------------------------------------------------------------------------


async def test_while_keys_cannot_be_read_nothing_is_executed(enter: Enter) -> None:
    world = World(runner_agent("nothing"))
    store = world.faulty()
    engine = await enter(world.engine(store))
    store.readable = False
    with pytest.raises(StoreUnavailable):
        await engine.submit_once("nothing", "k")
    store.readable = True
    assert not (await engine.submit_once("nothing", "k")).replayed
    assert await executions(engine) == 1


async def test_a_conflict_about_something_else_is_told(enter: Enter) -> None:
    world = World(runner_agent("nothing"))
    store = world.faulty()
    engine = await enter(world.engine(store))
    store.fail(Fault.CONFLICT)
    store.fail(Fault.CONFLICT, nth=2)
    store.fail(Fault.CONFLICT, nth=3)
    with pytest.raises(StoreConflict):
        await engine.submit_once("nothing", "k")
    assert await executions(engine) == 0


@pytest.mark.parametrize("fault", [Fault.UNKNOWN_WRITTEN, Fault.UNKNOWN_LOST, Fault.UNAVAILABLE])
async def test_whatever_becomes_of_the_commit_there_is_one_execution(
    enter: Enter, fault: Fault
) -> None:
    world = World(runner_agent("nothing"))
    store = world.faulty()
    engine = await enter(world.engine(store))
    store.fail(fault)
    try:
        first = await engine.submit_once("nothing", "k")
    except Overloaded:
        assert fault is not Fault.UNKNOWN_WRITTEN
        first = await engine.submit_once("nothing", "k")
    assert not first.replayed
    assert (await engine.submit_once("nothing", "k")).replayed
    assert await executions(engine) == 1


async def test_a_key_that_somebody_removed_is_free(enter: Enter) -> None:
    world = World(runner_agent("nothing"))
    engine = await enter(world.engine())
    await engine.submit_once("nothing", "k")
    (record,) = await world.inner.scan(KEY)
    await world.inner.commit([Delete(KEY, record.key, record.version)])
    assert not (await engine.submit_once("nothing", "k")).replayed


async def test_keys_that_another_process_forgets_at_the_same_moment_are_left_to_it(
    enter: Enter,
) -> None:
    world = World(runner_agent("nothing"))
    store = world.faulty()
    engine = await enter(world.engine(store, key_retention=1, lease_duration=100_000))
    await engine.submit_once("nothing", "k")
    await engine.drain()
    await world.clock.advance(290)
    store.fail(Fault.CONFLICT)
    await world.clock.advance(100)
    assert len(await world.inner.scan(KEY)) == 1
    await world.clock.advance(60)
    assert await world.inner.scan(KEY) == []


async def test_a_decision_that_is_cancelled_from_outside_is_forgotten(enter: Enter) -> None:
    world = World(runner_agent("nothing"))
    engine = await enter(world.engine())
    engine._access._agents = SlowAgents(world)
    asking = asyncio.ensure_future(engine.submit_once("nothing", "k"))
    await settle()
    ((_, deciding),) = engine._once._deciding.values()
    deciding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert not engine._once._deciding
