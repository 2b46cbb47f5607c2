"""The send path: how an intended call becomes one transaction, and never two."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

from attrs import evolve

from ..errors import EffectConflict, StoreConflict, TransactionRejected
from ..interfaces.chain import Chain, Simulation
from ..interfaces.clock import Clock
from ..interfaces.signer import Signer
from ..interfaces.store import ExecutionStore, Put
from ..model import EventKind, JsonObject
from .intents import Errand, Intent
from .journal import Journal, patiently
from .lane_queue import LaneQueue, Ways, stored_lane
from .offers import Offers, offer_again
from .places import Member, Place
from .reconciler import Reconciler
from .records import EFFECT, SLOT, Effect, EffectState, intent_hash, slot_key

_log = logging.getLogger(__name__)

_WEI_PER_GWEI = 10**9


class Effects:
    """Signs, commits, then sends, in this order, for every chain alike.

    The commit holds only if the effect has no slot yet, the slot is new, the lane is open and its
    counter is what the transaction was signed for. So whoever else works on the lane, on this
    effect or on this execution, at most one set of bytes per intent ever becomes known to a node.

    Args:
        store: Where slots are won.
        clock: The time.
        reconciler: Watches what was sent.
        offers: Knows what may be offered.
        gas_margin: What estimates are multiplied by.
        max_in_flight: Most transactions of one lane under way at once; nodes keep few per sender.
    """

    def __init__(
        self,
        store: ExecutionStore,
        clock: Clock,
        reconciler: Reconciler,
        *,
        offers: Offers | None = None,
        gas_margin: float = 1.2,
        max_in_flight: int = 64,
    ) -> None:
        self._store = store
        self._clock = clock
        self._reconciler = reconciler
        self._ways = Ways(
            store,
            clock,
            offers or Offers(store, clock),
            gas_margin=gas_margin,
            max_in_flight=max_in_flight,
        )
        self._queues: dict[str, LaneQueue] = {}

    async def perform(
        self,
        intent: Intent,
        *,
        journal: Journal,
        chain: Chain,
        signer: Signer,
        cancelled: Callable[[], bool],
        signed: Callable[[Effect], None],
    ) -> Effect:
        """Make the effect happen once, and return it once there is something to tell of it.

        That is: mined as deep as was asked for, displaced, cancelled for good, or in doubt.

        An effect that has its slot already is not sent anew but watched to its end, whoever
        signed it: so an execution that is taken up goes on with the same call.

        Args:
            intent: What to do.
            journal: The execution's; the attempt is committed with its event.
            chain: Where.
            signer: Who signs.
            cancelled: Asked a last time before the commit.
            signed: Told when the effect has its slot: from then on it may happen. Also told where
                that is found out only after the caller was cancelled.

        Raises:
            EffectConflict: The effect's key belongs to another intent.
            InvocationError: Nothing was sent.
            ExecutionCancelled: `cancelled` said so; nothing was sent.
        """
        errand = Errand(intent, journal, chain, signer, cancelled, signed)
        told = await self._existing(errand)
        if told is None:
            told = await self._begin(errand)
        return await asyncio.shield(told)

    async def refresh(self, effects: dict[str, Effect]) -> None:
        """Replace every effect that may have changed since by what the store has of it now.

        Waits while the store cannot be read.

        Args:
            effects: By key.
        """
        for key in [key for key, effect in effects.items() if not effect.closed]:
            get = partial(self._store.get, EFFECT, key)
            record = await patiently(self._clock, get)
            if record is not None:
                effects[key] = Effect.of(record)

    async def _existing(self, errand: Errand) -> asyncio.Future[Effect] | None:
        """Watch the effect if it has its slot; null: it has none."""
        intent = errand.intent
        get = partial(self._store.get, EFFECT, intent.key)
        record = await patiently(self._clock, get)
        if record is None:
            return None
        effect = Effect.of(record)
        if effect.intent_hash != intent_hash(intent.call, errand.sender):
            raise EffectConflict(
                f"effect {effect.key} is journaled as another call ({effect.function}); nothing "
                "was sent; look at what the agent's code decides anew",
                effect_key=effect.key,
            )
        errand.told(effect)
        return self._reconciler.track(effect, record.version, sent_at=0.0, flushed=False)

    async def _begin(self, errand: Errand) -> asyncio.Future[Effect]:
        """Win a slot and send; or find that somebody else did, for the same effect."""
        intent, chain = errand.intent, errand.chain
        simulation = await chain.simulate(
            intent.call, sender=errand.sender, min_block=intent.min_block
        )
        effect = await self._win_slot(errand, simulation)
        if isinstance(effect, asyncio.Future):
            return effect
        told = self._reconciler.track(effect, 1, sent_at=self._clock.now(), flushed=True)
        self._reconciler.sent(effect, taken=await offer_again(effect, chain))
        return told

    async def _win_slot(
        self, errand: Errand, simulation: Simulation
    ) -> Effect | asyncio.Future[Effect]:
        while True:
            async with self._place(errand, simulation) as place:
                try:
                    return await self._take(errand, simulation, place)
                except StoreConflict as conflict:
                    existing = await self._look_again(errand, place, conflict)
            if existing is not None:
                return existing

    @asynccontextmanager
    async def _place(self, errand: Errand, simulation: Simulation) -> AsyncIterator[Place]:
        """Yield a place in the lane; those who wait for theirs go on once it was left."""
        member = Member(errand, simulation)
        queue = self._queue(errand)
        queue.join(member)
        try:
            yield await member.place
        finally:
            queue.leave(member)
            if not queue.members:
                queue.close()
                del self._queues[queue.key]

    def _queue(self, errand: Errand) -> LaneQueue:
        queue = self._queues.get(errand.lane)
        if queue is None:
            queue = LaneQueue(errand.chain, errand.sender, self._ways)
            self._queues[queue.key] = queue
        return queue

    async def _take(self, errand: Errand, simulation: Simulation, place: Place) -> Effect:
        """Commit the slot and its attempt, if nobody came before.

        Raises:
            StoreConflict: Somebody did.
        """
        effect = _effect(errand.intent, place, simulation)
        effect, writes = effect.change(0, place.attempt.signed_at, _signed_fact(effect))
        errand.check_wanted()
        lane = evolve(place.lane.opened(), next_nonce=place.lane.next_nonce + 1)
        slot = Put(SLOT, slot_key(lane.key, effect.nonce), 0, _slot_body(effect))
        await errand.journal.commit(
            (lane.put(place.version), slot, *writes),
            event=_signed_event(effect),
            expect=place.before,
            durable=True,
            then=partial(self._won, effect, errand.told),
        )
        return effect

    def _won(self, effect: Effect, told: Callable[[Effect], None]) -> None:
        _log.info(
            "the effect is signed: %s, nonce %d", effect.function, effect.nonce, extra=effect.about
        )
        told(effect)
        self._reconciler.track(effect, 1, sent_at=self._clock.now(), flushed=True)

    async def _look_again(
        self, errand: Errand, place: Place, conflict: StoreConflict
    ) -> asyncio.Future[Effect] | None:
        """Return what to wait for if the effect has its slot; null: if it was the lane that moved.

        Raises:
            TransactionRejected: Neither: the slot itself is taken, so the lane's counter is wrong.
        """
        existing = await self._existing(errand)
        if existing is not None:
            return existing
        key, nonce = place.lane.key, place.lane.next_nonce
        slot = await patiently(self._clock, partial(self._store.get, SLOT, slot_key(key, nonce)))
        lane, _ = await stored_lane(self._store, self._clock, key)
        if slot is not None and (lane is None or lane.next_nonce <= nonce):
            raise TransactionRejected(
                f"slot {nonce} of lane {key} is taken already; nothing was sent",
                reason="slot_taken",
            ) from conflict
        _log.info("lane %s moved on; these bytes are thrown away unsent", key)
        return None


def _effect(intent: Intent, place: Place, simulation: Simulation) -> Effect:
    priority = intent.max_priority_fee_gwei
    return Effect(
        key=intent.key,
        execution_id=intent.execution_id,
        cycle=intent.cycle,
        step=intent.step,
        chain_id=place.lane.chain_id,
        sender=place.lane.sender,
        nonce=place.lane.next_nonce,
        to=intent.call.to,
        function=intent.call.function,
        arguments=intent.call.arguments,
        value_wei=str(intent.call.value_wei),
        intent_hash=intent_hash(intent.call, place.lane.sender),
        confirmations=intent.confirmations,
        state=EffectState.SIGNED,
        attempts=(place.attempt,),
        signed_at_block=place.account.block.number,
        max_priority_fee_wei=None if priority is None else int(priority * _WEI_PER_GWEI),
        simulation={"value": simulation.value, "gas": simulation.gas},
    )


def _slot_body(effect: Effect) -> str:
    return f'{{"effect_key":"{effect.key}"}}'


def _signed_fact(effect: Effect) -> tuple[str, JsonObject]:
    return "signed", {
        "transaction_hash": effect.transaction_hash,
        "nonce": effect.nonce,
        "at_block": effect.signed_at_block,
    }


def _signed_event(effect: Effect) -> tuple[str, JsonObject]:
    return EventKind.EFFECT_SIGNED, {
        "effect_key": effect.key,
        "cycle": effect.cycle,
        "step": effect.step,
        "chain_id": effect.chain_id,
        "sender": effect.sender,
        "nonce": effect.nonce,
        "transaction_hash": effect.transaction_hash,
    }
