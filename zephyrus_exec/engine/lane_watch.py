"""Looking after one lane: its slots in order, all of them in one look."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from attrs import define, evolve, field, frozen

from ..errors import ChainUnavailable, InvocationError, StoreConflict, StoreError
from ..interfaces.chain import Chain, Lookup
from ..interfaces.clock import Clock
from ..interfaces.store import ExecutionStore, Write
from ..logs import about
from ..model import JsonObject
from .clock import wait_until
from .offers import Blocked, Offers, Stored, offer_again
from .outcomes import Finding, assess
from .records import (
    EFFECT,
    IN_FLIGHT,
    LANE,
    MINED,
    Effect,
    EffectState,
    Fact,
    Lane,
    LaneStatus,
)

_log = logging.getLogger(__name__)

_FEW = 4
"""As many receipts are simply asked for; of more only those whose nonces are used."""

_REORG_MARGIN = 128
"""Blocks below the one a slot was signed at that are read, too, for whoever used its nonce: a
reorg can put that there. A reorg deeper than this ends as in doubt."""

_BLOCKS_UNTIL_DROPPED = 3
"""Blocks after which a transaction that is not next in turn may count as dropped by the pools."""

_PATIENCE = 6
"""Times the usual pause after which it does; twice that the next time, and so on."""


@frozen
class Pace:
    """How often is looked, in seconds."""

    first_look: float = 0.02
    """From the first look at a new slot to the second; growing from there."""
    longest_pause: float = 2.0
    """Most between two looks at slots that are not mined."""
    first_watch: float = 1.0
    """From an effect's being mined to the first look whether it is final; growing from there."""
    longest_watch: float = 30.0
    """Most between two looks at effects that are mined and not final."""
    resend_after: float = 10.0
    """After which bytes that are not mined are offered again."""


@define(eq=False)
class Tracked:
    """An effect that is looked after, and what this process remembers of it."""

    effect: Effect
    version: int
    sent_at: float
    """When its bytes were offered last, seconds since the epoch."""
    told: asyncio.Future[Effect] = field(factory=lambda: asyncio.get_running_loop().create_future())
    """Resolves once there is something to tell."""
    flushed: bool = False
    """Whether its attempts are known to be on the medium; what was read from the store may not be:
    its writer may have died between its commit and the flush."""
    taken: bool = False
    """Whether a node took the bytes."""
    sent_block: int = 0
    """Head when they were offered last; 0: not known."""
    resends: int = 0
    ripe_at: int = 0
    """Head from which its receipt can say more."""
    again_at: float = 0.0
    """When to look again at what waits for a block to be final."""
    final_pause: float = 1.0
    waits_for_final: bool = False
    offered_block: int = 0
    """Head when its last attempt was made."""
    improve_at: float = 0.0
    """When to think about a better offer again."""
    looked: bool = False
    """Whether it was looked at since it was read from the store."""
    stale: bool = False
    """Whether it may have changed in the store."""


class LaneWatch:
    """Drives every slot of one lane to its outcome, from the lowest.

    Only receipts, canonical block hashes and account nonces at a named block decide. An error of
    a node decides nothing: the next look does.

    Args:
        key: Of the lane.
        chain: Its chain.
        store: Where effects are recorded.
        clock: The time.
        offers: Makes better offers and cancels.
        pace: How often to look.
    """

    def __init__(
        self,
        key: str,
        chain: Chain,
        *,
        store: ExecutionStore,
        clock: Clock,
        offers: Offers,
        pace: Pace,
    ) -> None:
        self.key = key
        self.slots: dict[int, Tracked] = {}
        self.news = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self._chain = chain
        self._store = store
        self._clock = clock
        self._offers = offers
        self._pace = pace
        self._nonce: int | None = None
        self._seen: Lookup | None = None
        self._progress_at = 0.0
        self._watch_at = 0.0
        self._watch_pause = pace.first_watch
        self._looking = asyncio.Lock()

    # --- from outside

    def track(self, effect: Effect, version: int, *, sent_at: float, flushed: bool) -> Tracked:
        """Look after an effect; one that is looked after already goes on as it was.

        Where another process has changed it, that is read before the next look.
        """
        tracked = self.slots.get(effect.nonce)
        if tracked is None:
            tracked = Tracked(effect, version, sent_at, flushed=flushed)
            self.slots[effect.nonce] = tracked
            self._tell(tracked)
            self.news.set()
        elif version > tracked.version:
            tracked.stale = True
        return tracked

    async def run(self) -> None:
        """Look again and again until every slot has its outcome."""
        about(lane=self.key)
        pause = self._pace.first_look
        while self.slots:
            if self.news.is_set():
                self.news.clear()
                pause = self._pace.first_look
            try:
                await self.look()
            except (InvocationError, StoreError) as error:
                _log.warning("lane %s: %s", self.key, error)
                pause = self._pace.longest_pause
            if self.slots:
                await self._pause(pause)
                pause = min(pause * 1.5, self._pace.longest_pause)

    async def look(self) -> None:
        """Look once at every slot.

        Raises:
            InvocationError, StoreError: It could not be finished; nothing was decided wrongly.
        """
        async with self._looking:
            for one in [one for one in self.slots.values() if one.stale]:
                await self._reload(one)
            if flying := self._those(IN_FLIGHT):
                await self._look_at_flying(flying)
            mined = self._those(MINED)
            if mined and self._clock.now() >= self._watch_at:
                await self._look_at_mined(mined)

    def hurry(self) -> None:
        """Make the next look do whatever is due later."""
        self._watch_at = self._progress_at = 0.0
        self._seen = None
        for one in self.slots.values():
            one.sent_at = one.again_at = one.improve_at = 0.0

    # --- looking

    def _those(self, states: frozenset[EffectState]) -> list[Tracked]:
        return [self.slots[n] for n in sorted(self.slots) if self.slots[n].effect.state in states]

    async def _look_at_flying(self, flying: list[Tracked]) -> None:
        now = self._clock.now()
        final: int | None = None
        if any(self._needs_final(one) and one.again_at <= now for one in flying):
            final = await self._final()
        seen = await self._unchanged(flying)
        if seen is None:
            seen = await self._see(flying, final, now)
        await self._offer([one for one in flying if one.effect.nonce >= seen.nonce], seen)

    async def _final(self) -> int | None:
        """Return the height of what is final; null where nobody tells: the others need no such."""
        try:
            return (await self._chain.final()).number
        except ChainUnavailable as error:
            _log.warning("lane %s: %s", self.key, error)
            return None

    async def _unchanged(self, flying: list[Tracked]) -> Lookup | None:
        """Return the last look if another could show nothing else: the same block is the head."""
        last, self._seen = self._seen, None
        if last is None or any(self._needs_final(one) or not one.looked for one in flying):
            return None
        if (await self._chain.head()).hash == last.block.hash:
            self._seen = last
        return self._seen

    async def _see(self, flying: list[Tracked], final: int | None, now: float) -> Lookup:
        """Look, and judge every slot of which that can tell anything."""
        for one in flying:
            one.looked = True
        hashes = _hashes(flying)
        few = len(hashes) <= _FEW
        seen = await self._lookup(hashes if few else ())
        if not few:
            self._let_ripen(flying, seen)
        await self._note_progress(seen)
        due = [one for one in flying if self._may_say_more(one, seen, now)]
        if due:
            seen_due = seen if few else await self._lookup(_hashes(due))
            for one in due:
                await self._judge(one, seen_due, final)
        for one in flying:
            if one.effect.nonce >= seen.nonce and one.effect.evidence is not None:
                await self._judge(one, seen, None)
        self._seen = seen
        return seen

    def _let_ripen(self, flying: list[Tracked], seen: Lookup) -> None:
        """Ask for receipts of nonces that were used just now only when they are deep enough."""
        for one in flying:
            used_now = self._nonce is not None and self._nonce <= one.effect.nonce < seen.nonce
            if used_now and not one.ripe_at:
                one.ripe_at = seen.block.number + one.effect.confirmations - 1

    async def _look_at_mined(self, mined: list[Tracked]) -> None:
        """See whether the highest receipt's block stands, and which receipts are final by now."""
        final = (await self._chain.final()).number
        top = max((_receipt_block(one.effect) for one in mined), key=lambda block: block[0])
        stands = await self._chain.block(top[0])
        whole = stands is not None and stands.hash == top[1]
        due = [one for one in mined if not whole or _receipt_block(one.effect)[0] <= final]
        if due:
            seen = await self._lookup(_hashes(due))
            for one in due:
                await self._judge(one, seen, final)
        self._watch_at = self._clock.now() + self._watch_pause
        self._watch_pause = min(self._watch_pause * 1.5, self._pace.longest_watch)

    async def _lookup(self, hashes: Sequence[str]) -> Lookup:
        sender = next(iter(self.slots.values())).effect.sender
        return await self._chain.lookup(hashes, sender=sender)

    def _needs_final(self, one: Tracked) -> bool:
        return one.waits_for_final or one.effect.evidence is not None

    def _may_say_more(self, one: Tracked, seen: Lookup, now: float) -> bool:
        used = one.effect.nonce < seen.nonce
        # Further away than its depth it was never: that head was not of this chain.
        ripens = 0 < one.ripe_at - seen.block.number < one.effect.confirmations
        return used and not ripens and one.again_at <= now

    # --- deciding

    async def _judge(self, one: Tracked, seen: Lookup, final: int | None) -> None:
        finding = assess(one.effect, seen, final)
        one.ripe_at = finding.ripe_at
        included = any(name in seen.receipts for name in one.effect.hashes)
        if finding.effect is not one.effect:
            await self._record(one, finding)
        elif not included and one.effect.evidence is not None and seen.nonce > one.effect.nonce:
            await self._find_consumer(one, seen, final)
        if one.effect.state in IN_FLIGHT:
            self._wait_for_final(one, included=included)

    def _wait_for_final(self, one: Tracked, *, included: bool) -> None:
        one.waits_for_final = included and one.effect.state is EffectState.CANCELLING
        if self._needs_final(one):
            one.again_at = self._clock.now() + one.final_pause
            one.final_pause = min(one.final_pause * 1.5, self._pace.longest_watch)
        else:
            one.again_at, one.final_pause = 0.0, self._pace.first_watch

    async def _find_consumer(self, one: Tracked, seen: Lookup, final: int | None) -> None:
        """Say what used the nonce, once the block where that was seen is final.

        `final` was asked for before the block was seen to stand, so it stands for ever.
        """
        effect = one.effect
        evidence = dict(effect.evidence or {})
        number = int(str(evidence["block_number"]))
        stands = await self._chain.block(number)
        if stands is None or stands.hash != evidence["block_hash"]:
            where: JsonObject = {"block_number": seen.block.number, "block_hash": seen.block.hash}
            moved = Finding(evolve(effect, evidence=where), (("nonce_used", where),))
            await self._record(one, moved)
            return
        if final is None or final < number:
            return
        after = max(-1, effect.signed_at_block - _REORG_MARGIN)
        try:
            consumer = await self._chain.find_consumer(
                effect.sender, effect.nonce, after=after, upto=number
            )
        except ChainUnavailable as error:  # also: there is more to read; the others go on meanwhile
            _log.warning("lane %s: %s", self.key, error)
            one.final_pause = self._pace.first_watch
            return
        if consumer in effect.hashes:
            _log.error(
                "effect %s is in a block and has no receipt: nodes disagree",
                effect.key,
                extra=effect.about,
            )
            return
        evidence |= {"consumer": consumer, "after": after}
        # In a restored journal the consumer may be an attempt of this very effect.
        seen_foreign = consumer is not None and not effect.restored
        state = EffectState.DISPLACED if seen_foreign else EffectState.IN_DOUBT
        await self._halt(one, evolve(effect, state=state, evidence=evidence))

    async def _halt(self, one: Tracked, effect: Effect) -> None:
        """Record that somebody else uses the account's key; the lane takes nothing more."""
        now, reason = self._clock.now(), effect.state.value
        told = {"transaction_hash": effect.transaction_hash, **(effect.evidence or {})}
        effect, writes = effect.change(one.version, now, (reason, told))
        record = await self._store.get(LANE, self.key)
        if record is not None:
            lane = Lane.of(record)
            if not lane.refuses:
                lane = evolve(lane, status=LaneStatus.HALTED, reason=reason, blocked_nonce=None)
            # Told also where it refuses already, so that nobody opens it who has not seen this.
            fact: Fact = ("halted", {"reason": reason, "effect_key": effect.key})
            writes += lane.change(record.version, now, fact)
        await self._commit(one, effect, writes)
        _log.error(
            "effect %s is %s; lane %s is halted",
            effect.key,
            reason,
            self.key,
            extra=effect.about,
        )

    # --- recording

    async def _record(self, one: Tracked, finding: Finding) -> None:
        effect, writes = finding.effect.change(one.version, self._clock.now(), *finding.facts)
        if await self._commit(one, effect, writes):
            for kind, data in finding.facts:
                _log_fact(effect, kind, data)

    async def _commit(self, one: Tracked, effect: Effect, writes: Sequence[Write]) -> bool:
        """Store a change of one effect, or look what it has become meanwhile; return which."""
        one.stale = True
        try:
            await self._store.commit(writes)
        except StoreConflict:
            await self._reload(one)
            return False
        self._now_is(one, Stored(effect, one.version + 1))
        return True

    async def _reload(self, one: Tracked) -> None:
        one.looked = False
        record = await self._store.get(EFFECT, one.effect.key)
        if record is None:
            _log.error("effect %s is not in the store any more", one.effect.key)
            self.slots.pop(one.effect.nonce, None)
        else:
            stored = Effect.of(record)
            one.flushed = one.flushed and stored.attempts == one.effect.attempts
            self._now_is(one, Stored(stored, record.version))

    def _now_is(self, one: Tracked, stored: Stored) -> None:
        was, one.effect, one.version = one.effect, stored.effect, stored.version
        one.stale = False
        if one.effect.state in IN_FLIGHT and (
            was.state in MINED or was.attempts != one.effect.attempts
        ):
            self._send_soon(one)
        self._tell(one)

    def _send_soon(self, one: Tracked) -> None:
        one.sent_at, one.taken, one.sent_block, one.resends = 0.0, False, 0, 0
        self.news.set()

    def _tell(self, one: Tracked) -> None:
        if not one.effect.told:
            if one.told.done():  # a reorg: whoever was told stays so, whoever comes now waits
                one.told = asyncio.get_running_loop().create_future()
            return
        if not one.told.done():
            one.told.set_result(one.effect)
        if one.effect.closed:
            self.slots.pop(one.effect.nonce, None)
        elif not any(o.effect.state in MINED for o in self.slots.values() if o is not one):
            self._watch_pause = self._pace.first_watch
            self._watch_at = self._clock.now() + self._watch_pause

    async def _note_progress(self, seen: Lookup) -> None:
        if seen.nonce == self._nonce:
            return
        record = await self._store.get(LANE, self.key)
        if record is not None:
            await self._unblock(Lane.of(record), record.version, seen.nonce)
        self._nonce, self._progress_at = seen.nonce, self._clock.now()

    async def _unblock(self, lane: Lane, version: int, nonce: int) -> None:
        if lane.blocked_nonce is None or nonce <= lane.blocked_nonce:
            return
        try:
            await self._store.commit(
                lane.opened().change(version, self._clock.now(), ("unblocked", {}))
            )
        except StoreConflict as conflict:
            _log.info("lane %s moved on by itself: %s", self.key, conflict)

    # --- offering

    async def _offer(self, waiting: list[Tracked], seen: Lookup) -> None:
        """Send again what nodes may have lost; improve what is next in turn and still waits."""
        waiting = [one for one in waiting if one.effect.state in IN_FLIGHT]
        for place, one in enumerate(waiting):
            one.sent_block = one.sent_block or seen.block.number
            if self._is_due(one, seen, lowest=place == 0):
                await self._resend(one, seen)
        if waiting and waiting[0].effect.nonce == seen.nonce:
            await self._improve(waiting[0], seen)

    def _is_due(self, one: Tracked, seen: Lookup, *, lowest: bool) -> bool:
        """What is not next in turn and was taken is asked about seldom: that costs a request."""
        quiet = self._clock.now() - one.sent_at
        if lowest or not one.taken:
            return quiet >= self._pace.resend_after
        patience = _PATIENCE * self._pace.resend_after * 2**one.resends
        return quiet >= patience and seen.block.number >= one.sent_block + _BLOCKS_UNTIL_DROPPED

    async def _resend(self, one: Tracked, seen: Lookup) -> None:
        if not one.flushed:
            await self._flush()
        one.sent_at = self._clock.now()
        one.sent_block = seen.block.number
        one.resends += 1
        one.taken = await offer_again(one.effect, self._chain)

    async def _flush(self) -> None:
        """Have everything on the medium that was read from the store."""
        read = [one for one in self.slots.values() if not one.flushed]
        await self._store.check()
        for one in read:
            one.flushed = True

    async def _improve(self, one: Tracked, seen: Lookup) -> None:
        """Offer more, where time and blocks have passed it by; without blocks nothing helps."""
        now, policy = self._clock.now(), self._offers.policy(one.effect.chain_id)
        first, last = one.effect.attempts[0], one.effect.attempts[-1]
        stuck = policy.stuck_after is not None and now - first.signed_at >= policy.stuck_after
        old = now - max(last.signed_at, self._progress_at) >= policy.bump_after
        since = max(one.effect.signed_at_block, one.offered_block)
        if now < one.improve_at or seen.block.number <= since:
            return
        improved: Stored | Blocked | None = None
        one.stale = True  # until it is known what became of the commit
        try:
            if stuck and one.effect.state is EffectState.SIGNED:
                improved = await self._offers.cancel(one.effect, one.version, self._chain)
            elif old:
                improved = await self._offers.bump(one.effect, one.version, self._chain)
        except StoreConflict:
            await self._reload(one)
            return
        one.stale = False
        await self._follow(one, improved, seen)

    async def _follow(self, one: Tracked, improved: Stored | Blocked | None, seen: Lookup) -> None:
        again = self._clock.now() + self._offers.policy(one.effect.chain_id).bump_after
        if isinstance(improved, Stored):
            self._now_is(one, improved)
            one.flushed = True
            one.offered_block = seen.block.number
            await self._resend(one, seen)
        elif improved is not None:
            one.improve_at = again
            await self._block(one, improved.reason)

    async def _block(self, one: Tracked, reason: str) -> None:
        """Tell that the lowest slot cannot be included as things are, so that others wait."""
        _log.warning(
            "effect %s cannot be offered better: %s",
            one.effect.key,
            reason,
            extra=one.effect.about,
        )
        record = await self._store.get(LANE, self.key)
        if reason == "no_signer" or record is None:
            return
        lane, nonce = Lane.of(record), one.effect.nonce
        if lane.refuses or (lane.reason, lane.blocked_nonce) == (reason, nonce):
            return
        blocked = evolve(lane, status=LaneStatus.BLOCKED, reason=reason, blocked_nonce=nonce)
        now = self._clock.now()
        fact: Fact = ("blocked", {"reason": reason, "nonce": nonce})
        effect, writes = one.effect.change(one.version, now, fact)
        await self._commit(one, effect, [*writes, *blocked.change(record.version, now, fact)])

    async def _pause(self, seconds: float) -> None:
        """Wait, but not past the next slot; longer where everything is mined."""
        if not self._those(IN_FLIGHT):
            seconds = max(seconds, self._watch_at - self._clock.now())
        news = asyncio.ensure_future(self.news.wait())
        try:
            await wait_until(self._clock, self._clock.now() + seconds, news)
        finally:
            news.cancel()


def _log_fact(effect: Effect, kind: str, data: JsonObject) -> None:
    if _log.isEnabledFor(logging.INFO):
        block = f" in block {data['block_number']}" if "block_number" in data else ""
        outcome = " and reverted" if data.get("success") is False else ""
        text = f"the effect is {kind.replace('_', ' ')}{outcome}{block}: {effect.function}"
        _log.info("%s", text, extra=effect.about)


def _hashes(tracked: Sequence[Tracked]) -> list[str]:
    return [name for one in tracked for name in one.effect.hashes]


def _receipt_block(effect: Effect) -> tuple[int, str]:
    assert effect.receipt is not None, "a mined effect has its receipt"
    return effect.receipt.block_number, effect.receipt.block_hash
