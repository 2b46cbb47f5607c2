"""The records that guard effects."""

from __future__ import annotations

from attrs import evolve

from zephyrus_exec.engine.records import (
    HALTED,
    OPEN,
    SETTLED,
    Attempt,
    Effect,
    EffectState,
    Lane,
    LaneStatus,
    intent_hash,
    lane_key,
)
from zephyrus_exec.interfaces.chain import Call, Receipt
from zephyrus_exec.interfaces.store import Put, Record
from zephyrus_exec.model import FunctionType

SENDER = "0xAbCd000000000000000000000000000000000000"
EFFECT = Effect(
    key="x:1:2",
    execution_id="x",
    cycle=1,
    step=2,
    chain_id=5,
    sender=SENDER,
    nonce=7,
    to="0x1",
    function="set(uint256)",
    arguments={"n": "1"},
    value_wei="100",
    intent_hash="h",
    confirmations=1,
    state=EffectState.SIGNED,
    attempts=(
        Attempt("0xa", "0x00", 10, 30, 1, 1.0),
        Attempt("0xb", "0x01", 10, 40, None, 2.0),
    ),
)
RECEIPT = Receipt("0xa", True, 9, "0xblock", 8, 3)
CALL = Call(5, "0xTo", b"data", "f()", FunctionType.WRITE, {}, {})


def as_record(put: Put) -> Record:
    return Record(put.kind, put.key, put.version + 1, put.body, put.group, put.due, 1)


def test_an_effect_comes_back_as_it_was_stored() -> None:
    for effect in (EFFECT, EFFECT.mined(RECEIPT, final=False)):
        assert Effect.of(as_record(effect.put(3))) == effect


def test_a_lane_comes_back_as_it_was_stored() -> None:
    lane = Lane(5, SENDER, 3)
    assert Lane.of(as_record(lane.put(1))) == lane
    assert lane.put(1).group == OPEN
    assert evolve(lane, status=LaneStatus.HALTED).put(1).group == HALTED


def test_a_receipt_settles_an_effect_by_its_success() -> None:
    assert EFFECT.mined(RECEIPT, final=False).state is EffectState.MINED_OK
    reverted = EFFECT.mined(evolve(RECEIPT, success=False), final=False)
    assert reverted.state is EffectState.MINED_REVERTED


def test_an_effect_is_known_by_the_hash_that_was_mined_or_else_offered_last() -> None:
    assert EFFECT.transaction_hash == "0xb"
    assert EFFECT.mined(RECEIPT, final=False).transaction_hash == "0xa"


def test_open_effects_are_grouped_by_lane_and_settled_ones_are_not() -> None:
    assert EFFECT.put(0).group == f"open:{EFFECT.lane}"
    assert EFFECT.mined(RECEIPT, final=False).put(0).group == f"mined:{EFFECT.lane}"
    assert EFFECT.mined(RECEIPT, final=True).put(0).group == SETTLED
    doubt = evolve(EFFECT, state=EffectState.IN_DOUBT)
    assert doubt.put(0).group == f"in_doubt:{EFFECT.lane}"
    assert evolve(doubt, resolution={"verdict": "happened"}).put(0).group == SETTLED


def test_the_worst_cost_is_that_of_the_dearest_attempt_with_the_value() -> None:
    assert EFFECT.worst_cost_wei == 10 * 40 + 100


def test_a_sender_has_one_lane_however_its_address_is_written() -> None:
    assert lane_key(5, SENDER) == lane_key(5, SENDER.lower()) == EFFECT.lane


def test_an_intent_is_told_from_others_by_chain_sender_target_data_and_value() -> None:
    same = intent_hash(evolve(CALL, to="0xTO", function="other()"), SENDER.lower())
    assert intent_hash(CALL, SENDER) == same
    others = [
        intent_hash(evolve(CALL, chain_id=6), SENDER),
        intent_hash(evolve(CALL, to="0xother"), SENDER),
        intent_hash(evolve(CALL, data=b"else"), SENDER),
        intent_hash(evolve(CALL, value_wei=1), SENDER),
        intent_hash(CALL, "0xother"),
    ]
    assert len({same, *others}) == 6
