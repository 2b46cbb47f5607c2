"""Frames that arrived and nobody has read yet: the receiving half of every transport."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from ..errors import TransportError
from ..interfaces.transport import Frame

FRAME_OVERHEAD_BYTES = 64
"""What a frame costs beyond its payload, so that a flood of empty ones fills an inbox too."""


class Inbox:
    """A bounded queue of frames with an end, for one reader.

    It never refuses frames: it says when it is full, and whoever fills it stops then.

    Args:
        max_frames: It is full when it holds so many frames, at least 1.
        max_bytes: It is full when it holds so many bytes, `FRAME_OVERHEAD_BYTES` for each frame
            included, at least 1.
        on_change: Called when it becomes full, and when it stops being full.
    """

    __slots__ = (
        "_bytes",
        "_end",
        "_frames",
        "_max_bytes",
        "_max_frames",
        "_on_change",
        "_reader",
        "full",
    )

    def __init__(self, *, max_frames: int, max_bytes: int, on_change: Callable[[], None]) -> None:
        self._max_frames = max_frames
        self._max_bytes = max_bytes
        self._on_change = on_change
        self._frames: list[Frame] = []
        self._bytes = 0
        self._end: TransportError | None = None
        self._reader: asyncio.Future[None] | None = None
        self.full = False
        """Whether the reader must take something before more should be put."""

    def detach(self) -> None:
        """Hear that nobody fills it any more, so nobody is to be told when it is full."""
        self._on_change = _nobody

    @property
    def ended(self) -> bool:
        """Whether `end` was called; frames put before may still be there."""
        return self._end is not None

    def put(self, frames: Sequence[Frame]) -> None:
        """Add frames; after the end they are dropped."""
        if self._end is not None:
            return
        self._frames += frames
        self._bytes += sum(map(len, frames)) + FRAME_OVERHEAD_BYTES * len(frames)
        self._wake()
        if not self.full and (
            len(self._frames) >= self._max_frames or self._bytes >= self._max_bytes
        ):
            self.full = True
            self._on_change()

    def end(self, error: TransportError) -> None:
        """Let the reader have what is there, then `error`. Only the first end counts."""
        if self._end is None:
            self._end = error
            self._wake()

    def raise_if_ended(self) -> None:
        """Raise the error given to `end`, if there was one."""
        if self._end is not None:
            # A fresh one each time: raising the same object again and again would make its
            # traceback, and what that keeps alive, grow.
            raise type(self._end)(self._end.message, **self._end.details)

    async def receive(self) -> Sequence[Frame]:
        """Return every frame that is there, at least one; wait for the first.

        Raises:
            TransportError: The error given to `end`, once all frames were returned.
            RuntimeError: Another task is already waiting here.
        """
        while not self._frames:
            self.raise_if_ended()
            await self._wait()
        frames, self._frames, self._bytes = self._frames, [], 0
        if self.full:
            self.full = False
            self._on_change()
        return frames

    async def _wait(self) -> None:
        if self._reader is not None:
            raise RuntimeError("receive() is already awaited by another task; allow one at a time")
        self._reader = asyncio.get_running_loop().create_future()
        try:
            await self._reader
        finally:
            self._reader = None

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)


def _nobody() -> None:
    """Tell nobody."""
