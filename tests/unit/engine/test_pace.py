"""How often those who follow are told: at once, and of a flood seldom."""

from __future__ import annotations

import asyncio
import time

from zephyrus_exec.engine.pace import Pace
from zephyrus_exec.engine.recent import Recent
from zephyrus_exec.engine.wakeups import Wakeups
from zephyrus_exec.interfaces.store import NewEvent


class Journal:
    """One that grows, and one who follows it."""

    def __init__(self, *, work: float = 0.0) -> None:
        self.wakeups = Wakeups()
        self.recent = Recent("x")
        self.kept: Recent | None = self.recent
        self.pace = Pace(self.wakeups, lambda _: self.kept)
        self.heads: list[int] = []
        self.called = asyncio.Event()
        self.work = work
        self.follow()

    def follow(self) -> None:
        self.wakeups.arm("x", self.hear)

    def hear(self) -> None:
        self.heads.append(self.recent.head)
        self.called.set()
        time.sleep(self.work)
        self.follow()

    def grow(self, count: int = 1) -> None:
        for _ in range(count):
            self.recent.add((NewEvent(0.0, "progress", "{}"),))
            self.pace.grew("x")

    async def heard(self) -> int:
        """Wait for the next call, and return the head that it found."""
        await self.called.wait()
        self.called.clear()
        return self.heads[-1]

    async def rested(self) -> None:
        while self.pace._rests:
            await asyncio.sleep(0)


async def test_the_first_event_is_told_at_once_and_the_next_ones_together() -> None:
    journal = Journal()
    journal.grow()
    assert await journal.heard() == 1
    for _ in range(3):
        await asyncio.sleep(0)
        journal.grow(2)
    assert journal.heads == [1]
    assert await journal.heard() == 7
    assert journal.heads == [1, 7]


async def test_after_a_rest_the_next_event_is_told_at_once_again() -> None:
    journal = Journal()
    journal.grow()
    await journal.rested()
    assert journal.heads == [1]
    journal.grow()
    await asyncio.sleep(0)
    assert journal.heads == [1, 2]


async def test_of_a_flood_half_of_what_is_kept_is_told_without_a_rest() -> None:
    journal = Journal()
    journal.grow()
    assert await journal.heard() == 1
    journal.grow(127)
    await asyncio.sleep(0)
    assert journal.heads == [1]
    journal.grow()
    await asyncio.sleep(0)
    assert journal.heads == [1, 129]
    await journal.rested()
    assert journal.heads == [1, 129]


async def test_the_longer_telling_takes_the_longer_is_the_rest() -> None:
    journal = Journal(work=0.002)
    journal.grow()
    await journal.heard()
    journal.grow()
    began = time.monotonic()
    assert await journal.heard() == 2
    assert time.monotonic() - began >= 0.007  # and not after one millisecond


async def test_who_waits_for_one_event_is_told_of_each_at_once() -> None:
    journal = Journal()
    journal.grow()
    for _ in range(3):
        waiting = journal.wakeups.register("x")
        journal.grow()
        assert waiting.done()


async def test_where_nobody_follows_nothing_is_kept() -> None:
    journal = Journal()
    journal.wakeups.disarm("x", journal.hear)
    journal.grow()
    assert not journal.pace._rests


async def test_of_a_journal_that_is_in_memory_no_more_everything_is_told_at_once() -> None:
    journal = Journal()
    journal.kept = None
    for n in range(1, 4):
        journal.grow()
        assert await journal.heard() == n
    assert not journal.pace._rests


async def test_who_let_go_while_the_journal_rested_is_not_told() -> None:
    journal = Journal()
    journal.grow()
    await journal.heard()
    journal.grow()
    journal.wakeups.disarm("x", journal.hear)
    await journal.rested()
    journal.grow()
    await asyncio.sleep(0)
    assert journal.heads == [1]
