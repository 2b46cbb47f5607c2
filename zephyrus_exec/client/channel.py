"""One open connection, whichever version it speaks: it reads, writes and listens to the clock."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Coroutine
from typing import Any, ClassVar, NoReturn

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

    async def serve(self) -> NoReturn:
        """Send and receive until the connection ends.

        Raises:
            TransportError: It has ended.
            RemoteProtocolError: The server breaks the protocol.
        """
        tasks = [asyncio.create_task(duty) for duty in self._duties()]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        ends = [task.exception() for task in tasks if not task.cancelled()]
        raise next(end for end in ends if end is not None)

    def _duties(self) -> list[Coroutine[Any, Any, NoReturn]]:
        """Return what goes on until something ends the connection, which one of them raises."""
        return [self._read(), self._write()]

    def _send(self, frame: Frame) -> None:
        self._outbox.append(frame)
        self._due.set()

    async def _read(self) -> NoReturn:
        while True:
            for frame in await self._transport.receive():
                self._take(frame)

    async def _write(self) -> NoReturn:
        while True:
            await self._due.wait()
            self._due.clear()
            frames, self._outbox = self._outbox, []
            try:
                await self._transport.send(frames)
            except TransportError:  # the reader hears of it, too, behind what came before
                await asyncio.Event().wait()

    @abstractmethod
    def _take(self, frame: Frame) -> None:
        """Take one frame in."""
