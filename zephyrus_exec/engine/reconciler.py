"""Watches sent transactions until the chain says, finally, what became of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextvars import Context

from ..errors import StoreError
from ..interfaces.chain import Chain
from ..interfaces.clock import Clock
from ..interfaces.store import ExecutionStore
from .lane_watch import LaneWatch, Pace
from .listing import scan_all
from .offers import Offers
from .records import EFFECT, IN_FLIGHT, LANE, Effect, Lane, mined_in, open_in
from .tasks import spawn

_log = logging.getLogger(__name__)


class Reconciler:
    """Drives every open slot to its final outcome; one task for each lane that has any.

    What it knows is in the store, so that another process's reconciler goes on where this one
    stops, and both may work at the same time: every change is a compare-and-set.

    Args:
        store: Where effects are recorded.
        clock: The time.
        chains: By chain id.
        offers: Makes better offers; default: none can be signed here.
        pace: How often to look.
        look_around: Seconds between looks for effects whose process is gone.
    """

    def __init__(
        self,
        store: ExecutionStore,
        clock: Clock,
        chains: Mapping[int, Chain],
        *,
        offers: Offers | None = None,
        pace: Pace | None = None,
        look_around: float = 10.0,
    ) -> None:
        self._store = store
        self._clock = clock
        self._chains = chains
        self._offers = offers or Offers(store, clock)
        self._pace = pace or Pace()
        self._look_around = look_around
        self._lanes: dict[str, LaneWatch] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def open_slots(self) -> int:
        """How many effects are under way: sent, and not mined as far as is known."""
        tracked = (one for lane in self._lanes.values() for one in lane.slots.values())
        return sum(one.effect.state in IN_FLIGHT for one in tracked)

    async def start(self) -> None:
        """Watch what is open in the store, whoever left it there."""
        for record in await scan_all(self._store, LANE):
            await self._take_up(Lane.of(record))

    async def run(self) -> None:
        """Look again and again for what is open and not watched here, until cancelled."""
        while True:
            await self._clock.sleep_until(self._clock.now() + self._look_around)
            try:
                await self.start()
            except StoreError as error:
                _log.warning("open effects could not be listed: %s", error)

    def track(
        self, effect: Effect, version: int, *, sent_at: float, flushed: bool
    ) -> asyncio.Future[Effect]:
        """Watch an effect from now on; one that is watched already goes on as it was.

        Args:
            effect: As it is committed.
            version: Of its record.
            sent_at: When its bytes were offered last, seconds since the epoch; 0: not by us.
            flushed: Whether its bytes are known to be on the medium; if not, that is seen to
                before they are offered.

        Returns:
            Resolves to the effect once there is something to tell of it, and that is committed.
            Shared: do not cancel it.
        """
        tracked = self._watch(effect).track(effect, version, sent_at=sent_at, flushed=flushed)
        return tracked.told

    def sent(self, effect: Effect, *, taken: bool) -> None:
        """Note that an effect's bytes were offered just now, and whether a node took them."""
        lane = self._lanes.get(effect.lane)
        tracked = lane.slots.get(effect.nonce) if lane is not None else None
        if tracked is not None:
            tracked.sent_at, tracked.taken = self._clock.now(), taken

    async def look(self, lane: Lane) -> None:
        """Look at a lane now, and do what would be due later.

        Raises:
            ChainUnavailable, StoreError: It could not be finished.
        """
        await self._take_up(lane)
        watch = self._lanes.get(lane.key)
        if watch is not None:
            watch.hurry()
            await watch.look()

    async def aclose(self) -> None:
        """Stop watching; what is open stays open in the store."""
        self.stop()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def stop(self) -> None:
        """Stop watching, at the next await of each that does."""
        for task in self._tasks:
            task.cancel()

    async def _take_up(self, lane: Lane) -> None:
        for group in (open_in(lane.key), mined_in(lane.key)):
            for record in await scan_all(self._store, EFFECT, group=group):
                effect = Effect.of(record)
                if effect.chain_id in self._chains:
                    self.track(effect, record.version, sent_at=0.0, flushed=False)
                else:
                    _log.warning(
                        "effect %s is open on chain %d, which is not configured",
                        effect.key,
                        effect.chain_id,
                    )

    def _watch(self, effect: Effect) -> LaneWatch:
        lane = self._lanes.get(effect.lane)
        if lane is None:
            lane = self._lanes[effect.lane] = LaneWatch(
                effect.lane,
                self._chains[effect.chain_id],
                store=self._store,
                clock=self._clock,
                offers=self._offers,
                pace=self._pace,
            )
        if lane.task is None:
            # a context of its own: it does not belong to the execution that comes first
            lane.task = spawn(self._run(lane), f"zephyrus lane {lane.key}", context=Context())
            self._tasks.add(lane.task)
            lane.task.add_done_callback(self._tasks.discard)
        return lane

    async def _run(self, lane: LaneWatch) -> None:
        try:
            await lane.run()
            del self._lanes[lane.key]
        finally:
            lane.task = None  # the next `track` starts another, should this one have failed
