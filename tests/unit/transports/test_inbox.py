"""Frames nobody has read yet."""

from __future__ import annotations

import asyncio

import pytest

from zephyrus_exec.errors import TransportBroken, TransportClosedHere
from zephyrus_exec.transports.inbox import FRAME_OVERHEAD_BYTES, Inbox


class Watched:
    """An inbox whose changes between full and not full are written down."""

    def __init__(self, *, max_frames: int = 1000, max_bytes: int = 1_000_000) -> None:
        self.changes: list[bool] = []
        self.inbox = Inbox(
            max_frames=max_frames,
            max_bytes=max_bytes,
            on_change=lambda: self.changes.append(self.inbox.full),
        )


async def test_it_is_full_at_its_bound_of_frames_until_it_is_read() -> None:
    watched = Watched(max_frames=3)
    watched.inbox.put(["a", "b"])
    assert watched.changes == []
    watched.inbox.put(["c"])
    watched.inbox.put(["d"])
    assert watched.changes == [True]
    assert await watched.inbox.receive() == ["a", "b", "c", "d"]
    assert watched.changes == [True, False]


async def test_empty_frames_fill_it_too() -> None:
    watched = Watched(max_bytes=10 * FRAME_OVERHEAD_BYTES)
    watched.inbox.put([""] * 9)
    assert not watched.inbox.full
    watched.inbox.put([""])
    assert watched.inbox.full


async def test_only_the_first_end_counts_and_what_comes_later_is_dropped() -> None:
    inbox = Watched().inbox
    inbox.put(["a"])
    inbox.end(TransportClosedHere("first"))
    inbox.end(TransportBroken("second"))
    inbox.put(["b"])
    assert await inbox.receive() == ["a"]
    with pytest.raises(TransportClosedHere, match="first"):
        await inbox.receive()


async def test_every_reader_gets_an_error_of_its_own() -> None:
    inbox = Watched().inbox
    inbox.end(TransportBroken("gone"))
    caught = []
    for _ in range(2):
        with pytest.raises(TransportBroken) as error:
            await inbox.receive()
        caught.append(error.value)
    assert caught[0] is not caught[1]


async def test_a_second_reader_at_the_same_time_is_a_bug_and_told_so() -> None:
    inbox = Watched().inbox
    first = asyncio.create_task(inbox.receive())
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="another task"):
        await inbox.receive()
    inbox.put(["a"])
    assert await first == ["a"]
