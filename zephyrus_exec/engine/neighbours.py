"""Which other processes are gone."""

from __future__ import annotations

from attrs import frozen

from ..interfaces.clock import Clock
from ..interfaces.store import ExecutionStore, Record
from .leases import OWNER
from .listing import scan_all


@frozen
class _Sight:
    version: int
    since: float


class Neighbours:
    """Watches the leases of other processes.

    Clocks of different processes differ: a machine that slept, or whose time was corrected, would
    make a living neighbour look dead. So nobody is gone before its lease stood still under our
    eyes: for half its duration, which is two renewals, where it has run out by its own account
    too; otherwise for all of it.

    Args:
        store: Where the leases are.
        clock: The time; must not jump.
        duration: Seconds a lease lasts where its record does not say.
    """

    def __init__(self, store: ExecutionStore, clock: Clock, *, duration: float) -> None:
        self._store = store
        self._clock = clock
        self._duration = duration
        self._seen: dict[str, _Sight] = {}

    async def gone(self, myself: str) -> list[Record]:
        """Look once; return the leases of those that are gone, or have said farewell.

        Args:
            myself: Id of this process.
        """
        now = self._clock.now()
        records = [one for one in await scan_all(self._store, OWNER) if one.key != myself]
        self._seen = {record.key: self._sight(record, now) for record in records}
        return [record for record in records if self._is_gone(record, now)]

    def _sight(self, record: Record, now: float) -> _Sight:
        before = self._seen.get(record.key)
        if before is not None and before.version == record.version:
            return before
        return _Sight(record.version, now)

    def _is_gone(self, record: Record, now: float) -> bool:
        data = record.data
        if data.get("released") is True:
            return True
        said = data.get("duration")
        duration = float(said) if isinstance(said, (int, float)) else self._duration
        run_out = record.due is not None and record.due < now
        return now - self._seen[record.key].since >= (duration / 2 if run_out else duration)
