"""Asking executions to end, whichever process runs them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from ..conversion import dumps
from ..errors import ExecutionNotFound, StoreConflict, StoreError, StoreFenced
from ..interfaces.clock import Clock
from ..interfaces.store import Delete, ExecutionStore, Expect, Put, Record, Write
from ..model import EventKind, Principal
from .conductor import Conductor
from .execution import ENDED, RunningExecution, cancelled_by
from .journal import EXECUTION
from .leases import OWNER, Leases
from .listing import execution_of, scan_all
from .roster import Roster

_log = logging.getLogger(__name__)

CANCEL: Final = "cancel"
"""Kind of the record that asks whoever runs an execution to end it: `{principal, reason}`."""

_LOOK_EVERY: Final = 0.5
"""Seconds between looks at what other processes ask of this one."""


class Cancels:
    """Ends executions of this process on request, and carries requests to other processes.

    A request to another process is a record with the execution's id. Whoever runs that, also if it
    takes it over later, finds it at its next look, and removes it in the commit that journals it.

    Args:
        store: Where the requests are.
        clock: The time.
        roster: The executions of this process.
        conductor: Ends them.
        leases: Say who this process is.
        takes_over: Returns whether this process takes up what others leave.
    """

    def __init__(
        self,
        store: ExecutionStore,
        clock: Clock,
        *,
        roster: Roster,
        conductor: Conductor,
        leases: Leases,
        takes_over: Callable[[], bool],
    ) -> None:
        self._store = store
        self._clock = clock
        self._roster = roster
        self._conductor = conductor
        self._leases = leases
        self._takes_over = takes_over

    async def ask(self, execution_id: str, principal: Principal, reason: str) -> str:
        """Ask an execution to end, and return what `ExecutionEngine.cancel` promises.

        Raises:
            ExecutionNotFound: There is none.
        """
        execution = self._roster.executions.get(execution_id)
        if execution is not None:
            await self._roster.decided(execution)
        if execution is None or execution.released or not execution.accepted:
            return await self._ask_elsewhere(execution_id, principal, reason)
        if execution.ended:
            return "already_terminal"
        try:
            await self._end(execution, principal.id, reason)
        except StoreFenced:
            return await self._ask_elsewhere(execution_id, principal, reason)
        return "requested"

    async def _end(
        self,
        execution: RunningExecution,
        principal_id: str,
        reason: str,
        writes: Sequence[Write] = (),
    ) -> None:
        asked = {"principal": principal_id, "reason": reason}
        execution.journal.add(EventKind.CANCEL_REQUESTED, asked)
        self._conductor.end_early(execution, cancelled_by(reason))
        await execution.journal.commit(writes)

    # --- asking other processes ------------------------------------------------------------------

    async def _ask_elsewhere(self, execution_id: str, principal: Principal, reason: str) -> str:
        return await ask_owner(
            self._store,
            execution_id,
            principal=principal,
            reason=reason,
            reachable=self._reachable,
        )

    async def _reachable(self, record: Record) -> bool:
        """Whether somebody will find a request: whoever runs it, or whoever takes it up."""
        if self._takes_over():
            return True
        owner = str(record.data["owner"])
        lease = None if owner == self._leases.owner else await self._store.get(OWNER, owner)
        return lease is not None and lease.due is not None and lease.due > self._clock.now()

    # --- being asked -----------------------------------------------------------------------------

    async def run(self) -> None:
        """Look, again and again, what others ask of this process, until cancelled."""
        while True:
            await self._clock.sleep_until(self._clock.now() + _LOOK_EVERY)
            try:
                await self._look()
            except StoreError as error:
                _log.info("requests to cancel could not be looked for: %s", error)

    async def _look(self) -> None:
        asked = await scan_all(self._store, CANCEL)
        await asyncio.gather(*(self._heed(record) for record in asked))

    async def _heed(self, record: Record) -> None:
        execution = self._roster.executions.get(record.key)
        done = Delete(CANCEL, record.key, record.version)
        try:
            if execution is None or execution.released:
                await self._tidy(done)
            elif execution.accepted and not execution.ended:
                data = record.data
                await self._end(execution, str(data["principal"]), str(data["reason"]), [done])
        except (StoreConflict, StoreFenced) as conflict:
            _log.debug("another process has heeded the request: %s", conflict)

    async def _tidy(self, done: Delete) -> None:
        """Remove a request that came to nothing, since its execution has ended or is forgotten."""
        stands = await self._store.get(EXECUTION, done.key)
        if stands is None or stands.group == ENDED:
            await self._store.commit([done])


async def _sometime(_: Record) -> bool:
    return True


async def ask_owner(
    store: ExecutionStore,
    execution_id: str,
    *,
    principal: Principal,
    reason: str,
    reachable: Callable[[Record], Awaitable[bool]] = _sometime,
) -> str:
    """Leave the request to end an execution in its journal, and return what came of that.

    Args:
        store: Its journal.
        execution_id: Which.
        principal: Who asks.
        reason: Why.
        reachable: Whether somebody will find the request; without it: the next who opens the
            journal, at the latest.

    Returns:
        `requested`, `already_terminal` or `not_cancellable`, as `ExecutionEngine.cancel` does.

    Raises:
        ExecutionNotFound: There is none.
    """
    body = dumps({"principal": principal.id, "reason": reason})
    while True:
        record = await store.get(EXECUTION, execution_id)
        if record is None:
            raise ExecutionNotFound(
                f"there is no execution {execution_id}", execution_id=execution_id
            )
        if execution_of(record).outcome is not None:
            return "already_terminal"
        if not await reachable(record):
            return "not_cancellable"
        if await store.get(CANCEL, execution_id) is not None:
            return "requested"
        asked = Put(CANCEL, execution_id, 0, body)
        try:
            # It stands as it was seen: what has ended meanwhile is not asked to.
            await store.commit([asked], expect=[Expect(EXECUTION, execution_id, record.version)])
        except StoreConflict:
            continue
        return "requested"
