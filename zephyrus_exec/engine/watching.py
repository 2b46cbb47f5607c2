"""Reading executions: from the journal and then live, whoever runs them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from ..errors import ExecutionReleased, StoreUnavailable
from ..interfaces.clock import Clock
from ..interfaces.store import ExecutionStore
from ..model import Event, EventKind, Json
from .clock import wait_until
from .execution import RunningExecution, completed_fields
from .listing import load_execution
from .roster import Roster
from .wakeups import ANY, Wakeups

_POLL_FOREIGN = 0.5
"""Seconds between looks at what another process may have written."""


class Watching:
    """Follows executions of this process and of others.

    Args:
        store: Where they are journaled.
        clock: The time.
        roster: Those of this process.
        wakeups: Tell when one of them grew.
        store_grace: Seconds an execution may wait for the store before those who wait for its end
            are told.
    """

    def __init__(
        self,
        store: ExecutionStore,
        clock: Clock,
        roster: Roster,
        wakeups: Wakeups,
        *,
        store_grace: float,
    ) -> None:
        self._store = store
        self._clock = clock
        self._roster = roster
        self._wakeups = wakeups
        self._store_grace = store_grace
        self._stalls = roster.waits
        self.closed = False
        """Whether this process waits for no execution any more; those it had, it has released."""

    def stalled(self, execution_id: str, since: float) -> None:
        """Hear that an execution has been waiting for the store since then."""
        if self._clock.now() - since >= self._store_grace:
            self._stalls.wake(execution_id)

    def failing(self, since: float) -> None:
        """Hear that nothing could be written since then: then every execution waits for it."""
        if self._clock.now() - since >= self._store_grace:
            self._stalls.wake_all()

    def close(self) -> None:
        """Wait for nothing any more: whoever watches what has not ended is told so."""
        self.closed = True
        self._wakeups.wake_all()

    async def watch(self, execution_id: str, *, after: int = 0) -> AsyncGenerator[Event, None]:
        """Yield the execution's events behind `after`, in order, to the last.

        Raises:
            ExecutionNotFound: There is none.
            ExecutionReleased: It goes on, but this process ends.
        """
        ended = await self._has_ended(execution_id)
        while True:
            grown = self._wakeups.register(execution_id)
            try:
                events = await self._store.read(execution_id, after=after)
                if not events:
                    if ended:
                        await self._has_ended(execution_id)  # unless it was forgotten meanwhile
                        return
                    await self._wait_for_more(execution_id, grown)
                    ended = await self._has_ended(execution_id)
            finally:
                self._wakeups.unregister(execution_id, grown)
            for event in events:
                after = event.seq
                yield event
                if event.kind == EventKind.COMPLETED:
                    return

    async def tail(self, position: int) -> AsyncGenerator[Event, None]:
        """Yield the store's events behind `position`, in order, until this process ends."""
        while True:
            over = self.closed and not self._roster.executions
            grown = self._wakeups.register(ANY)
            try:
                events = await self._store.tail(position)
                if not events:
                    if over:
                        return
                    await wait_until(self._clock, self._clock.now() + _POLL_FOREIGN, grown)
            finally:
                self._wakeups.unregister(ANY, grown)
            for event in events:
                position = event.position
                yield event

    async def result(self, execution_id: str) -> dict[str, Json]:
        """Wait for the execution's end and return the data of its `completed` event.

        Raises:
            ExecutionNotFound: There is none.
            ExecutionReleased: It goes on, but this process ends.
            StoreUnavailable: It has been waiting for the store for the grace time, and goes on
                once that writes again.
        """
        execution = self._roster.executions.get(execution_id)
        if execution is not None:
            await self._wait_for_end(execution)
            if not execution.done.cancelled():
                return completed_fields(execution.done.result())
        async for event in self.watch(execution_id):
            last = event
        return last.data

    async def _wait_for_end(self, execution: RunningExecution) -> None:
        ended_or_stalled = self._stalls.register(execution.id)
        try:
            await ended_or_stalled
        finally:
            self._stalls.unregister(execution.id, ended_or_stalled)
        if not execution.done.done():
            raise StoreUnavailable(
                f"execution {execution.id} is waiting for its journal, which cannot be written "
                "now; it goes on once that is possible, ask again then"
            )

    async def _has_ended(self, execution_id: str) -> bool:
        """Whether every event it will ever have is stored by now."""
        if execution_id in self._roster.executions:
            return False
        return (await load_execution(self._store, execution_id)).outcome is not None

    async def _wait_for_more(self, execution_id: str, grown: asyncio.Future[None]) -> None:
        if execution_id in self._roster.executions:
            await grown
        elif not self.closed:
            await wait_until(self._clock, self._clock.now() + _POLL_FOREIGN, grown)
        elif not await self._has_ended(execution_id):
            raise ExecutionReleased(
                f"this process ends; execution {execution_id} goes on in the next one that opens "
                "its journal"
            )
