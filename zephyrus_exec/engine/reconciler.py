"""Watches sent transactions until the chain says what became of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from attrs import define, field

from ..errors import ChainUnavailable, StoreConflict, StoreError, TransactionRejected
from ..interfaces.chain import Chain, Lookup
from ..interfaces.clock import Clock
from ..interfaces.store import ExecutionStore
from .records import EFFECT, OPEN, Effect, EffectState

_log = logging.getLogger(__name__)


@define(eq=False)
class _Tracked:
    effect: Effect
    version: int
    settled: asyncio.Future[Effect]
    sent_at: float


@define(eq=False)
class _LaneWatch:
    slots: dict[int, _Tracked] = field(factory=dict)
    news: asyncio.Event = field(factory=asyncio.Event)


class Reconciler:
    """Drives every open slot to its outcome; one task for each lane that has any.

    Only receipts in canonical blocks decide. An error of a node, or a transaction that a node
    does not know, means nothing: the same bytes are offered again and the next look decides.

    Args:
        store: Where effects are recorded.
        clock: The time.
        chains: By chain id.
        first_look: Seconds after a broadcast until the first look at the chain.
        longest_pause: Most seconds between two looks.
        resend_after: Seconds after which bytes that are not mined are offered again.
    """

    def __init__(
        self,
        store: ExecutionStore,
        clock: Clock,
        chains: Mapping[int, Chain],
        *,
        first_look: float = 0.02,
        longest_pause: float = 2.0,
        resend_after: float = 10.0,
    ) -> None:
        self._store = store
        self._clock = clock
        self._chains = chains
        self._first_look = first_look
        self._longest_pause = longest_pause
        self._resend_after = resend_after
        self._lanes: dict[str, _LaneWatch] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def open_slots(self) -> int:
        """How many effects are being watched."""
        return sum(len(lane.slots) for lane in self._lanes.values())

    async def start(self) -> None:
        """Watch again what earlier processes left open."""
        after = 0
        while records := await self._store.scan(EFFECT, group=OPEN, after=after):
            for record in records:
                effect = Effect.of(record)
                if effect.chain_id in self._chains:
                    self.track(effect, record.version, sent_at=0.0)
                else:
                    _log.warning(
                        "effect %s is open on chain %d, which is not configured",
                        effect.key,
                        effect.chain_id,
                    )
            after = records[-1].number

    def track(self, effect: Effect, version: int, *, sent_at: float) -> asyncio.Future[Effect]:
        """Watch an effect from now on.

        Args:
            effect: As it is committed.
            version: Of its record.
            sent_at: When its bytes were offered last, seconds since the epoch.

        Returns:
            Resolves to the settled effect, once that is committed.
        """
        tracked = _Tracked(
            effect, version, asyncio.get_running_loop().create_future(), sent_at=sent_at
        )
        lane = self._lanes.get(effect.lane)
        if lane is None:
            lane = self._lanes[effect.lane] = _LaneWatch()
            task = asyncio.create_task(self._watch_lane(effect.lane, lane, effect.chain_id))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        lane.slots[effect.nonce] = tracked
        lane.news.set()
        return tracked.settled

    async def aclose(self) -> None:
        """Stop watching; what is open stays open in the store."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _watch_lane(self, key: str, lane: _LaneWatch, chain_id: int) -> None:
        chain = self._chains[chain_id]
        pause = self._first_look
        while lane.slots:
            if lane.news.is_set():
                lane.news.clear()
                pause = self._first_look
            try:
                await self._pass(lane, chain)
            except (ChainUnavailable, StoreError) as error:
                _log.warning("lane %s: %s", key, error)
                pause = self._longest_pause
            if lane.slots:
                await self._pause(lane, pause)
                pause = min(pause * 1.5, self._longest_pause)
        del self._lanes[key]

    async def _pause(self, lane: _LaneWatch, seconds: float) -> None:
        """Wait, but not past the next slot."""
        sleeping = asyncio.ensure_future(self._clock.sleep_until(self._clock.now() + seconds))
        news = asyncio.ensure_future(lane.news.wait())
        try:
            await asyncio.wait({sleeping, news}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            news.cancel()

    async def _pass(self, lane: _LaneWatch, chain: Chain) -> None:
        tracked = [lane.slots[nonce] for nonce in sorted(lane.slots)]
        hashes = [a.transaction_hash for one in tracked for a in one.effect.attempts]
        seen = await chain.lookup(hashes, sender=tracked[0].effect.sender)
        for one in tracked:
            if await self._settle(one, seen):
                del lane.slots[one.effect.nonce]
            elif self._clock.now() - one.sent_at >= self._resend_after:
                await self._resend(one, chain, seen)

    async def _settle(self, tracked: _Tracked, seen: Lookup) -> bool:
        """Record the outcome if the chain shows one deep enough."""
        effect = tracked.effect
        for attempt in effect.attempts:
            receipt = seen.receipts.get(attempt.transaction_hash)
            if receipt is None:
                continue
            if seen.block.number - receipt.block_number + 1 < effect.confirmations:
                return False
            settled = await self._record(effect.settled(receipt), tracked.version)
            if not tracked.settled.done():
                tracked.settled.set_result(settled)
            return True
        return False

    async def _record(self, settled: Effect, version: int) -> Effect:
        try:
            await self._store.commit([settled.put(version)])
        except StoreConflict:
            record = await self._store.get(EFFECT, settled.key)
            if record is None:
                raise
            stored = Effect.of(record)
            if stored.state is EffectState.SIGNED:
                raise
            return stored
        return settled

    async def _resend(self, tracked: _Tracked, chain: Chain, seen: Lookup) -> None:
        """Offer the same bytes again, unless the nonce is used up."""
        tracked.sent_at = self._clock.now()
        if seen.nonce > tracked.effect.nonce:
            return
        try:
            await chain.broadcast(bytes.fromhex(tracked.effect.attempts[-1].raw[2:]))
        except TransactionRejected as error:
            _log.info("effect %s offered again: %s", tracked.effect.key, error)
