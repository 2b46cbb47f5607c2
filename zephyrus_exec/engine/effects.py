"""The send path: how an intended call becomes one transaction, and never two."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal

from attrs import define, evolve, field, frozen

from ..errors import (
    ChainUnavailable,
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
from .journal import Journal
from .reconciler import Reconciler
from .records import LANE, SLOT, Attempt, Effect, EffectState, Lane, intent_hash, lane_key

_log = logging.getLogger(__name__)


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
    """

    def __init__(
        self,
        store: ExecutionStore,
        clock: Clock,
        reconciler: Reconciler,
        *,
        gas_margin: float = 1.2,
    ) -> None:
        self._store = store
        self._clock = clock
        self._reconciler = reconciler
        self._gas_margin = gas_margin
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
            signed: Told when the effect has its slot: from then on it may happen.

        Raises:
            InvocationError: Nothing was sent.
            ExecutionCancelled: `cancelled` said so; nothing was sent.
        """
        simulation = await chain.simulate(
            intent.call, sender=signer.address, min_block=intent.min_block
        )
        offer = await self._offer(intent, chain, simulation.gas)
        async with self._locks.hold(lane_key(chain.chain_id, signer.address)):
            effect = await self._win_slot(intent, offer, journal, chain, signer, cancelled)
        signed(effect)
        await self._send(effect, chain)
        return await self._reconciler.track(effect, 1, sent_at=self._clock.now())

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
    ) -> Effect:
        while True:
            lane, version = await self._lane(intent, offer, chain, signer.address)
            transaction = await self._sign(intent, offer, lane, chain, signer)
            effect = self._effect(intent, offer, lane, transaction)
            if cancelled():
                raise ExecutionCancelled(
                    "cancelled before anything was sent", execution_id=intent.execution_id
                )
            writes = (
                evolve(lane, next_nonce=lane.next_nonce + 1).put(version),
                effect.put(0),
                Put(SLOT, f"{lane.key}:{lane.next_nonce}", 0, f'{{"effect_key":"{effect.key}"}}'),
            )
            try:
                await journal.commit(writes, event=_signed_event(effect), durable=True)
            except StoreConflict:
                _log.info("lane %s moved on; these bytes are thrown away unsent", lane.key)
                continue
            return effect

    async def _lane(
        self, intent: Intent, offer: _Offer, chain: Chain, sender: str
    ) -> tuple[Lane, int]:
        """Return the lane and its version, checked against the account."""
        account = await chain.account(sender, min_block=intent.min_block)
        _check_funds(intent, offer, account, sender)
        record = await self._store.get(LANE, lane_key(chain.chain_id, sender))
        if record is None:
            return Lane(chain.chain_id, sender, account.nonce), 0
        lane = Lane.of(record)
        if not lane.halted and account.nonce > lane.next_nonce:
            lane = evolve(lane, halted="foreign_use")
            await self._store.commit([lane.put(record.version)])
        if lane.halted:
            raise LaneHalted(
                f"lane {lane.key} is halted ({lane.halted}): its account was used by somebody "
                "else; nothing was sent",
                lane=lane.key,
                reason=lane.halted,
            )
        return lane, record.version

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


def _check_funds(intent: Intent, offer: _Offer, account: Account, sender: str) -> None:
    needed = offer.gas * offer.fees.max_fee_wei + intent.call.value_wei
    if account.balance_wei < needed:
        raise InsufficientFunds(
            f"{sender} has {account.balance_wei} wei and may need {needed}; send it some",
            sender=sender,
            balance_wei=str(account.balance_wei),
            needed_wei=str(needed),
        )
