"""Cursors: places in journals, read on from when it suits whoever watches."""

from __future__ import annotations

import asyncio
import logging

import pytest

from tests.unit.engine.conftest import Enter
from tests.unit.engine.test_engine_watch import Teller
from tests.unit.engine.world import (
    Gate,
    World,
    chain_agent,
    check_stream,
    die,
    is_empty,
    plan,
    runner_agent,
    settle,
)
from zephyrus_exec.engine import Cursor, ExecutionEngine
from zephyrus_exec.errors import (
    EffectNotFound,
    ExecutionLost,
    ExecutionNotFound,
    ExecutionReleased,
    StoreUnavailable,
)
from zephyrus_exec.interfaces.runner import RunContext
from zephyrus_exec.interfaces.store import Append, Delete, Forget, NewEvent
from zephyrus_exec.model import OPERATOR, Event, Principal
from zephyrus_exec.testing.faulty_store import Fault, FaultyStore

BOB = Principal("bob")


class Watcher:
    """Takes whatever there is whenever there may be more."""

    def __init__(self, *, limit: int = 10) -> None:
        self.limit = limit
        self.called = 0
        self.events: list[Event] = []
        self.ready = asyncio.Event()

    def __call__(self, _cursor: Cursor) -> None:
        self.called += 1
        self.ready.set()

    async def drain(self, cursor: Cursor) -> list[int]:
        """Take what there is now, and return its numbers."""
        before = len(self.events)
        while events := await cursor.take(self.limit):
            assert len(events) <= self.limit
            self.events += events
        return [event.seq for event in self.events[before:]]

    async def follow(self, cursor: Cursor) -> None:
        """Take everything to the end."""
        while not cursor.ended:
            self.ready.clear()
            await self.drain(cursor)
            if not cursor.ended:
                await self.ready.wait()

    async def run(self, engine: ExecutionEngine, execution_id: str, after: int = 0) -> None:
        await self.follow(await engine.open_cursor(execution_id, after=after, ready=self))


def content(events: list[Event]) -> list[tuple[str, int, float, str, str, int]]:
    return [(e.stream, e.seq, e.at, e.kind, e.body, e.schema) for e in events]


class Scene:
    """One execution whose runner emits an event each time it is told to."""

    def __init__(self) -> None:
        self.world = World(runner_agent("teller"))
        self.teller = Teller()
        self.store = self.world.faulty()

    async def begin(self, enter: Enter) -> ExecutionEngine:
        self.engine = await enter(self.world.engine(self.store, {"teller": self.teller}))
        self.id = await self.engine.submit("teller")
        await settle()
        return self.engine

    async def tell(self, *, more: bool = True) -> None:
        self.teller.go.put_nowait(more)
        await settle()

    async def another(self, enter: Enter) -> tuple[ExecutionEngine, FaultyStore]:
        """Return an engine that sees the execution from outside."""
        store = self.world.faulty()
        return await enter(self.world.engine(store, {"teller": self.teller})), store


@pytest.fixture
def scene() -> Scene:
    return Scene()


# --- of this process -----------------------------------------------------------------------------


async def test_replayed_and_live_parts_join_without_a_gap(enter: Enter, scene: Scene) -> None:
    engine = await scene.begin(enter)
    await scene.tell()
    watcher = Watcher(limit=2)
    cursor = await engine.open_cursor(scene.id, ready=watcher)
    assert (cursor.stream, cursor.agent_id) == (scene.id, "teller")
    assert (cursor.head, cursor.terminal, cursor.after, cursor.ended) == (3, False, 0, False)
    assert await watcher.drain(cursor) == [1, 2, 3]
    assert watcher.called == 0
    await scene.tell()
    assert watcher.called == 1
    assert await watcher.drain(cursor) == [4]
    await scene.tell(more=False)
    assert await watcher.drain(cursor) == [5]
    assert (cursor.ended, cursor.after) == (True, 5)
    assert await cursor.take(9) == []
    assert cursor.take_now(9) == []
    assert content(watcher.events) == content(await scene.world.events(scene.id))
    assert watcher.called == 2
    await engine.drain()
    assert is_empty(engine)


async def test_live_watchers_ask_the_store_for_nothing(enter: Enter, scene: Scene) -> None:
    engine = await scene.begin(enter)
    watchers = [Watcher() for _ in range(5)]
    cursors = [await engine.open_cursor(scene.id, ready=watcher) for watcher in watchers]
    scene.store.readable = False
    for watcher, cursor in zip(watchers, cursors, strict=True):
        assert await watcher.drain(cursor) == [1, 2]
    await scene.tell()
    await scene.tell(more=False)
    await engine.drain()
    for watcher, cursor in zip(watchers, cursors, strict=True):
        assert await watcher.drain(cursor) == [3, 4]
        assert cursor.ended
        assert all(map(lambda a, b: a is b, watcher.events, watchers[0].events))
    scene.store.readable = True


async def test_taking_now_needs_no_await_while_it_is_in_memory(enter: Enter, scene: Scene) -> None:
    engine = await scene.begin(enter)
    watcher = Watcher()
    cursor = await engine.open_cursor(scene.id, ready=watcher)
    assert [event.seq for event in cursor.take_now(1) or ()] == [1]
    assert [event.seq for event in cursor.take_now(9) or ()] == [2]
    assert cursor.take_now(9) == []
    for _ in range(300):
        await scene.tell()
    assert watcher.called == 1
    assert cursor.take_now(9) is None
    assert await watcher.drain(cursor) == list(range(3, 303))
    assert cursor.take_now(9) == []


async def test_who_took_all_there_was_is_called_for_the_next(enter: Enter, scene: Scene) -> None:
    engine = await scene.begin(enter)
    watcher = Watcher()
    cursor = await engine.open_cursor(scene.id, ready=watcher)
    assert [event.seq for event in cursor.take_now(1) or ()] == [1]
    waits = [cursor.waits]
    assert [event.seq for event in await cursor.take(9)] == [2]
    waits.append(cursor.waits)
    await scene.tell()
    waits.append(cursor.waits)
    assert (watcher.called, waits) == (1, [False, True, False])


async def test_who_tells_many_takes_events_as_they_are_kept(enter: Enter, scene: Scene) -> None:
    engine = await scene.begin(enter)
    cursor = await engine.open_cursor(scene.id, ready=Watcher())
    other = await engine.open_cursor(scene.id, ready=Watcher())
    kept = cursor.take_kept(9)
    assert [event.kind for event in kept or ()] == ["accepted", "started"]
    assert (cursor.after, cursor.waits) == (2, True)
    assert other.take_kept(9) is kept
    assert cursor.take_kept(9) == []
    cursor.close()
    assert not cursor.take_kept(9)


async def test_of_a_flood_who_follows_is_called_for_many_events_at_once(enter: Enter) -> None:
    async def talk(context: RunContext) -> None:
        await go.wait()
        for n in range(900):
            await context.emit({"n": n})
            await asyncio.sleep(0)

    go = asyncio.Event()
    world = World(runner_agent("talk"))
    engine = await enter(world.engine(runners={"talk": talk}))
    execution_id = await engine.submit("talk")
    watchers = [Watcher(limit=1000) for _ in range(3)]
    following = [asyncio.ensure_future(each.run(engine, execution_id)) for each in watchers]
    await settle()
    go.set()
    await asyncio.gather(*following)
    for watcher in watchers:
        assert content(watcher.events) == content(await world.events(execution_id))
        assert watcher.called < 250


async def test_an_event_is_not_seen_before_it_is_committed(enter: Enter, scene: Scene) -> None:
    engine = await scene.begin(enter)
    watcher = Watcher()
    cursor = await engine.open_cursor(scene.id, ready=watcher)
    await watcher.drain(cursor)
    scene.store.writable = False
    await scene.tell()
    assert (watcher.called, cursor.take_now(9)) == (0, [])
    scene.store.writable = True
    await scene.world.clock.advance(1)
    assert watcher.called == 1
    assert await watcher.drain(cursor) == [3]


async def test_ready_is_called_from_the_loop_and_once(enter: Enter, scene: Scene) -> None:
    engine = await scene.begin(enter)
    watcher = Watcher()
    cursor = await engine.open_cursor(scene.id, after=2, ready=watcher)
    assert cursor.take_now(9) == []
    assert cursor.take_now(9) == []
    engine._wakeups.wake(scene.id)
    engine._wakeups.wake(scene.id)
    assert watcher.called == 0
    await settle()
    assert watcher.called == 1


async def test_a_closed_cursor_gives_nothing_and_keeps_nothing(enter: Enter, scene: Scene) -> None:
    engine = await scene.begin(enter)
    other, _ = await scene.another(enter)
    for one in (engine, other):
        watcher = Watcher()
        cursor = await one.open_cursor(scene.id, after=2, ready=watcher)
        assert await cursor.take(9) == []
        assert len(one._wakeups) == 1
        cursor.close()
        cursor.close()
        assert len(one._wakeups) == 0
        assert not one._cursors._foreign
        assert await cursor.take(9) == []
        assert watcher.called == 0


async def test_a_cursor_closed_between_wake_and_call_is_not_called(
    enter: Enter, scene: Scene
) -> None:
    engine = await scene.begin(enter)
    watcher = Watcher()
    cursor = await engine.open_cursor(scene.id, after=2, ready=watcher)
    await cursor.take(9)
    engine._wakeups.wake(scene.id)
    cursor.close()
    await settle()
    assert watcher.called == 0


async def test_a_cursor_behind_the_end_has_ended(enter: Enter, scene: Scene) -> None:
    engine = await scene.begin(enter)
    other, _ = await scene.another(enter)
    await scene.tell(more=False)
    await engine.result(scene.id)
    for one in (engine, other):
        cursor = await one.open_cursor(scene.id, after=3, ready=Watcher())
        assert (cursor.head, cursor.terminal, cursor.ended) == (3, True, True)
        assert await cursor.take(9) == []
        watcher = Watcher(limit=1)
        cursor = await one.open_cursor(scene.id, after=1, ready=watcher)
        assert (cursor.terminal, cursor.ended) == (True, False)
        assert await watcher.drain(cursor) == [2, 3]
        assert cursor.ended


async def test_of_long_events_few_are_taken_at_once_however_many_may_be(enter: Enter) -> None:
    async def tell(context: RunContext) -> None:
        for size in [10] * 30 + [50_000] * 30 + [200_000] * 3 + [10] * 40:
            await context.emit({"pad": "x" * size})

    world = World(runner_agent("long"))
    store = world.faulty()
    engine = await enter(world.engine(store, {"long": tell}))
    execution_id = await engine.submit("long")
    await engine.result(execution_id)
    cursor = await engine.open_cursor(execution_id, ready=Watcher())
    seen: list[int] = []
    while not cursor.ended:
        events = await cursor.take(128)
        assert sum(len(event.body) for event in events[:-1]) < 64 * 1024
        seen += [event.seq for event in events]
    assert seen == list(range(1, 107))


async def test_a_journal_that_ends_before_what_was_seen_has_lost_events(
    enter: Enter, scene: Scene
) -> None:
    engine = await scene.begin(enter)
    other, _ = await scene.another(enter)
    for one in (engine, other):
        with pytest.raises(ExecutionLost) as lost:
            await one.open_cursor(scene.id, after=3, ready=Watcher())
        assert lost.value.details == {"stream": scene.id, "head_seq": 2}
        assert not lost.value.retryable


async def test_who_read_a_commit_elsewhere_whose_outcome_is_not_known_here_is_told_of_no_loss(
    enter: Enter, scene: Scene
) -> None:
    engine = await scene.begin(enter)
    other, _ = await scene.another(enter)
    scene.store.fail(Fault.UNKNOWN_WRITTEN)
    scene.store.readable = False
    await scene.tell()
    elsewhere = Watcher()
    assert await elsewhere.drain(await other.open_cursor(scene.id, ready=elsewhere)) == [1, 2, 3]
    watcher = Watcher()
    with pytest.raises(StoreUnavailable):
        await engine.open_cursor(scene.id, after=3, ready=watcher)
    scene.store.readable = True
    cursor = await engine.open_cursor(scene.id, after=3, ready=watcher)
    assert (cursor.head, cursor.terminal) == (3, False)
    assert await watcher.drain(cursor) == []
    await scene.world.clock.advance(1)  # the store is asked what became of it
    await scene.tell()
    assert await watcher.drain(cursor) == [4]


async def test_what_is_not_there_and_what_is_not_yours_is_the_same(
    enter: Enter, scene: Scene
) -> None:
    engine = await scene.begin(enter)
    for execution_id in (scene.id, "none"):
        with pytest.raises(ExecutionNotFound):
            await engine.open_cursor(execution_id, principal=BOB, ready=Watcher())


async def test_while_the_store_cannot_be_read_that_is_told_and_taking_may_be_repeated(
    enter: Enter, scene: Scene
) -> None:
    await scene.begin(enter)
    other, store = await scene.another(enter)
    watcher = Watcher()
    cursor = await other.open_cursor(scene.id, ready=watcher)
    store.readable = False
    with pytest.raises(StoreUnavailable):
        await cursor.take(9)
    assert len(other._wakeups) == 0
    store.readable = True
    assert await watcher.drain(cursor) == [1, 2]


# --- of other processes --------------------------------------------------------------------------


async def test_what_another_process_writes_arrives(enter: Enter, scene: Scene) -> None:
    await scene.begin(enter)
    other, _ = await scene.another(enter)
    watcher = Watcher()
    following = asyncio.ensure_future(watcher.run(other, scene.id))
    await settle()
    for n in range(3):
        assert [event.seq for event in watcher.events] == list(range(1, 3 + n))
        await scene.tell()
        await scene.world.clock.advance(0.5)
    await scene.tell(more=False)
    await scene.world.clock.advance(0.5)
    await following
    check_stream(watcher.events)
    assert len(other._wakeups) == 0
    assert not other._cursors._foreign


async def test_many_who_wait_for_others_cost_one_look(enter: Enter, scene: Scene) -> None:
    await scene.begin(enter)
    other, store = await scene.another(enter)
    watchers = [Watcher() for _ in range(50)]
    for watcher in watchers:
        await watcher.drain(await other.open_cursor(scene.id, ready=watcher))
    await scene.world.clock.advance(1)
    for watcher in watchers:
        assert watcher.called <= 1
    looks = 0
    tail = store.tail

    async def counted(position: int, *, limit: int = 1000) -> list[Event]:
        nonlocal looks
        looks += 1
        return await tail(position, limit=limit)

    store.tail = counted  # type: ignore[method-assign]
    await scene.world.clock.advance(5)
    assert looks <= 10


async def test_who_waits_for_no_other_has_the_store_left_alone(enter: Enter, scene: Scene) -> None:
    engine = await scene.begin(enter)
    watcher = Watcher()
    await watcher.drain(await engine.open_cursor(scene.id, ready=watcher))
    await scene.world.clock.advance(5)
    assert not engine._cursors._wanted.is_set()
    other, _ = await scene.another(enter)
    cursor = await other.open_cursor(scene.id, ready=watcher)
    await watcher.drain(cursor)
    await settle()
    assert other._cursors._wanted.is_set()
    cursor.close()
    await scene.world.clock.advance(1)
    assert not other._cursors._wanted.is_set()


async def test_following_others_goes_on_after_trouble_with_the_store(
    enter: Enter, scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    await scene.begin(enter)
    other, store = await scene.another(enter)
    watcher = Watcher()
    following = asyncio.ensure_future(watcher.run(other, scene.id))
    await scene.world.clock.advance(1)
    store.readable = False
    with caplog.at_level(logging.INFO):
        await scene.world.clock.advance(2)
    assert "cannot be followed now" in caplog.text
    await scene.tell(more=False)
    store.readable = True
    await scene.world.clock.advance(2)
    await following
    check_stream(watcher.events)


async def test_what_grows_while_the_store_is_asked_is_not_missed(
    enter: Enter, scene: Scene
) -> None:
    await scene.begin(enter)
    other, store = await scene.another(enter)
    watcher = Watcher()
    cursor = await other.open_cursor(scene.id, after=2, ready=watcher)
    read = store.read
    reads = 0

    async def slow(stream: str, *, after: int = 0, limit: int = 1000) -> list[Event]:
        nonlocal reads
        reads += 1
        events = await read(stream, after=after, limit=limit)
        if reads == 1:
            await scene.tell()
            other._wakeups.wake(scene.id)
            await settle()
        return events

    store.read = slow  # type: ignore[method-assign]
    assert [event.seq for event in await cursor.take(9)] == [3]
    assert watcher.called == 0


async def test_a_cursor_closed_while_the_store_is_asked_gives_nothing(
    enter: Enter, scene: Scene
) -> None:
    await scene.begin(enter)
    other, store = await scene.another(enter)
    for after in (0, 2):
        cursor = await other.open_cursor(scene.id, after=after, ready=Watcher())
        read = store.read

        async def closing(stream: str, *, after: int = 0, limit: int = 1000) -> list[Event]:
            cursor.close()  # noqa: B023
            return await read(stream, after=after, limit=limit)  # noqa: B023

        store.read = closing  # type: ignore[method-assign]
        assert await cursor.take(9) == []
        assert (cursor.after, len(other._wakeups)) == (after, 0)
        store.read = read  # type: ignore[method-assign]


async def test_what_was_forgotten_meanwhile_is_not_there(enter: Enter, scene: Scene) -> None:
    engine = await scene.begin(enter)
    other, store = await scene.another(enter)
    await scene.tell(more=False)
    await engine.result(scene.id)
    cursors = [await other.open_cursor(scene.id, ready=Watcher()) for _ in range(2)]
    record = await store.get("execution", scene.id)
    assert record is not None
    await store.commit([Forget(scene.id)])
    with pytest.raises(ExecutionNotFound):
        await cursors[0].take(9)
    await store.commit([Delete("execution", scene.id, record.version)])
    with pytest.raises(ExecutionNotFound):
        await cursors[1].take(9)


async def test_what_is_forgotten_while_the_store_is_asked_is_not_there(
    enter: Enter, scene: Scene
) -> None:
    engine = await scene.begin(enter)
    other, store = await scene.another(enter)
    await scene.tell(more=False)
    await engine.result(scene.id)
    cursor = await other.open_cursor(scene.id, ready=Watcher())
    read = store.read

    async def forgetting(stream: str, *, after: int = 0, limit: int = 1000) -> list[Event]:
        record = await store.get("execution", scene.id)
        if record is not None:
            writes = (Forget(scene.id), Delete("execution", scene.id, record.version))
            await store.commit(writes)
        return await read(stream, after=after, limit=limit)

    store.read = forgetting  # type: ignore[method-assign]
    with pytest.raises(ExecutionNotFound):
        await cursor.take(9)


async def test_an_end_while_a_cursor_is_opened_is_seen_whole(enter: Enter, scene: Scene) -> None:
    engine = await scene.begin(enter)
    other, store = await scene.another(enter)
    head = store.head

    async def ending(stream: str) -> int:
        before = await head(stream)
        if before == 2:
            await scene.tell(more=False)
            await engine.result(scene.id)
        return before

    store.head = ending  # type: ignore[method-assign]
    cursor = await other.open_cursor(scene.id, after=2, ready=Watcher())
    assert (cursor.head, cursor.terminal, cursor.ended) == (3, True, False)


# --- ends of processes ---------------------------------------------------------------------------


async def test_who_watches_what_is_released_is_told_and_goes_on_elsewhere(
    enter: Enter, scene: Scene
) -> None:
    scene.store.durable = True
    engine = await scene.begin(enter)
    other, _ = await scene.another(enter)
    there = Watcher()
    following = asyncio.ensure_future(there.run(other, scene.id))
    here, foreign = Watcher(), Watcher()
    cursor = await engine.open_cursor(scene.id, ready=here)
    assert await here.drain(cursor) == [1, 2]
    theirs = await other.submit("teller")
    outside = await engine.open_cursor(theirs, ready=foreign)
    await foreign.drain(outside)
    closing = asyncio.ensure_future(engine.aclose())
    await scene.world.clock.advance(5)
    await closing
    assert (here.called, foreign.called >= 1) == (1, True)
    with pytest.raises(ExecutionReleased):
        await here.drain(cursor)
    with pytest.raises(ExecutionReleased):
        await foreign.drain(outside)
    assert len(engine._wakeups) == 0
    for _ in range(2):
        await scene.tell(more=False)
    await scene.world.clock.advance(30)
    await following
    check_stream(there.events)


async def test_in_memory_the_end_is_told_before_the_engine_closes(
    enter: Enter, scene: Scene
) -> None:
    engine = await scene.begin(enter)
    watcher = Watcher()
    following = asyncio.ensure_future(watcher.run(engine, scene.id))
    await settle()
    await engine.aclose()
    await following
    check_stream(watcher.events)
    assert watcher.events[-1].data["outcome"] == "interrupted"


@pytest.mark.usefixtures("may_leave_tasks")
async def test_who_watches_from_outside_sees_the_execution_taken_over(
    enter: Enter, scene: Scene
) -> None:
    engine = scene.world.engine(scene.store, {"teller": scene.teller})
    await engine.start()
    execution_id = await engine.submit("teller")
    await settle()
    other, _ = await scene.another(enter)
    watcher = Watcher()
    following = asyncio.ensure_future(watcher.run(other, execution_id))
    await settle()
    await die(engine, scene.store)
    for _ in range(60):
        await scene.world.clock.advance(1)
    await scene.tell(more=False)
    await scene.world.clock.advance(1)
    await asyncio.wait_for(following, 1)
    check_stream(watcher.events)
    assert content(watcher.events) == content(await scene.world.events(execution_id))


# --- effects -------------------------------------------------------------------------------------


async def effect_of(world: World, execution_id: str) -> str:
    (signed,) = [e for e in await world.events(execution_id) if e.kind == "effect_signed"]
    return str(signed.data["effect_key"])


async def test_an_effect_is_told_until_nothing_can_change_it(enter: Enter) -> None:
    world = World(chain_agent())
    engine = await enter(world.chain_engine(plan("set")))
    execution_id = await engine.submit("a")
    await world.clock.advance(5)
    await engine.result(execution_id)
    key = await effect_of(world, execution_id)
    watcher = Watcher(limit=1)
    cursor = await engine.open_effect_cursor(key, ready=watcher)
    assert (cursor.stream, cursor.agent_id) == (f"effect:{key}", "a")
    following = asyncio.ensure_future(watcher.follow(cursor))
    await settle()
    assert [event.kind for event in watcher.events][:1] == ["signed"]
    assert not cursor.ended
    for _ in range(100):
        world.chain.mine()
        await world.clock.advance(5)
    await asyncio.wait_for(following, 1)
    assert [event.kind for event in watcher.events] == ["signed", "mined", "finalized"]
    again = await engine.open_effect_cursor(key, ready=watcher)
    assert (again.head, again.terminal) == (len(watcher.events), True)
    with pytest.raises(ExecutionLost):
        await engine.open_effect_cursor(key, after=99, ready=watcher)


async def test_an_effect_is_for_who_may_watch_its_execution(enter: Enter) -> None:
    world = World(chain_agent())
    engine = await enter(world.chain_engine(plan("set")))
    execution_id = await engine.submit("a")
    await world.clock.advance(5)
    key = await effect_of(world, execution_id)
    for wrong in (key, "none"):
        with pytest.raises(EffectNotFound):
            await engine.open_effect_cursor(wrong, principal=BOB, ready=Watcher())
    assert (await engine.open_effect_cursor(key, principal=OPERATOR, ready=Watcher())).head
    with pytest.raises(EffectNotFound):
        await engine.open_effect_cursor("none", principal=OPERATOR, ready=Watcher())


async def test_the_effect_of_a_forgotten_execution_is_for_operators(enter: Enter) -> None:
    world = World(chain_agent())
    engine = await enter(world.chain_engine(plan("set")))
    execution_id = await engine.submit("a")
    await world.clock.advance(5)
    await engine.result(execution_id)
    key = await effect_of(world, execution_id)
    record = await world.inner.get("execution", execution_id)
    assert record is not None
    await world.inner.commit(
        [Forget(execution_id), Delete("execution", execution_id, record.version)]
    )
    with pytest.raises(EffectNotFound):
        await engine.open_effect_cursor(key, ready=Watcher())
    cursor = await engine.open_effect_cursor(key, principal=OPERATOR, ready=Watcher())
    assert cursor.agent_id == ""


async def test_a_crowd_at_many_speeds_sees_the_same(enter: Enter) -> None:
    async def talk(context: RunContext) -> None:
        for n in range(300):
            await context.emit({"n": n, "x": "x" * 1000})
            await asyncio.sleep(0)

    world = World(runner_agent("talk"))
    engine = await enter(world.engine(world.faulty(turns=1), {"talk": talk}))
    execution_id = await engine.submit("talk")
    watchers = [Watcher(limit=limit) for limit in (1, 3, 10, 1000)]
    await asyncio.gather(*(watcher.run(engine, execution_id) for watcher in watchers))
    expected = content(await world.events(execution_id))
    assert len(expected) == 303
    assert all(content(watcher.events) == expected for watcher in watchers)


async def test_positions_are_not_told(enter: Enter, scene: Scene) -> None:
    engine = await scene.begin(enter)
    cursor = await engine.open_cursor(scene.id, ready=Watcher())
    assert {event.position for event in cursor.take_now(9) or ()} == {0}


async def test_a_gate_is_not_held_up_by_who_takes_nothing(enter: Enter) -> None:
    gate = Gate()
    world = World(runner_agent("gate"))
    engine = await enter(world.engine(runners={"gate": gate}))
    execution_id = await engine.submit("gate")
    stalled = await engine.open_cursor(execution_id, ready=Watcher())
    gate.open.set()
    assert (await engine.result(execution_id))["outcome"] == "succeeded"
    assert stalled.after == 0
    await world.inner.commit([Append("other", 1, (NewEvent(0.0, "x", "{}"),))])


async def test_an_effect_whose_record_is_gone_is_not_there(enter: Enter) -> None:
    world = World(chain_agent())
    engine = await enter(world.chain_engine(plan("set")))
    execution_id = await engine.submit("a")
    await world.clock.advance(5)
    key = await effect_of(world, execution_id)
    cursor = await engine.open_effect_cursor(key, ready=Watcher())
    record = await world.inner.get("effect", key)
    assert record is not None
    await world.inner.commit([Delete("effect", key, record.version)])
    with pytest.raises(EffectNotFound):
        await cursor.take(9)


async def test_who_waits_for_others_is_not_called_for_what_happens_here(
    enter: Enter, scene: Scene
) -> None:
    engine = await scene.begin(enter)
    other, _ = await scene.another(enter)
    here, there = Watcher(), Watcher()
    theirs = await other.submit("teller")
    following = asyncio.ensure_future(there.run(engine, theirs))
    await scene.world.clock.advance(1)
    cursor = await engine.open_cursor(scene.id, ready=here)
    await here.drain(cursor)
    await scene.tell()
    await here.drain(cursor)
    assert here.called == 1
    await scene.world.clock.advance(1)
    assert here.called == 1
    for _ in range(2):
        await scene.tell(more=False)
    await scene.world.clock.advance(1)
    await following


async def test_the_head_is_the_same_from_inside_and_outside(enter: Enter, scene: Scene) -> None:
    engine = await scene.begin(enter)
    other, _ = await scene.another(enter)
    await scene.tell()
    assert [await one.head(scene.id) for one in (engine, other)] == [3, 3]
    with pytest.raises(ExecutionNotFound):
        await engine.head(scene.id, principal=BOB)
