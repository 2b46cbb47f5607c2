"""Every deadline of an engine in one heap, waited for by one task."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from itertools import count
from typing import TypeAlias

from ..interfaces.clock import Clock

Callback: TypeAlias = Callable[[], None]


class Deadline:
    """One entry of the heap; cancelling it is cheap and may be repeated."""

    __slots__ = ("_callback", "_heap", "when")

    def __init__(self, when: float, callback: Callback, heap: Deadlines) -> None:
        self.when = when
        self._callback: Callback | None = callback
        self._heap = heap

    @property
    def cancelled(self) -> bool:
        """Whether it will not fire, or has fired."""
        return self._callback is None

    def cancel(self) -> None:
        """Make it never fire; what it referred to is let go at once."""
        if self._callback is not None:
            self._callback = None
            self._heap._forget_one()

    def _fire(self) -> bool:
        """Call the callback; return False where that was cancelled."""
        callback, self._callback = self._callback, None
        if callback is None:
            return False
        callback()
        return True


class Deadlines:
    """Fires callbacks at their time, in order of time; `run` must be running.

    Cancelled entries stay in the heap until they are half of it, so setting and cancelling, which
    every execution does, costs no search.
    """

    _SMALL = 64

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, Deadline]] = []
        self._numbers = count()
        self._cancelled = 0
        self._earlier = asyncio.Event()

    def __len__(self) -> int:
        return len(self._heap)

    def at(self, when: float, callback: Callback) -> Deadline:
        """Call `callback` at `when` (seconds since the epoch), unless it is cancelled before."""
        deadline = Deadline(when, callback, self)
        heapq.heappush(self._heap, (when, next(self._numbers), deadline))
        if self._heap[0][2] is deadline:
            self._earlier.set()
        return deadline

    async def run(self) -> None:
        """Fire what is due, until cancelled."""
        while True:
            self._earlier.clear()
            self._fire_due()
            await self._wait()

    def _fire_due(self) -> None:
        now = self._clock.now()
        while self._heap and self._heap[0][0] <= now:
            if not heapq.heappop(self._heap)[2]._fire():
                self._cancelled -= 1

    async def _wait(self) -> None:
        if not self._heap:
            await self._earlier.wait()
            return
        sleeping = asyncio.ensure_future(self._clock.sleep_until(self._heap[0][0]))
        woken = asyncio.ensure_future(self._earlier.wait())
        try:
            await asyncio.wait({sleeping, woken}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            woken.cancel()

    def _forget_one(self) -> None:
        self._cancelled += 1
        if self._cancelled > self._SMALL and self._cancelled * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if not entry[2].cancelled]
            heapq.heapify(self._heap)
            self._cancelled = 0
