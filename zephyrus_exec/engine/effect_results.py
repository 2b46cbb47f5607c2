"""What an effect means as the result of an action."""

from __future__ import annotations

from attrs import evolve

from ..errors import (
    CallReverted,
    EffectCancelled,
    EffectDisplaced,
    EffectInDoubt,
    EffectUncertain,
    ZephyrusError,
)
from ..interfaces.chain import Receipt
from ..model import ActionResult
from .records import Effect, EffectState, Purpose
from .results import error_object

_HAPPENED = frozenset({EffectState.MINED_OK, EffectState.FINAL_OK})


def failed(begun: ActionResult, error: ZephyrusError) -> ActionResult:
    """Return the result of an action that failed with this error."""
    transaction_hash = error.details.get("transaction_hash")
    return evolve(
        begun,
        error=error_object(error),
        transaction_hash=str(transaction_hash) if transaction_hash else None,
    )


def result_of(begun: ActionResult, effect: Effect) -> ActionResult:
    """Return the result of an action whose effect stands like this."""
    if effect.state in _HAPPENED:
        mined = _mined(begun, _receipt(effect))
        return evolve(mined, result=mined.transaction_hash, success=True)
    if effect.state in (EffectState.MINED_REVERTED, EffectState.FINAL_REVERTED):
        receipt = _receipt(effect)
        return evolve(_mined(begun, receipt), error=error_object(_reverted(effect, receipt)))
    return failed(begun, _error(effect))


def _mined(begun: ActionResult, receipt: Receipt) -> ActionResult:
    return evolve(
        begun,
        transaction_hash=receipt.transaction_hash,
        block_number=receipt.block_number,
        gas_used=receipt.gas_used,
    )


def _receipt(effect: Effect) -> Receipt:
    assert effect.receipt is not None, "a mined effect has its receipt"
    return effect.receipt


def _reverted(effect: Effect, receipt: Receipt) -> CallReverted:
    return CallReverted(
        f"{effect.function} was mined in block {receipt.block_number} and reverted",
        function=effect.function,
        reason="",
        error_name="",
        data="0x",
        transaction_hash=receipt.transaction_hash,
    )


def _error(effect: Effect) -> ZephyrusError:
    function = effect.function
    calls = [one for one in effect.attempts if one.purpose is Purpose.CALL]
    call = calls[-1].transaction_hash
    evidence = effect.evidence or {}
    if effect.state is EffectState.CANCELLED:
        return EffectCancelled(
            f"{function} was cancelled: it did not happen",
            transaction_hash=call,
            cancel_hash=_receipt(effect).transaction_hash,
        )
    if effect.state is EffectState.DISPLACED:
        return EffectDisplaced(
            f"{function} did not happen: its nonce was used by {evidence.get('consumer')}",
            transaction_hash=call,
            consumer_hash=str(evidence.get("consumer")),
        )
    if effect.state is EffectState.IN_DOUBT:
        return EffectInDoubt(
            f"nobody can see what used the nonce of {function}; look whether it happened before "
            "asking for it again",
            transaction_hash=call,
            block_number=int(str(evidence.get("block_number", 0))),
        )
    return EffectUncertain(
        f"{function} was sent and is not mined yet",
        transaction_hash=call,
        state=effect.state.value,
    )
