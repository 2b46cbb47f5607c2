"""Further attempts for a slot: better offers, and cancels. Committed first, then sent."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from decimal import Decimal

from attrs import evolve, frozen

from ..errors import ChainUnavailable, TransactionRejected
from ..interfaces.chain import Account, Block, Call, Chain, Fees
from ..interfaces.clock import Clock
from ..interfaces.signer import Signer
from ..interfaces.store import ExecutionStore, Expect, Write
from ..model import FunctionType
from .fees import FeePolicy
from .records import LANE, Attempt, Effect, EffectState, Fact, Lane, LaneStatus, Purpose
from .signing import sign

_log = logging.getLogger(__name__)

_WEI_PER_GWEI = 10**9

_GOES_ON = frozenset({LaneStatus.OPEN, LaneStatus.BLOCKED, LaneStatus.DRAINING})
"""Lanes of which a person has to look at nothing before more is offered."""


@frozen
class Blocked:
    """Nothing better can be offered now."""

    reason: str
    """`balance`, `gas_limit`, `fee_cap`, `no_signer` or `sender_has_code`."""


@frozen
class Stored:
    """An effect as it is stored now."""

    effect: Effect
    version: int


class Offers:
    """Makes attempts that replace an effect's last one.

    An attempt is committed and flushed together with its effect, over the version that was seen
    and with the lane as it was seen, before a node gets to know it.

    Args:
        store: Where effects are recorded.
        clock: The time.
        signers: Who can sign; each for its address.
        policies: What may be offered, by chain id; default: `FeePolicy()`.
    """

    def __init__(
        self,
        store: ExecutionStore,
        clock: Clock,
        *,
        signers: Iterable[Signer] = (),
        policies: Mapping[int, FeePolicy] | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._signers = {signer.address.lower(): signer for signer in signers}
        self._policies = policies or {}

    def policy(self, chain_id: int) -> FeePolicy:
        """Return what may be offered on a chain."""
        return self._policies.get(chain_id) or FeePolicy()

    async def bump(self, effect: Effect, version: int, chain: Chain) -> Stored | Blocked | None:
        """Offer more for what the last attempt says.

        Returns:
            The effect with its new attempt, committed and not sent yet; why there can be none;
            or null: the lane takes no attempts.

        Raises:
            StoreError: It is not known to be committed: look at the effect again.
        """
        signer = self._signers.get(effect.sender.lower())
        if signer is None:
            return Blocked("no_signer")
        lane = await self._lane(effect)
        if lane is None or lane[0].status not in _GOES_ON:
            return None
        account = await chain.account(effect.sender)
        last = effect.attempts[-1]
        fees = self.policy(effect.chain_id).bumped(last.fees, await self._quote(effect, chain))
        blocked = self._obstacle(effect, last.gas, fees, account)
        if blocked is not None:
            return blocked
        attempt = await sign(
            chain,
            signer,
            said_call(chain, last),
            nonce=effect.nonce,
            gas=last.gas,
            fees=fees,
            at=self._clock.now(),
            purpose=last.purpose,
        )
        return await self._commit(effect, version, attempt, lane, ("bumped", _told(attempt)))

    async def cancel(
        self,
        effect: Effect,
        version: int,
        chain: Chain,
        *,
        lane_facts: tuple[Fact, ...] = (),
    ) -> Stored | Blocked:
        """Offer more for nothing at all, so that the nonce is used up before the call comes.

        Args:
            effect: In flight.
            version: Of its record.
            chain: Its chain.
            lane_facts: Told in the lane's stream with it.

        Raises:
            StoreError: It is not known to be committed: look at the effect again.
        """
        signer = self._signers.get(effect.sender.lower())
        lane = await self._lane(effect)
        if signer is None or lane is None:
            return Blocked("no_signer")
        account = await chain.account(effect.sender)
        call = chain.blank(effect.sender)
        last = effect.attempts[-1]
        fees = self.policy(effect.chain_id).bumped(last.fees, await chain.quote())
        gas = self._cancel_gas(call, last, fees, chain, account)
        if account.balance_wei < gas * fees.max_fee_wei:
            return Blocked("balance")
        attempt = await sign(
            chain,
            signer,
            call,
            nonce=effect.nonce,
            gas=gas,
            fees=fees,
            at=self._clock.now(),
            purpose=Purpose.CANCEL,
        )
        cancelling = evolve(effect, state=EffectState.CANCELLING)
        fact = ("cancelling", _told(attempt))
        return await self._commit(cancelling, version, attempt, lane, fact, lane_facts)

    async def _quote(self, effect: Effect, chain: Chain) -> Fees:
        """Return what a new transaction would offer, for a call within its caps.

        A quote is generous: what is above the caps is no reason to offer nothing below them.
        """
        if effect.attempts[-1].purpose is not Purpose.CALL:
            return await chain.quote()
        most = effect.max_priority_fee_wei
        gwei = None if most is None else Decimal(most) / _WEI_PER_GWEI
        return self.policy(effect.chain_id).capped(await chain.quote(max_priority_fee_gwei=gwei))

    def _cancel_gas(
        self, call: Call, last: Attempt, fees: Fees, chain: Chain, account: Account
    ) -> int:
        """Return the last attempt's gas where that can be paid: what is not used costs nothing."""
        payable = account.balance_wei >= last.gas * fees.max_fee_wei
        if payable and last.gas <= account.block.gas_limit:
            return last.gas
        return min(last.gas, chain.intrinsic_gas(call))

    def _obstacle(self, effect: Effect, gas: int, fees: Fees, account: Account) -> Blocked | None:
        """Return why the offer may not be made, or cannot be included."""
        last = effect.attempts[-1]
        if not account.can_send:
            return Blocked("sender_has_code")
        if gas > account.block.gas_limit:
            return Blocked("gas_limit")
        if last.purpose is Purpose.CALL and self._caps_forbid(effect, fees, account.block):
            return Blocked("fee_cap")
        value = int(effect.value_wei) if last.purpose is Purpose.CALL else 0
        if account.balance_wei < gas * fees.max_fee_wei + value:
            return Blocked("balance")
        return None

    def _caps_forbid(self, effect: Effect, fees: Fees, block: Block) -> bool:
        """Whether the fees are above a cap, or too low for the next block because of one."""
        cap = self.policy(effect.chain_id).max_fee_wei
        if cap is not None and not (block.base_fee_wei or 0) <= fees.max_fee_wei <= cap:
            return True
        priority = fees.max_priority_fee_wei or 0
        return effect.max_priority_fee_wei is not None and priority > effect.max_priority_fee_wei

    async def _lane(self, effect: Effect) -> tuple[Lane, int] | None:
        record = await self._store.get(LANE, effect.lane)
        return None if record is None else (Lane.of(record), record.version)

    async def _commit(
        self,
        effect: Effect,
        version: int,
        attempt: Attempt,
        lane: tuple[Lane, int],
        fact: Fact,
        lane_facts: tuple[Fact, ...] = (),
    ) -> Stored:
        now = self._clock.now()
        effect = evolve(effect, attempts=(*effect.attempts, attempt))
        effect, writes = effect.change(version, now, fact)
        expect: list[Expect] = []
        if lane_facts or lane[0].status is LaneStatus.BLOCKED:
            writes += _reopened(lane, now, lane_facts)
        else:
            expect.append(Expect(LANE, effect.lane, lane[1]))
        await self._store.commit(writes, expect=expect, durable=True)
        _log.info(
            "effect %s: %s as %s",
            effect.key,
            fact[0],
            attempt.transaction_hash,
            extra={**effect.about, "transaction": attempt.transaction_hash},
        )
        return Stored(effect, version + 1)


async def offer_again(effect: Effect, chain: Chain) -> bool:
    """Send the last attempt's bytes; whatever the node says, only the chain decides.

    Returns:
        Whether the node took them.
    """
    try:
        await chain.broadcast(effect.attempts[-1].bytes)
    except (ChainUnavailable, TransactionRejected) as error:
        _log.warning(
            "effect %s was offered, the node says: %s", effect.key, error, extra=effect.about
        )
        return False
    return True


def said_call(chain: Chain, attempt: Attempt) -> Call:
    """Return the call that signed bytes make, enough of it to sign it again."""
    said = chain.decode(attempt.bytes)
    return Call(
        chain_id=said.chain_id,
        to=said.to,
        data=said.data,
        function="",
        type=FunctionType.WRITE,
        arguments={},
        abi={},
        value_wei=said.value_wei,
    )


def _reopened(lane: tuple[Lane, int], now: float, facts: tuple[Fact, ...]) -> list[Write]:
    """Return the writes that open a lane again for which a better offer was found."""
    record, version = lane
    if record.status is not LaneStatus.BLOCKED:
        return record.change(version, now, *facts)
    return record.opened().change(version, now, *facts, ("unblocked", {}))


def _told(attempt: Attempt) -> dict[str, str | int | None]:
    priority = attempt.max_priority_fee_wei
    return {
        "transaction_hash": attempt.transaction_hash,
        "gas": attempt.gas,
        "max_fee_wei": str(attempt.max_fee_wei),
        "max_priority_fee_wei": None if priority is None else str(priority),
    }
