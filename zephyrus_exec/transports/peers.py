"""The peers of one listener: a task for each, whose end is looked at."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import TypeAlias

from ..errors import TransportError
from ..interfaces.transport import Accept, Transport

SelectSubprotocol: TypeAlias = Callable[[Sequence[str]], str | None]
"""Given what a peer offers, in its order of preference, returns one of them, or None."""

NORMAL = 1000
INTERNAL_ERROR = 1011


class Peers:
    """Runs an accept callback for every peer, and closes the peer's channel when it returns.

    Args:
        accept: What to run.
        logger: Where a callback's exception is told, with its traceback.
    """

    def __init__(self, accept: Accept, logger: logging.Logger) -> None:
        self._accept = accept
        self._logger = logger
        self._tasks: dict[asyncio.Task[None], Transport] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def welcome(self, transport: Transport) -> asyncio.Task[None]:
        """Start the callback for a new peer, in a task of its own, and return that."""
        task = asyncio.create_task(self._attend(transport))
        self._tasks[task] = transport
        task.add_done_callback(self._attended)
        return task

    async def aclose(self, code: int, reason: str, *, grace: float) -> None:
        """Close every channel, and end every callback.

        Args:
            code: Close code for the peers.
            reason: Close reason for them.
            grace: Seconds the callbacks get to end by themselves after that; then they are
                cancelled.
        """
        tasks = dict(self._tasks)
        if not tasks:
            return
        await asyncio.gather(*(peer.aclose(code, reason) for peer in tasks.values()))
        _, late = await asyncio.wait(tasks, timeout=grace)
        for task in late:
            task.cancel()
        await asyncio.wait(tasks)

    async def _attend(self, transport: Transport) -> None:
        code = INTERNAL_ERROR
        try:
            await self._accept(transport)
            code = NORMAL
        finally:
            await transport.aclose(code)

    def _attended(self, task: asyncio.Task[None]) -> None:
        transport = self._tasks.pop(task)
        error = None if task.cancelled() else task.exception()
        # A peer that left is no news; anything else that ends a callback is.
        if error is not None and not isinstance(error, TransportError):
            self._logger.error(
                "the accept callback for %s failed", transport.handshake.peer, exc_info=error
            )
