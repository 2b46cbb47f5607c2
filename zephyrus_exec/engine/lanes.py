"""What an operator may do with lanes, and with effects that the chain could not decide."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from attrs import evolve

from ..conversion import as_json_object
from ..errors import ChainNotConfigured, OperationRefused
from ..interfaces.access import Authorizer
from ..interfaces.chain import Chain
from ..interfaces.clock import Clock
from ..interfaces.store import ExecutionStore
from ..model import JsonObject, Principal
from .listing import scan_all
from .offers import Blocked, Offers, offer_again
from .reconciler import Reconciler
from .records import (
    EFFECT,
    IN_FLIGHT,
    LANE,
    SLOT,
    Effect,
    EffectState,
    Fact,
    Lane,
    LaneStatus,
    in_doubt_in,
    mined_in,
    open_in,
    slot_key,
)


class Verdict(StrEnum):
    """What a person found out about an effect in doubt."""

    HAPPENED = "happened"
    DID_NOT_HAPPEN = "did_not_happen"


RESTORED: Final = "restored"
"""Why a lane is halted whose journal is a backup, until it was checked."""
RESTORED_CHECKED: Final = "restored_checked"
"""Why it is halted from then on, until it is opened."""
_FREE_TO_DRAIN: Final = frozenset({LaneStatus.OPEN, LaneStatus.BLOCKED})


class Lanes:
    """Every act is one commit over what was seen, told in the lane's own stream with who and why.

    It works beside running processes, from whichever process: they see what it wrote.

    Args:
        store: Where lanes are.
        clock: The time.
        chains: By chain id.
        offers: Makes the cancels; knows the signers.
        reconciler: Of the same store; looks when asked to.
        authorizer: Says who may act; for everybody else there are no lanes.
    """

    def __init__(
        self,
        store: ExecutionStore,
        clock: Clock,
        chains: Mapping[int, Chain],
        *,
        offers: Offers,
        reconciler: Reconciler,
        authorizer: Authorizer,
    ) -> None:
        self._store = store
        self._clock = clock
        self._chains = chains
        self._offers = offers
        self._reconciler = reconciler
        self._authorizer = authorizer

    async def open(self, key: str, *, principal: Principal, reason: str) -> Lane:
        """Let a lane take new slots again, from the account's nonce where that is ahead.

        Nonces below it that this lane never gave out were somebody else's.

        Args:
            key: Of the lane.
            principal: Who wants it.
            reason: Why.

        Raises:
            OperationRefused: There is no such lane, or an effect of it is in doubt: resolve that.
            ChainUnavailable: The account cannot be looked at.
            StoreConflict: The lane changed meanwhile: look again.
        """
        lane, version = await self._lane(key, principal)
        if lane.reason == RESTORED:
            raise _refused("the journal was restored; check the lane first", key)
        doubtful = await scan_all(self._store, EFFECT, group=in_doubt_in(key))
        if doubtful:
            raise _refused(f"effect {doubtful[0].key} is in doubt; resolve it first", key)
        account = await self._chain(lane).account(lane.sender)
        next_nonce = max(lane.next_nonce, account.nonce)
        opened = evolve(lane.opened(), next_nonce=next_nonce)
        data: JsonObject = {"from_nonce": lane.next_nonce, "next_nonce": next_nonce}
        return await self._change(opened, version, "opened", principal, reason, data)

    async def drain(self, key: str, *, principal: Principal, reason: str) -> Lane:
        """Refuse new slots; what is under way goes on.

        Raises:
            OperationRefused: There is no such lane, or it takes none as it is.
            StoreConflict: The lane changed meanwhile: look again.
        """
        lane, version = await self._lane(key, principal)
        if lane.status not in _FREE_TO_DRAIN:
            raise _refused(f"the lane is {lane.status} already", key)
        draining = evolve(
            lane, status=LaneStatus.DRAINING, reason=reason or "operator", blocked_nonce=None
        )
        return await self._change(draining, version, "draining", principal, reason)

    async def retire(self, key: str, *, principal: Principal, reason: str) -> Lane:
        """Refuse new slots for good, with nothing under way or in doubt.

        Raises:
            OperationRefused: There is no such lane, or an effect of it has no final outcome yet.
            StoreConflict: The lane changed meanwhile: look again.
        """
        lane, version = await self._lane(key, principal)
        for group in (open_in(key), mined_in(key), in_doubt_in(key)):
            for record in await self._store.scan(EFFECT, group=group, limit=1):
                raise _refused(f"effect {record.key} has no final outcome yet", key)
        retired = evolve(
            lane, status=LaneStatus.RETIRED, reason=reason or "operator", blocked_nonce=None
        )
        return await self._change(retired, version, "retired", principal, reason)

    async def check(self, key: str, *, principal: Principal, reason: str) -> Lane:
        """Look at the lane now, do what would be due later, and return it as it is then.

        Raises:
            OperationRefused: There is no such lane.
            ChainUnavailable: The chain cannot be asked.
            StoreConflict: The lane changed meanwhile: look again.
        """
        lane, version = await self._lane(key, principal)
        self._chain(lane)
        lane = await self._change(lane, version, "checked", principal, reason)
        await self._reconciler.look(lane)
        lane, version = await self._lane(key, principal)
        if lane.reason == RESTORED:
            checked = evolve(lane, reason=RESTORED_CHECKED)
            return await self._change(checked, version, "halted", principal, RESTORED_CHECKED)
        return lane

    async def cancel(self, key: str, nonce: int, *, principal: Principal, reason: str) -> Effect:
        """Use a slot's nonce up with nothing, committed before it is sent.

        The call may still come first: the effect tells.

        Args:
            key: Of the lane.
            nonce: Of the slot.
            principal: Who wants it.
            reason: Why.

        Returns:
            The effect, `cancelling`.

        Raises:
            OperationRefused: There is nothing to cancel, or nobody here can sign it or pay it.
            ChainUnavailable: The chain cannot be asked.
            StoreConflict: The effect or the lane changed meanwhile: look again.
        """
        lane, _ = await self._lane(key, principal)
        chain = self._chain(lane)
        effect, version = await self._in_flight(key, nonce)
        fact = _by("cancel_requested", principal, reason, self._clock.now(), {"nonce": nonce})
        made = await self._offers.cancel(effect, version, chain, lane_facts=(fact,))
        if isinstance(made, Blocked):
            raise _refused(f"nonce {nonce} cannot be cancelled here: {made.reason}", key)
        await offer_again(made.effect, chain)
        return made.effect

    async def resolve(
        self, effect_key: str, verdict: Verdict, evidence: JsonObject, *, principal: Principal
    ) -> Effect:
        """Record what a person found out about an effect in doubt; its state stays what it was.

        Args:
            effect_key: Which.
            verdict: Whether it happened.
            evidence: What that is based on.
            principal: Who says so.

        Raises:
            OperationRefused: There is no such effect, or it is not in doubt, or was resolved.
            StoreConflict: It changed meanwhile: look again.
        """
        record = await self._store.get(EFFECT, effect_key)
        if not await self._authorizer.may_operate(principal):
            record = None
        effect = None if record is None else Effect.of(record)
        if record is None or effect is None or effect.state is not EffectState.IN_DOUBT:
            stands = "not there" if effect is None else effect.state.value
            raise _refused(f"effect {effect_key} is {stands}, not in doubt", effect_key)
        if effect.resolution is not None:
            raise _refused(f"effect {effect_key} is resolved already", effect_key)
        now = self._clock.now()
        resolution: JsonObject = {
            "verdict": verdict.value,
            "evidence": as_json_object(evidence),
            "principal": principal.id,
            "at": now,
        }
        resolved = evolve(effect, resolution=resolution)
        resolved, writes = resolved.change(record.version, now, ("resolved", resolution))
        await self._store.commit(writes, durable=True)
        return resolved

    # --- inside

    async def _lane(self, key: str, principal: Principal) -> tuple[Lane, int]:
        record = await self._store.get(LANE, key)
        if not await self._authorizer.may_operate(principal) or record is None:
            raise _refused(f"there is no lane {key}", key)
        return Lane.of(record), record.version

    async def _in_flight(self, key: str, nonce: int) -> tuple[Effect, int]:
        slot = await self._store.get(SLOT, slot_key(key, nonce))
        if slot is None:
            raise _refused(f"nonce {nonce} has no slot", key)
        record = await self._store.get(EFFECT, str(slot.data["effect_key"]))
        if record is None:
            raise _refused(f"the effect of nonce {nonce} is not there", key)
        effect = Effect.of(record)
        if effect.state not in IN_FLIGHT:
            raise _refused(f"effect {effect.key} is {effect.state} already", key)
        return effect, record.version

    def _chain(self, lane: Lane) -> Chain:
        chain = self._chains.get(lane.chain_id)
        if chain is None:
            raise ChainNotConfigured(
                f"no RPC URL is configured for chain {lane.chain_id}; "
                f"set ZEPHYRUS_RPC_{lane.chain_id}",
                chain_id=lane.chain_id,
            )
        return chain

    async def _change(
        self,
        lane: Lane,
        version: int,
        kind: str,
        principal: Principal,
        reason: str,
        data: JsonObject | None = None,
    ) -> Lane:
        now = self._clock.now()
        fact = _by(kind, principal, reason, now, data or {})
        await self._store.commit(lane.change(version, now, fact), durable=True)
        return evolve(lane, events=lane.events + 1)


def _by(kind: str, principal: Principal, reason: str, at: float, data: JsonObject) -> Fact:
    return kind, {"principal": principal.id, "reason": reason, "at": at, **data}


def _refused(reason: str, about: str) -> OperationRefused:
    return OperationRefused(f"{reason}; nothing was changed", reason=reason, about=about)
