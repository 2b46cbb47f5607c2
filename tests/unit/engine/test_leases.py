"""The lease of a process: what it protects, and what becomes of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from zephyrus_exec.engine.execution import open_group
from zephyrus_exec.engine.leases import OWNER
from zephyrus_exec.errors import StoreConflict
from zephyrus_exec.interfaces.runner import RunContext
from zephyrus_exec.interfaces.store import Delete, Expect, Record
from zephyrus_exec.testing.faulty_store import Fault, FaultyStore

from .conftest import Enter
from .world import Gate, World, die, is_empty, runner_agent, settle


async def owners(world: World) -> dict[str, Record]:
    return {record.key: record for record in await world.inner.scan(OWNER)}


async def lose(world: World, owner: str) -> None:
    """Remove a lease, as whoever takes its process for dead does."""
    record = (await owners(world))[owner]
    await world.inner.commit([Delete(OWNER, owner, record.version)])


async def test_a_living_process_keeps_its_executions_however_long_they_take(
    enter: Enter,
) -> None:
    world = World(runner_agent("forever"))
    one, other = await enter(world.engine()), await enter(world.engine())
    mine, theirs = await one.submit("forever"), await other.submit("forever")
    await world.clock.advance(600)
    for execution_id in (mine, theirs):
        assert (await one.get_execution(execution_id)).status == "running"
        assert await world.kinds(execution_id) == ["accepted", "started"]


async def test_an_owner_that_renews_at_the_last_moment_loses_nothing(enter: Enter) -> None:
    world = World(runner_agent("forever"))
    slow = world.faulty()
    owner = await enter(world.engine(slow))
    execution_id = await owner.submit("forever")
    slow.writable = False

    class Late(FaultyStore):
        async def commit(self, *args: Any, expect: Any = (), **more: Any) -> int:
            if any(isinstance(one, Expect) and one.key == "e1-1" for one in expect):
                slow.writable = True
                await owner._leases.renew()
            return await super().commit(*args, expect=expect, **more)

    await enter(world.engine(Late(world.inner)))
    await world.clock.advance(31)
    assert slow.writable
    assert await world.kinds(execution_id) == ["accepted", "started"]
    assert (await owner.get_execution(execution_id)).status == "running"


async def test_a_process_taken_for_dead_comes_back_under_a_new_id_and_is_fenced(
    enter: Enter,
) -> None:
    gate = Gate()

    async def wait(context: RunContext) -> None:
        await gate(context)
        await context.emit({})

    world = World(runner_agent("wait"))
    slow = world.faulty()
    zombie = await enter(world.engine(slow, {"wait": wait}))
    execution_id = await zombie.submit("wait")
    await settle()
    slow.writable = False
    living = await enter(world.engine(runners={"wait": wait}))
    await world.clock.advance(31)
    assert await world.kinds(execution_id) == ["accepted", "started", "taken_over"]
    slow.writable = True
    asked = asyncio.create_task(zombie.result(execution_id))
    gate.open.set()
    await world.clock.advance(6)
    assert await asked == await living.result(execution_id) == await world.ended(execution_id)
    assert (await asked)["outcome"] == "succeeded"
    assert await world.kinds(execution_id) == [
        *("accepted", "started", "taken_over", "progress", "completed")
    ]
    assert zombie._leases.owner != "e1-1"
    assert set(await owners(world)) == {zombie._leases.owner, living._leases.owner}
    assert is_empty(zombie)
    later = await zombie.submit("wait")
    assert (await zombie.result(later))["outcome"] == "succeeded"


async def test_nothing_is_accepted_under_a_lease_that_has_run_out(enter: Enter) -> None:
    world = World(runner_agent("forever"))
    owner = await enter(world.engine())
    await lose(world, "e1-1")
    world.clock._now += 60
    execution_id = await owner.submit("forever")
    [record] = (await owners(world)).values()
    assert record.key == owner._leases.owner != "e1-1"
    [execution] = await world.inner.scan("execution", group=open_group(record.key))
    assert execution.key == execution_id


async def test_nothing_is_accepted_under_a_lease_that_was_lost_unnoticed(enter: Enter) -> None:
    """The clock of whoever took it may go ahead of ours."""
    world = World(runner_agent("forever"))
    owner = await enter(world.engine())
    await lose(world, "e1-1")
    execution_id = await owner.submit("forever")
    assert set(await owners(world)) == {owner._leases.owner}
    [execution] = await world.inner.scan("execution", group=open_group(owner._leases.owner))
    assert execution.key == execution_id
    assert owner._leases.owner != "e1-1"


async def test_an_acceptance_that_meets_a_renewal_is_repeated(enter: Enter) -> None:
    world = World(runner_agent("forever"))
    store = world.faulty()
    engine = await enter(world.engine(store))
    store.fail(Fault.HELD)
    renewing = asyncio.create_task(engine._leases.renew())
    await settle()
    requests = [asyncio.create_task(engine.submit("forever")) for _ in range(3)]
    await settle()
    store.release()
    await asyncio.gather(renewing, *requests)
    assert len(await world.inner.scan("execution", group=open_group("e1-1"))) == 3


async def test_a_conflict_that_is_not_the_leases_is_told(enter: Enter) -> None:
    world = World(runner_agent("forever"))
    store = world.faulty()
    engine = await enter(world.engine(store))
    store.fail(Fault.CONFLICT)
    with pytest.raises(StoreConflict):
        await engine.submit("forever")
    assert await world.inner.tail(0) == []
    assert is_empty(engine)


async def test_a_lease_that_cannot_be_renewed_for_a_while_is_renewed_later(
    enter: Enter, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    store = world.faulty()
    await enter(world.engine(store))
    store.writable = False
    await world.clock.advance(6)
    assert "could not be renewed" in caplog.text
    store.writable = True
    await world.clock.advance(5)
    [record] = (await owners(world)).values()
    assert record.due is not None
    assert record.due > world.clock.now() + 15


async def test_a_renewal_of_unknown_result_is_repeated_soon(enter: Enter) -> None:
    world = World()
    store = world.faulty()
    await enter(world.engine(store))
    store.fail(Fault.UNKNOWN_WRITTEN)
    await world.clock.advance(6)
    [record] = (await owners(world)).values()
    assert (record.key, record.version) == ("e1-1", 3)
    assert record.due is not None
    assert record.due > world.clock.now() + 15


async def test_closing_succeeds_although_the_lease_was_lost() -> None:
    world = World()
    engine = world.engine()
    async with engine:
        await lose(world, "e1-1")
    assert not engine.running


@pytest.mark.usefixtures("may_leave_tasks")
async def test_the_lease_of_a_dead_process_is_removed_with_nothing_left_under_it(
    enter: Enter,
) -> None:
    world = World()
    dying = world.faulty()
    dead = world.engine(dying)
    await dead.start()
    await enter(world.engine())
    await die(dead, dying)
    await world.clock.advance(31)
    assert set(await owners(world)) == {"e2-1"}
