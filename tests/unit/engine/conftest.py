"""Fixtures of the engine's tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from zephyrus_exec.engine import ExecutionEngine

Enter = Callable[[ExecutionEngine], Awaitable[ExecutionEngine]]


@pytest.fixture
async def enter() -> AsyncIterator[Enter]:
    """Start engines, and close them at the end of the test."""
    async with AsyncExitStack() as stack:

        async def start(engine: ExecutionEngine) -> ExecutionEngine:
            return await stack.enter_async_context(engine)

        yield start


@pytest.fixture(autouse=True)
async def no_task_is_left(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """Fail where a test leaves tasks behind, except where it says that it does."""
    before = asyncio.all_tasks()
    yield
    for _ in range(5):
        await asyncio.sleep(0)
    left: set[asyncio.Task[Any] | None] = {*asyncio.all_tasks()}
    left -= {asyncio.current_task(), *before}
    assert not left or "may_leave_tasks" in request.fixturenames, left
    while left := {task for task in left if task is not None and not task.done()}:
        for task in left:
            if task is not None:
                task.cancel()  # again and again: what is cancelled may wait for the store once more
        await asyncio.sleep(0)


@pytest.fixture
def may_leave_tasks() -> None:
    """Say that the test leaves tasks behind, as a process that dies does."""
