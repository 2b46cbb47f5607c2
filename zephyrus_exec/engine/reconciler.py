"""Watches sent transactions until the chain says what became of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from attrs import define, field

from ..errors import ChainUnavailable, StoreConflict, StoreError, TransactionRejected
from ..interfaces.chain import Chain, Lookup, Receipt
from ..interfaces.clock import Clock
from ..interfaces.store import ExecutionStore
from .clock import wait_until
from .listing import scan_all
from .records import EFFECT, LANE, Effect, EffectState, open_in
from .tasks import spawn

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
    task: asyncio.Task[None] | None = None


class Reconciler:
    """Drives every open slot to its outcome; one task for each lane that has any.

    Only receipts in canonical blocks decide. An error of a node, or a transaction that a node
    does not know, means nothing: the same bytes are offered again and the next look decides.

    Args:
        store: Where effects are recorded.
        clock: The time.
        chains: By chain id.
        first_look: Seconds from the first look at a lane's new slot to the second.
        longest_pause: Most seconds between two looks.
        resend_after: Seconds after which bytes that are not mined are offered again.
        look_around: Seconds between looks for effects whose process is gone.
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
        look_around: float = 10.0,
    ) -> None:
        self._store = store
        self._clock = clock
        self._chains = chains
        self._first_look = first_look
        self._longest_pause = longest_pause
        self._resend_after = resend_after
        self._look_around = look_around
        self._lanes: dict[str, _LaneWatch] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def open_slots(self) -> int:
        """How many effects are being watched."""
        return sum(len(lane.slots) for lane in self._lanes.values())

    async def start(self) -> None:
        """Watch what is open in the store, whoever left it there."""
        for lane in await scan_all(self._store, LANE):
            for record in await scan_all(self._store, EFFECT, group=open_in(lane.key)):
                effect = Effect.of(record)
                if effect.chain_id in self._chains:
                    self.track(effect, record.version, sent_at=0.0)
                else:
                    _log.warning(
                        "effect %s is open on chain %d, which is not configured",
                        effect.key,
                        effect.chain_id,
                    )

    async def run(self) -> None:
        """Look again and again for what is open and not watched here, until cancelled."""
        while True:
            await self._clock.sleep_until(self._clock.now() + self._look_around)
            try:
                await self.start()
            except StoreError as error:
                _log.warning("open effects could not be listed: %s", error)

    def track(self, effect: Effect, version: int, *, sent_at: float) -> asyncio.Future[Effect]:
        """Watch an effect from now on; one that is watched already goes on as it was.

        Args:
            effect: As it is committed.
            version: Of its record.
            sent_at: When its bytes were offered last, seconds since the epoch.

        Returns:
            Resolves to the settled effect, once that is committed. Shared: do not cancel it.
        """
        lane = self._lanes.setdefault(effect.lane, _LaneWatch())
        tracked = lane.slots.get(effect.nonce)
        if tracked is None:
            settled: asyncio.Future[Effect] = asyncio.get_running_loop().create_future()
            tracked = lane.slots[effect.nonce] = _Tracked(effect, version, settled, sent_at)
            lane.news.set()
        if lane.task is None:
            work = self._watch_lane(effect.lane, lane, effect.chain_id)
            lane.task = spawn(work, f"zephyrus lane {effect.lane}")
            self._tasks.add(lane.task)
            lane.task.add_done_callback(self._tasks.discard)
        return tracked.settled

    async def aclose(self) -> None:
        """Stop watching; what is open stays open in the store."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _watch_lane(self, key: str, lane: _LaneWatch, chain_id: int) -> None:
        try:
            await self._watch_slots(key, lane, self._chains[chain_id])
            del self._lanes[key]
        finally:
            lane.task = None  # the next `track` starts another, should this one have failed

    async def _watch_slots(self, key: str, lane: _LaneWatch, chain: Chain) -> None:
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

    async def _pause(self, lane: _LaneWatch, seconds: float) -> None:
        """Wait, but not past the next slot."""
        news = asyncio.ensure_future(lane.news.wait())
        try:
            await wait_until(self._clock, self._clock.now() + seconds, news)
        finally:
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
        for attempt in tracked.effect.attempts:
            receipt = seen.receipts.get(attempt.transaction_hash)
            if receipt is None:
                continue
            depth = seen.block.number - receipt.block_number + 1
            if depth < tracked.effect.confirmations:
                return False
            return await self._record(tracked, receipt)
        return False

    async def _record(self, tracked: _Tracked, receipt: Receipt) -> bool:
        """Store the outcome; return False where another process changed the effect meanwhile."""
        settled = tracked.effect.settled(receipt)
        try:
            await self._store.commit([settled.put(tracked.version)])
        except StoreConflict:
            record = await self._store.get(EFFECT, settled.key)
            if record is None:
                raise
            settled = tracked.effect = Effect.of(record)
            tracked.version = record.version
        if settled.state is EffectState.SIGNED:
            return False
        tracked.settled.set_result(settled)
        return True

    async def _resend(self, tracked: _Tracked, chain: Chain, seen: Lookup) -> None:
        """Offer the same bytes again, unless the nonce is used up."""
        tracked.sent_at = self._clock.now()
        if seen.nonce > tracked.effect.nonce:
            return
        try:
            await chain.broadcast(bytes.fromhex(tracked.effect.attempts[-1].raw[2:]))
        except TransactionRejected as error:
            _log.info("effect %s offered again: %s", tracked.effect.key, error)
