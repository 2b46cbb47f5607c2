"""Telling those who wait that a journal grew."""

from __future__ import annotations

import asyncio

from zephyrus_exec.engine.wakeups import Wakeups


async def test_everybody_who_waits_for_an_execution_is_woken_and_nobody_else() -> None:
    wakeups = Wakeups()
    first, second, other = wakeups.register("x"), wakeups.register("x"), wakeups.register("y")
    wakeups.wake("x")
    assert first.done()
    assert second.done()
    assert not other.done()


async def test_who_armed_a_callback_is_called_from_the_loop_once() -> None:
    wakeups, called = Wakeups(), asyncio.Event()
    wakeups.arm("x", called.set)
    assert (wakeups.followed("x"), wakeups.followed("y")) == (True, False)
    wakeups.resolve("x")
    wakeups.wake("x")
    assert (wakeups.followed("x"), called.is_set()) == (False, False)
    await called.wait()


async def test_waking_where_nobody_waits_does_nothing() -> None:
    Wakeups().wake("x")


async def test_a_future_that_was_cancelled_does_not_disturb_the_others() -> None:
    wakeups = Wakeups()
    gone, there = wakeups.register("x"), wakeups.register("x")
    gone.cancel()
    wakeups.wake("x")
    assert there.done()


async def test_nothing_is_kept_once_everybody_was_woken_or_has_gone() -> None:
    wakeups = Wakeups()
    first, second = wakeups.register("x"), wakeups.register("x")
    wakeups.unregister("x", first)
    assert len(wakeups) == 1
    wakeups.unregister("x", first)
    wakeups.unregister("x", second)
    assert len(wakeups) == 0
    third = wakeups.register("x")
    wakeups.wake("x")
    wakeups.unregister("x", third)
    assert len(wakeups) == 0
