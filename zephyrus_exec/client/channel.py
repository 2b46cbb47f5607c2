"""One open connection, whichever version it speaks: it reads, writes and listens to the clock."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Coroutine
from typing import Any, ClassVar

from ..errors import TransportError
from ..interfaces.transport import Frame, Transport
from .agenda import Channel


class Connection(Channel):
    """Runs until the connection ends.

    Args:
        transport: The channel.
    """

    version: ClassVar[int]
    """Of the protocol."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._outbox: list[Frame] = []
        self._due = asyncio.Event()

    async def serve(self) -> None:
        """Send and receive until the connection ends.

        Raises:
            TransportError: It has ended.
            RemoteProtocolError: The server breaks the protocol.
        """
        writing = asyncio.create_task(self._write())
        ending = [asyncio.create_task(duty) for duty in self._duties()]
        try:
            await asyncio.wait(ending, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (writing, *ending):
                task.cancel()
            await asyncio.wait((writing, *ending))
        for task in ending:
            if not task.cancelled():
                task.result()

    def _duties(self) -> list[Coroutine[Any, Any, None]]:
        """Return what goes on until the connection ends; whichever ends first says why."""
        return [self._read()]

    def _send(self, frame: Frame) -> None:
        self._outbox.append(frame)
        self._due.set()

    async def _read(self) -> None:
        while True:
            for frame in await self._transport.receive():
                self._take(frame)

    async def _write(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            frames, self._outbox = self._outbox, []
            try:
                await self._transport.send(frames)
            except TransportError:  # the reader is told the same, behind what came before
                return

    @abstractmethod
    def _take(self, frame: Frame) -> None:
        """Take one frame in."""
