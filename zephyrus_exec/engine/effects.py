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
    ChainUnavailable,
    CommitUnknown,
    ExecutionCancelled,
    GasLimitExceeded,
    InsufficientFunds,
    LaneHalted,
    StoreConflict,
    TransactionRejected,
)
from ..interfaces.chain import Account, Call, Chain, Fees, SignedTransaction
from ..interfaces.clock import Clock
from ..interfaces.signer import Signer
from ..interfaces.store import ExecutionStore, Put
from ..model import EventKind, JsonObject
from .journal import Journal, patiently
from .reconciler import Reconciler
from .records import (
    EFFECT,
    LANE,
    SLOT,
    Attempt,
    Effect,
    EffectState,
    Lane,
    intent_hash,
    lane_key,
    open_in,
)

_log = logging.getLogger(__name__)

_WAIT_FOR_PLACE = 0.25
"""Seconds between looks at a lane that has too many transactions under way."""


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
class _Offer:
    """What the transaction may cost."""

    gas: int
    fees: Fees


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


class Effects:
    """Signs, commits, then sends, in this order, for every chain alike.

    The commit holds only if the effect has no slot yet, the slot is new and the lane's counter is
    what the transaction was signed for. So whoever else works on the lane, on this effect or on
    this execution, at most one set of bytes per intent ever becomes known to a node.

    Args:
        store: Where slots are won.
        clock: The time.
        reconciler: Watches what was sent.
        gas_margin: What estimates are multiplied by.
        max_in_flight: Most transactions of one lane under way at once; nodes keep few per sender.
    """

    def __init__(
        self,
        store: ExecutionStore,
        clock: Clock,
        reconciler: Reconciler,
        *,
        gas_margin: float = 1.2,
        max_in_flight: int = 16,
    ) -> None:
        self._store = store
        self._clock = clock
        self._reconciler = reconciler
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
        """Make the effect happen once, and return it as the chain settled it.

        Args:
            intent: What to do.
            journal: The execution's; the attempt is committed with its event.
            chain: Where.
            signer: Who signs.
            cancelled: Asked a last time before the commit.
            signed: Told when the effect has its slot: from then on it may happen. Also told where
                that is found out only after the caller was cancelled.

        Raises:
            InvocationError: Nothing was sent.
            ExecutionCancelled: `cancelled` said so; nothing was sent.
        """
        simulation = await chain.simulate(
            intent.call, sender=signer.address, min_block=intent.min_block
        )
        offer = await self._offer(intent, chain, simulation.gas)
        async with self._locks.hold(lane_key(chain.chain_id, signer.address)):
            effect = await self._win_slot(intent, offer, journal, chain, signer, cancelled, signed)
        settled = self._track(effect)
        await self._send(effect, chain)
        return await asyncio.shield(settled)

    def _track(self, effect: Effect) -> asyncio.Future[Effect]:
        return self._reconciler.track(effect, 1, sent_at=self._clock.now())

    async def _offer(self, intent: Intent, chain: Chain, estimate: int) -> _Offer:
        block = await chain.head()
        ceiling = min(intent.gas_limit or block.gas_limit, block.gas_limit)
        if estimate > ceiling:
            raise GasLimitExceeded(
                f"{intent.call.function} needs about {estimate} gas, the limit is {ceiling}; "
                "raise the agent's gas_limit if that is meant",
                gas=estimate,
                gas_limit=ceiling,
                function=intent.call.function,
            )
        fees = await chain.quote(max_priority_fee_gwei=intent.max_priority_fee_gwei)
        return _Offer(min(int(estimate * self._gas_margin), ceiling), fees)

    async def _win_slot(
        self,
        intent: Intent,
        offer: _Offer,
        journal: Journal,
        chain: Chain,
        signer: Signer,
        cancelled: Callable[[], bool],
        signed: Callable[[Effect], None],
    ) -> Effect:
        while True:
            lane, version = await self._lane(intent, offer, chain, signer.address, cancelled)
            transaction = await self._sign(intent, offer, lane, chain, signer)
            effect = self._effect(intent, offer, lane, transaction)
            _check_wanted(intent, cancelled)
            writes = (
                evolve(lane, next_nonce=lane.next_nonce + 1).put(version),
                effect.put(0),
                Put(SLOT, f"{lane.key}:{lane.next_nonce}", 0, f'{{"effect_key":"{effect.key}"}}'),
            )
            try:
                await journal.commit(
                    writes,
                    event=_signed_event(effect),
                    durable=True,
                    then=partial(self._won, effect, signed),
                )
            except StoreConflict as conflict:
                await self._look_again(effect, version, conflict)
                continue
            return effect

    def _won(self, effect: Effect, signed: Callable[[Effect], None]) -> None:
        signed(effect)
        self._track(effect)

    async def _look_again(self, effect: Effect, version: int, conflict: StoreConflict) -> None:
        """Return if it was the lane that moved: then another nonce will do."""
        _, now = await self._stored_lane(effect.chain_id, effect.sender)
        if now == version:
            raise TransactionRejected(
                f"effect {effect.key} or its slot is taken already; nothing was sent",
                reason="slot_taken",
            ) from conflict
        _log.info("lane %s moved on; these bytes are thrown away unsent", effect.lane)

    async def _lane(
        self,
        intent: Intent,
        offer: _Offer,
        chain: Chain,
        sender: str,
        cancelled: Callable[[], bool],
    ) -> tuple[Lane, int]:
        """Return the lane and its version, once it may take this transaction."""
        while True:
            under_way = await self._under_way(lane_key(chain.chain_id, sender))
            account = await chain.account(sender, min_block=intent.min_block)
            _check_funds(intent, offer, account, sender, under_way)
            lane, version = await self._stored_lane(chain.chain_id, sender)
            if lane is None:
                return Lane(chain.chain_id, sender, account.nonce), 0
            if lane.halted:
                raise _halted(lane)
            if account.nonce > lane.next_nonce:
                await self._halt(lane, version)
            elif len(under_way) < self._max_in_flight:
                return lane, version
            else:
                _check_wanted(intent, cancelled)
                await self._clock.sleep_until(self._clock.now() + _WAIT_FOR_PLACE)

    async def _under_way(self, lane: str) -> list[Effect]:
        """Return the lane's open effects, whoever sent them."""
        scan = partial(self._store.scan, EFFECT, group=open_in(lane), limit=self._max_in_flight)
        return [Effect.of(record) for record in await patiently(self._clock, scan)]

    async def _stored_lane(self, chain_id: int, sender: str) -> tuple[Lane | None, int]:
        get = partial(self._store.get, LANE, lane_key(chain_id, sender))
        record = await patiently(self._clock, get)
        return (None, 0) if record is None else (Lane.of(record), record.version)

    async def _halt(self, lane: Lane, version: int) -> None:
        """Record that the account was used by somebody else, unless the lane moved meanwhile."""
        halted = evolve(lane, halted="foreign_use").put(version)
        try:
            await patiently(self._clock, lambda: self._store.commit([halted]))
        except (StoreConflict, CommitUnknown) as error:
            _log.info("lane %s is looked at again: %s", lane.key, error)

    async def _sign(
        self, intent: Intent, offer: _Offer, lane: Lane, chain: Chain, signer: Signer
    ) -> SignedTransaction:
        unsigned = chain.build(intent.call, nonce=lane.next_nonce, gas=offer.gas, fees=offer.fees)
        transaction = chain.assemble(unsigned, await signer.sign(unsigned.payload))
        said = chain.decode(transaction.raw)
        meant = (
            intent.call.chain_id,
            signer.address.lower(),
            lane.next_nonce,
            intent.call.to.lower(),
            intent.call.data,
            intent.call.value_wei,
            offer.gas,
            offer.fees,
            transaction.hash,
        )
        signed = (
            said.chain_id,
            said.sender.lower(),
            said.nonce,
            said.to.lower(),
            said.data,
            said.value_wei,
            said.gas,
            said.fees,
            said.hash,
        )
        if signed != meant:
            raise TransactionRejected(
                "the signed transaction does not say what was meant; check the signer",
                reason="signature_mismatch",
            )
        return transaction

    def _effect(
        self, intent: Intent, offer: _Offer, lane: Lane, transaction: SignedTransaction
    ) -> Effect:
        attempt = Attempt(
            transaction_hash=transaction.hash,
            raw="0x" + transaction.raw.hex(),
            gas=offer.gas,
            max_fee_wei=offer.fees.max_fee_wei,
            max_priority_fee_wei=offer.fees.max_priority_fee_wei,
            signed_at=self._clock.now(),
        )
        return Effect(
            key=intent.key,
            execution_id=intent.execution_id,
            cycle=intent.cycle,
            step=intent.step,
            chain_id=lane.chain_id,
            sender=lane.sender,
            nonce=lane.next_nonce,
            to=intent.call.to,
            function=intent.call.function,
            arguments=intent.call.arguments,
            value_wei=str(intent.call.value_wei),
            intent_hash=intent_hash(intent.call, lane.sender),
            confirmations=intent.confirmations,
            state=EffectState.SIGNED,
            attempts=(attempt,),
        )

    async def _send(self, effect: Effect, chain: Chain) -> None:
        """Offer the bytes. Whatever the node says, only the chain decides what became of them."""
        try:
            await chain.broadcast(bytes.fromhex(effect.attempts[-1].raw[2:]))
        except (ChainUnavailable, TransactionRejected) as error:
            _log.warning("effect %s was offered, the node says: %s", effect.key, error)


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
        f"lane {lane.key} is halted ({lane.halted}): its account was used by somebody else; "
        "nothing was sent",
        lane=lane.key,
        reason=lane.halted,
    )


def _check_wanted(intent: Intent, cancelled: Callable[[], bool]) -> None:
    if cancelled():
        raise ExecutionCancelled(
            "cancelled before anything was sent", execution_id=intent.execution_id
        )


def _check_funds(
    intent: Intent, offer: _Offer, account: Account, sender: str, under_way: list[Effect]
) -> None:
    needed = offer.gas * offer.fees.max_fee_wei + intent.call.value_wei
    needed += sum(effect.worst_cost_wei for effect in under_way if effect.nonce >= account.nonce)
    if account.balance_wei < needed:
        raise InsufficientFunds(
            f"{sender} has {account.balance_wei} wei and may need {needed}, what is under way "
            "included; send it some",
            sender=sender,
            balance_wei=str(account.balance_wei),
            needed_wei=str(needed),
        )
