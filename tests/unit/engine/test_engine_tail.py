"""The tail: a cursor into everything a store is told, by this process and by others."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from zephyrus_exec.engine import ExecutionEngine
from zephyrus_exec.interfaces.runner import RunContext
from zephyrus_exec.interfaces.store import Append, NewEvent
from zephyrus_exec.model import OPERATOR, Event, Principal

from .conftest import Enter
from .world import World, runner_agent, settle


async def follow(
    engine: ExecutionEngine, into: list[Event], principal: Principal = OPERATOR
) -> None:
    async for event in engine.tail(principal=principal):
        into += [event]


def kinds(events: list[Event], stream: str) -> list[str]:
    return [event.kind for event in events if event.stream == stream]


async def test_it_tells_every_execution_in_the_order_of_the_store_and_then_live(
    enter: Enter,
) -> None:
    world = World(runner_agent("nothing"))
    engine = await enter(world.engine())
    first = await engine.submit("nothing")
    await engine.result(first)
    seen: list[Event] = []
    following = asyncio.create_task(follow(engine, seen))
    await settle()
    assert kinds(seen, first) == ["accepted", "started", "completed"]
    second = await engine.submit("nothing")
    await engine.result(second)
    await settle()
    assert kinds(seen, second) == ["accepted", "started", "completed"]
    assert [event.position for event in seen] == sorted({event.position for event in seen})
    following.cancel()
    await settle()
    assert len(engine._wakeups) == 0


async def test_it_tells_nobody_of_what_is_not_his(enter: Enter) -> None:
    ana, bob = Principal("ana"), Principal("bob")
    world = World(runner_agent("nothing"))
    engine = await enter(world.engine())
    ids = {one: await engine.submit("nothing", principal=one) for one in (ana, bob)}
    for one, execution_id in ids.items():
        await engine.result(execution_id, principal=one)
    await world.inner.commit([Append("lane:1:0x", 1, (NewEvent(0.0, "opened", "{}"),))])
    told: dict[Principal, list[Event]] = {ana: [], bob: [], OPERATOR: []}
    following = [asyncio.create_task(follow(engine, seen, who)) for who, seen in told.items()]
    await settle()
    for one, execution_id in ids.items():
        assert {event.stream for event in told[one]} == {execution_id}
        assert kinds(told[one], execution_id) == ["accepted", "started", "completed"]
    assert {event.stream for event in told[OPERATOR]} == {*ids.values(), "lane:1:0x"}
    for task in following:
        task.cancel()


async def test_it_goes_on_behind_the_position_it_is_given(enter: Enter) -> None:
    world = World(runner_agent("nothing"))
    engine = await enter(world.engine())
    await engine.result(await engine.submit("nothing"))
    every = await world.inner.tail(0)
    async with aclosing(engine.tail(every[0].position)) as events:
        assert await anext(events) == every[1]


async def test_it_tells_what_other_processes_write_within_half_a_second(enter: Enter) -> None:
    world = World(runner_agent("nothing"))
    here, there = await enter(world.engine()), await enter(world.engine())
    seen: list[Event] = []
    following = asyncio.create_task(follow(here, seen))
    execution_id = await there.submit("nothing")
    await there.result(execution_id)
    await world.clock.advance(0.5)
    assert kinds(seen, execution_id) == ["accepted", "started", "completed"]
    following.cancel()


async def test_it_tells_how_executions_end_with_the_engine_and_ends_itself() -> None:
    async def forever(_: RunContext) -> None:
        await asyncio.Event().wait()

    world = World(runner_agent("forever"))
    engine = world.engine(runners={"forever": forever})
    seen: list[Event] = []
    async with engine:
        following = asyncio.create_task(follow(engine, seen))
        execution_id = await engine.submit("forever")
        await settle()
    await following
    assert kinds(seen, execution_id)[-1] == "completed"
