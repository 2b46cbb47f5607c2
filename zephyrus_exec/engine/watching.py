"""Reading executions: from the journal and then live, whoever runs them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator

from ..interfaces.clock import Clock
from ..interfaces.store import ExecutionStore
from ..model import Event, EventKind, Json
from .clock import wait_until
from .listing import load_execution
from .roster import Roster
from .tasks import finished
from .wakeups import Wakeups

_POLL_FOREIGN = 0.5
"""Seconds between looks at an execution that another process runs."""


class Watching:
    """Follows executions of this process and of others.

    Args:
        store: Where they are journaled.
        clock: The time.
        roster: Those of this process.
        wakeups: Tell when one of them grew.
    """

    def __init__(
        self, store: ExecutionStore, clock: Clock, roster: Roster, wakeups: Wakeups
    ) -> None:
        self._store = store
        self._clock = clock
        self._roster = roster
        self._wakeups = wakeups

    async def watch(self, execution_id: str, *, after: int = 0) -> AsyncGenerator[Event, None]:
        """Yield the execution's events behind `after`, in order, to the last.

        Raises:
            ExecutionNotFound: There is none.
        """
        ended = await self._has_ended(execution_id)
        while True:
            grown = self._wakeups.register(execution_id)
            try:
                events = await self._store.read(execution_id, after=after)
                if not events:
                    if ended:
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

    async def result(self, execution_id: str) -> dict[str, Json]:
        """Wait for the execution's end and return the data of its `completed` event.

        Raises:
            ExecutionNotFound: There is none.
        """
        execution = self._roster.executions.get(execution_id)
        if execution is not None:
            await finished(execution.done)
            if not execution.done.cancelled():
                body: dict[str, Json] = json.loads(execution.done.result())
                return body
        async for event in self.watch(execution_id):
            last = event
        return last.data

    async def _has_ended(self, execution_id: str) -> bool:
        """Whether every event it will ever have is stored by now."""
        if execution_id in self._roster.executions:
            return False
        return (await load_execution(self._store, execution_id)).outcome is not None

    async def _wait_for_more(self, execution_id: str, grown: asyncio.Future[None]) -> None:
        if execution_id in self._roster.executions:
            await grown
        else:
            await wait_until(self._clock, self._clock.now() + _POLL_FOREIGN, grown)
