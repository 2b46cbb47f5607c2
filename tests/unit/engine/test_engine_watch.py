"""Watching: a cursor into the journal, of executions here and elsewhere."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from zephyrus_exec.engine import ExecutionEngine
from zephyrus_exec.interfaces.runner import RunContext
from zephyrus_exec.model import Event

from .conftest import Enter
from .world import Gate, World, check_stream, runner_agent, settle


class Teller:
    """A runner that emits one event each time it is told to."""

    def __init__(self) -> None:
        self.go = asyncio.Queue[bool]()

    async def __call__(self, context: RunContext) -> None:
        while await self.go.get():
            await context.emit({})


async def watch(engine: ExecutionEngine, execution_id: str, after: int = 0) -> list[Event]:
    return [event async for event in engine.watch(execution_id, after=after)]


async def test_an_ended_execution_is_told_from_the_beginning(enter: Enter) -> None:
    world = World(runner_agent("nothing"))
    engine = await enter(world.engine())
    execution_id = await engine.submit("nothing")
    await engine.result(execution_id)
    events = await watch(engine, execution_id)
    assert events == await world.events(execution_id)
    check_stream(events)


async def test_a_watcher_in_the_middle_gets_what_follows(enter: Enter) -> None:
    world = World(runner_agent("nothing"))
    engine = await enter(world.engine())
    execution_id = await engine.submit("nothing")
    await engine.result(execution_id)
    assert [event.seq for event in await watch(engine, execution_id, 1)] == [2, 3]


async def test_a_watcher_behind_the_end_gets_nothing_and_is_not_kept_waiting(
    enter: Enter,
) -> None:
    world = World(runner_agent("nothing"))
    engine = await enter(world.engine())
    execution_id = await engine.submit("nothing")
    await engine.result(execution_id)
    assert await watch(engine, execution_id, 3) == []
    assert await watch(engine, execution_id, 99) == []


async def test_a_watcher_ahead_of_a_running_execution_ends_with_it(enter: Enter) -> None:
    gate = Gate()
    world = World(runner_agent("gate"))
    engine = await enter(world.engine(runners={"gate": gate}))
    execution_id = await engine.submit("gate")
    watching = asyncio.create_task(watch(engine, execution_id, 99))
    await settle()
    gate.open.set()
    assert await watching == []
    assert len(engine._wakeups) == 0


async def test_several_watchers_see_every_event_live_and_the_same(enter: Enter) -> None:
    teller = Teller()
    world = World(runner_agent("teller"))
    engine = await enter(world.engine(runners={"teller": teller}))
    execution_id = await engine.submit("teller")
    seen: list[list[Event]] = [[], [], []]

    async def follow(into: list[Event]) -> None:
        async for event in engine.watch(execution_id):
            into += [event]

    watchers = [asyncio.create_task(follow(into)) for into in seen]
    for n in range(3):
        await settle()
        assert [len(into) for into in seen] == [2 + n] * 3
        teller.go.put_nowait(True)
    teller.go.put_nowait(False)
    await asyncio.wait(watchers)
    assert seen[0] == seen[1] == seen[2] == await world.events(execution_id)
    assert len(engine._wakeups) == 0


async def test_a_watcher_that_goes_away_leaves_nothing(enter: Enter) -> None:
    world = World(runner_agent("forever"))
    engine = await enter(world.engine())
    execution_id = await engine.submit("forever")
    async with aclosing(engine.watch(execution_id)) as events:
        assert (await anext(events)).kind == "accepted"
    waiting = asyncio.create_task(watch(engine, execution_id))
    await settle()
    assert len(engine._wakeups) == 1
    waiting.cancel()
    await asyncio.wait({waiting})
    assert len(engine._wakeups) == 0


async def test_more_events_than_one_page_holds_are_all_told(enter: Enter) -> None:
    async def talk(context: RunContext) -> None:
        for n in range(1200):
            await context.emit({"n": n})

    world = World(runner_agent("talk"))
    engine = await enter(world.engine(runners={"talk": talk}))
    execution_id = await engine.submit("talk")
    await engine.result(execution_id)
    assert len(await watch(engine, execution_id)) == 1203


async def test_an_execution_of_another_process_is_watched_to_its_end(enter: Enter) -> None:
    teller = Teller()
    world = World(runner_agent("teller"))
    runs = await enter(world.engine(runners={"teller": teller}))
    other = await enter(world.engine())
    execution_id = await runs.submit("teller")
    watching = asyncio.create_task(watch(other, execution_id))
    asked = asyncio.create_task(other.result(execution_id))
    await settle()
    teller.go.put_nowait(True)
    await world.clock.advance(1)
    teller.go.put_nowait(False)
    await world.clock.advance(1)
    assert await watching == await world.events(execution_id)
    assert await asked == await world.ended(execution_id)
    assert len(other._wakeups) == 0
