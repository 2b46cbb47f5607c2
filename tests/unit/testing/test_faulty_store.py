"""The store that fails as it was told to."""

from __future__ import annotations

import asyncio

import pytest

from zephyrus_exec.errors import CommitUnknown, StoreConflict, StoreUnavailable
from zephyrus_exec.interfaces.store import Append, NewEvent, Put
from zephyrus_exec.stores.memory import MemoryStore
from zephyrus_exec.testing.clock import settle
from zephyrus_exec.testing.faulty_store import Commit, Fault, FaultyStore

WRITE = Append("s", 1, (NewEvent(0.0, "k", "{}"),))


@pytest.fixture
def store() -> FaultyStore:
    return FaultyStore(MemoryStore())


async def test_without_faults_it_is_the_store_behind_it(store: FaultyStore) -> None:
    assert await store.commit([WRITE, Put("k", "1", 0, "{}")], durable=True) == 1
    assert len(await store.read("s")) == len(await store.tail(0)) == 1
    assert await store.get("k", "1") == (await store.scan("k"))[0]
    await store.check()
    assert store.epoch == store.inner.epoch
    assert store.commits == [Commit((WRITE, Put("k", "1", 0, "{}")), (), True)]
    await store.aclose()
    with pytest.raises(StoreUnavailable):
        await store.check()


@pytest.mark.parametrize(
    ("fault", "error", "written"),
    [
        (Fault.UNAVAILABLE, StoreUnavailable, False),
        (Fault.CONFLICT, StoreConflict, False),
        (Fault.UNKNOWN_LOST, CommitUnknown, False),
        (Fault.UNKNOWN_WRITTEN, CommitUnknown, True),
    ],
)
async def test_the_nth_commit_meets_its_fault(
    store: FaultyStore, fault: Fault, error: type[Exception], written: bool
) -> None:
    store.fail(fault, nth=2)
    await store.commit([])
    with pytest.raises(error):
        await store.commit([WRITE])
    assert bool(await store.inner.read("s")) is written
    await store.commit([])


async def test_a_killed_process_gets_no_answer_any_more_and_what_it_wrote_is_there(
    store: FaultyStore,
) -> None:
    store.fail(Fault.KILLED)
    commit = asyncio.create_task(store.commit([WRITE], durable=True))
    await settle()
    reading = asyncio.create_task(store.read("s"))
    await settle()
    assert not commit.done()
    assert not reading.done()
    assert await store.inner.read("s")
    for task in (commit, reading):
        task.cancel()


@pytest.mark.parametrize(("fault", "written"), [(Fault.HELD, True), (Fault.HELD_LOST, False)])
async def test_a_held_commit_waits_and_a_cancelled_one_is_written_or_lost(
    store: FaultyStore, fault: Fault, written: bool
) -> None:
    store.fail(fault)
    commit = asyncio.create_task(store.commit([WRITE]))
    await settle()
    commit.cancel()
    await asyncio.wait({commit})
    barrier = asyncio.create_task(store.commit([]))
    await settle()
    assert barrier.done() is not written
    store.release()
    await barrier
    assert bool(await store.read("s")) is written


async def test_a_held_commit_that_is_released_is_written(store: FaultyStore) -> None:
    for fault, seq in ((Fault.HELD, 1), (Fault.HELD_LOST, 2)):
        store.fail(fault)
        commit = asyncio.create_task(store.commit([Append("s", seq, WRITE.events)]))
        await settle()
        assert not commit.done()
        store.release()
        assert await commit == seq


async def test_it_can_be_unwritable_and_unreadable(store: FaultyStore) -> None:
    store.writable = store.readable = False
    for call in (store.commit([]), store.check(), store.read("s"), store.get("k", "1")):
        with pytest.raises(StoreUnavailable):
            await call


async def test_a_store_that_is_cut_off_never_answers(store: FaultyStore) -> None:
    store.cut()
    call = asyncio.create_task(store.read("s"))
    await settle()
    assert not call.done()
    call.cancel()


async def test_every_call_may_take_turns_of_the_loop() -> None:
    store = FaultyStore(MemoryStore(), turns=3)
    commit = asyncio.create_task(store.commit([WRITE]))
    await settle(4)
    assert await store.inner.read("s")
    assert not commit.done()
    await commit
