"""Which process owns which executions: the lease that a living process renews."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from ..conversion import dumps
from ..errors import StoreConflict, StoreError, ZephyrusError
from ..interfaces.clock import Clock, NewId
from ..interfaces.store import Delete, ExecutionStore, Expect, Put
from .execution import open_group
from .journal import EXECUTION

_log = logging.getLogger(__name__)

OWNER = "owner"
"""Kind of the record that a living process renews: `{duration}`, or `{released}` at its end."""


class Leases:
    """Keeps this process's lease.

    One lease covers all executions of a process, so renewing costs one small write however many
    there are. Executions come under it only in commits that expect it as it stands. So whoever
    removes it knows that nothing comes after; and a process that lost it goes on under a new id,
    since versions of a removed record start over.

    Args:
        store: Where the leases are.
        clock: The time.
        new_id: Makes the ids of owners.
        duration: Seconds a lease lasts.
        failing: Called with since when, again and again, while the store does not renew it.
    """

    def __init__(
        self,
        store: ExecutionStore,
        clock: Clock,
        new_id: NewId,
        *,
        duration: float,
        failing: Callable[[float], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._new_id = new_id
        self._duration = duration
        self._failing = failing
        self.renew_every = duration / 4
        """Seconds between renewals."""
        self.owner = new_id()
        """Id of this process; another one once its lease was lost."""
        self._version = 0
        self._held = Expect(OWNER, self.owner, 0)
        self._until = 0.0
        self._renewing = asyncio.Lock()

    @property
    def held(self) -> Expect:
        """The condition that this process has its lease."""
        if self._held.version != self._version or self._held.key != self.owner:
            self._held = Expect(OWNER, self.owner, self._version)
        return self._held

    async def ensure(self) -> None:
        """Renew the lease if it has run out, so that nothing is accepted without one.

        Raises:
            StoreError: It cannot be renewed now.
        """
        if self._clock.now() >= self._until:
            await self.renew()

    async def commit_under(self, commit: Callable[[Expect], Awaitable[None]]) -> None:
        """Commit something on the condition that this process has its lease.

        Args:
            commit: Commits with this condition; called again where only the lease has moved.

        Raises:
            StoreError: What `commit` raises.
        """
        while True:
            held = self.held
            try:
                return await commit(held)
            except StoreConflict:
                if not await self._moved(held):
                    raise

    async def run(self) -> None:
        """Renew until cancelled."""
        since: float | None = None
        while True:
            pause = self.renew_every if since is None else self.renew_every / 10
            await self._clock.sleep_until(self._clock.now() + pause)
            try:
                await self.renew()
                since = None
            except ZephyrusError as error:
                _log.warning("the lease could not be renewed: %s", error)
                since = self._clock.now() if since is None else since
                self._failing(since)

    async def renew(self) -> None:
        """Have a lease that lasts from now.

        Raises:
            StoreError: That is not possible now.
        """
        async with self._renewing:
            await self._renew()

    async def release(self) -> None:
        """Give the lease up, so that others take up at once what is open under it.

        Where that fails, they find it run out later.
        """
        try:
            left = await self._store.scan(EXECUTION, group=open_group(self.owner), limit=1)
            if left:
                await self._store.commit(
                    [Put(OWNER, self.owner, self._version, '{"released":true}', due=0.0)]
                )
            else:
                await self._store.commit([Delete(OWNER, self.owner, self._version)])
        except StoreError as error:
            _log.warning("the lease could not be given up: %s", error)

    def _lease(self, until: float) -> Put:
        body = dumps({"duration": self._duration})
        return Put(OWNER, self.owner, self._version, body, due=until)

    async def _renew(self) -> None:
        until = self._clock.now() + self._duration
        try:
            await self._store.commit([self._lease(until)])
        except StoreConflict:
            await self._look()
            await self._store.commit([self._lease(until)])
        self._version += 1
        self._until = until

    async def _moved(self, held: Expect) -> bool:
        """Whether the lease is not this one, once a renewal under way is done."""
        async with self._renewing:
            if self.held == held:
                await self._look()
                if self._version == 0:
                    await self._renew()
            return self.held != held

    async def _look(self) -> None:
        """See which version the lease has; where somebody removed it, begin anew."""
        record = await self._store.get(OWNER, self.owner)
        if record is not None:
            self._version = record.version  # a renewal arrived unnoticed
        else:
            _log.warning("owner %s was taken for dead; going on under a new id", self.owner)
            self.owner = self._new_id()
            self._version = 0
