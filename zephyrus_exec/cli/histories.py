"""What was executed: as a server tells it, or as a journal's file has it."""

from __future__ import annotations

import argparse
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TypeAlias

from ..client import Client
from ..engine.cancels import ask_owner
from ..engine.listing import list_executions, load_execution
from ..interfaces.store import ExecutionStore
from ..model import OPERATOR, Event, EventKind, Execution
from ..protocol.v2.messages import (
    MAX_LISTED,
    ExecutionCompleted,
    ExecutionEvent,
    ExecutionView,
)
from ..protocol.wording import Language
from ..session.frames import completed_data, error_info
from .connecting import open_client
from .journals import open_journal

Told: TypeAlias = ExecutionEvent | ExecutionCompleted


class History(ABC):
    """Executions that happened, or happen, somewhere."""

    async def list(
        self, *, limit: int, before: str | None, agent_id: str | None
    ) -> list[ExecutionView]:
        """Return the newest executions first.

        Args:
            limit: At most so many.
            before: Go on behind this execution; null: begin with the newest.
            agent_id: Only those of this agent; null: of any.

        Raises:
            ExecutionNotFound: There is none with the id `before`.
        """
        found: list[ExecutionView] = []
        while len(found) < limit:
            page, before = await self._page(limit - len(found), before, agent_id)
            found += page
            if before is None:
                break
        return found

    @abstractmethod
    async def _page(
        self, limit: int, before: str | None, agent_id: str | None
    ) -> tuple[Sequence[ExecutionView], str | None]:
        """Return some of them, and where to go on; null: there are no more."""

    @abstractmethod
    async def get(self, execution_id: str) -> ExecutionView:
        """Return how an execution stands.

        Raises:
            ExecutionNotFound: There is none.
        """

    @abstractmethod
    def events(self, view: ExecutionView) -> AsyncIterator[Told]:
        """Yield the events that an execution has had, and wait for no more."""

    @abstractmethod
    async def cancel(self, execution_id: str, reason: str) -> str:
        """Ask an execution to end, and return `disposition` as `cancel_ack` has it.

        Raises:
            ExecutionNotFound: There is none.
        """


@asynccontextmanager
async def open_history(
    options: argparse.Namespace, *, language: Language = "en"
) -> AsyncIterator[History]:
    """Give the history that the options name, a server's or a journal's.

    Args:
        options: Of the command line.
        language: Of the texts that a journal does not hold.

    Raises:
        ConfigurationError: There is none.
    """
    if options.url is not None:
        async with open_client(options) as client:
            yield ServerHistory(client)
    else:
        async with open_journal(options) as store:
            yield JournalHistory(store, language)


class ServerHistory(History):
    """What a server tells.

    Args:
        client: Connected to it.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    async def _page(
        self, limit: int, before: str | None, agent_id: str | None
    ) -> tuple[Sequence[ExecutionView], str | None]:
        page = await self._client.list_executions(
            limit=min(limit, MAX_LISTED), before=before, agent_id=agent_id
        )
        return page.executions, page.next

    async def get(self, execution_id: str) -> ExecutionView:
        """Return how an execution stands."""
        return await self._client.get_execution(execution_id)

    async def events(self, view: ExecutionView) -> AsyncIterator[Told]:
        """Yield the events it had when the view was made."""
        async for event in self._client.watch(view.execution_id):
            yield event
            if event.seq == view.head_seq:
                return

    async def cancel(self, execution_id: str, reason: str) -> str:
        """Ask the server to end it."""
        return await self._client.watch(execution_id).cancel(reason)


class JournalHistory(History):
    """What a journal holds, whether a server uses it at the same time or not.

    Args:
        store: The journal.
        language: Of the texts that it does not hold.
    """

    def __init__(self, store: ExecutionStore, language: Language) -> None:
        self._store = store
        self._language: Language = language

    async def _page(
        self, limit: int, before: str | None, agent_id: str | None
    ) -> tuple[Sequence[ExecutionView], str | None]:
        async def wanted(execution: Execution) -> bool:
            return agent_id in (None, execution.agent_id)

        page = await list_executions(self._store, limit=limit, before=before, chosen=wanted)
        return [_view(execution) for execution in page], page.next

    async def get(self, execution_id: str) -> ExecutionView:
        """Return how an execution stands."""
        execution = await load_execution(self._store, execution_id)
        return _view(execution, await self._store.head(execution_id))

    async def events(self, view: ExecutionView) -> AsyncIterator[Told]:
        """Yield the events it has."""
        seq = 0
        while page := await self._store.read(view.execution_id, after=seq):
            for event in page:
                seq = event.seq
                yield _told(event, view.agent_id, self._language)

    async def cancel(self, execution_id: str, reason: str) -> str:
        """Leave the request in the journal, where whoever runs it finds it."""
        return await ask_owner(self._store, execution_id, principal=OPERATOR, reason=reason)


def _view(execution: Execution, head: int | None = None) -> ExecutionView:
    return ExecutionView(
        execution_id=execution.id,
        agent_id=execution.agent_id,
        principal=execution.principal,
        status=execution.status,
        created_at=execution.created_at,
        ended_at=execution.ended_at,
        outcome=execution.outcome,
        error_info=error_info(execution.error),
        head_seq=head,
    )


def _told(event: Event, agent_id: str, language: Language) -> Told:
    if event.kind == EventKind.COMPLETED:
        data = completed_data(agent_id, event.data, language)
        return ExecutionCompleted(event.stream, event.seq, event.at, data)
    return ExecutionEvent(event.stream, event.seq, event.at, event.kind, event.data)
