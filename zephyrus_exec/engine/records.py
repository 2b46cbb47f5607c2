"""The records that guard effects: lanes, slots and the effects themselves."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Final

from attrs import evolve, frozen

from ..conversion import dumps, structure, unstructure
from ..interfaces.chain import Call, Receipt
from ..interfaces.store import Put, Record
from ..model import Json, JsonObject

LANE: Final = "lane"
SLOT: Final = "slot"
EFFECT: Final = "effect"
OPEN: Final = "open"
"""Group of lanes that take new slots."""
HALTED: Final = "halted"
"""Group of lanes that do not."""
SETTLED: Final = "settled"
"""Group of effects whose outcome is known."""


class EffectState(StrEnum):
    """Where an effect stands."""

    SIGNED = "signed"
    """Committed; sent, or about to be."""
    MINED_OK = "mined_ok"
    """Mined as deep as was asked for, and it succeeded."""
    MINED_REVERTED = "mined_reverted"
    """Mined as deep as was asked for, and the contract refused."""


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

    @property
    def lane(self) -> str:
        """Key of the lane its slot is in."""
        return lane_key(self.chain_id, self.sender)

    @property
    def transaction_hash(self) -> str:
        """Hash of the attempt that was mined, or else of the last one."""
        if self.receipt is not None:
            return self.receipt.transaction_hash
        return self.attempts[-1].transaction_hash

    @property
    def worst_cost_wei(self) -> int:
        """Most that it can take from its sender."""
        dearest = max(attempt.gas * attempt.max_fee_wei for attempt in self.attempts)
        return dearest + int(self.value_wei)

    def settled(self, receipt: Receipt) -> Effect:
        """Return the effect as this receipt leaves it."""
        state = EffectState.MINED_OK if receipt.success else EffectState.MINED_REVERTED
        return evolve(self, state=state, receipt=receipt)

    def put(self, version: int) -> Put:
        """Return the write that stores it over `version`."""
        group = open_in(self.lane) if self.state is EffectState.SIGNED else SETTLED
        return Put(EFFECT, self.key, version, dumps(unstructure(self)), group)

    @classmethod
    def of(cls, record: Record) -> Effect:
        """Return the effect that a record holds."""
        return structure(record.data, cls)


@frozen
class Lane:
    """The nonces of one sender on one chain."""

    chain_id: int
    sender: str
    next_nonce: int
    """The nonce of the next slot."""
    halted: str = ""
    """Why it takes no new slots; empty: it is open."""

    @property
    def key(self) -> str:
        """Key of its record."""
        return lane_key(self.chain_id, self.sender)

    def put(self, version: int) -> Put:
        """Return the write that stores it over `version`."""
        group = HALTED if self.halted else OPEN
        return Put(LANE, self.key, version, dumps(unstructure(self)), group)

    @classmethod
    def of(cls, record: Record) -> Lane:
        """Return the lane that a record holds."""
        return structure(record.data, cls)


def open_in(lane: str) -> str:
    """Return the group of a lane's effects whose outcome is not known yet."""
    return f"open:{lane}"


def lane_key(chain_id: int, sender: str) -> str:
    """Return the key of a sender's lane on a chain."""
    return f"{chain_id}:{sender.lower()}"


def intent_hash(call: Call, sender: str) -> str:
    """Return what tells one intent from another: chain, sender, target, data and value."""
    intent: Json = [call.chain_id, sender.lower(), call.to.lower(), call.data.hex(), call.value_wei]
    return hashlib.sha256(dumps(intent).encode()).hexdigest()
