"""Every deadline of an engine in one heap."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from zephyrus_exec.engine.deadlines import Deadlines
from zephyrus_exec.testing.clock import ManualClock, settle


class Alarms:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.deadlines = Deadlines(self.clock)
        self.fired: list[str] = []

    def at(self, seconds: float, name: str) -> object:
        return self.deadlines.at(self.clock.now() + seconds, lambda: self.fired.append(name))


@pytest.fixture
async def alarms() -> AsyncIterator[Alarms]:
    alarms = Alarms()
    running = asyncio.create_task(alarms.deadlines.run())
    yield alarms
    running.cancel()
    await asyncio.wait({running})


async def test_deadlines_fire_in_order_of_time_however_they_were_set(alarms: Alarms) -> None:
    for seconds in (3, 1, 2):
        alarms.at(seconds, str(seconds))
    await alarms.clock.advance(2)
    assert alarms.fired == ["1", "2"]
    await alarms.clock.advance(1)
    assert alarms.fired == ["1", "2", "3"]
    assert len(alarms.deadlines) == 0


async def test_deadlines_of_one_moment_fire_in_the_order_they_were_set(alarms: Alarms) -> None:
    for name in "abc":
        alarms.at(1, name)
    await alarms.clock.advance(1)
    assert alarms.fired == ["a", "b", "c"]


async def test_one_in_the_past_fires_at_once(alarms: Alarms) -> None:
    alarms.at(-5, "late")
    await settle()
    assert alarms.fired == ["late"]


async def test_an_earlier_one_set_later_is_not_slept_through(alarms: Alarms) -> None:
    alarms.at(10, "far")
    await settle()
    alarms.at(1, "near")
    await alarms.clock.advance(1)
    assert alarms.fired == ["near"]


async def test_a_cancelled_one_never_fires_and_cancelling_may_be_repeated(alarms: Alarms) -> None:
    deadline = alarms.deadlines.at(alarms.clock.now() + 1, lambda: alarms.fired.append("no"))
    deadline.cancel()
    deadline.cancel()
    assert deadline.cancelled
    await alarms.clock.advance(2)
    assert alarms.fired == []
    assert len(alarms.deadlines) == 0


async def test_cancelling_one_that_has_fired_does_nothing(alarms: Alarms) -> None:
    deadline = alarms.deadlines.at(alarms.clock.now() + 1, lambda: alarms.fired.append("once"))
    await alarms.clock.advance(1)
    deadline.cancel()
    assert deadline.cancelled
    await alarms.clock.advance(1)
    assert alarms.fired == ["once"]


async def test_a_callback_may_cancel_another_of_the_same_moment(alarms: Alarms) -> None:
    when = alarms.clock.now() + 1
    alarms.deadlines.at(when, lambda: second.cancel())
    second = alarms.deadlines.at(when, lambda: alarms.fired.append("no"))
    await alarms.clock.advance(1)
    assert alarms.fired == []


async def test_ten_thousand_set_and_cancelled_leave_no_more_than_a_handful(
    alarms: Alarms,
) -> None:
    alarms.at(5, "kept")
    for n in range(10_000):
        alarms.deadlines.at(alarms.clock.now() + n, lambda: None).cancel()
    assert len(alarms.deadlines) < 200
    await alarms.clock.advance(10_000)
    assert alarms.fired == ["kept"]
