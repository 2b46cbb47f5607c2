"""How long to wait before the next attempt: full-jitter exponential back-off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

BASE: Final = 0.5
"""Seconds that the first wait takes at most."""
CAP: Final = 30.0
"""Seconds that any wait takes at most."""


class Backoff:
    """Waits that grow, each at random below its bound, so that a crowd does not come back at once.

    Args:
        random: Returns a number in [0, 1).
        base: Seconds that the first wait takes at most.
        cap: Seconds that any wait takes at most.
    """

    def __init__(
        self, random: Callable[[], float], *, base: float = BASE, cap: float = CAP
    ) -> None:
        self._random = random
        self._base = base
        self._cap = cap
        self._bound = base

    def next(self) -> float:
        """Return how many seconds to wait now; the next wait may be twice as long."""
        wait = self._bound * self._random()
        self._bound = min(self._cap, 2 * self._bound)
        return wait

    def reset(self) -> None:
        """Begin anew: it worked."""
        self._bound = self._base
