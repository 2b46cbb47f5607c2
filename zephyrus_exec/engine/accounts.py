"""Reading from a store how lanes and effects stand, whoever works on them."""

from __future__ import annotations

from collections.abc import AsyncIterator

from attrs import frozen

from ..errors import OperationRefused
from ..interfaces.store import ExecutionStore, Record
from .listing import scan_all
from .records import EFFECT, LANE, SLOT, Effect, Lane, in_doubt_in, mined_in, open_in, slot_key

_SHOWN = 10
"""At most so many known lanes are named where one is not known."""
_PAGE = 1000


@frozen
class LaneView:
    """A lane, and what its account has under way."""

    lane: Lane
    in_flight: tuple[Effect, ...]
    """May happen, not mined as far as is known; the lowest nonce first."""
    mined: tuple[Effect, ...]
    """Mined and not final yet."""
    in_doubt: tuple[Effect, ...]
    """Nobody can see what became of them, and nobody has decided."""

    @property
    def unsettled(self) -> tuple[Effect, ...]:
        """All of these, the lowest nonce first."""
        every = (*self.in_flight, *self.mined, *self.in_doubt)
        return tuple(sorted(every, key=lambda effect: effect.nonce))


async def list_lanes(store: ExecutionStore) -> list[LaneView]:
    """Return every lane, in the order in which they were first used."""
    return [await _view(store, Lane.of(record)) for record in await scan_all(store, LANE)]


async def load_lane(store: ExecutionStore, key: str) -> LaneView:
    """Return one lane.

    Args:
        store: Where.
        key: `CHAINID:ADDRESS`, the address in any case.

    Raises:
        OperationRefused: There is none; the message names those that there are.
    """
    record = await store.get(LANE, key.lower())
    if record is None:
        known = [one.key for one in await scan_all(store, LANE)]
        shown = ", ".join(known[:_SHOWN]) + (" …" if len(known) > _SHOWN else "")
        raise OperationRefused(
            f"there is no lane {key!r}; "
            + (f"known: {shown}" if known else "nothing was ever sent with this journal"),
            reason="unknown_lane",
        )
    return await _view(store, Lane.of(record))


async def last_effect(store: ExecutionStore, lane: Lane) -> Effect | None:
    """Return the effect in the lane's newest slot; null: it has none."""
    slot = await store.get(SLOT, slot_key(lane.key, lane.next_nonce - 1))
    if slot is None:
        return None
    record = await store.get(EFFECT, str(slot.data["effect_key"]))
    return None if record is None else Effect.of(record)


async def list_effects(
    store: ExecutionStore, *, lane: str | None = None, unsettled: bool = False, limit: int
) -> list[Effect]:
    """Return effects, the newest first, at most `limit`.

    Args:
        store: Where.
        lane: Key of the lane; null: all lanes.
        unsettled: Whether to leave out what nothing can change any more.
        limit: At least 1.

    Raises:
        OperationRefused: There is no such lane.
    """
    views = await list_lanes(store) if lane is None else [await load_lane(store, lane)]
    if unsettled:
        found = [effect for view in views for effect in view.unsettled]
        found.sort(key=lambda effect: (effect.attempts[0].signed_at, effect.nonce), reverse=True)
        return found[:limit]
    keys = {view.lane.key for view in views}
    found = []
    async for record in _newest(store):
        effect = Effect.of(record)
        if effect.lane in keys:
            found.append(effect)
            if len(found) == limit:
                break
    return found


async def load_effect(store: ExecutionStore, name: str) -> Effect:
    """Return one effect.

    Args:
        store: Where.
        name: Its key, or the hash of one of its attempts.

    Raises:
        OperationRefused: There is none.
    """
    record = await store.get(EFFECT, name)
    if record is not None:
        return Effect.of(record)
    if name.startswith("0x"):
        async for one in _newest(store):
            effect = Effect.of(one)
            if name.lower() in effect.hashes:
                return effect
    raise OperationRefused(
        f"there is no effect {name!r}; give a key as `effects list` shows it, or the hash of one "
        "of its transactions",
        reason="unknown_effect",
    )


async def _view(store: ExecutionStore, lane: Lane) -> LaneView:
    groups = open_in(lane.key), mined_in(lane.key), in_doubt_in(lane.key)
    in_flight, mined, in_doubt = [await _group(store, group) for group in groups]
    return LaneView(lane, in_flight, mined, in_doubt)


async def _group(store: ExecutionStore, group: str) -> tuple[Effect, ...]:
    effects = [Effect.of(record) for record in await scan_all(store, EFFECT, group=group)]
    return tuple(sorted(effects, key=lambda effect: effect.nonce))


async def _newest(store: ExecutionStore) -> AsyncIterator[Record]:
    after = 0
    while page := await store.scan(EFFECT, newest_first=True, after=after, limit=_PAGE):
        for record in page:
            yield record
        after = page[-1].number
