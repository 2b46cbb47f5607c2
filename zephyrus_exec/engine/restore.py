"""Telling a journal that it is a restored backup, so that nothing it forgot is done again."""

from __future__ import annotations

from attrs import evolve, frozen

from ..errors import ExecutionInterrupted, OperationRefused
from ..interfaces.clock import Clock
from ..interfaces.store import ExecutionStore, Record
from ..model import OPERATOR, Principal
from .accounts import list_lanes
from .journal import EXECUTION
from .lanes import RESTORED
from .leases import OWNER
from .listing import read_all, scan_all
from .records import EFFECT, LANE, Effect, Lane, LaneStatus, mined_in, open_in
from .takeover import end_as_interrupted


@frozen
class Restored:
    """What was changed."""

    lanes: tuple[str, ...]
    """Keys of the lanes that are halted now until an operator has checked them."""
    executions: tuple[str, ...]
    """Ids of the executions that were ended: how far they got is not in this journal."""
    effects: tuple[str, ...]
    """Keys of the effects of which later transactions may be missing."""


async def declare_restored(
    store: ExecutionStore, clock: Clock, *, principal: Principal = OPERATOR, reason: str = ""
) -> Restored:
    """Note that what happened after some moment is missing, and return what follows from that.

    Every lane is halted, every execution that had not ended is interrupted, and effects under way
    are marked: who uses their nonces may be a transaction of theirs that is missing here, so that
    shows nothing. Doing it again does no harm; after a failure it must be done again.

    Args:
        store: The restored journal; no server may use it meanwhile.
        clock: The time.
        principal: Who says so.
        reason: Why, for the journal.

    Raises:
        OperationRefused: A server seems to use the journal.
        StoreError: It could not be finished.
    """
    await _check_unused(store, clock)
    lanes = [view.lane for view in await list_lanes(store)]
    halted = [lane.key for lane in lanes if lane.status is not LaneStatus.RETIRED]
    effects: list[str] = []
    for key in halted:
        effects += [await _mark(store, clock, record) for record in await _under_way(store, key)]
        await _halt(store, clock, key, principal, reason)
    open_now = [one for one in await scan_all(store, EXECUTION) if one.data.get("outcome") is None]
    for record in open_now:
        await _interrupt(store, clock, record)
    return Restored(tuple(halted), tuple(record.key for record in open_now), tuple(effects))


async def _check_unused(store: ExecutionStore, clock: Clock) -> None:
    now = clock.now()
    for record in await scan_all(store, OWNER):
        if record.due is not None and record.due > now:
            raise OperationRefused(
                f"a server uses this journal, or did {record.due - now:.0f} s before its lease "
                "ends; stop it, wait that long, and say it again",
                reason="in_use",
            )


async def _under_way(store: ExecutionStore, lane: str) -> list[Record]:
    """Return the records of effects whose nonces something missing may use."""
    groups = open_in(lane), mined_in(lane)
    return [one for group in groups for one in await scan_all(store, EFFECT, group=group)]


async def _mark(store: ExecutionStore, clock: Clock, record: Record) -> str:
    effect = evolve(Effect.of(record), restored=True)
    _, writes = effect.change(record.version, clock.now(), (RESTORED, {}))
    await store.commit(writes, durable=True)
    return effect.key


async def _halt(
    store: ExecutionStore, clock: Clock, key: str, principal: Principal, reason: str
) -> None:
    record = await store.get(LANE, key)
    assert record is not None, "nobody else uses the journal"
    lane = evolve(Lane.of(record), status=LaneStatus.HALTED, reason=RESTORED, blocked_nonce=None)
    told = {"reason": RESTORED, "principal": principal.id, "note": reason}
    await store.commit(lane.change(record.version, clock.now(), ("halted", told)), durable=True)


async def _interrupt(store: ExecutionStore, clock: Clock, record: Record) -> None:
    error = ExecutionInterrupted(
        "the journal was restored from a backup, so nobody knows how far it got; look at the "
        "chain before asking for it again",
        reason=RESTORED,
    )
    await end_as_interrupted(
        store, record, await read_all(store, record.key), error, at=clock.now()
    )
