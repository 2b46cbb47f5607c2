"""Going on with what processes that are gone have left."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from ..conversion import dumps
from ..errors import ExecutionInterrupted, StoreConflict, StoreError, StoreFenced
from ..interfaces.clock import Clock
from ..interfaces.store import Append, Delete, ExecutionStore, Expect, NewEvent, Put, Record
from ..model import Event, EventKind, Outcome
from .conductor import Conductor
from .execution import ENDED, Ending, RunningExecution, add_started, open_group, record_of
from .journal import EXECUTION
from .leases import OWNER, Leases
from .listing import read_all
from .neighbours import Neighbours
from .results import error_object
from .resume import Resume, summary
from .roster import Roster

_log = logging.getLogger(__name__)


class TakeOver:
    """Takes up the executions of processes that are gone, where their journals stand.

    That is one commit: the event `taken_over` behind the last one, and the new owner in the
    execution's record, on the condition that the old owner's lease is as it was found. So a
    process that renews in time loses nothing, and one that does not is fenced by its next commit.

    Args:
        store: Where executions are.
        clock: The time.
        leases: This process's.
        neighbours: The other processes.
        resume: Makes executions from their journals.
        roster: Where they enter.
        conductor: Runs them.
        ended: Called with the id of each that could only be ended.
    """

    def __init__(
        self,
        store: ExecutionStore,
        clock: Clock,
        *,
        leases: Leases,
        neighbours: Neighbours,
        resume: Resume,
        roster: Roster,
        conductor: Conductor,
        ended: Callable[[str], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._leases = leases
        self._neighbours = neighbours
        self._resume = resume
        self._roster = roster
        self._conductor = conductor
        self._ended = ended

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await self._clock.sleep_until(self._clock.now() + self._leases.renew_every)
            await self.look()

    async def look(self) -> None:
        """Take up everything of those that are gone; what fails is tried again at the next look."""
        try:
            for owner in await self._neighbours.gone(self._leases.owner):
                await self._take_all_of(owner)
        except StoreError as error:
            _log.warning("executions of other processes could not be looked after: %s", error)

    async def _take_all_of(self, owner: Record) -> None:
        gone = Expect(OWNER, owner.key, owner.version)
        try:
            while records := await self._store.scan(EXECUTION, group=open_group(owner.key)):
                for record in records:
                    await self._take(record, gone)
            await self._store.commit([Delete(OWNER, owner.key, owner.version)])
        except (StoreConflict, StoreFenced) as conflict:
            _log.info("owner %s is alive, or was faster, or others are: %s", owner.key, conflict)

    async def _take(self, record: Record, gone: Expect) -> None:
        events = await read_all(self._store, record.key)
        try:
            execution = await self._resume.execution(record, events)
        except ExecutionInterrupted as error:
            await self._end(record, events, error, gone)
        else:
            await self._adopt(execution, gone)

    async def _adopt(self, execution: RunningExecution, gone: Expect) -> None:
        own = self._roster.executions.get(execution.id)
        if own is not None:
            self._conductor.release(own)  # it was taken from this process before, unnoticed
        self._roster.enter(execution, self._conductor.turn_came, bounded=False)
        try:
            execution.journal.add(
                EventKind.TAKEN_OVER, {"owner": self._leases.owner, "from": gone.key}
            )
            if execution.ticket.running and not execution.started:
                add_started(execution, self._leases.owner)
            await self._leases.commit_under(
                lambda lease: execution.journal.commit(
                    record=record_of(execution, self._leases.owner), expect=(gone, lease)
                )
            )
        except BaseException:
            self._roster.leave(execution)
            raise
        _log.warning(
            "execution %s is taken over from %s", execution.id, gone.key, extra=execution.about
        )
        self._conductor.accepted(execution)

    async def _end(
        self,
        record: Record,
        events: Sequence[Event],
        error: ExecutionInterrupted,
        gone: Expect,
    ) -> None:
        await end_as_interrupted(
            self._store, record, events, error, at=self._clock.now(), expect=[gone]
        )
        _log.warning(
            "execution %s ended as interrupted: %s",
            record.key,
            error,
            extra={"execution": record.key},
        )
        self._ended(record.key)


async def end_as_interrupted(
    store: ExecutionStore,
    record: Record,
    events: Sequence[Event],
    error: ExecutionInterrupted,
    *,
    at: float,
    expect: Sequence[Expect] = (),
) -> None:
    """Write the end of an execution that nobody goes on with.

    Args:
        store: Where its journal is.
        record: How it stands.
        events: Its whole journal.
        error: Why.
        at: Seconds since the epoch.
        expect: Further conditions.

    Raises:
        StoreConflict: It is not as it was seen.
    """
    body = await summary(store, events, Ending(Outcome.INTERRUPTED, error))
    ended = {
        **record.data,
        "status": "completed",
        "ended_at": at,
        "outcome": Outcome.INTERRUPTED,
        "error": error_object(error),
    }
    await store.commit(
        [
            Append(record.key, len(events) + 1, (NewEvent(at, EventKind.COMPLETED, body),)),
            Put(EXECUTION, record.key, record.version, dumps(ended), ENDED),
        ],
        expect=expect,
    )
