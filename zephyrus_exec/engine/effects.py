"""The send path: how an intended call becomes one transaction, and never two."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial

from attrs import define, evolve, field, frozen

from ..errors import (
    CommitUnknown,
    EffectConflict,
    ExecutionCancelled,
    LaneHalted,
    StoreConflict,
    TransactionRejected,
)
from ..interfaces.chain import Account, Call, Chain, Simulation
from ..interfaces.clock import Clock
from ..interfaces.signer import Signer
from ..interfaces.store import ExecutionStore, Put
from ..model import EventKind, JsonObject
from .includable import Offer, check_fees, check_funds, check_gas, check_sender
from .journal import Journal, patiently
from .offers import Offers, offer_again
from .reconciler import Reconciler
from .records import (
    EFFECT,
    LANE,
    SLOT,
    Attempt,
    Effect,
    EffectState,
    Lane,
    LaneStatus,
    intent_hash,
    lane_key,
    open_in,
    slot_key,
)
from .signing import sign

_log = logging.getLogger(__name__)

_WAIT_FOR_PLACE = 0.25
"""Seconds between looks at a lane that takes nothing at the moment."""

_WEI_PER_GWEI = 10**9


@frozen
class Intent:
    """An effect before it has a slot."""

    key: str
    execution_id: str
    cycle: int
    step: int
    call: Call
    gas_limit: int | None
    """The agent's; null: the block's."""
    max_priority_fee_gwei: Decimal | None
    confirmations: int
    min_block: int | None
    """Block of the execution's last own receipt."""


@frozen
class _Place:
    """A lane that takes the next transaction, and the account as it was seen just before."""

    lane: Lane
    version: int
    account: Account
    offer: Offer


@define(eq=False)
class _LaneLocks:
    """A lock per lane in use, so that this process does not compete with itself."""

    _locks: dict[str, tuple[asyncio.Lock, int]] = field(factory=dict)

    @asynccontextmanager
    async def hold(self, key: str) -> AsyncIterator[None]:
        lock, users = self._locks.get(key, (None, 0))
        lock = lock or asyncio.Lock()
        self._locks[key] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks[key]
            if users == 1:
                del self._locks[key]
            else:
                self._locks[key] = (lock, users - 1)


@frozen
class _Teller:
    """What one call of `perform` works with."""

    intent: Intent
    journal: Journal
    chain: Chain
    signer: Signer
    cancelled: Callable[[], bool]
    told: Callable[[Effect], None]

    @property
    def sender(self) -> str:
        return self.signer.address

    def check_wanted(self) -> None:
        """Raise where its execution was asked to end."""
        if self.cancelled():
            raise ExecutionCancelled(
                "cancelled before anything was sent", execution_id=self.intent.execution_id
            )


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
        self._offers = offers or Offers(store, clock)
        self._gas_margin = gas_margin
        self._max_in_flight = max_in_flight
        self._locks = _LaneLocks()

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
        teller = _Teller(intent, journal, chain, signer, cancelled, signed)
        told = await self._existing(teller)
        if told is None:
            told = await self._begin(teller)
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

    async def _existing(self, teller: _Teller) -> asyncio.Future[Effect] | None:
        """Watch the effect if it has its slot; null: it has none."""
        intent = teller.intent
        get = partial(self._store.get, EFFECT, intent.key)
        record = await patiently(self._clock, get)
        if record is None:
            return None
        effect = Effect.of(record)
        if effect.intent_hash != intent_hash(intent.call, teller.sender):
            raise EffectConflict(
                f"effect {effect.key} is journaled as another call ({effect.function}); nothing "
                "was sent; look at what the agent's code decides anew",
                effect_key=effect.key,
            )
        teller.told(effect)
        return self._reconciler.track(effect, record.version, sent_at=0.0, flushed=False)

    async def _begin(self, teller: _Teller) -> asyncio.Future[Effect]:
        """Win a slot and send; or find that somebody else did, for the same effect."""
        intent, chain = teller.intent, teller.chain
        simulation = await chain.simulate(
            intent.call, sender=teller.sender, min_block=intent.min_block
        )
        async with self._locks.hold(lane_key(chain.chain_id, teller.sender)):
            effect = await self._win_slot(teller, simulation)
        if isinstance(effect, asyncio.Future):
            return effect
        told = self._reconciler.track(effect, 1, sent_at=self._clock.now(), flushed=True)
        self._reconciler.sent(effect, taken=await offer_again(effect, chain))
        return told

    async def _win_slot(
        self, teller: _Teller, simulation: Simulation
    ) -> Effect | asyncio.Future[Effect]:
        while True:
            place = await self._place(teller, simulation)
            attempt = await self._attempt(teller, place)
            effect = _effect(teller.intent, place, attempt, simulation)
            effect, writes = effect.change(0, attempt.signed_at, _signed_fact(effect))
            teller.check_wanted()
            lane = evolve(place.lane.opened(), next_nonce=place.lane.next_nonce + 1)
            slot = Put(SLOT, slot_key(lane.key, effect.nonce), 0, _slot_body(effect))
            try:
                await teller.journal.commit(
                    (lane.put(place.version), slot, *writes),
                    event=_signed_event(effect),
                    durable=True,
                    then=partial(self._won, effect, teller.told),
                )
            except StoreConflict as conflict:
                existing = await self._look_again(teller, place, conflict)
                if existing is not None:
                    return existing
                continue
            return effect

    def _won(self, effect: Effect, told: Callable[[Effect], None]) -> None:
        _log.info(
            "the effect is signed: %s, nonce %d", effect.function, effect.nonce, extra=effect.about
        )
        told(effect)
        self._reconciler.track(effect, 1, sent_at=self._clock.now(), flushed=True)

    async def _look_again(
        self, teller: _Teller, place: _Place, conflict: StoreConflict
    ) -> asyncio.Future[Effect] | None:
        """Return what to wait for if the effect has its slot; null: if it was the lane that moved.

        Raises:
            TransactionRejected: Neither: the slot itself is taken, so the lane's counter is wrong.
        """
        existing = await self._existing(teller)
        if existing is not None:
            return existing
        _, now = await self._stored_lane(place.lane.chain_id, place.lane.sender)
        if now == place.version:
            raise TransactionRejected(
                f"slot {place.lane.next_nonce} of lane {place.lane.key} is taken already; "
                "nothing was sent",
                reason="slot_taken",
            ) from conflict
        _log.info("lane %s moved on; these bytes are thrown away unsent", place.lane.key)
        return None

    # --- the lane

    async def _place(self, teller: _Teller, simulation: Simulation) -> _Place:
        """Return the lane once it may take this transaction, and what that may cost."""
        intent, chain, sender = teller.intent, teller.chain, teller.sender
        while True:
            under_way = await self._wait_for_place(teller)
            account = await chain.account(sender, min_block=intent.min_block)
            offer = await self._offer(teller, simulation, account)
            check_sender(intent.call, chain, account, sender)
            check_funds(intent.call, offer, account, sender, under_way)
            lane, version = await self._stored_lane(chain.chain_id, sender)
            if lane is None:
                return _Place(Lane(chain.chain_id, sender, account.nonce), 0, account, offer)
            if account.nonce > lane.next_nonce and not lane.refuses:
                await self._halt(lane, version)
            elif not lane.refuses and not _is_blocked(lane, under_way):
                return _Place(lane, version, account, offer)

    async def _wait_for_place(self, teller: _Teller) -> list[Effect]:
        """Return what is under way in the lane, once it is open and has a place.

        Raises:
            LaneHalted: It refuses new transactions.
        """
        key = lane_key(teller.chain.chain_id, teller.sender)
        while True:
            under_way = await self._under_way(key)
            lane, _ = await self._stored_lane(teller.chain.chain_id, teller.sender)
            if lane is not None and lane.refuses:
                raise _halted(lane)
            if len(under_way) < self._max_in_flight and not _is_blocked(lane, under_way):
                return under_way
            teller.check_wanted()
            await self._clock.sleep_until(self._clock.now() + _WAIT_FOR_PLACE)

    async def _under_way(self, lane: str) -> list[Effect]:
        """Return the lane's effects that are not mined yet, whoever sent them."""
        scan = partial(self._store.scan, EFFECT, group=open_in(lane), limit=self._max_in_flight)
        return [Effect.of(record) for record in await patiently(self._clock, scan)]

    async def _stored_lane(self, chain_id: int, sender: str) -> tuple[Lane | None, int]:
        get = partial(self._store.get, LANE, lane_key(chain_id, sender))
        record = await patiently(self._clock, get)
        return (None, 0) if record is None else (Lane.of(record), record.version)

    async def _halt(self, lane: Lane, version: int) -> None:
        """Record that the account was used by somebody else, unless the lane moved meanwhile."""
        halted = evolve(lane, status=LaneStatus.HALTED, reason="foreign_use", blocked_nonce=None)
        writes = halted.change(version, self._clock.now(), ("halted", {"reason": halted.reason}))
        try:
            await patiently(self._clock, lambda: self._store.commit(writes))
        except (StoreConflict, CommitUnknown) as error:
            _log.info("lane %s is looked at again: %s", lane.key, error)
        else:
            _log.error("the account of lane %s was used by somebody else; it is halted", lane.key)

    # --- the transaction

    async def _offer(self, teller: _Teller, simulation: Simulation, account: Account) -> Offer:
        intent, chain = teller.intent, teller.chain
        ceiling = check_gas(
            intent.call,
            chain,
            estimate=simulation.gas,
            gas_limit=intent.gas_limit,
            block=account.block,
        )
        quoted = await chain.quote(max_priority_fee_gwei=intent.max_priority_fee_gwei)
        fees = self._offers.policy(chain.chain_id).capped(quoted)
        check_fees(fees, account.block, teller.sender)
        wanted = max(int(simulation.gas * self._gas_margin), chain.intrinsic_gas(intent.call))
        return Offer(min(wanted, ceiling), fees)

    async def _attempt(self, teller: _Teller, place: _Place) -> Attempt:
        return await sign(
            teller.chain,
            teller.signer,
            teller.intent.call,
            nonce=place.lane.next_nonce,
            gas=place.offer.gas,
            fees=place.offer.fees,
            at=self._clock.now(),
        )


def _is_blocked(lane: Lane | None, under_way: list[Effect]) -> bool:
    """Whether the slot that blocks the lane is still under way."""
    if lane is None or lane.status is not LaneStatus.BLOCKED:
        return False
    return any(effect.nonce == lane.blocked_nonce for effect in under_way)


def _effect(intent: Intent, place: _Place, attempt: Attempt, simulation: Simulation) -> Effect:
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
        attempts=(attempt,),
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


def _halted(lane: Lane) -> LaneHalted:
    return LaneHalted(
        f"lane {lane.key} is {lane.status} ({lane.reason}) and takes no new transactions; "
        "nothing was sent; an operator has to look at it",
        lane=lane.key,
        status=lane.status.value,
        reason=lane.reason,
    )
