"""Which process owns which executions, and what becomes of those whose process is gone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from zephyrus_exec.engine import ExecutionEngine
from zephyrus_exec.engine.leases import OWNER
from zephyrus_exec.interfaces.runner import RunContext
from zephyrus_exec.interfaces.store import Delete, Expect
from zephyrus_exec.model import Json
from zephyrus_exec.testing.faulty_store import Fault, FaultyStore

from .conftest import Enter
from .world import Gate, World, chain_agent, is_empty, plan, runner_agent, settle


async def die(engine: ExecutionEngine, store: FaultyStore) -> None:
    """End the engine as a process ends that is killed: nothing of it reaches the store."""
    store.cut()
    running = [execution.task for execution in engine._roster.executions.values()]
    for task in (*engine._background, *engine._reconciler._tasks, *running):
        if task is not None:
            task.cancel()
    await settle()


async def two_actions(context: RunContext) -> None:
    async def work() -> Json:
        return "done"

    await context.action("first", work, parameters={"n": 1})
    await context.decide(_three_actions)
    await asyncio.Event().wait()


async def _three_actions() -> dict[str, Json]:
    return {"actions": [{}, {}, {}]}


@pytest.mark.usefixtures("may_leave_tasks")
async def test_what_a_dead_process_left_is_ended_with_the_results_so_far(enter: Enter) -> None:
    world = World(runner_agent("two_actions"))
    dying = world.faulty()
    dead = world.engine(dying, {"two_actions": two_actions})
    await dead.start()
    running, queued = await dead.submit("two_actions"), await dead.submit("two_actions")
    await settle()
    living = await enter(world.engine())
    await die(dead, dying)
    asked = asyncio.create_task(living.result(running))
    await world.clock.advance(19)
    assert (await living.get_execution(running)).status == "running"
    await world.clock.advance(12)
    body = await asked
    assert body == await world.ended(running)
    assert body["outcome"] == "interrupted"
    assert body["planned"] == 3
    assert body["results"] == [
        {"function_name": "first", "parameters": {"n": 1}, "result": "done", "success": True}
    ]
    error: Any = body["error"]
    assert error["details"] == {"reason": "process_ended"}
    assert (await world.ended(queued))["results"] == []
    assert (await living.get_execution(running)).outcome == "interrupted"
    assert len(await world.inner.scan(OWNER)) == 1


@pytest.mark.usefixtures("may_leave_tasks")
async def test_a_process_that_starts_ends_what_was_left_before(enter: Enter) -> None:
    world = World(runner_agent("forever"))
    dying = world.faulty()
    dead = world.engine(dying)
    await dead.start()
    execution_id = await dead.submit("forever")
    await die(dead, dying)
    await world.clock.advance(21)
    await enter(world.engine())
    assert (await world.ended(execution_id))["outcome"] == "interrupted"


@pytest.mark.usefixtures("may_leave_tasks")
async def test_effects_of_a_dead_process_are_counted_as_they_stand(enter: Enter) -> None:
    world = World(chain_agent(max_concurrent=3))
    world.chain.automine = False
    dying = world.faulty()
    dead = world.chain_engine(plan("set"), plan("set"), plan("set"), store=dying)
    await dead.start()
    first = await dead.submit("a")
    await settle()
    world.chain.mine()
    await world.clock.advance(1)
    second, third = await dead.submit("a"), await dead.submit("a")
    await world.clock.advance(1)
    record = await world.inner.get("effect", f"{third}:1:1")
    assert record is not None
    await world.inner.commit([Delete("effect", record.key, record.version)])
    await die(dead, dying)
    await world.clock.advance(21)
    await enter(world.engine())
    assert (await world.ended(first))["effects"]["mined"] == 1
    for pending in (second, third):
        body = await world.ended(pending)
        assert (body["outcome"], body["effects"]["pending"]) == ("interrupted", 1)


async def test_a_living_process_keeps_its_executions_however_long_they_take(
    enter: Enter,
) -> None:
    world = World(runner_agent("forever"))
    one, other = await enter(world.engine()), await enter(world.engine())
    mine, theirs = await one.submit("forever"), await other.submit("forever")
    await world.clock.advance(600)
    for execution_id in (mine, theirs):
        assert (await one.get_execution(execution_id)).status == "running"


async def test_an_owner_that_renews_at_the_last_moment_loses_nothing(enter: Enter) -> None:
    world = World(runner_agent("forever"))
    slow = world.faulty()
    owner = await enter(world.engine(slow))
    execution_id = await owner.submit("forever")
    slow.writable = False
    await world.clock.advance(19)
    slow.writable = True

    class Late(FaultyStore):
        async def commit(self, *args: Any, expect: Any = (), **more: Any) -> int:
            if any(isinstance(one, Expect) and one.kind == OWNER for one in expect):
                await owner._leases._renew()
            return await super().commit(*args, expect=expect, **more)

    world.clock._now += 5
    await enter(world.engine(Late(world.inner)))
    assert await world.kinds(execution_id) == ["accepted", "started"]
    assert (await owner.get_execution(execution_id)).status == "running"


async def test_a_process_taken_for_dead_comes_back_with_a_new_lease_and_its_work_ended(
    enter: Enter,
) -> None:
    gate = Gate()

    async def wait(context: RunContext) -> None:
        await gate(context)
        await context.emit({})

    world = World(runner_agent("wait"))
    slow = world.faulty()
    owner = await enter(world.engine(slow, {"wait": wait}))
    execution_id = await owner.submit("wait")
    await settle()
    slow.writable = False
    await world.clock.advance(25)
    await enter(world.engine())
    body = await world.ended(execution_id)
    assert body["outcome"] == "interrupted"
    slow.writable = True
    gate.open.set()
    assert await owner.result(execution_id) == body
    await world.clock.advance(5)
    assert {record.key for record in await world.inner.scan(OWNER)} == {"e1-1", "e2-1"}
    later = await owner.submit("wait")
    assert (await owner.result(later))["outcome"] == "succeeded"


async def test_nothing_is_accepted_under_a_lease_that_has_run_out(enter: Enter) -> None:
    world = World(runner_agent("forever"))
    owner = await enter(world.engine())
    world.clock._now += 60
    other = world.engine()
    await other._leases.start()
    assert [record.key for record in await world.inner.scan(OWNER)] == ["e2-1"]
    execution_id = await owner.submit("forever")
    assert {record.key for record in await world.inner.scan(OWNER)} == {"e1-1", "e2-1"}
    await other._leases.end_orphans()
    assert (await owner.get_execution(execution_id)).status == "running"


async def test_a_lease_that_cannot_be_renewed_for_a_while_is_renewed_later(
    enter: Enter, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    store = world.faulty()
    await enter(world.engine(store))
    store.writable = False
    await world.clock.advance(6)
    assert "leases could not be looked after" in caplog.text
    store.writable = True
    await world.clock.advance(5)
    [record] = await world.inner.scan(OWNER)
    assert record.due is not None
    assert record.due > world.clock.now() + 15


async def test_a_renewal_of_unknown_result_is_repeated(enter: Enter) -> None:
    world = World()
    store = world.faulty()
    await enter(world.engine(store))
    store.fail(Fault.UNKNOWN_WRITTEN)
    await world.clock.advance(11)
    [record] = await world.inner.scan(OWNER)
    assert record.version == 3
    assert record.due is not None
    assert record.due > world.clock.now() + 15


async def test_closing_succeeds_although_the_lease_was_lost() -> None:
    world = World()
    engine = world.engine()
    async with engine:
        [record] = await world.inner.scan(OWNER)
        await world.inner.commit([Delete(OWNER, record.key, record.version)])
    assert not engine.running


@pytest.mark.usefixtures("may_leave_tasks")
async def test_two_processes_may_end_the_same_orphans_at_once(enter: Enter) -> None:
    world = World(runner_agent("forever", max_concurrent=150))
    dying = world.faulty()
    dead = world.engine(dying)
    await dead.start()
    orphans = [await dead.submit("forever") for _ in range(150)]
    await die(dead, dying)
    await world.clock.advance(21)
    engines = [world.engine(world.faulty(turns=1)) for _ in range(2)]
    await asyncio.gather(*(engine.start() for engine in engines))
    await world.clock.advance(11)
    for execution_id in orphans:
        assert (await world.ended(execution_id))["outcome"] == "interrupted"
    owners = {record.key for record in await world.inner.scan(OWNER)}
    assert owners == {engine._leases.owner for engine in engines}
    for engine in engines:
        await engine.aclose()
        assert is_empty(engine)
    assert await world.inner.scan(OWNER) == []
