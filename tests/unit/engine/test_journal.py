"""The one writer of an execution's journal, on a store that fails in every way it may."""

from __future__ import annotations

import asyncio

import pytest

from zephyrus_exec.engine.journal import EXECUTION, Journal, patiently
from zephyrus_exec.errors import (
    InvalidValue,
    NotRunning,
    StoreConflict,
    StoreFenced,
    StoreUnavailable,
)
from zephyrus_exec.interfaces.store import Append, Expect, NewEvent, Put
from zephyrus_exec.stores.memory import MemoryStore
from zephyrus_exec.testing.clock import ManualClock, settle
from zephyrus_exec.testing.faulty_store import Fault, FaultyStore

RECORD = ("{}", "open")


class Case:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = FaultyStore(MemoryStore())
        self.grown: list[str] = []
        self.journal = Journal(self.store, self.clock, "x", self.grown.append)

    async def begin(self) -> None:
        self.journal.add("accepted", {})
        await self.journal.commit(record=RECORD)

    async def kinds(self) -> list[str]:
        events = await self.store.inner.read("x")
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        return [event.kind for event in events]


@pytest.fixture
async def case() -> Case:
    case = Case()
    await case.begin()
    return case


async def test_added_events_are_written_in_order_by_the_next_commit(case: Case) -> None:
    case.journal.add("a", {"n": 1})
    case.journal.add_encoded("b", '{"n":2}')
    assert await case.kinds() == ["accepted"]
    await case.journal.commit()
    assert await case.kinds() == ["accepted", "a", "b"]
    assert case.grown == ["x", "x"]


async def test_a_commit_of_nothing_tells_nobody(case: Case) -> None:
    await case.journal.commit()
    assert case.grown == ["x"]


async def test_a_journal_is_empty_until_its_first_commit() -> None:
    case = Case()
    assert case.journal.empty
    await case.begin()
    assert not case.journal.empty


async def test_data_that_are_no_json_are_refused_at_once(case: Case) -> None:
    with pytest.raises(InvalidValue):
        case.journal.add("a", {"n": float("nan")})
    await case.journal.commit()
    assert await case.kinds() == ["accepted"]


async def test_the_record_keeps_its_version_through_commits_without_it(case: Case) -> None:
    case.journal.add("a", {})
    await case.journal.commit()
    await case.journal.commit(event=("b", {}), record=RECORD)
    record = await case.store.get(EXECUTION, "x")
    assert record is not None
    assert record.version == 2


async def test_nothing_follows_completed(case: Case) -> None:
    case.journal.add("completed", {})
    with pytest.raises(NotRunning):
        case.journal.add("progress", {})
    with pytest.raises(NotRunning):
        await case.journal.commit(event=("effect_signed", {}))
    await case.journal.commit()
    assert await case.kinds() == ["accepted", "completed"]


async def test_the_first_commit_does_not_wait_for_a_store_that_cannot_write() -> None:
    case = Case()
    case.store.fail(Fault.UNAVAILABLE)
    with pytest.raises(StoreUnavailable):
        await case.begin()
    assert await case.kinds() == []


async def test_a_first_commit_that_is_known_to_be_lost_counts_as_unavailable() -> None:
    case = Case()
    case.store.fail(Fault.UNKNOWN_LOST)
    with pytest.raises(StoreUnavailable):
        await case.begin()
    assert case.journal.empty


async def test_later_commits_wait_until_the_store_can_write_again(case: Case) -> None:
    case.store.writable = False
    case.journal.add("a", {})
    commit = asyncio.create_task(case.journal.commit())
    await case.clock.advance(60)
    assert not commit.done()
    case.store.writable = True
    await case.clock.advance(1)
    await commit
    assert await case.kinds() == ["accepted", "a"]


@pytest.mark.parametrize("fault", [Fault.UNKNOWN_WRITTEN, Fault.UNKNOWN_LOST])
async def test_a_commit_of_unknown_result_is_written_exactly_once(case: Case, fault: Fault) -> None:
    case.store.fail(fault)
    case.journal.add("a", {})
    commit = asyncio.create_task(case.journal.commit(record=RECORD))
    await case.clock.advance(1)
    await commit
    await case.journal.commit(event=("b", {}), record=RECORD)
    assert await case.kinds() == ["accepted", "a", "b"]


async def test_what_arrived_after_all_is_flushed_before_anything_follows_from_it(
    case: Case,
) -> None:
    case.store.fail(Fault.UNKNOWN_WRITTEN)
    won: list[str] = []
    commit = asyncio.create_task(
        case.journal.commit(event=("effect_signed", {}), durable=True, then=lambda: won.append("x"))
    )
    case.store.readable = False
    await settle()
    case.store.readable, case.store.writable = True, False
    await case.clock.advance(5)
    assert not won
    case.store.writable = True
    await case.clock.advance(1)
    await commit
    assert won
    assert case.store.checks == 1


async def test_a_store_that_never_knows_does_not_keep_the_loop_busy(case: Case) -> None:
    for nth in (1, 2, 3):
        case.store.fail(Fault.UNKNOWN_LOST, nth=nth)
    case.journal.add("a", {})
    commit = asyncio.create_task(case.journal.commit())
    await settle()
    assert len(case.store.commits) == 2
    await case.clock.advance(2)
    await commit
    assert await case.kinds() == ["accepted", "a"]


async def test_an_unknown_result_is_looked_up_even_if_the_store_cannot_be_read_for_a_while(
    case: Case,
) -> None:
    case.store.fail(Fault.UNKNOWN_WRITTEN)
    case.store.readable = False
    case.journal.add("a", {})
    commit = asyncio.create_task(case.journal.commit())
    await case.clock.advance(5)
    assert not commit.done()
    case.store.readable = True
    await case.clock.advance(1)
    await commit
    await case.journal.commit(event=("b", {}))
    assert await case.kinds() == ["accepted", "a", "b"]


@pytest.mark.parametrize("fault", [Fault.HELD, Fault.HELD_LOST])
async def test_after_a_cancelled_commit_the_sequence_goes_on_without_gap_or_double(
    case: Case, fault: Fault
) -> None:
    case.store.fail(fault)
    case.journal.add("a", {})
    commit = asyncio.create_task(case.journal.commit(record=RECORD))
    await settle()
    commit.cancel()
    await asyncio.wait({commit})
    case.journal.add("b", {})
    later = asyncio.create_task(case.journal.commit(record=RECORD))
    await settle()
    case.store.release()
    await later
    assert await case.kinds() == ["accepted", "a", "b"]


async def test_what_follows_from_a_commit_follows_although_its_caller_was_cancelled(
    case: Case,
) -> None:
    told: list[str] = []
    case.store.fail(Fault.HELD)
    commit = asyncio.create_task(
        case.journal.commit(event=("e", {}), then=lambda: told.append("e"))
    )
    await settle()
    commit.cancel()
    await asyncio.wait({commit})
    assert told == []
    case.store.release()
    await case.journal.settle()
    assert told == ["e"]
    await case.journal.settle()
    assert told == ["e"]


async def test_nothing_follows_from_a_commit_that_was_cancelled_and_lost(case: Case) -> None:
    told: list[str] = []
    case.store.fail(Fault.HELD_LOST)
    commit = asyncio.create_task(
        case.journal.commit(event=("e", {}), then=lambda: told.append("e"))
    )
    await settle()
    commit.cancel()
    await asyncio.wait({commit})
    await case.journal.settle()
    await case.journal.commit()
    assert told == []
    assert await case.kinds() == ["accepted"]


async def test_a_cancelled_commit_is_decided_however_long_the_store_is_away(case: Case) -> None:
    case.store.fail(Fault.HELD)
    case.journal.add("a", {})
    commit = asyncio.create_task(case.journal.commit())
    await settle()
    commit.cancel()
    await asyncio.wait({commit})
    case.store.release()
    await settle()
    case.store.writable = case.store.readable = False
    later = asyncio.create_task(case.journal.commit(event=("b", {})))
    await case.clock.advance(10)
    case.store.fail(Fault.UNKNOWN_LOST, nth=1)
    case.store.writable = case.store.readable = True
    await case.clock.advance(10)
    await later
    assert await case.kinds() == ["accepted", "a", "b"]


async def test_a_cancelled_commit_without_events_leaves_nothing_to_decide(case: Case) -> None:
    case.store.fail(Fault.HELD)
    commit = asyncio.create_task(case.journal.commit())
    await settle()
    commit.cancel()
    await asyncio.wait({commit})
    case.store.release()
    await case.journal.commit(event=("a", {}))
    assert await case.kinds() == ["accepted", "a"]


async def test_a_conflict_of_a_further_condition_forgets_the_event_but_not_what_was_added(
    case: Case,
) -> None:
    case.journal.add("a", {})
    with pytest.raises(StoreConflict) as raised:
        await case.journal.commit([Put("k", "1", 7, "{}")], event=("b", {}))
    assert not isinstance(raised.value, StoreFenced)
    with pytest.raises(StoreConflict):
        await case.journal.commit(expect=[Expect("k", "1", 7)])
    await case.journal.commit()
    assert await case.kinds() == ["accepted", "a"]


async def test_once_somebody_else_appended_every_commit_says_so(case: Case) -> None:
    await case.store.inner.commit([Append("x", 2, (NewEvent(0.0, "taken_over", "{}"),))])
    for _ in range(2):
        with pytest.raises(StoreFenced):
            await case.journal.commit(event=("a", {}))
    assert await case.kinds() == ["accepted", "taken_over"]


async def test_once_somebody_else_changed_the_record_a_commit_says_so(case: Case) -> None:
    await case.store.inner.commit([Put(EXECUTION, "x", 1, "{}")])
    with pytest.raises(StoreFenced):
        await case.journal.commit(event=("a", {}), record=RECORD)


async def test_a_journal_without_any_record_is_fenced_by_events_alone() -> None:
    case = Case()
    await case.store.inner.commit([Append("x", 1, (NewEvent(0.0, "accepted", "{}"),))])
    with pytest.raises(StoreFenced):
        await case.journal.commit(event=("accepted", {"other": True}))


async def test_being_fenced_is_found_out_however_long_the_store_cannot_be_read(case: Case) -> None:
    await case.store.inner.commit([Append("x", 2, (NewEvent(0.0, "taken_over", "{}"),))])
    case.store.readable = False
    commit = asyncio.create_task(case.journal.commit(event=("a", {})))
    await case.clock.advance(5)
    case.store.readable = True
    await case.clock.advance(1)
    with pytest.raises(StoreFenced):
        await commit


async def test_commits_asked_for_together_are_written_one_after_the_other(case: Case) -> None:
    commits = [case.journal.commit(event=("e", {"n": n})) for n in range(5)]
    await asyncio.gather(*commits)
    events = await case.store.inner.read("x", after=1)
    assert [event.data["n"] for event in events] == [0, 1, 2, 3, 4]


async def test_durable_is_handed_on(case: Case) -> None:
    await case.journal.commit(event=("e", {}), durable=True)
    assert [commit.durable for commit in case.store.commits] == [False, True]


async def test_patience_lasts_as_long_as_the_store_is_away() -> None:
    clock = ManualClock()
    answers = [StoreUnavailable("away"), StoreUnavailable("away"), None]

    async def work() -> str:
        answer = answers.pop(0)
        if answer is not None:
            raise answer
        return "here"

    waiting = asyncio.create_task(patiently(clock, work))
    await clock.advance(5)
    assert await waiting == "here"
