"""A clock that stands still until it is told otherwise."""

from __future__ import annotations

import asyncio
import heapq
from itertools import count

from ..interfaces.clock import Clock


class ManualClock(Clock):
    """Time passes only in `advance`.

    Args:
        now: Seconds since the epoch to begin with.
    """

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self._now = now
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = count()

    def now(self) -> float:
        """Return seconds since the epoch."""
        return self._now

    async def sleep_until(self, when: float) -> None:
        """Return once the clock was advanced to `when`."""
        if when <= self._now:
            await asyncio.sleep(0)
            return
        awake: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (when, next(self._numbers), awake))
        await awake

    async def advance(self, seconds: float) -> None:
        """Let time pass; sleepers wake in order of time, each before the next is due.

        Args:
            seconds: How long, at least 0.
        """
        until = self._now + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= until:
            when, _, awake = heapq.heappop(self._sleepers)
            self._now = max(self._now, when)
            if not awake.done():
                awake.set_result(None)
                await settle()
        self._now = until
        await settle()


async def settle(turns: int = 20) -> None:
    """Let everything that is ready run, `turns` times around the loop."""
    for _ in range(turns):
        await asyncio.sleep(0)
