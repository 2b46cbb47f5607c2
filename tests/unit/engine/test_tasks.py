"""Tasks whose failure does not go unseen."""

from __future__ import annotations

import asyncio

import pytest

from zephyrus_exec.engine.tasks import spawn


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
