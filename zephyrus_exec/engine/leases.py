"""Which process owns which executions, and what becomes of those whose process is gone."""

from __future__ import annotations

import logging
from collections.abc import Callable

from ..conversion import dumps
from ..errors import ExecutionInterrupted, StoreConflict, StoreError
from ..interfaces.clock import Clock
from ..interfaces.store import Append, Delete, ExecutionStore, Expect, NewEvent, Put, Record
from ..model import Event, EventKind, Json, Outcome
from .execution import Ending, encode_completed
from .journal import EXECUTION
from .listing import read_all
from .records import EFFECT, Effect, EffectState
from .results import error_object

_log = logging.getLogger(__name__)

OWNER = "owner"
"""Kind of the record that a living process renews."""

ENDED = "ended"
"""Group of the records of executions that have ended."""


def open_group(owner: str) -> str:
    """Return the group of the records of the executions that this owner has not ended."""
    return f"open:{owner}"


class Leases:
    """Keeps this process's lease, and ends what processes without one left behind.

    One lease covers all executions of a process, so renewing costs one small write however many
    there are. An execution is touched only in a commit that also expects the dead owner's lease
    record as it was seen expired, so an owner that renews in time loses nothing.

    Args:
        store: Where the leases are.
        clock: The time.
        owner: Id of this process, never used before.
        duration: Seconds a lease lasts.
        renew_every: Seconds between renewals; well under `duration`.
        ended: Called with the id of each execution that was ended here.
    """

    def __init__(
        self,
        store: ExecutionStore,
        clock: Clock,
        owner: str,
        *,
        duration: float,
        renew_every: float,
        ended: Callable[[str], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._owner = owner
        self._duration = duration
        self._renew_every = renew_every
        self._ended = ended
        self._version = 0

    async def start(self) -> None:
        """Take the lease, and end what is orphaned already."""
        await self._renew()
        await self.end_orphans()

    async def run(self) -> None:
        """Renew, and look for orphans, until cancelled."""
        while True:
            await self._clock.sleep_until(self._clock.now() + self._renew_every)
            try:
                await self._renew()
                await self.end_orphans()
            except StoreError as error:
                _log.warning("the lease could not be renewed: %s", error)

    async def release(self) -> None:
        """Give the lease up; every execution of this process has ended."""
        await self._store.commit([Delete(OWNER, self._owner, self._version)])

    async def end_orphans(self) -> int:
        """End every execution whose owner's lease has run out; return how many."""
        count = 0
        for owner in await self._store.scan(OWNER, due_before=self._clock.now()):
            try:
                count += await self._end_all_of(owner)
            except StoreConflict as conflict:
                _log.info("owner %s is alive, or ended by somebody else: %s", owner.key, conflict)
        return count

    async def _renew(self) -> None:
        lease = Put(OWNER, self._owner, self._version, "{}", due=self._clock.now() + self._duration)
        try:
            await self._store.commit([lease])
        except StoreConflict:
            record = await self._store.get(OWNER, self._owner)
            self._version = record.version if record is not None else 0
            raise
        self._version += 1

    async def _end_all_of(self, owner: Record) -> int:
        expect = Expect(OWNER, owner.key, owner.version)
        count = 0
        while records := await self._store.scan(EXECUTION, group=open_group(owner.key)):
            for record in records:
                await self._end(record, expect)
                self._ended(record.key)
            count += len(records)
        await self._store.commit([Delete(OWNER, owner.key, owner.version)])
        return count

    async def _end(self, record: Record, expect: Expect) -> None:
        events = await read_all(self._store, record.key)
        error = ExecutionInterrupted(
            "the process that ran it ended before it was done; look at what was already done "
            "before asking for it again",
            reason="process_ended",
        )
        now = self._clock.now()
        body = encode_completed(
            Ending(Outcome.INTERRUPTED, error),
            results=[_result(e) for e in events if e.kind == EventKind.ACTION_FINISHED],
            planned=sum(_planned(e) for e in events if e.kind == EventKind.PLANNED),
            effects=[await self._state(e) for e in events if e.kind == EventKind.EFFECT_SIGNED],
        )
        ended = {
            **record.data,
            "status": "completed",
            "ended_at": now,
            "outcome": Outcome.INTERRUPTED,
            "error": error_object(error),
        }
        await self._store.commit(
            [
                Append(record.key, len(events) + 1, (NewEvent(now, EventKind.COMPLETED, body),)),
                Put(EXECUTION, record.key, record.version, dumps(ended), ENDED),
            ],
            expect=[expect],
        )
        _log.warning("execution %s ended as interrupted: its process is gone", record.key)

    async def _state(self, signed: Event) -> EffectState:
        record = await self._store.get(EFFECT, str(signed.data["effect_key"]))
        return EffectState.SIGNED if record is None else Effect.of(record).state


def _result(event: Event) -> Json:
    return {name: value for name, value in event.data.items() if name not in ("cycle", "step")}


def _planned(event: Event) -> int:
    actions = event.data.get("actions")
    return len(actions) if isinstance(actions, list) else 0
