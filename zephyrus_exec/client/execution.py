"""An execution on a server, seen from here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias

from ..errors import ZephyrusError
from ..protocol.v2.client import Stream
from ..protocol.v2.messages import ExecutionCompleted, ExecutionEvent, ExecutionStarted
from .agenda import Agenda
from .asks import Target
from .ends import again
from .feeds import Reader

AskToCancel: TypeAlias = Callable[[str, str], Awaitable[str]]


class RemoteExecution(Target):
    """One execution: iterate over it for its events, `ExecutionCompleted` last.

    Every event comes once, in order, however often the connection or the server goes away. Made by
    `Client.execute` and `Client.watch`. It need not be read: what is not taken stays on the server.

    Args:
        agenda: What is wanted of the server.
        reader: Holds its events.
        ask_to_cancel: Asks the server, given an execution id and a reason.
        idempotency_key: Under which it was asked for; null: it was not, only watched.
    """

    def __init__(
        self,
        agenda: Agenda,
        reader: Reader,
        ask_to_cancel: AskToCancel,
        *,
        idempotency_key: str | None = None,
    ) -> None:
        self._agenda = agenda
        self._reader = reader
        self._ask_to_cancel = ask_to_cancel
        self._decided = asyncio.Event()
        self._error: ZephyrusError | None = None
        self.id: str | None = None
        """Null: not known yet. A server that speaks v1 tells none: then it is empty."""
        self.idempotency_key = idempotency_key
        """By which asking again, from anywhere, leads to the same execution."""
        self.replayed: bool | None = None
        """Whether the key was known: this is what was asked for by it then; null: not known yet."""

    def __aiter__(self) -> AsyncIterator[ExecutionEvent | ExecutionCompleted]:
        """Return the iterator over its events, those that were taken already left out."""
        return self

    async def __anext__(self) -> ExecutionEvent | ExecutionCompleted:
        """Return the next event.

        Raises:
            ZephyrusError: It was refused, or cannot be watched any more.
        """
        event = await self._reader.next()
        if event is None:
            raise StopAsyncIteration
        assert isinstance(event, ExecutionEvent | ExecutionCompleted)
        return event

    async def started(self) -> str:
        """Return its id once it is accepted: from then on it happens, whatever becomes of us.

        Raises:
            OutcomeUnknown: Whether it was executed cannot be known.
            ZephyrusError: It was refused; nothing was executed.
        """
        await self._decided.wait()
        if self.id is None:
            assert self._error is not None
            raise again(self._error)
        return self.id

    async def result(self) -> ExecutionCompleted:
        """Return its last event, whether those before it were taken or not.

        Raises:
            ZephyrusError: It was refused, or cannot be watched any more.
        """
        return await self._reader.end()

    async def cancel(self, reason: str = "") -> str:
        """Ask for its end; its last event tells what came of that.

        Args:
            reason: For its journal, at most 1,000 characters.

        Returns:
            `requested`, `already_terminal` or `not_cancellable`.

        Raises:
            ZephyrusError: The server refuses; or speaks v1 (`NotSupported`).
        """
        return await self._ask_to_cancel(await self.started(), reason)

    # --- what the server says --------------------------------------------------------------------

    def watch(self, execution_id: str) -> None:
        """Let it be that execution."""
        self.id = execution_id
        self._decided.set()
        self._agenda.watch(Stream(execution_id), self._reader)

    def begin(self, started: ExecutionStarted) -> None:
        """Note that it is accepted."""
        self.id = started.execution_id
        self.replayed = started.data.replayed
        self._decided.set()
        self._agenda.follow(Stream(started.execution_id), self._reader)

    def take(self, event: ExecutionEvent | ExecutionCompleted) -> None:
        """Take an event of v1 in."""
        self.id = ""
        self._decided.set()
        self._reader.put(event)

    def refuse(self, error: ZephyrusError) -> None:
        """Note that there is none, or that it is not known."""
        self._error = error
        self._decided.set()
        self._reader.fail(error)
