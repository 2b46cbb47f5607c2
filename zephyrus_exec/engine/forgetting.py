"""Forgetting an ended execution with all that belongs to it, unless something of it is needed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final

from attrs import frozen

from ..conversion import dumps, structure, unstructure
from ..interfaces.store import Delete, ExecutionStore, Forget, Put, Record, Write
from ..model import EventKind, Outcome
from .execution import is_plain
from .journal import EXECUTION
from .listing import execution_of, scan_all
from .records import EFFECT, HALTED, LANE, SETTLED, SLOT, Effect, effect_stream, slot_key

FORGETTING: Final = "forgetting"
"""Kind of the record of an execution that is forgotten and of which parts are left: `{effects,
events_at_once}`, the keys of those that it had, and how many events are removed in a commit."""

_EVENTS_AT_ONCE: Final = 500
"""At most so many are read or removed together,"""
_CHARACTERS_AT_ONCE: Final = 256 * 1024
"""and fewer where their data are longer than this together."""
_EFFECTS_AT_ONCE: Final = 50


@frozen
class _Parts:
    """What there is of an execution, besides its record."""

    effects: tuple[str, ...]
    """Keys of those that it signed."""
    events_at_once: int
    """So many of its events are removed in a commit."""


class Forgetting:
    """Removes what nobody needs, in commits of a few milliseconds.

    Most executions are plain: what they are is in one record and a few events, which go together.
    Of any other one the record goes first, so that for everybody it is not there, in the commit
    that notes what is left. Whoever comes later goes on with that, in another process too.

    Args:
        store: Where the executions are.
    """

    def __init__(self, store: ExecutionStore) -> None:
        self._store = store

    async def forget(self, records: Sequence[Record]) -> list[Record]:
        """Forget ended executions, except those that are needed, and return these.

        Args:
            records: Of executions that have ended, all of them.

        Raises:
            StoreConflict: Somebody else forgets one of them.
            StoreError: It cannot be done now.
        """
        plain = [record for record in records if is_plain(record)]
        if plain:
            await self._store.commit([write for record in plain for write in _whole(record)])
        others = [record for record in records if not is_plain(record)]
        return [record for record in others if not await self._forget_whole(record)]

    async def needed(self, record: Record) -> bool:
        """Return whether an ended execution must not be forgotten yet.

        That is so while an effect of it is not final, or is in a lane that waits for somebody; and
        if it ended in doubt, until somebody has resolved that.
        """
        if is_plain(record):
            return False
        return await self._needed(record, (await self._parts(record.key)).effects)

    async def finish(self) -> None:
        """Remove what is left of executions that are forgotten, whoever began.

        Raises:
            StoreConflict: Somebody else does.
            StoreError: It cannot be done now.
        """
        while left := await self._store.scan(FORGETTING):
            for record in left:
                await self._finish(record)

    async def _forget_whole(self, record: Record) -> bool:
        parts = await self._parts(record.key)
        if await self._needed(record, parts.effects):
            return False
        left = Record(FORGETTING, record.key, 1, dumps(unstructure(parts)))
        gone = Delete(EXECUTION, record.key, record.version)
        await self._store.commit([gone, Put(FORGETTING, left.key, 0, left.body)])
        await self._finish(left)
        return True

    async def _parts(self, execution_id: str) -> _Parts:
        effects: list[str] = []
        after, characters, limit = 0, 0, 1
        while page := await self._store.read(execution_id, after=after, limit=limit):
            signed = [event for event in page if event.kind == EventKind.EFFECT_SIGNED]
            effects += [str(event.data["effect_key"]) for event in signed]
            after = page[-1].seq
            characters += sum(len(event.body) for event in page)
            fitting = _CHARACTERS_AT_ONCE * after // max(1, characters)
            limit = max(1, min(_EVENTS_AT_ONCE, fitting, 2 * limit))
            await asyncio.sleep(0)
        return _Parts(tuple(effects), limit)

    async def _needed(self, record: Record, effects: Sequence[str]) -> bool:
        in_doubt = execution_of(record).outcome is Outcome.IN_DOUBT
        waiting = {lane.key for lane in await scan_all(self._store, LANE, group=HALTED)}
        async for stored in self._stored(effects):
            effect = Effect.of(stored)
            if stored.group != SETTLED or effect.lane in waiting:
                return True
            in_doubt = in_doubt and effect.resolution is None
        return in_doubt

    async def _stored(self, effects: Sequence[str]) -> AsyncIterator[Record]:
        """Yield the records of those that are there still."""
        for place, key in enumerate(effects):
            if place % _EFFECTS_AT_ONCE == 0:
                await asyncio.sleep(0)
            stored = await self._store.get(EFFECT, key)
            if stored is not None:
                yield stored

    async def _finish(self, left: Record) -> None:
        parts = structure(left.data, _Parts)
        for start in range(0, len(parts.effects), _EFFECTS_AT_ONCE):
            await self._forget_effects(parts.effects[start : start + _EFFECTS_AT_ONCE])
            await asyncio.sleep(0)
        head = await self._store.head(left.key)
        while head > parts.events_at_once:
            head -= parts.events_at_once
            await self._store.commit([Forget(left.key, after=head)])
            await asyncio.sleep(0)
        await self._store.commit([Forget(left.key), Delete(FORGETTING, left.key, left.version)])

    async def _forget_effects(self, effects: Sequence[str]) -> None:
        """Forget final effects with their slots; their lane never gives these nonces out again."""
        writes: list[Write] = []
        async for stored in self._stored(effects):
            effect = Effect.of(stored)
            writes += [
                Forget(effect_stream(effect.key)),
                Delete(EFFECT, stored.key, stored.version),
            ]
            slot = await self._store.get(SLOT, slot_key(effect.lane, effect.nonce))
            if slot is not None:
                writes.append(Delete(SLOT, slot.key, slot.version))
        await self._store.commit(writes)


def _whole(record: Record) -> tuple[Write, Write]:
    return Forget(record.key), Delete(EXECUTION, record.key, record.version)
