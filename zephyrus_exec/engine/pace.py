"""How often those who follow a journal are told that it grew."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from attrs import frozen

from .recent import Recent
from .wakeups import Wakeups

_SHARE: Final = 20
"""A rest is so many times as long as telling took: who makes the events goes first."""
_SHORTEST: Final = 0.001
_LONGEST: Final = 0.008
"""Seconds of a rest."""


@frozen(eq=False)
class _Rest:
    """A moment in which those who follow a journal are not told of it again."""

    recent: Recent
    head: int
    """Number of the event they were told of last."""
    since: float
    """When telling them began, in the loop's time."""
    at_least: float
    """Seconds it lasts, or longer where telling took long."""


class Pace:
    """Wakes those who follow a journal: at once, and then, after a rest, all of them together.

    So they take the same events, many at a time, and an execution that floods them is held up
    little. Nothing is kept for a journal that rests no more.

    Args:
        wakeups: Hold those who follow.
        recent: Returns what is in memory of a journal; null: nothing.
    """

    def __init__(self, wakeups: Wakeups, recent: Callable[[str], Recent | None]) -> None:
        self._wakeups = wakeups
        self._recent = recent
        self._rests: dict[str, _Rest] = {}

    def grew(self, stream: str) -> None:
        """Wake who waits for the journal, and who follows it, unless that one rests."""
        self._wakeups.resolve(stream)
        rest = self._rests.get(stream)
        if rest is not None and not rest.recent.floods(rest.head):
            return
        if self._wakeups.followed(stream):
            self._tell(stream, _SHORTEST if rest is None else rest.at_least)

    def _tell(self, stream: str, at_least: float) -> None:
        self._wakeups.call(stream)
        recent = self._recent(stream)
        if recent is None:
            return
        # in the loop's time, whatever the clock: how much is told at once is about its work
        loop = asyncio.get_running_loop()
        self._rests[stream] = rest = _Rest(recent, recent.head, loop.time(), at_least)
        loop.call_soon(loop.call_soon, self._told, rest)  # behind the calls, and what they wake

    def _told(self, rest: _Rest) -> None:
        loop = asyncio.get_running_loop()
        in_proportion = _SHARE * (loop.time() - rest.since)
        loop.call_later(min(max(in_proportion, rest.at_least), _LONGEST), self._over, rest)

    def _over(self, rest: _Rest) -> None:
        stream = rest.recent.stream
        if self._rests.get(stream) is not rest:
            return  # it was told again, and rests anew
        del self._rests[stream]
        if rest.recent.head > rest.head and self._wakeups.followed(stream):
            self._tell(stream, 2 * rest.at_least)
