"""Tasks whose failure does not go unseen."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextvars import Context

_log = logging.getLogger(__name__)


def spawn(
    work: Coroutine[None, None, None], name: str, *, context: Context | None = None
) -> asyncio.Task[None]:
    """Return a new task for the work; should it fail, the log says so at once.

    Args:
        work: What to do.
        name: Of the task, for the log.
        context: What it runs in; null: a copy of its maker's.
    """
    task = asyncio.create_task(work, name=name, context=context)
    task.add_done_callback(_tell)
    return task


def _tell(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("%s failed; this is a bug", task.get_name(), exc_info=error)
