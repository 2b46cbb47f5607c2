"""Cursors at every speed, over faults and processes: each sees the journal, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.unit.engine.world import World, runner_agent, settle
from zephyrus_exec.engine import Cursor, ExecutionEngine
from zephyrus_exec.errors import StoreError
from zephyrus_exec.interfaces.runner import RunContext
from zephyrus_exec.model import Event
from zephyrus_exec.testing.faulty_store import Fault

T = TypeVar("T")

FAULTS = [Fault.UNAVAILABLE, Fault.UNKNOWN_WRITTEN, Fault.UNKNOWN_LOST]


class Watcher:
    """A cursor, what was taken from it, and whether there may be more."""

    def __init__(self, engine: ExecutionEngine, after: int) -> None:
        self.engine = engine
        self.after = after
        self.seen: list[Event] = []
        self.may_be_more = True
        self.cursor: Cursor

    def ready(self, _cursor: Cursor) -> None:
        assert not self.may_be_more, "called although not all was taken since"
        self.may_be_more = True

    def took(self, events: list[Event]) -> None:
        self.seen += events
        assert events or self.cursor.waits or self.cursor.ended
        self.may_be_more = not self.cursor.waits


class CursorsMachine(RuleBasedStateMachine):
    """One execution, an engine that runs it, and one that does not; watchers of both."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(self.failed)
        self.failures: list[dict[str, Any]] = []
        self.watchers: list[Watcher] = []
        self.over = False
        self.run(self.begin())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def failed(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.failures.append(context)

    async def begin(self) -> None:
        self.orders = asyncio.Queue[int]()
        self.world = World(runner_agent("talk"))
        self.stores = [self.world.faulty(turns=1), self.world.faulty(turns=8)]
        self.engines = [
            self.world.engine(store, {"talk": self.talk}, lease_duration=1e6)
            for store in self.stores
        ]
        for engine in self.engines:
            await engine.start()
        self.id = await self.engines[0].submit("talk", deadline=1e12)
        await settle()

    async def talk(self, context: RunContext) -> None:
        while size := await self.orders.get():
            await context.emit({"x": "x" * size})

    def teardown(self) -> None:
        self.run(self.end())
        self.loop.close()

    async def end(self) -> None:
        """Whatever happened before: everybody gets to see everything."""
        for store in self.stores:
            store.readable = store.writable = True
        self.orders.put_nowait(0)
        await self.world.clock.advance(5)
        for _ in range(100):
            for watcher in self.watchers:
                while watcher.may_be_more and not watcher.cursor.ended:
                    watcher.took(await watcher.cursor.take(7))
            await self.world.clock.advance(1)
        journal = await self.world.inner.read(self.id)
        assert journal[-1].kind == "completed"
        for watcher in self.watchers:
            assert watcher.cursor.ended
            assert content(watcher.seen) == content(journal[watcher.after :])
        for engine in self.engines:
            await engine.aclose()
            assert len(engine._wakeups) == 0
            assert not engine._cursors._foreign

    # --- what happens ----------------------------------------------------------------------------

    @precondition(lambda self: not self.over)
    @rule(sizes=st.lists(st.sampled_from([1, 100, 9_000, 70_000]), min_size=1, max_size=90))
    def emit(self, sizes: list[int]) -> None:
        for size in sizes:
            self.orders.put_nowait(size)
        self.run(settle(3 * len(sizes)))

    @precondition(lambda self: not self.over)
    @rule()
    def end_execution(self) -> None:
        self.over = True
        self.orders.put_nowait(0)
        self.run(settle())

    @rule(seconds=st.sampled_from([0.1, 0.5, 2.0]))
    def let_time_pass(self, seconds: float) -> None:
        self.run(self.world.clock.advance(seconds))

    @rule(which=st.sampled_from([0, 1]), readable=st.booleans(), writable=st.booleans())
    def change_store(self, which: int, readable: bool, writable: bool) -> None:
        self.stores[which].readable = readable
        self.stores[which].writable = writable

    @rule(fault=st.sampled_from(FAULTS), nth=st.integers(1, 3))
    def fail_a_commit(self, fault: Fault, nth: int) -> None:
        self.stores[0].fail(fault, nth=nth)

    # --- watching --------------------------------------------------------------------------------

    @rule(which=st.sampled_from([0, 1]), data=st.data())
    def open(self, which: int, data: st.DataObject) -> None:
        journal = self.run(self.world.inner.read(self.id))
        after = data.draw(st.integers(0, len(journal)), label="after")
        watcher = Watcher(self.engines[which], after)
        if self.run(self._opened(watcher)):
            self.watchers.append(watcher)

    async def _opened(self, watcher: Watcher) -> bool:
        try:
            watcher.cursor = await watcher.engine.open_cursor(
                self.id, after=watcher.after, ready=watcher.ready
            )
        except StoreError:
            return False
        return True

    @precondition(lambda self: self.watchers)
    @rule(data=st.data(), limit=st.integers(1, 100), now=st.booleans())
    def take(self, data: st.DataObject, limit: int, now: bool) -> None:
        watcher = data.draw(st.sampled_from(self.watchers), label="watcher")
        events = self.run(_taken(watcher.cursor, limit, now=now))
        if events is None:
            watcher.may_be_more = not watcher.cursor.waits
        else:
            assert len(events) <= limit
            watcher.took(events)

    @precondition(lambda self: self.watchers)
    @rule(data=st.data(), limit=st.integers(1, 100))
    def take_kept(self, data: st.DataObject, limit: int) -> None:
        watcher = data.draw(st.sampled_from(self.watchers), label="watcher")
        events = _taken_as_kept(watcher.cursor, limit)
        if events is None:
            watcher.may_be_more = not watcher.cursor.waits
        else:
            watcher.took(events)

    @rule(which=st.sampled_from([0, 1]))
    def take_all(self, which: int) -> None:
        """All who watch there take whatever there is, at the same time."""
        watchers = [one for one in self.watchers if one.engine is self.engines[which]]
        self.run(_together(*(self._take_all(one) for one in watchers)))

    async def _take_all(self, watcher: Watcher) -> None:
        while (events := await _taken(watcher.cursor, 50, now=False)) is not None:
            watcher.took(events)
            if not watcher.may_be_more or watcher.cursor.ended:
                return
        watcher.may_be_more = True

    @precondition(lambda self: self.watchers)
    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        watcher = data.draw(st.sampled_from(self.watchers), label="watcher")
        self.watchers.remove(watcher)
        watcher.cursor.close()

    @invariant()
    def nobody_was_called_in_vain(self) -> None:
        assert not self.failures

    @invariant()
    def everybody_has_seen_the_journal_as_it_is(self) -> None:
        journal = content(self.run(self.world.inner.read(self.id)))
        for watcher in self.watchers:
            seen = content(watcher.seen)
            assert seen == journal[watcher.after : watcher.after + len(seen)]
            assert watcher.cursor.after == watcher.after + len(seen)


async def _together(*work: Coroutine[Any, Any, None]) -> None:
    await asyncio.gather(*work)


async def _taken(cursor: Cursor, limit: int, *, now: bool) -> list[Event] | None:
    """Return what it gives; null: the store has to be asked, or asked again."""
    if now:
        return cursor.take_now(limit)
    try:
        return await cursor.take(limit)
    except StoreError:
        return None


def _taken_as_kept(cursor: Cursor, limit: int) -> list[Event] | None:
    after, kept = cursor.after, cursor.take_kept(limit)
    return (
        None
        if kept is None
        else [
            Event(cursor.stream, seq, new.at, new.kind, new.body)
            for seq, new in enumerate(kept, after + 1)
        ]
    )


def content(events: list[Event]) -> list[tuple[int, float, str, str]]:
    return [(event.seq, event.at, event.kind, event.body) for event in events]


TestCursors = pytest.mark.slow(CursorsMachine.TestCase)
TestCursors.settings = settings(stateful_step_count=40)
