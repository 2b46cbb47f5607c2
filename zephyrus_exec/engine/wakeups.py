"""Telling those who wait that a journal grew."""

from __future__ import annotations

import asyncio
from typing import Final

ANY: Final = ""
"""Register under this to be woken by whichever journal grows."""


class Wakeups:
    """Futures by execution id. Holds nothing for executions nobody waits for."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def wake(self, execution_id: str) -> None:
        """Wake everybody who waits for this execution, or for any."""
        for future in (*self._waiting.pop(execution_id, ()), *self._waiting.pop(ANY, ())):
            if not future.done():
                future.set_result(None)

    def wake_all(self) -> None:
        """Wake everybody."""
        for execution_id in list(self._waiting):
            self.wake(execution_id)

    def register(self, execution_id: str) -> asyncio.Future[None]:
        """Return a future that the next `wake` resolves.

        Register before reading the journal: what is appended after the read then wakes you.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(execution_id, []).append(future)
        return future

    def unregister(self, execution_id: str, future: asyncio.Future[None]) -> None:
        """Forget a future that is no longer waited for."""
        waiting = self._waiting.get(execution_id)
        if waiting is None or future not in waiting:
            return
        waiting.remove(future)
        if not waiting:
            del self._waiting[execution_id]
