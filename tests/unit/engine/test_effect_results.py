"""What an effect means as the result of an action."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from zephyrus_exec.engine.effect_results import result_of
from zephyrus_exec.engine.records import Attempt, Effect, EffectState, Purpose
from zephyrus_exec.interfaces.chain import Receipt
from zephyrus_exec.model import ActionResult

from .test_records import EFFECT, RECEIPT

BEGUN = ActionResult("set", {"n": 1}, None, success=False)
CANCEL = Attempt("0xc", "0x02", 10, 50, None, 3.0, Purpose.CANCEL)


def stands(state: EffectState, receipt: Receipt | None = None, **more: Any) -> Effect:
    effect: Effect = evolve(EFFECT, state=state, receipt=receipt, **more)
    return effect


@pytest.mark.parametrize("state", [EffectState.MINED_OK, EffectState.FINAL_OK])
def test_what_happened_has_succeeded(state: EffectState) -> None:
    result = result_of(BEGUN, stands(state, RECEIPT))
    assert (result.success, result.result, result.transaction_hash) == (True, "0xa", "0xa")


@pytest.mark.parametrize("state", [EffectState.MINED_REVERTED, EffectState.FINAL_REVERTED])
def test_what_the_contract_refused_has_failed_and_cost_gas(state: EffectState) -> None:
    result = result_of(BEGUN, stands(state, RECEIPT))
    assert result.error is not None
    assert (result.success, result.error["code"]) == (False, "call_reverted")
    assert (result.transaction_hash, result.gas_used) == ("0xa", RECEIPT.gas_used)


@pytest.mark.parametrize(
    ("effect", "code", "details"),
    [
        (
            stands(
                EffectState.CANCELLED,
                evolve(RECEIPT, transaction_hash="0xc"),
                attempts=(*EFFECT.attempts, CANCEL),
            ),
            "effect_cancelled",
            {"transaction_hash": "0xb", "cancel_hash": "0xc"},
        ),
        (
            stands(EffectState.DISPLACED, evidence={"block_number": 7, "consumer": "0xd"}),
            "displaced",
            {"transaction_hash": "0xb", "consumer_hash": "0xd"},
        ),
        (
            stands(EffectState.IN_DOUBT, evidence={"block_number": 7}),
            "in_doubt",
            {"transaction_hash": "0xb", "block_number": 7},
        ),
        (stands(EffectState.SIGNED), "effect_uncertain", {"transaction_hash": "0xb"}),
    ],
)
def test_what_did_not_happen_or_may_not_have_says_so_with_the_calls_own_hash(
    effect: Effect, code: str, details: dict[str, Any]
) -> None:
    result = result_of(BEGUN, effect)
    assert result.error is not None
    assert (result.success, result.transaction_hash) == (False, "0xb")
    assert result.error["code"] == code
    told: Any = result.error["details"]
    assert details.items() <= told.items()
