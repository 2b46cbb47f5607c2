"""Tasks whose failure does not go unseen."""

from __future__ import annotations

import asyncio

import pytest

from zephyrus_exec.engine.tasks import first_of, spawn
from zephyrus_exec.testing.clock import settle


async def test_a_failure_is_logged_with_the_name_of_the_task(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail() -> None:
        raise ValueError("broken")

    task = spawn(fail(), "the task")
    await asyncio.wait({task})
    await asyncio.sleep(0)
    assert "the task failed" in caplog.text
    assert "broken" in caplog.text


async def test_an_end_or_a_cancellation_is_not_worth_a_word(
    caplog: pytest.LogCaptureFixture,
) -> None:
    done, cancelled = spawn(asyncio.sleep(0), "done"), spawn(asyncio.sleep(0), "cancelled")
    cancelled.cancel()
    await asyncio.wait({done, cancelled})
    await asyncio.sleep(0)
    assert caplog.text == ""


async def test_waiting_for_a_future_ends_with_it_however_it_ends() -> None:
    for end in ("result", "error", "cancelled", "before"):
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        if end == "before":
            future.set_result(1)
        waiting = asyncio.create_task(first_of(future))
        await settle()
        assert waiting.done() is (end == "before")
        if end == "error":
            future.set_exception(ValueError("told to somebody else"))
            future.exception()
        elif not future.done():
            future.cancel() if end == "cancelled" else future.set_result(1)
        await waiting


async def test_whoever_stops_waiting_leaves_the_future_as_it_is() -> None:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(first_of(future))
    await settle()
    waiting.cancel()
    await asyncio.wait({waiting})
    assert not future.done()


async def test_whoever_stops_waiting_in_the_moment_of_the_end_is_not_woken_twice() -> None:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(first_of(future))
    await settle()
    future.set_result(1)
    waiting.cancel()
    await asyncio.wait({waiting})
    assert waiting.cancelled()
    assert future.result() == 1


async def test_waiting_for_a_future_leaves_it_as_it_is() -> None:
    """Also where the waiter is cancelled, before the future is done or at the same moment."""
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    early, late, patient = (asyncio.create_task(first_of(future)) for _ in range(3))
    await asyncio.sleep(0)
    early.cancel()
    await asyncio.wait({early})
    assert not future.done()
    future.set_result(5)
    late.cancel()
    await asyncio.wait({late, patient})
    assert (early.cancelled(), late.cancelled(), patient.cancelled()) == (True, True, False)
    assert future.result() == 5
