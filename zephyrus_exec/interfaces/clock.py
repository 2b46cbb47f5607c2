"""Time and identity, handed in so that tests decide them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeAlias

NewId: TypeAlias = Callable[[], str]
"""Returns another id at each call; ids made later sort later, roughly."""


class Clock(ABC):
    """The time of day, which never runs backwards within one clock."""

    @abstractmethod
    def now(self) -> float:
        """Return seconds since the epoch."""

    @abstractmethod
    async def sleep_until(self, when: float) -> None:
        """Return at `when` (seconds since the epoch) or shortly after; at once if it has passed."""
