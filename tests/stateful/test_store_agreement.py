"""The memory store and the SQLite store, driven in lock-step, never disagree."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from attrs import evolve
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from zephyrus_exec.errors import StoreError
from zephyrus_exec.interfaces.store import (
    Append,
    Delete,
    ExecutionStore,
    Expect,
    Forget,
    Keep,
    NewEvent,
    Put,
    Record,
    Write,
)
from zephyrus_exec.model import Event
from zephyrus_exec.stores.memory import MemoryStore
from zephyrus_exec.stores.sqlite import SqliteStore

T = TypeVar("T")

# Few names, so that writes meet; versions and numbers near those that hold.
streams = st.sampled_from(["s", "t", "u"])
kinds = st.sampled_from(["k", "j"])
record_keys = st.sampled_from(["a", "b", "ß\x00"])
groups = st.sampled_from(["", "open", "shut"])
dues = st.none() | st.sampled_from([-1.0, 0.0, 1.5, 2.0, float("inf")]) | st.floats(-5, 5)
versions = st.integers(-1, 4)
bodies = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
new_events = st.builds(
    NewEvent,
    at=st.floats(allow_nan=False),
    kind=st.sampled_from(["x", "y"]),
    body=bodies,
    schema=st.integers(0, 3),
)
writes: st.SearchStrategy[Write] = st.one_of(
    st.builds(Append, streams, st.integers(0, 6), st.lists(new_events, max_size=3).map(tuple)),
    st.builds(Put, kinds, record_keys, versions, bodies, groups, dues),
    st.builds(Keep, kinds, record_keys, bodies),
    st.builds(Delete, kinds, record_keys, versions),
    st.builds(Forget, streams, st.integers(-1, 6)),
)
expectations = st.builds(Expect, kinds, record_keys, versions)
commits = st.tuples(st.lists(writes, max_size=4), st.lists(expectations, max_size=2), st.booleans())
Commit = tuple[list[Write], list[Expect], bool]


async def outcome(work: Awaitable[T]) -> T | tuple[type[StoreError], object]:
    """What came of it, errors included, in a form that can be compared."""
    try:
        return await work
    except StoreError as error:
        return type(error), error.details.get("what")


class StoreAgreement(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.loop = asyncio.new_event_loop()
        self.memory = MemoryStore()
        self.sqlite = self.run(self.open())
        # Positions and numbers may have gaps, different ones in each store.
        self.positions: dict[int, int] = {0: 0}
        self.numbers: dict[int, int] = {0: 0}

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    async def open(self) -> SqliteStore:
        return await SqliteStore.open(Path(self.folder.name) / "journal.db")

    def teardown(self) -> None:
        self.run(self.sqlite.aclose())
        self.loop.close()
        self.folder.cleanup()

    def both(self, work: Callable[[ExecutionStore], Coroutine[Any, Any, T]]) -> tuple[T, T]:
        return self.run(work(self.memory)), self.run(work(self.sqlite))

    def agree_on_events(self, ours: list[Event], theirs: list[Event]) -> None:
        for one, other in zip(ours, theirs, strict=True):
            known = self.positions.setdefault(one.position, other.position)
            assert evolve(one, position=known) == other

    def agree_on_records(self, ours: list[Record], theirs: list[Record]) -> None:
        for one, other in zip(ours, theirs, strict=True):
            known = self.numbers.setdefault(one.number, other.number)
            assert evolve(one, number=known) == other

    @rule(batch=st.lists(commits, min_size=1, max_size=5))
    def commit_together(self, batch: list[Commit]) -> None:
        """Commits under way at the same time share a transaction of the SQLite store."""

        async def work(store: ExecutionStore) -> list[Any]:
            under_way = [
                outcome(store.commit(written, expect=expected, durable=durable))
                for written, expected, durable in batch
            ]
            return await asyncio.gather(*under_way)

        ours, theirs = self.both(work)
        self.agree_on_events(*self.both(lambda store: store.tail(0)))
        assert [self.positions.get(o, -1) if isinstance(o, int) else o for o in ours] == theirs

    @rule(commit=commits)
    def commit_alone(self, commit: Commit) -> None:
        self.commit_together([commit])

    @rule(stream=streams, after=st.integers(-2, 8), limit=st.integers(-1, 5))
    def read(self, stream: str, after: int, limit: int) -> None:
        self.agree_on_events(*self.both(lambda store: store.read(stream, after=after, limit=limit)))

    @rule(stream=streams)
    def head(self, stream: str) -> None:
        ours, theirs = self.both(lambda store: store.head(stream))
        assert ours == theirs

    @rule()
    def position(self) -> None:
        """Nothing is behind it, and nothing that comes later is before it."""
        ours, theirs = self.both(lambda store: store.position())
        assert ours >= max(self.positions)
        assert theirs >= max(self.positions.values())
        self.positions.setdefault(ours, theirs)
        assert self.run(self.memory.tail(ours)) == self.run(self.sqlite.tail(theirs)) == []

    @rule(data=st.data(), limit=st.integers(-1, 5))
    def tail(self, data: st.DataObject, limit: int) -> None:
        ours = data.draw(st.sampled_from(sorted(self.positions)))
        self.agree_on_events(
            self.run(self.memory.tail(ours, limit=limit)),
            self.run(self.sqlite.tail(self.positions[ours], limit=limit)),
        )

    @rule(
        data=st.data(),
        kind=kinds,
        group=st.none() | groups,
        due_before=dues,
        newest_first=st.booleans(),
        skip=st.integers(-1, 3),
        limit=st.integers(-1, 4),
    )
    def scan(
        self,
        data: st.DataObject,
        kind: str,
        group: str | None,
        due_before: float | None,
        newest_first: bool,
        skip: int,
        limit: int,
    ) -> None:
        after = data.draw(st.sampled_from(sorted(self.numbers)))

        async def work(store: ExecutionStore, number: int) -> list[Record]:
            return await store.scan(
                kind,
                group=group,
                due_before=due_before,
                after=number,
                newest_first=newest_first,
                skip=skip,
                limit=limit,
            )

        self.agree_on_records(
            self.run(work(self.memory, after)), self.run(work(self.sqlite, self.numbers[after]))
        )

    @rule()
    def check(self) -> None:
        self.both(lambda store: store.check())

    @rule()
    def reopen(self) -> None:
        epoch = self.sqlite.epoch
        self.run(self.sqlite.aclose())
        self.sqlite = self.run(self.open())
        assert self.sqlite.epoch == epoch

    @invariant()
    def same_content(self) -> None:
        self.agree_on_events(*self.both(lambda store: store.tail(0)))
        for kind in ("k", "j"):
            ours = self.run(self.memory.scan(kind))
            theirs = self.run(self.sqlite.scan(kind))
            self.agree_on_records(ours, theirs)
            for one, other in zip(ours, theirs, strict=True):
                assert self.run(self.memory.get(kind, one.key)) == one
                assert self.run(self.sqlite.get(kind, one.key)) == other


TestStoreAgreement = StoreAgreement.TestCase
TestStoreAgreement.settings = settings(stateful_step_count=25)
