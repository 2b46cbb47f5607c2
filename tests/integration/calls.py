"""What a clock that is moved by hand has to wait for: a store whose work real threads do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import wraps
from typing import Any

from zephyrus_exec.interfaces.store import ExecutionStore
from zephyrus_exec.testing.clock import ManualClock, settle

_METHODS = ("commit", "read", "tail", "head", "position", "get", "scan", "check")


class Calls:
    """Knows of every call of a store whether it has returned.

    Args:
        store: From now on its calls are counted.
    """

    def __init__(self, store: ExecutionStore) -> None:
        self._under_way = 0
        for name in _METHODS:
            setattr(store, name, self._counted(getattr(store, name)))

    async def advance(self, clock: ManualClock, seconds: float) -> None:
        """Let time pass once the store has answered everything, and let it answer again."""
        await self.settled()
        await clock.advance(seconds)
        await self.settled()

    async def settled(self) -> None:
        """Return once nothing is asked of the store, nor will be before time passes."""
        await settle()
        while self._under_way:
            await asyncio.sleep(0.0005)  # its threads need the processor
            await settle()

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        async def counted(*args: Any, **options: Any) -> Any:
            self._under_way += 1
            try:
                return await call(*args, **options)
            finally:
                self._under_way -= 1

        return counted
