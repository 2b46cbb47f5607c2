"""Telling those who wait that a journal grew."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

ANY: Final = ""
"""Register under this to be woken by whichever journal grows."""


class Wakeups:
    """Futures and callbacks by journal. Holds nothing for journals nobody waits for."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}
        self._armed: dict[str, set[Callable[[], None]]] = {}

    def __len__(self) -> int:
        return len(self._waiting) + len(self._armed)

    def wake(self, execution_id: str) -> None:
        """Wake everybody who waits for this execution, or for any."""
        self.resolve(execution_id)
        self.call(execution_id)

    def resolve(self, execution_id: str) -> None:
        """Resolve the futures of those who wait for this execution, or for any."""
        if not self._waiting:
            return
        for future in (*self._waiting.pop(execution_id, ()), *self._waiting.pop(ANY, ())):
            if not future.done():
                future.set_result(None)

    def call(self, execution_id: str) -> None:
        """Have the callbacks called that were armed for this execution."""
        for callback in self._armed.pop(execution_id, ()):
            asyncio.get_running_loop().call_soon(callback)

    def wake_all(self) -> None:
        """Wake everybody."""
        for execution_id in (*self._waiting, *self._armed):
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

    def arm(self, execution_id: str, callback: Callable[[], None]) -> None:
        """Have the next `wake` call this once, from the loop. Arming it again changes nothing."""
        self._armed.setdefault(execution_id, set()).add(callback)

    def armed(self, execution_id: str, callback: Callable[[], None]) -> bool:
        """Return whether the next `wake` will have this called."""
        return callback in self._armed.get(execution_id, ())

    def followed(self, execution_id: str) -> bool:
        """Return whether a callback is armed for this execution."""
        return execution_id in self._armed

    def disarm(self, execution_id: str, callback: Callable[[], None]) -> None:
        """Forget a callback, if it is there."""
        armed = self._armed.get(execution_id)
        if armed is None:
            return
        armed.discard(callback)
        if not armed:
            del self._armed[execution_id]
