"""The real clock, and ids that sort by time."""

from __future__ import annotations

import asyncio
import time
import uuid

from zephyrus_exec.engine.clock import SystemClock, new_id, wait_until
from zephyrus_exec.testing.clock import ManualClock, settle


async def test_the_system_clock_shows_the_time_of_day_and_never_runs_backwards() -> None:
    clock = SystemClock()
    shown = [clock.now() for _ in range(100)]
    assert abs(shown[0] - time.time()) < 1.0
    assert shown == sorted(shown)


async def test_sleeping_until_a_moment_that_has_passed_returns_at_once() -> None:
    clock = SystemClock()
    await asyncio.wait_for(clock.sleep_until(clock.now() - 5), 1.0)


async def test_waiting_ends_with_the_future() -> None:
    clock = ManualClock()
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(wait_until(clock, clock.now() + 5, future))
    await settle()
    assert not waiting.done()
    future.set_result(1)
    await waiting


async def test_waiting_ends_at_its_moment_and_leaves_the_future_alone() -> None:
    clock = ManualClock()
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(wait_until(clock, clock.now() + 5, future))
    await clock.advance(5)
    await waiting
    assert not future.done()


def test_ids_are_version_7_uuids_without_repetition() -> None:
    made = [uuid.UUID(new_id()) for _ in range(1000)]
    assert {(one.version, one.variant) for one in made} == {(7, uuid.RFC_4122)}
    assert len(set(made)) == 1000


def test_ids_begin_with_the_time_so_that_later_ones_sort_later() -> None:
    before = time.time_ns() // 1_000_000
    milliseconds = uuid.UUID(new_id()).int >> 80
    assert before <= milliseconds <= time.time_ns() // 1_000_000
