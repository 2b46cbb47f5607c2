"""Which ended executions and keys of requests are forgotten, and when."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from attrs import frozen

from ..errors import StoreConflict, StoreError
from ..interfaces.clock import Clock
from ..interfaces.store import Delete, ExecutionStore, Record
from .clock import wait_until
from .execution import ENDED
from .forgetting import Forgetting
from .journal import EXECUTION
from .once import KEY

_log = logging.getLogger(__name__)

_LOOK_EVERY: Final = 60.0
"""Seconds between looks for what has become old."""
_AT_ONCE: Final = 64
"""Executions that are forgotten in a commit: a few milliseconds in SQLite."""
_KEYS_AT_ONCE: Final = 256
_REST: Final = 0.01
"""Seconds between two commits,"""
_FAST: Final = _AT_ONCE // 2
"""unless so many end meanwhile: then they end faster than they would be forgotten."""
_SOME: Final = 48
"""At least so many are too many before they are looked for, since they all go in one commit."""
_MANY: Final = 4096
"""So many that ended here are worth a look at their age."""
_STRIDE: Final = 10_000
"""Records that are skipped at once: half a millisecond in SQLite."""


@frozen
class Swept:
    """What came of executions that are too old or too many."""

    forgotten: int
    needed: int
    """How many are kept, since something of them is not final, or in doubt."""


class Retention:
    """Forgets what ended long ago, and what is too much: oldest first, from what the store holds.

    So it does not matter which process executed it, or when; several may forget from one store at
    a time. Executions come in the order of their acceptance, in which they are cheap to list, and
    which is that of their ends but for a few. In memory there is nothing but the ids of those that
    were found to be needed in the last minute.

    Args:
        store: Where executions and keys are.
        clock: The time.
        keep: How many ended executions are kept, at least 1; null: as many as there are.
        keep_for: Seconds they are kept; null: for ever.
    """

    def __init__(
        self,
        store: ExecutionStore,
        clock: Clock,
        *,
        keep: int | None,
        keep_for: float | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._keep = keep
        self._keep_for = keep_for
        self._forgetting = Forgetting(store)
        self._every = _LOOK_EVERY if keep_for is None else max(1.0, min(_LOOK_EVERY, keep_for / 4))
        self._many = _MANY if keep is None else max(_SOME, keep // 16)
        self._ended = 0
        self._waited_for = self._many
        self._enough = asyncio.Event()
        self._needed: set[str] = set()

    def ended(self) -> None:
        """Count an execution that ended here."""
        self._ended += 1
        if self._ended >= self._waited_for:
            self._enough.set()

    async def run(self) -> None:
        """Forget, until cancelled."""
        look_at = self._clock.now()
        while True:
            if self._clock.now() >= look_at:
                look_at = self._clock.now() + self._every
                self._needed.clear()
                await self._attempt(self._forgetting.finish, "parts of executions")
                await self._attempt(self._forget_keys, "idempotency keys")
            await self._attempt(self.sweep, "executions")
            await self._wait(look_at, self._many)

    async def sweep(self, *, dry: bool = False) -> Swept:
        """Forget the executions that are too old or too many now.

        Args:
            dry: True: only count them.

        Raises:
            StoreConflict: Somebody else forgets them.
            StoreError: The store cannot be read or written now.
        """
        found = needed = 0
        async for old in self._old():
            unknown = [record for record in old if record.key not in self._needed]
            if dry:
                kept = [one for one in unknown if await self._forgetting.needed(one)]
            else:
                kept = await self._forgetting.forget(unknown)
            self._needed.update(record.key for record in kept)
            found += len(old)
            needed += len(old) - len(unknown) + len(kept)
        return Swept(found - needed, needed)

    async def _old(self) -> AsyncIterator[list[Record]]:
        """Yield those that are too old or too many, oldest first, a few at a time."""
        if self._keep is None and self._keep_for is None:
            return
        bound = await self._bound()
        self._ended = after = 0
        while True:
            page = await self._store.scan(EXECUTION, group=ENDED, after=after, limit=_AT_ONCE)
            old = [one for one in page if one.number <= bound or self._too_old(one)]
            if old:
                yield old
            if not old or len(page) < _AT_ONCE:
                return
            after = page[-1].number
            if len(old) == _AT_ONCE:
                await self._rest()

    async def _rest(self) -> None:
        """Let others work, once twice as many were forgotten as ended during the last rest.

        Many can end in one turn of the loop; only who forgets faster than that catches up.
        """
        self._ended -= _AT_ONCE // 2
        if self._ended <= 0:
            await self._wait(self._clock.now() + _REST, _FAST)

    async def _bound(self) -> int:
        """Return the number of the newest execution that is one too many; 0: none is."""
        if self._keep is None:
            return 0
        place, left = 0, self._keep
        while left >= _STRIDE:
            place, left = await self._further(place, _STRIDE - 1), left - _STRIDE
            if place == 0:
                return 0
            await asyncio.sleep(0)
        return await self._further(place, left)

    async def _further(self, place: int, skip: int) -> int:
        found = await self._store.scan(
            EXECUTION, group=ENDED, newest_first=True, after=place, skip=skip, limit=1
        )
        return found[0].number if found else 0

    def _too_old(self, record: Record) -> bool:
        if self._keep_for is None:
            return False
        ended_at = float(str(record.data["ended_at"]))
        return ended_at + self._keep_for <= self._clock.now()

    async def _forget_keys(self) -> None:
        """Forget the keys that are due, a few at a time.

        They come in the order of creation, which is that of their dues but for a few.
        """
        more = True
        while more:
            await asyncio.sleep(0)
            now = self._clock.now()
            oldest = await self._store.scan(KEY, limit=_KEYS_AT_ONCE)
            due = [one for one in oldest if one.due is not None and one.due <= now]
            if due:
                await self._store.commit([Delete(KEY, one.key, one.version) for one in due])
            more = len(due) == _KEYS_AT_ONCE

    async def _attempt(self, work: Callable[[], Awaitable[object]], what: str) -> None:
        try:
            await work()
        except StoreConflict:
            _log.debug("another process forgets the same %s", what)
        except StoreError as error:
            _log.info("old %s could not be forgotten now: %s", what, error)

    async def _wait(self, until: float, ended: int) -> None:
        """Return once so many more have ended, and then at the latest."""
        self._ended, self._waited_for = 0, ended
        self._enough.clear()
        enough = asyncio.ensure_future(self._enough.wait())
        try:
            await wait_until(self._clock, until, enough)
        finally:
            enough.cancel()
