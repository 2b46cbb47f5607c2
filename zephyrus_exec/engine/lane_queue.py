"""The way into one lane: effects that want their slots at the same time get them together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from contextvars import Context
from copy import copy
from decimal import Decimal
from functools import partial

from attrs import evolve, frozen

from ..errors import ChainUnavailable, CommitUnknown, LaneHalted, StoreConflict, ZephyrusError
from ..interfaces.chain import Account, Chain, Fees
from ..interfaces.clock import Clock
from ..interfaces.store import ExecutionStore
from .includable import Offer, check_fees, check_funds, check_gas, check_sender
from .journal import patiently
from .offers import Offers
from .places import Member, hand_out
from .records import (
    EFFECT,
    LANE,
    Attempt,
    Effect,
    Lane,
    LaneStatus,
    lane_key,
    open_in,
)
from .signing import sign
from .tasks import spawn

_log = logging.getLogger(__name__)

_WAIT_FOR_PLACE = 0.25
"""Seconds between looks at a lane that takes nothing at the moment."""


@frozen
class Ways:
    """What lanes are looked at and filled with."""

    store: ExecutionStore
    clock: Clock
    offers: Offers
    gas_margin: float
    """What estimates are multiplied by."""
    max_in_flight: int
    """Most transactions of one lane under way at once."""


class LaneQueue:
    """Lets effects into one lane, a group at a time.

    Those that come while a group is being signed and committed are the next group. Its members
    share one look at the lane and its account, which begins after they came, and get nonces in a
    row. Each commits its own slot, so that a store flushes them together; the queue goes on once
    all of them have.

    A slot's commit holds only over the lane's version that it was signed for. For those behind the
    first this version is foretold: so many more as slots are before them. That alone would also
    hold if the lane had been changed otherwise, so they expect the slot before them, too. A slot
    comes into being only together with the next version of its lane, and was not there when the
    lane was looked at; so if it is there at the version foretold, it is what made this version, and
    the lane is open and its counter behind that slot.

    Args:
        chain: Of the lane.
        sender: Whose it is.
        ways: What it works with.
    """

    def __init__(self, chain: Chain, sender: str, ways: Ways) -> None:
        self.key = lane_key(chain.chain_id, sender)
        self.members: list[Member] = []
        self._chain = chain
        self._sender = sender
        self._ways = ways
        self._came = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    # --- from outside

    def join(self, member: Member) -> None:
        """Queue up."""
        self.members.append(member)
        self._came.set()
        if self._task is None:
            # a context of its own: it does not belong to the execution that comes first
            self._task = spawn(self._run(), f"zephyrus queue of {self.key}", context=Context())
            self._task.add_done_callback(self._ended)

    def leave(self, member: Member) -> None:
        """Let the next ones in, as soon as all others of this one's group have left, too."""
        self.members.remove(member)
        if member.signing is not None:
            member.signing.cancel()  # nobody waits for a signer that does not answer
        if not member.place.cancel() and not member.place.cancelled():
            member.place.exception()  # seen, even where its errand was cancelled just now
        member.left.set()

    def close(self) -> None:
        """Stop: there are no members any more."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        while True:
            await self._came.wait()
            self._came.clear()
            while self._waiting():
                for member in await self._let_in():
                    await member.left.wait()

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Tell all who wait if the queue has come to an end by a bug; the next begins anew."""
        self._task = None
        error = None if task.cancelled() else task.exception()
        if error is not None:
            for member in self._waiting():
                member.refuse(error)

    # --- a group

    def _waiting(self) -> list[Member]:
        return [member for member in self.members if member.waits]

    async def _let_in(self) -> list[Member]:
        """Give the next group its places, and return it; it is empty if that did not work out."""
        under_way = await self._room()
        group = self._waiting()[: self._ways.max_in_flight - len(under_way)]
        account = await self._account(group)
        if account is None:
            return []
        offered = await self._offered(group, account, under_way)
        lane, version = await self._stored_lane()
        if lane is None:
            lane = Lane(self._chain.chain_id, self._sender, account.nonce)
        elif account.nonce > lane.next_nonce and not lane.refuses:
            await self._halt(lane, version)
            return []
        elif lane.refuses or _is_blocked(lane, under_way):
            return []
        signed = await self._signed(offered, lane.next_nonce)
        return hand_out(signed, lane, version, account)

    async def _room(self) -> list[Effect]:
        """Return what is under way, once the lane has a place or nobody waits for one any more."""
        while True:
            under_way = await self._under_way()
            lane, _ = await self._stored_lane()
            if lane is not None and lane.refuses:
                _refuse(self._waiting(), _halted(lane))
            full = len(under_way) >= self._ways.max_in_flight
            if not self._waiting() or not (full or _is_blocked(lane, under_way)):
                return under_way
            for member in self._waiting():
                member.refuse_unwanted()
            await self._ways.clock.sleep_until(self._ways.clock.now() + _WAIT_FOR_PLACE)

    async def _account(self, group: Sequence[Member]) -> Account | None:
        """Return the account as the whole group needs it; null: not all of them get it."""
        if not group:
            return None
        newest = max(member.min_block for member in group)
        try:
            return await self._chain.account(self._sender, min_block=newest or None)
        except ChainUnavailable as error:  # those who need no block so new are asked for again
            _refuse([one for one in group if one.min_block == newest], error)
            return None

    async def _under_way(self) -> list[Effect]:
        """Return the lane's effects that are not mined yet, whoever sent them."""
        store, limit = self._ways.store, self._ways.max_in_flight
        scan = partial(store.scan, EFFECT, group=open_in(self.key), limit=limit)
        return [Effect.of(record) for record in await patiently(self._ways.clock, scan)]

    async def _stored_lane(self) -> tuple[Lane | None, int]:
        return await stored_lane(self._ways.store, self._ways.clock, self.key)

    async def _halt(self, lane: Lane, version: int) -> None:
        """Record that the account was used by somebody else, unless the lane moved meanwhile."""
        halted = evolve(lane, status=LaneStatus.HALTED, reason="foreign_use", blocked_nonce=None)
        now = self._ways.clock.now()
        writes = halted.change(version, now, ("halted", {"reason": halted.reason}))
        try:
            await patiently(self._ways.clock, lambda: self._ways.store.commit(writes))
        except (StoreConflict, CommitUnknown) as error:
            _log.info("lane %s is looked at again: %s", lane.key, error)
        else:
            _log.error("the account of lane %s was used by somebody else; it is halted", lane.key)

    # --- transactions

    async def _offered(
        self, group: Sequence[Member], account: Account, under_way: Iterable[Effect]
    ) -> list[tuple[Member, Offer]]:
        """Return what those offer whose transactions could be included, one behind the other."""
        offered: list[tuple[Member, Offer]] = []
        quotes: dict[Decimal | None, Fees] = {}
        promised = 0
        for member in group:
            call = member.errand.intent.call
            try:
                offer = await self._offer(member, account, quotes)
                check_sender(call, self._chain, account, self._sender)
                check_funds(call, offer, account, self._sender, under_way, promised_wei=promised)
            except ZephyrusError as error:
                member.refuse(error)
            else:
                offered.append((member, offer))
                promised += offer.worst_cost_wei + call.value_wei
        return offered

    async def _offer(
        self, member: Member, account: Account, quotes: dict[Decimal | None, Fees]
    ) -> Offer:
        intent, gas = member.errand.intent, member.simulation.gas
        ceiling = check_gas(
            intent.call,
            self._chain,
            estimate=gas,
            gas_limit=intent.gas_limit,
            block=account.block,
        )
        quoted = await self._quote(intent.max_priority_fee_gwei, quotes)
        fees = self._ways.offers.policy(self._chain.chain_id).capped(quoted)
        check_fees(fees, account.block, self._sender)
        wanted = max(int(gas * self._ways.gas_margin), self._chain.intrinsic_gas(intent.call))
        return Offer(min(wanted, ceiling), fees)

    async def _quote(self, priority: Decimal | None, quotes: dict[Decimal | None, Fees]) -> Fees:
        """Return a quote, the same one for the whole group."""
        if priority not in quotes:
            quotes[priority] = await self._chain.quote(max_priority_fee_gwei=priority)
        return quotes[priority]

    async def _signed(
        self, offered: Sequence[tuple[Member, Offer]], nonce: int
    ) -> list[tuple[Member, Attempt]]:
        """Return attempts for nonces in a row, up to the first that somebody did not sign."""
        wanted = [(member, offer) for member, offer in offered if member.waits]
        for place, (member, offer) in enumerate(wanted):
            member.signing = asyncio.ensure_future(self._sign(member, offer, nonce + place))
        work = [member.signing for member, _ in wanted if member.signing is not None]
        done = await asyncio.gather(*work, return_exceptions=True)
        signed: list[tuple[Member, Attempt]] = []
        for (member, _), attempt in zip(wanted, done, strict=True):
            if isinstance(attempt, BaseException):
                member.refuse(attempt)
                break
            signed.append((member, attempt))
        return signed

    async def _sign(self, member: Member, offer: Offer, nonce: int) -> Attempt:
        return await sign(
            self._chain,
            member.errand.signer,
            member.errand.intent.call,
            nonce=nonce,
            gas=offer.gas,
            fees=offer.fees,
            at=self._ways.clock.now(),
        )


async def stored_lane(store: ExecutionStore, clock: Clock, key: str) -> tuple[Lane | None, int]:
    """Return a lane and its record's version; null and 0: it was never used."""
    record = await patiently(clock, partial(store.get, LANE, key))
    return (None, 0) if record is None else (Lane.of(record), record.version)


def _refuse(members: Iterable[Member], error: ZephyrusError) -> None:
    for member in members:
        member.refuse(copy(error))


def _is_blocked(lane: Lane | None, under_way: Iterable[Effect]) -> bool:
    """Whether the slot that blocks the lane is still under way."""
    if lane is None or lane.status is not LaneStatus.BLOCKED:
        return False
    return any(effect.nonce == lane.blocked_nonce for effect in under_way)


def _halted(lane: Lane) -> LaneHalted:
    return LaneHalted(
        f"lane {lane.key} is {lane.status} ({lane.reason}) and takes no new transactions; "
        "nothing was sent; an operator has to look at it",
        lane=lane.key,
        status=lane.status.value,
        reason=lane.reason,
    )
