"""The real clock, and ids that sort by time."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

from ..interfaces.clock import Clock


class SystemClock(Clock):
    """The machine's time of day, taken once and carried on by its monotonic clock.

    So a correction of the machine's time neither fires every deadline nor holds one back.
    """

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        """Return seconds since the epoch."""
        return time.monotonic() + self._offset

    async def sleep_until(self, when: float) -> None:
        """Return at `when` or shortly after."""
        await asyncio.sleep(max(0.0, when - self.now()))


async def wait_until(clock: Clock, when: float, future: asyncio.Future[Any]) -> None:
    """Return once the future is done, and at `when` at the latest; the future stays as it is.

    Args:
        clock: Whose time.
        when: Seconds since the epoch.
        future: What is waited for.
    """
    alarm = asyncio.ensure_future(clock.sleep_until(when))
    either: set[asyncio.Future[Any]] = {alarm, future}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    finally:
        alarm.cancel()


def new_id() -> str:
    """Return a new UUIDv7 (RFC 9562 section 5.7): 48 bits of milliseconds, the rest random."""
    chance = bytearray(os.urandom(10))
    chance[0] = 0x70 | chance[0] & 0x0F  # the version
    chance[2] = 0x80 | chance[2] & 0x3F  # the variant
    time_text, text = f"{time.time_ns() // 1_000_000:012x}", chance.hex()
    return f"{time_text[:8]}-{time_text[8:]}-{text[:4]}-{text[4:8]}-{text[8:]}"
