"""The records that guard effects: lanes, slots and the effects themselves."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from enum import StrEnum
from typing import Final, TypeAlias

from attrs import evolve, field, frozen

from ..conversion import dumps, structure, unstructure
from ..interfaces.chain import Call, Fees, Receipt
from ..interfaces.store import Append, NewEvent, Put, Record, Write
from ..model import Json, JsonObject

LANE: Final = "lane"
SLOT: Final = "slot"
EFFECT: Final = "effect"
OPEN: Final = "open"
"""Group of lanes that take new slots."""
HALTED: Final = "halted"
"""Group of lanes that do not, without anybody's having wanted that: halted or blocked."""
SETTLED: Final = "settled"
"""Group of effects that nothing can change any more."""

Fact: TypeAlias = tuple[str, JsonObject]
"""Kind and data of an event in the stream of an effect or a lane."""


class EffectState(StrEnum):
    """Where an effect stands."""

    SIGNED = "signed"
    """Committed; sent, or about to be."""
    MINED_OK = "mined_ok"
    """Mined as deep as was asked for, and it succeeded; a reorg may still undo that."""
    MINED_REVERTED = "mined_reverted"
    """Mined as deep as was asked for, and the contract refused; likewise."""
    FINAL_OK = "final_ok"
    """In a final block: it happened."""
    FINAL_REVERTED = "final_reverted"
    """In a final block, and the contract refused: it certainly did not happen."""
    CANCELLING = "cancelling"
    """A cancel is committed; the call may still come first."""
    CANCELLED = "cancelled"
    """The cancel is in a final block: the call certainly did not happen."""
    DISPLACED = "displaced"
    """Its nonce was used, finally, by somebody else: it certainly did not happen."""
    IN_DOUBT = "in_doubt"
    """Its nonce was used, finally, and nobody can see by what."""


IN_FLIGHT: Final = frozenset({EffectState.SIGNED, EffectState.CANCELLING})
"""It may happen, and has not yet as far as is known."""
MINED: Final = frozenset({EffectState.MINED_OK, EffectState.MINED_REVERTED})
"""It is told to whoever waits, and watched until it is final."""


class Purpose(StrEnum):
    """What an attempt is for."""

    CALL = "call"
    CANCEL = "cancel"
    """To use the nonce up before the call does."""


@frozen
class Attempt:
    """One signed byte string for a slot."""

    transaction_hash: str
    raw: str
    """`0x…`: exactly what may be broadcast."""
    gas: int
    max_fee_wei: int
    max_priority_fee_wei: int | None
    signed_at: float
    """Seconds since the epoch."""
    purpose: Purpose = Purpose.CALL

    @property
    def fees(self) -> Fees:
        """What it offers per unit of gas."""
        return Fees(self.max_fee_wei, self.max_priority_fee_wei)

    @property
    def bytes(self) -> bytes:
        """Exactly what may be broadcast."""
        return bytes.fromhex(self.raw[2:])


@frozen
class Effect:
    """One intended state-changing call, bound to its slot."""

    key: str
    execution_id: str
    cycle: int
    step: int
    chain_id: int
    sender: str
    nonce: int
    to: str
    function: str
    arguments: JsonObject
    value_wei: str
    """Decimal, since it can be wider than JSON numbers are safe for."""
    intent_hash: str
    confirmations: int
    state: EffectState
    attempts: tuple[Attempt, ...]
    receipt: Receipt | None = None
    """Of the attempt that was mined, as deep as was asked for."""
    signed_at_block: int = 0
    """Height at which the account was looked at for the first attempt."""
    max_priority_fee_wei: int | None = None
    """Most that any attempt of the call may offer as priority fee; null: any."""
    simulation: JsonObject = field(factory=dict)
    """`{value, gas}`: what the call would have done just before it was signed."""
    evidence: JsonObject | None = None
    """`{block_number, block_hash, consumer?, after?}`: where its nonce was seen used by something
    else, the hash of that, and the height above which blocks were read for it."""
    resolution: JsonObject | None = None
    """`{verdict, evidence, principal, at}`: what a person decided where the chain could not."""
    restored: bool = False
    """Whether attempts of it may be missing: its journal was restored after it was signed."""
    events: int = 0
    """How many events its stream has."""

    @property
    def about(self) -> dict[str, str]:
        """What lines of the log are about that tell of it."""
        return {
            "execution": self.execution_id,
            "effect": self.key,
            "lane": self.lane,
            "transaction": self.transaction_hash,
        }

    @property
    def lane(self) -> str:
        """Key of the lane its slot is in."""
        return lane_key(self.chain_id, self.sender)

    @property
    def told(self) -> bool:
        """Whether there is something to tell whoever waits for it."""
        return self.state not in IN_FLIGHT

    @property
    def closed(self) -> bool:
        """Whether the chain will not change it any more."""
        return self.told and self.state not in MINED

    @property
    def transaction_hash(self) -> str:
        """Hash of the attempt that was mined, or else of the last one of the call."""
        if self.receipt is not None:
            return self.receipt.transaction_hash
        return self.call_hash

    @property
    def call_hash(self) -> str:
        """Hash of the last attempt of the call."""
        calls = [one for one in self.attempts if one.purpose is Purpose.CALL]
        return calls[-1].transaction_hash

    @property
    def hashes(self) -> list[str]:
        """Hash of every attempt."""
        return [attempt.transaction_hash for attempt in self.attempts]

    @property
    def worst_cost_wei(self) -> int:
        """Most that it can take from its sender."""
        dearest = max(attempt.gas * attempt.max_fee_wei for attempt in self.attempts)
        return dearest + int(self.value_wei)

    def mined(self, receipt: Receipt, *, final: bool) -> Effect:
        """Return the effect as the receipt of an attempt of its call leaves it."""
        if final:
            state = EffectState.FINAL_OK if receipt.success else EffectState.FINAL_REVERTED
        else:
            state = EffectState.MINED_OK if receipt.success else EffectState.MINED_REVERTED
        return evolve(self, state=state, receipt=receipt, evidence=None)

    def unmined(self) -> Effect:
        """Return the effect as it stands while none of its attempts is deep enough in a block."""
        cancelling = any(one.purpose is Purpose.CANCEL for one in self.attempts)
        state = EffectState.CANCELLING if cancelling else EffectState.SIGNED
        return evolve(self, state=state, receipt=None)

    def change(self, version: int, at: float, *facts: Fact) -> tuple[Effect, list[Write]]:
        """Return the effect with these facts counted, and the writes that store both.

        Args:
            version: Of the record that is replaced; 0: there is none yet.
            at: Seconds since the epoch.
            *facts: What is told in the effect's own stream; at least one.
        """
        changed = evolve(self, events=self.events + len(facts))
        append = _append(effect_stream(self.key), self.events, at, facts)
        return changed, [changed.put(version), append]

    def put(self, version: int) -> Put:
        """Return the write that stores it over `version`."""
        return Put(EFFECT, self.key, version, dumps(unstructure(self)), self._group())

    def _group(self) -> str:
        if self.state in IN_FLIGHT:
            return open_in(self.lane)
        if self.state in MINED:
            return mined_in(self.lane)
        if self.state is EffectState.IN_DOUBT and self.resolution is None:
            return in_doubt_in(self.lane)
        return SETTLED

    @classmethod
    def of(cls, record: Record) -> Effect:
        """Return the effect that a record holds."""
        return structure(record.data, cls)


class LaneStatus(StrEnum):
    """Whether a lane takes new slots."""

    OPEN = "open"
    BLOCKED = "blocked"
    """Its lowest slot cannot be included as things are: new effects wait."""
    HALTED = "halted"
    """Something happened that a person has to look at: new effects are refused."""
    DRAINING = "draining"
    """An operator said so: new effects are refused, those under way go on."""
    RETIRED = "retired"
    """An operator said so, with nothing under way: new effects are refused."""


@frozen
class Lane:
    """The nonces of one sender on one chain."""

    chain_id: int
    sender: str
    next_nonce: int
    """The nonce of the next slot."""
    status: LaneStatus = LaneStatus.OPEN
    reason: str = ""
    """Why it is not open; empty: it is."""
    blocked_nonce: int | None = None
    """Slot that cannot be included as things are; once the account is past it, nothing blocks."""
    events: int = 0
    """How many events its stream has."""

    @property
    def key(self) -> str:
        """Key of its record."""
        return lane_key(self.chain_id, self.sender)

    @property
    def refuses(self) -> bool:
        """Whether new effects are refused, rather than taken or made to wait."""
        return self.status not in (LaneStatus.OPEN, LaneStatus.BLOCKED)

    def opened(self) -> Lane:
        """Return the lane, taking new slots."""
        return evolve(self, status=LaneStatus.OPEN, reason="", blocked_nonce=None)

    def change(self, version: int, at: float, *facts: Fact) -> list[Write]:
        """Return the writes that store the lane and tell these facts in its stream.

        Args:
            version: Of the record that is replaced; 0: there is none yet.
            at: Seconds since the epoch.
            *facts: What is told; at least one.
        """
        append = _append(lane_stream(self.key), self.events, at, facts)
        return [evolve(self, events=self.events + len(facts)).put(version), append]

    def put(self, version: int) -> Put:
        """Return the write that stores it over `version`."""
        stuck = self.status in (LaneStatus.BLOCKED, LaneStatus.HALTED)
        group = HALTED if stuck else self.status.value
        return Put(LANE, self.key, version, dumps(unstructure(self)), group)

    @classmethod
    def of(cls, record: Record) -> Lane:
        """Return the lane that a record holds."""
        return structure(record.data, cls)


def _append(stream: str, events: int, at: float, facts: Sequence[Fact]) -> Append:
    new = tuple(NewEvent(at, kind, dumps(data)) for kind, data in facts)
    return Append(stream, events + 1, new)


def open_in(lane: str) -> str:
    """Return the group of a lane's effects that are under way."""
    return f"open:{lane}"


def mined_in(lane: str) -> str:
    """Return the group of a lane's effects that are mined and not final yet."""
    return f"mined:{lane}"


def in_doubt_in(lane: str) -> str:
    """Return the group of a lane's effects that are in doubt, and that nobody decided on."""
    return f"in_doubt:{lane}"


def effect_stream(key: str) -> str:
    """Return the stream that tells what happened to an effect."""
    return f"effect:{key}"


def lane_stream(key: str) -> str:
    """Return the stream that tells what happened to a lane."""
    return f"lane:{key}"


def slot_key(lane: str, nonce: int) -> str:
    """Return the key of a slot's record."""
    return f"{lane}:{nonce}"


def lane_key(chain_id: int, sender: str) -> str:
    """Return the key of a sender's lane on a chain."""
    return f"{chain_id}:{sender.lower()}"


def intent_hash(call: Call, sender: str) -> str:
    """Return what tells one intent from another: chain, sender, target, data and value."""
    intent: Json = [call.chain_id, sender.lower(), call.to.lower(), call.data.hex(), call.value_wei]
    return hashlib.sha256(dumps(intent).encode()).hexdigest()
