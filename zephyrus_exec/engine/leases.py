"""Which process owns which executions, and what becomes of those whose process is gone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from ..conversion import dumps
from ..errors import ExecutionInterrupted, StoreConflict, StoreError, ZephyrusError
from ..interfaces.clock import Clock
from ..interfaces.store import Append, Delete, ExecutionStore, Expect, NewEvent, Put, Record
from ..model import Event, EventKind, Json, Outcome
from .execution import ENDED, Ending, encode_completed, open_group
from .journal import EXECUTION
from .listing import read_all
from .records import EFFECT, Effect, EffectState
from .results import error_object

_log = logging.getLogger(__name__)

OWNER = "owner"
"""Kind of the record that a living process renews."""


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
        self.owner = owner
        self._duration = duration
        self._renew_every = renew_every
        self._ended = ended
        self._version = 0
        self._until = 0.0
        self._renewing = asyncio.Lock()

    async def start(self) -> None:
        """Take the lease, and end what is orphaned already."""
        await self._renew()
        await self.end_orphans()

    async def ensure(self) -> None:
        """Renew the lease if it has run out, so that nothing is accepted without one.

        Raises:
            StoreError: It cannot be renewed now.
        """
        if self._clock.now() >= self._until:
            await self._renew()

    async def run(self) -> None:
        """Renew, and look for orphans, until cancelled."""
        while True:
            await self._clock.sleep_until(self._clock.now() + self._renew_every)
            try:
                await self._renew()
                await self.end_orphans()
            except ZephyrusError as error:
                _log.warning("leases could not be looked after: %s", error)

    async def release(self) -> None:
        """Give the lease up; every execution of this process has ended.

        Where that fails, others find it run out later and nothing to end.
        """
        try:
            await self._store.commit([Delete(OWNER, self.owner, self._version)])
        except StoreError as error:
            _log.warning("the lease could not be given up: %s", error)

    async def end_orphans(self) -> None:
        """End every execution whose owner's lease has run out."""
        for owner in await self._store.scan(OWNER, due_before=self._clock.now()):
            try:
                await self._end_all_of(owner)
            except StoreConflict as conflict:
                _log.info("owner %s is alive, or ended by somebody else: %s", owner.key, conflict)

    async def _renew(self) -> None:
        async with self._renewing:
            until = self._clock.now() + self._duration
            try:
                await self._store.commit([self._lease(until)])
            except StoreConflict:
                # Somebody found it run out and removed it, or a renewal arrived unnoticed.
                record = await self._store.get(OWNER, self.owner)
                self._version = record.version if record is not None else 0
                await self._store.commit([self._lease(until)])
            self._version += 1
            self._until = until

    def _lease(self, until: float) -> Put:
        return Put(OWNER, self.owner, self._version, "{}", due=until)

    async def _end_all_of(self, owner: Record) -> None:
        expect = Expect(OWNER, owner.key, owner.version)
        while records := await self._store.scan(EXECUTION, group=open_group(owner.key)):
            for record in records:
                await self._end(record, expect)
                self._ended(record.key)
            await self._renew()  # there may be more than a lease's time is enough for
        await self._store.commit([Delete(OWNER, owner.key, owner.version)])

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


def _result(event: Event) -> str:
    data: dict[str, Json] = event.data
    return dumps({name: value for name, value in data.items() if name not in ("cycle", "step")})


def _planned(event: Event) -> int:
    actions = event.data.get("actions")
    return len(actions) if isinstance(actions, list) else 0
