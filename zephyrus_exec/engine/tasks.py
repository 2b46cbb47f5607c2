"""Tasks whose failure does not go unseen."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

_log = logging.getLogger(__name__)


def spawn(work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
    """Return a new task for the work; should it fail, the log says so at once.

    Args:
        work: What to do.
        name: Of the task, for the log.
    """
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_tell)
    return task


async def finished(future: asyncio.Future[Any]) -> None:
    """Return once the future is done; it stays as it is, also where the caller is cancelled."""
    waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def wake(_: asyncio.Future[Any]) -> None:
        if not waiter.done():
            waiter.set_result(None)

    future.add_done_callback(wake)
    try:
        await waiter
    finally:
        future.remove_done_callback(wake)


def _tell(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("%s failed; this is a bug", task.get_name(), exc_info=error)
