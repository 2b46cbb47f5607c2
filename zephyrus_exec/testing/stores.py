"""What every `ExecutionStore` must do: subclass the suite, and pytest with pytest-asyncio runs it.

class TestMyStore(StoreConformance):
    persistent = True

    async def open_store(self, place: Path) -> ExecutionStore:
        return await MyStore.open(place / "journal")
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar

import pytest

from ..errors import StoreConflict, StoreError, StoreUnavailable
from ..interfaces.store import (
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
from ..model import Event


def new_events(*kinds: str) -> tuple[NewEvent, ...]:
    """Return one event for each kind, with a body that tells it from the others."""
    return tuple(
        NewEvent(at=1000.5 + place, kind=kind, body=f'{{"n":{place}}}', schema=1 + place)
        for place, kind in enumerate(kinds)
    )


def keys(records: Sequence[Record]) -> list[str]:
    """Return the keys of records, in their order."""
    return [record.key for record in records]


def places(events: Sequence[Event]) -> list[tuple[str, int]]:
    """Return stream and number of events, in their order."""
    return [(event.stream, event.seq) for event in events]


@pytest.mark.asyncio
class StoreConformance(ABC):
    """The promises of `ExecutionStore`, one test each."""

    persistent: ClassVar[bool] = False
    """Whether `open_store` with the same place finds what an earlier store there committed."""

    @abstractmethod
    async def open_store(self, place: Path) -> ExecutionStore:
        """Return a store, empty unless it is persistent and one was opened at `place` before."""

    @asynccontextmanager
    async def opened(self, place: Path) -> AsyncIterator[ExecutionStore]:
        """Give a store that is closed in the end."""
        store = await self.open_store(place)
        try:
            yield store
        finally:
            await store.aclose()

    # --- events ----------------------------------------------------------------------------------

    async def test_events_come_back_as_they_were_appended(self, tmp_path: Path) -> None:
        """Every field of an event survives, and the store adds its place."""
        async with self.opened(tmp_path) as store:
            body = '{"text":"ñandú 😀 \\u0000","n":115792089237316195423570985008687907853}'
            new = NewEvent(at=1700000000.123456, kind="progress", body=body, schema=3)
            position = await store.commit([Append("s", 1, (new,))])
            assert await store.read("s") == [Event("s", 1, new.at, new.kind, body, 3, position)]
            assert position > 0

    async def test_a_stream_begins_at_one(self, tmp_path: Path) -> None:
        """An unknown stream takes event 1 and nothing else."""
        async with self.opened(tmp_path) as store:
            for seq in (0, 2, -1):
                with pytest.raises(StoreConflict):
                    await store.commit([Append("s", seq, new_events("a"))])
            await store.commit([Append("s", 1, new_events("a"))])
            assert places(await store.read("s")) == [("s", 1)]

    async def test_a_stream_has_no_gap_and_no_overlap(self, tmp_path: Path) -> None:
        """A stream that ends at 2 takes event 3 and nothing else."""
        async with self.opened(tmp_path) as store:
            await store.commit([Append("s", 1, new_events("a", "b"))])
            for seq in (1, 2, 4):
                with pytest.raises(StoreConflict):
                    await store.commit([Append("s", seq, new_events("x"))])
            await store.commit([Append("s", 3, new_events("c"))])
            assert [event.kind for event in await store.read("s")] == ["a", "b", "c"]

    async def test_many_events_are_appended_at_once(self, tmp_path: Path) -> None:
        """However many, they come in order, or not at all."""
        async with self.opened(tmp_path) as store:
            await store.commit([Append("s", 1, new_events("first"))])
            many = new_events(*(f"k{number}" for number in range(1000)))
            for seq in (1, 3):
                with pytest.raises(StoreConflict):
                    await store.commit([Append("s", seq, many)])
            position = await store.commit([Append("s", 2, many)])
            events = await store.read("s", limit=2000)
            assert places(events) == [("s", seq) for seq in range(1, 1002)]
            assert [event.kind for event in events[1:]] == [new.kind for new in many]
            assert events[-1].position == position

    async def test_an_append_without_events_is_a_condition(self, tmp_path: Path) -> None:
        """It holds or not like any other, and has no position."""
        async with self.opened(tmp_path) as store:
            assert await store.commit([Append("s", 1, ())]) == 0
            with pytest.raises(StoreConflict):
                await store.commit([Append("s", 2, ())])
            assert await store.read("s") == []

    async def test_read_pages_through_a_stream(self, tmp_path: Path) -> None:
        """`after` and `limit` cut the stream, and nothing else is read."""
        async with self.opened(tmp_path) as store:
            await store.commit([Append("s", 1, new_events(*"abcde"))])
            await store.commit([Append("t", 1, new_events(*"xy"))])
            assert places(await store.read("s", after=1, limit=2)) == [("s", 2), ("s", 3)]
            assert places(await store.read("s", after=4)) == [("s", 5)]
            assert await store.read("s", after=5) == []
            assert await store.read("s", after=99) == []
            assert await store.read("s", limit=0) == []
            assert await store.read("unknown") == []

    async def test_commit_returns_the_position_of_its_last_event(self, tmp_path: Path) -> None:
        """Over all streams of the commit; 0 where it appended nothing."""
        async with self.opened(tmp_path) as store:
            position = await store.commit(
                [
                    Append("s", 1, new_events("a", "b")),
                    Append("t", 1, new_events("c")),
                    Put("k", "1", 0, "{}"),
                ]
            )
            assert position == (await store.tail(0))[-1].position
            assert await store.commit([Put("k", "2", 0, "{}")]) == 0
            assert await store.commit([]) == 0

    async def test_positions_show_the_order_of_commits_across_streams(self, tmp_path: Path) -> None:
        """`tail` gives every event once, in the order in which the commits happened."""
        async with self.opened(tmp_path) as store:
            await store.commit([Append("s", 1, new_events("a"))])
            await store.commit([Append("t", 1, new_events("b", "c"))])
            await store.commit([Append("s", 2, new_events("d"))])
            events = await store.tail(0)
            assert places(events) == [("s", 1), ("t", 1), ("t", 2), ("s", 2)]
            positions = [event.position for event in events]
            assert positions == sorted(set(positions))

    async def test_the_head_of_a_stream_is_the_number_of_its_last_event(
        self, tmp_path: Path
    ) -> None:
        """0 where it has none, or none any more."""
        async with self.opened(tmp_path) as store:
            assert await store.head("s") == 0
            await store.commit([Append("s", 1, new_events("a", "b")), Append("t", 1, ())])
            await store.commit([Append("s", 3, new_events("c"))])
            assert [await store.head(stream) for stream in "st"] == [3, 0]
            await store.commit([Forget("s")])
            assert await store.head("s") == 0

    async def test_behind_the_position_is_only_what_is_committed_from_then_on(
        self, tmp_path: Path
    ) -> None:
        """Also where the last events were forgotten."""
        async with self.opened(tmp_path) as store:
            before = await store.position()
            await store.commit([Append("s", 1, new_events("a", "b"))])
            assert places(await store.tail(before)) == [("s", 1), ("s", 2)]
            position = await store.position()
            assert await store.tail(position) == []
            await store.commit([Forget("s")])
            assert await store.position() >= position
            forgotten = await store.position()
            await store.commit([Append("t", 1, new_events("c"))])
            assert places(await store.tail(forgotten)) == [("t", 1)]

    async def test_tail_pages_by_position(self, tmp_path: Path) -> None:
        """Following `tail` page by page misses nothing and repeats nothing."""
        async with self.opened(tmp_path) as store:
            for seq in range(1, 6):
                await store.commit([Append(f"s{seq % 2}", (seq + 1) // 2, new_events("a"))])
            seen: list[Event] = []
            while page := await store.tail(seen[-1].position if seen else 0, limit=2):
                assert len(page) <= 2
                seen += page
            assert seen == await store.tail(0)
            assert len(seen) == 5
            assert await store.tail(0, limit=0) == []

    # --- records ---------------------------------------------------------------------------------

    async def test_a_record_comes_back_as_it_was_put(self, tmp_path: Path) -> None:
        """Every field survives, and the first version is 1."""
        async with self.opened(tmp_path) as store:
            await store.commit([Put("k", "ключ", 0, '{"a":1}', group="open", due=12.5)])
            record = await store.get("k", "ключ")
            assert record is not None
            assert record.number > 0
            expected = Record("k", "ключ", 1, '{"a":1}', "open", 12.5, record.number)
            assert record == expected
            assert record.data == {"a": 1}

    async def test_a_record_that_is_not_there_is_none(self, tmp_path: Path) -> None:
        """Kind and key both count."""
        async with self.opened(tmp_path) as store:
            await store.commit([Put("k", "a", 0, "{}")])
            assert await store.get("k", "b") is None
            assert await store.get("j", "a") is None

    async def test_a_put_replaces_the_version_it_names_only(self, tmp_path: Path) -> None:
        """The version grows by one, the number stays, group and due are replaced too."""
        async with self.opened(tmp_path) as store:
            await store.commit([Put("k", "a", 0, "1", group="g", due=1.0)])
            before = await store.get("k", "a")
            assert before is not None
            for version in (0, 2, -1):
                with pytest.raises(StoreConflict):
                    await store.commit([Put("k", "a", version, "x")])
            await store.commit([Put("k", "a", 1, "2")])
            assert await store.get("k", "a") == Record("k", "a", 2, "2", "", None, before.number)

    async def test_a_put_of_a_missing_record_needs_version_zero(self, tmp_path: Path) -> None:
        """Nothing cannot be replaced."""
        async with self.opened(tmp_path) as store:
            with pytest.raises(StoreConflict):
                await store.commit([Put("k", "a", 1, "{}")])
            assert await store.get("k", "a") is None

    async def test_keep_writes_only_where_nothing_is(self, tmp_path: Path) -> None:
        """The first body stays, whatever its version, and no conflict arises."""
        async with self.opened(tmp_path) as store:
            await store.commit([Keep("k", "a", "first")])
            await store.commit([Keep("k", "a", "second")])
            record = await store.get("k", "a")
            assert record is not None
            assert (record.body, record.version, record.group) == ("first", 1, "")
            assert record.due is None

    async def test_delete_removes_the_version_it_names_only(self, tmp_path: Path) -> None:
        """Afterwards the record is as if it had never been, but its number is not used again."""
        async with self.opened(tmp_path) as store:
            await store.commit([Put("k", "a", 0, "{}", group="g", due=1.0)])
            before = await store.get("k", "a")
            for version in (0, 2):
                with pytest.raises(StoreConflict):
                    await store.commit([Delete("k", "a", version)])
            await store.commit([Delete("k", "a", 1)])
            assert await store.get("k", "a") is None
            assert await store.scan("k") == []
            assert await store.scan("k", group="g") == []
            assert await store.scan("k", due_before=9.0) == []
            await store.commit([Put("k", "a", 0, "{}")])
            after = await store.get("k", "a")
            assert before is not None
            assert after is not None
            assert (after.version, after.number > before.number) == (1, True)

    async def test_delete_of_a_missing_record_holds_at_version_zero(self, tmp_path: Path) -> None:
        """A missing record has version 0 for every condition."""
        async with self.opened(tmp_path) as store:
            await store.commit([Delete("k", "a", 0)])
            with pytest.raises(StoreConflict):
                await store.commit([Delete("k", "a", 1)])

    async def test_forget_removes_a_stream_and_no_other(self, tmp_path: Path) -> None:
        """Afterwards the stream begins anew at 1, but no position is given twice."""
        async with self.opened(tmp_path) as store:
            await store.commit(
                [Append("a", 1, new_events("x", "y")), Append("b", 1, new_events("z"))]
            )
            last = (await store.tail(0))[-1].position
            await store.commit([Forget("a"), Forget("never was")])
            assert await store.read("a") == []
            assert places(await store.tail(0)) == [("b", 1)]
            assert await store.commit([Append("a", 1, new_events("again"))]) > last
            assert places(await store.tail(0)) == [("b", 1), ("a", 1)]

    async def test_forget_stands_or_falls_with_its_commit(self, tmp_path: Path) -> None:
        """A conflict beside it keeps the stream."""
        async with self.opened(tmp_path) as store:
            await store.commit([Append("a", 1, new_events("x"))])
            with pytest.raises(StoreConflict):
                await store.commit([Forget("a"), Delete("k", "missing", 7)])
            assert places(await store.read("a")) == [("a", 1)]
            with pytest.raises(StoreError):
                await store.commit([Forget("a"), Append("a", 2, new_events("y"))])

    async def test_forget_may_leave_the_beginning_of_a_stream(self, tmp_path: Path) -> None:
        """What stays ends where it was said, inside a commit too, and goes on from there."""
        async with self.opened(tmp_path) as store:
            for seq in (1, 4, 5):
                kinds = ("x", "y", "z") if seq == 1 else ("w",)
                await store.commit([Append("a", seq, new_events(*kinds))])
            before = await store.tail(0)
            await store.commit([Forget("a", after=9)])
            assert await store.tail(0) == before
            await store.commit([Forget("a", after=4)])
            assert await store.read("a") == before[:4]
            await store.commit([Forget("a", after=2)])
            assert await store.read("a") == await store.tail(0) == before[:2]
            assert await store.tail(before[0].position) == before[1:2]
            assert await store.head("a") == 2
            with pytest.raises(StoreConflict):
                await store.commit([Append("a", 6, new_events("late"))])
            assert await store.commit([Append("a", 3, new_events("on"))]) > before[-1].position
            assert places(await store.read("a", after=1)) == [("a", 2), ("a", 3)]

    async def test_expect_is_a_condition_without_a_write(self, tmp_path: Path) -> None:
        """It holds at the record's version, or at 0 where there is none."""
        async with self.opened(tmp_path) as store:
            await store.commit([Put("k", "a", 0, "{}")], expect=[Expect("k", "b", 0)])
            await store.commit([Put("k", "c", 0, "{}")], expect=[Expect("k", "a", 1)])
            for expect in (Expect("k", "a", 0), Expect("k", "a", 2), Expect("k", "b", 1)):
                with pytest.raises(StoreConflict):
                    await store.commit([Put("k", "d", 0, "{}")], expect=[expect])
            assert keys(await store.scan("k")) == ["a", "c"]
            record = await store.get("k", "a")
            assert record is not None
            assert record.version == 1

    # --- all or nothing --------------------------------------------------------------------------

    async def test_one_failed_condition_undoes_the_whole_commit(self, tmp_path: Path) -> None:
        """Wherever in the commit the condition stands."""
        async with self.opened(tmp_path) as store:
            await store.commit([Put("k", "old", 0, "old"), Append("s", 1, new_events("a"))])
            good: list[Write] = [
                Append("s", 2, new_events("b", "c")),
                Put("k", "new", 0, "new"),
                Put("k", "old", 1, "changed", group="g"),
                Keep("k", "kept", "kept"),
            ]
            bad: list[Write] = [
                Append("t", 2, new_events("x")),
                Put("k", "bad", 7, "bad"),
                Delete("k", "bad", 7),
            ]
            for write in bad:
                for place in range(len(good) + 1):
                    with pytest.raises(StoreConflict):
                        await store.commit([*good[:place], write, *good[place:]])
            with pytest.raises(StoreConflict):
                await store.commit(good, expect=[Expect("k", "bad", 7)])
            assert places(await store.tail(0)) == [("s", 1)]
            assert [(r.key, r.body, r.group) for r in await store.scan("k")] == [("old", "old", "")]

    async def test_a_conflict_names_what_did_not_hold(self, tmp_path: Path) -> None:
        """`what` is the stream, or kind and key of the record."""
        async with self.opened(tmp_path) as store:
            with pytest.raises(StoreConflict) as stream:
                await store.commit([Append("s", 2, new_events("a"))])
            assert stream.value.details["what"] == "s"
            with pytest.raises(StoreConflict) as record:
                await store.commit([Put("k", "a", 1, "{}")])
            assert record.value.details["what"] == "k a"

    async def test_conflicts_do_not_touch_the_commits_around_them(self, tmp_path: Path) -> None:
        """Of commits that are under way together, those fail whose own condition fails."""
        async with self.opened(tmp_path) as store:

            async def one(n: int) -> int:
                bad = n % 3 == 2
                writes = (
                    Append(f"s{n}", 1, new_events("a", "b")),
                    Put("k", f"{n}", 0, "{}"),
                    Put("k", f"{n}b", 1 if bad else 0, "{}"),
                )
                return await store.commit(writes, durable=n % 7 == 6)

            outcomes = await asyncio.gather(*map(one, range(30)), return_exceptions=True)
            for n, outcome in enumerate(outcomes):
                assert isinstance(outcome, StoreConflict if n % 3 == 2 else int)
                assert len(await store.read(f"s{n}")) == (0 if n % 3 == 2 else 2)
            assert len(await store.scan("k")) == 40
            positions = [outcome for outcome in outcomes if isinstance(outcome, int)]
            assert positions == sorted(positions)

    async def test_a_commit_names_each_record_and_stream_once(self, tmp_path: Path) -> None:
        """Naming one twice is an error of the caller, and nothing is written."""
        async with self.opened(tmp_path) as store:
            twice: list[list[Write]] = [
                [Append("s", 1, new_events("a")), Append("s", 2, new_events("b"))],
                [Put("k", "a", 0, "{}"), Put("k", "a", 1, "{}")],
                [Keep("k", "a", "{}"), Delete("k", "a", 1)],
                [Put("k", "a", 0, "{}", due=float("nan"))],
            ]
            for writes in twice:
                with pytest.raises(StoreError) as caught:
                    await store.commit(writes)
                assert not isinstance(caught.value, StoreConflict)
            assert await store.tail(0) == []
            assert await store.scan("k") == []

    # --- scans -----------------------------------------------------------------------------------

    async def test_scan_lists_a_kind_in_order_of_creation(self, tmp_path: Path) -> None:
        """Later changes do not move a record, and other kinds do not show."""
        async with self.opened(tmp_path) as store:
            for key in "cab":
                await store.commit([Put("k", key, 0, "{}"), Put("j", key, 0, "{}")])
            await store.commit([Put("k", "c", 1, "{}", group="g", due=1.0)])
            assert keys(await store.scan("k")) == ["c", "a", "b"]
            assert keys(await store.scan("k", newest_first=True)) == ["b", "a", "c"]
            assert await store.scan("unknown") == []

    async def test_scan_selects_a_group(self, tmp_path: Path) -> None:
        """Records change group with their versions; the empty group is one like any other."""
        async with self.opened(tmp_path) as store:
            for key in "abcd":
                await store.commit([Put("k", key, 0, "{}", group="open")])
            await store.commit([Keep("k", "e", "{}")])
            await store.commit([Put("k", "b", 1, "{}", group="shut")])
            await store.commit([Put("k", "d", 1, "{}", group="shut")])
            await store.commit([Put("k", "d", 2, "{}", group="open")])
            assert keys(await store.scan("k", group="open")) == ["a", "c", "d"]
            assert keys(await store.scan("k", group="open", newest_first=True)) == ["d", "c", "a"]
            assert keys(await store.scan("k", group="shut")) == ["b"]
            assert keys(await store.scan("k", group="")) == ["e"]
            assert await store.scan("k", group="none") == []

    async def test_scan_bounds_by_due(self, tmp_path: Path) -> None:
        """Only what is due before; the bound itself and records without a due are left out."""
        async with self.opened(tmp_path) as store:
            for key, due in (("a", 30.0), ("b", None), ("c", 10.0), ("d", 20.0), ("e", 10.0)):
                await store.commit([Put("k", key, 0, "{}", due=due, group="g" if due else "")])
            assert keys(await store.scan("k", due_before=20.0)) == ["c", "e"]
            assert keys(await store.scan("k", due_before=99.0)) == ["a", "c", "d", "e"]
            assert await store.scan("k", due_before=10.0) == []
            await store.commit([Put("k", "c", 1, "{}", due=50.0, group="g")])
            await store.commit([Put("k", "e", 1, "{}", group="g")])
            await store.commit([Put("k", "b", 1, "{}", due=-5.0, group="h")])
            assert keys(await store.scan("k", due_before=40.0)) == ["a", "b", "d"]
            assert keys(await store.scan("k", due_before=40.0, group="g")) == ["a", "d"]
            assert keys(await store.scan("k", due_before=40.0, newest_first=True, limit=2)) == [
                "d",
                "b",
            ]

    @pytest.mark.parametrize("newest_first", [False, True])
    @pytest.mark.parametrize(
        ("group", "due_before"), [(None, None), ("even", None), (None, 50.0), ("even", 50.0)]
    )
    async def test_scan_pages_in_both_directions(
        self, tmp_path: Path, newest_first: bool, group: str | None, due_before: float | None
    ) -> None:
        """Going on `after` the last number of each page misses and repeats nothing."""
        async with self.opened(tmp_path) as store:
            for n in range(12):
                name = "odd" if n % 2 else "even"
                await store.commit([Put("k", f"{n}", 0, "{}", group=name, due=100.0 - 7 * n)])

            async def page(after: int, limit: int) -> list[Record]:
                return await store.scan(
                    "k",
                    group=group,
                    due_before=due_before,
                    after=after,
                    newest_first=newest_first,
                    limit=limit,
                )

            everything = await page(0, 100)
            seen: list[Record] = []
            while found := await page(seen[-1].number if seen else 0, 2):
                assert len(found) <= 2
                seen += found
            assert seen == everything
            numbers = [record.number for record in everything]
            assert numbers == sorted(numbers, reverse=newest_first)
            assert len(everything) > 1
            assert await page(0, 0) == []

    @pytest.mark.parametrize("newest_first", [False, True])
    @pytest.mark.parametrize("due_before", [None, 50.0])
    async def test_scan_leaves_out_what_is_skipped(
        self, tmp_path: Path, newest_first: bool, due_before: float | None
    ) -> None:
        """As if the page had begun so many further on; behind the end there is nothing."""
        async with self.opened(tmp_path) as store:
            for n in range(6):
                await store.commit([Put("k", f"{n}", 0, "{}", group="g", due=1.0)])

            async def found(**more: int) -> list[Record]:
                return await store.scan(
                    "k", group="g", due_before=due_before, newest_first=newest_first, **more
                )

            everything = await found()
            assert await found(skip=2) == everything[2:]
            assert await found(skip=2, limit=3) == everything[2:5]
            assert await found(skip=1, after=everything[1].number) == everything[3:]
            assert await found(skip=5, limit=9) == everything[5:]
            assert await found(skip=6) == await found(skip=99) == []

    # --- concurrency, durability, life -----------------------------------------------------------

    async def test_of_many_writers_of_one_version_exactly_one_wins(self, tmp_path: Path) -> None:
        """A hundred tasks count with compare-and-set: no increment is lost or doubled."""
        async with self.opened(tmp_path) as store:
            await store.commit([Put("k", "counter", 0, "0")])
            wins: list[int] = []

            async def increment() -> None:
                while True:
                    record = await store.get("k", "counter")
                    assert record is not None
                    change = Put("k", "counter", record.version, str(int(record.body) + 1))
                    try:
                        await store.commit([change])
                    except StoreConflict:
                        continue
                    wins.append(record.version)
                    return

            await asyncio.gather(*(increment() for _ in range(100)))
            assert sorted(wins) == list(range(1, 101))
            record = await store.get("k", "counter")
            assert record is not None
            assert (record.body, record.version) == ("100", 101)

    async def test_a_commit_sees_every_commit_before_it(self, tmp_path: Path) -> None:
        """Commits started one after the other, none awaited, happen in that order."""
        async with self.opened(tmp_path) as store:
            commits = [
                store.commit([Append("s", seq, new_events("a"))], durable=seq % 5 == 0)
                for seq in range(1, 41)
            ]
            await asyncio.gather(*commits)
            assert [event.seq for event in await store.read("s")] == list(range(1, 41))

    async def test_a_cancelled_commit_is_whole_or_not_at_all(self, tmp_path: Path) -> None:
        """Giving up waiting leaves no half behind, and the store goes on."""
        async with self.opened(tmp_path) as store:
            writes = (Append("s", 1, new_events("a", "b")), Put("k", "a", 0, "{}"))
            task = asyncio.ensure_future(store.commit(writes, durable=True))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            await store.commit([Put("k", "after", 0, "{}")])
            written = await store.get("k", "a") is not None
            assert len(await store.read("s")) == (2 if written else 0)

    async def test_durable_commits_are_commits(self, tmp_path: Path) -> None:
        """Conditions, positions and results are the same with `durable=True`."""
        async with self.opened(tmp_path) as store:
            first = await store.commit([Append("s", 1, new_events("a"))], durable=True)
            second = await store.commit([Append("s", 2, new_events("b"))], durable=True)
            assert 0 < first < second
            with pytest.raises(StoreConflict):
                await store.commit([Append("s", 2, new_events("x"))], durable=True)

    async def test_check_leaves_nothing_behind(self, tmp_path: Path) -> None:
        """A healthy store passes, as often as it is asked."""
        async with self.opened(tmp_path) as store:
            await store.check()
            await store.check()
            assert await store.tail(0) == []

    async def test_a_closed_store_refuses(self, tmp_path: Path) -> None:
        """Everything but closing once more."""
        store = await self.open_store(tmp_path)
        await store.aclose()
        await store.aclose()
        for call in (
            store.commit([Put("k", "a", 0, "{}")]),
            store.read("s"),
            store.tail(0),
            store.head("s"),
            store.position(),
            store.get("k", "a"),
            store.scan("k"),
            store.check(),
        ):
            with pytest.raises(StoreUnavailable):
                await call

    async def test_closing_finishes_what_is_under_way(self, tmp_path: Path) -> None:
        """Commits asked for before `aclose` get their outcome."""
        store = await self.open_store(tmp_path)
        commits = [
            asyncio.ensure_future(store.commit([Put("k", f"{n}", 0, "{}")], durable=n % 2 == 1))
            for n in range(10)
        ]
        await asyncio.sleep(0)
        await store.aclose()
        assert await asyncio.gather(*commits) == [0] * 10

    async def test_a_store_tells_what_it_is(self, tmp_path: Path) -> None:
        """Two stores have two epochs, and a description shows no absolute path."""
        async with (
            self.opened(_folder(tmp_path, "a")) as one,
            self.opened(_folder(tmp_path, "b")) as other,
        ):
            assert one.epoch
            assert one.epoch != other.epoch
            assert one.description
            assert str(tmp_path) not in one.description
            assert one.durable in (True, False)

    async def test_a_persistent_store_finds_everything_again(self, tmp_path: Path) -> None:
        """After closing and opening: events, records, positions, numbers and the epoch go on."""
        if not self.persistent:
            return
        async with self.opened(tmp_path) as store:
            epoch = store.epoch
            position = await store.commit(
                [Append("s", 1, new_events("a", "b")), Put("k", "a", 0, "1", "g", 5.0)]
            )
            events, records = await store.tail(0), await store.scan("k")
        async with self.opened(tmp_path) as store:
            assert store.epoch == epoch
            assert await store.tail(0) == events
            assert await store.scan("k", group="g", due_before=6.0) == records
            writes = (Append("s", 3, new_events("c")), Put("k", "b", 0, "2"))
            assert await store.commit(writes) > position
            assert keys(await store.scan("k", after=records[0].number)) == ["b"]


def _folder(place: Path, name: str) -> Path:
    folder = place / name
    folder.mkdir()
    return folder
