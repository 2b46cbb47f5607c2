"""What operators do with lanes, and with effects in doubt."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from attrs import evolve

from tests.stateful.effects_world import told
from zephyrus_exec.engine.lanes import Lanes, Verdict
from zephyrus_exec.engine.offers import Offers
from zephyrus_exec.engine.owner_rule import OwnerRule
from zephyrus_exec.engine.records import SETTLED, EffectState, Lane, LaneStatus, Purpose
from zephyrus_exec.errors import (
    ChainNotConfigured,
    LaneHalted,
    OperationRefused,
    StoreConflict,
)
from zephyrus_exec.interfaces.store import Delete, Put
from zephyrus_exec.model import OPERATOR
from zephyrus_exec.testing.chain import GWEI

from .test_effect_outcomes import Case, done, started

WHO = OPERATOR


@pytest.fixture
async def case() -> AsyncIterator[Case]:
    case = await started()
    case.world.opened_by_hand = True
    yield case
    await case.world.check()
    await case.world.close()


def lanes_of(case: Case) -> Lanes:
    return case.world.lanes(case.process)


async def lane_of(case: Case) -> Lane:
    lane = await case.world.lane()
    assert lane is not None
    return lane


# --- open, drain, retire -------------------------------------------------------------------------


async def test_a_lane_that_was_halted_opens_at_the_accounts_nonce(case: Case) -> None:
    task = await case.submit()
    case.foreign()
    case.ledger.use_nonce(case.signer.address)
    await case.clock.advance(12)
    await case.blocks(10, seconds=31)
    assert done(task).state is EffectState.DISPLACED
    key = (await lane_of(case)).key
    opened = await lanes_of(case).open(key, principal=WHO, reason="looked at it")
    assert (opened.status, opened.next_nonce) == (LaneStatus.OPEN, 2)
    [event] = await case.world.inner.read(f"lane:{key}", after=1)
    assert event.kind == "opened"
    assert event.data == {
        "principal": "operator",
        "reason": "looked at it",
        "at": case.clock.now(),
        "from_nonce": 1,
        "next_nonce": 2,
    }
    assert opened == await lane_of(case)
    task = await case.submit()
    await case.blocks(2)
    assert done(task).nonce == 2


async def test_a_lane_with_an_effect_in_doubt_opens_only_once_that_is_resolved(
    case: Case,
) -> None:
    task = await case.submit()
    case.foreign(visible=False)
    await case.clock.advance(12)
    await case.blocks(10, seconds=31)
    effect, lanes = done(task), lanes_of(case)
    with pytest.raises(OperationRefused, match="in doubt"):
        await lanes.open(effect.lane, principal=WHO, reason="")
    found = {"explorer": "https://example.org/tx"}
    resolved = await lanes.resolve(effect.key, Verdict.DID_NOT_HAPPEN, found, principal=WHO)
    assert resolved.state is EffectState.IN_DOUBT
    assert resolved.resolution == {
        "verdict": "did_not_happen",
        "evidence": found,
        "principal": "operator",
        "at": case.clock.now(),
    }
    assert [r.key for r in await case.world.inner.scan("effect", group=SETTLED)] == [effect.key]
    assert (await case.kinds())[-1] == "resolved"
    with pytest.raises(OperationRefused, match="resolved already"):
        await lanes.resolve(effect.key, Verdict.HAPPENED, {}, principal=WHO)
    opened = await lanes.open(effect.lane, principal=WHO, reason="")
    assert opened.status is LaneStatus.OPEN


@pytest.mark.parametrize("key", ["x1:1:1", "nobody"])
async def test_only_what_is_in_doubt_can_be_resolved(case: Case, key: str) -> None:
    task = await case.submit()
    with pytest.raises(OperationRefused, match="not in doubt"):
        await lanes_of(case).resolve(key, Verdict.HAPPENED, {}, principal=WHO)
    task.cancel()


async def test_a_lane_that_drains_refuses_new_effects_and_goes_on_with_the_others(
    case: Case,
) -> None:
    task = await case.submit()
    key = (await lane_of(case)).key
    await lanes_of(case).drain(key, principal=WHO, reason="moving house")
    refused = await told(await case.submit())
    assert isinstance(refused, LaneHalted)
    assert (refused.details["status"], refused.details["reason"]) == ("draining", "moving house")
    await case.blocks(2)
    assert done(task).state is EffectState.MINED_OK
    with pytest.raises(OperationRefused, match="draining already"):
        await lanes_of(case).drain(key, principal=WHO, reason="")


async def test_what_is_stuck_in_a_lane_that_drains_is_offered_more_for(case: Case) -> None:
    task = await case.submit()
    lane = await lane_of(case)
    await lanes_of(case).drain(lane.key, principal=WHO, reason="")
    case.ledger.base_fee_wei = 4 * GWEI
    await case.blocks(6)
    assert done(task).state is EffectState.MINED_OK
    assert await case.status() == (LaneStatus.DRAINING, "operator")


async def test_a_lane_is_retired_only_with_nothing_under_way(case: Case) -> None:
    await case.submit()
    key, lanes = (await lane_of(case)).key, lanes_of(case)
    with pytest.raises(OperationRefused, match="no final outcome"):
        await lanes.retire(key, principal=WHO, reason="")
    await case.blocks(2)
    with pytest.raises(OperationRefused, match="no final outcome"):
        await lanes.retire(key, principal=WHO, reason="")
    await case.blocks(8, seconds=31)
    retired = await lanes.retire(key, principal=WHO, reason="")
    assert (retired.status, retired.reason) == (LaneStatus.RETIRED, "operator")
    assert isinstance(await told(await case.submit()), LaneHalted)


async def test_an_act_on_a_lane_that_moved_meanwhile_changes_nothing(case: Case) -> None:
    await case.submit()
    lane, lanes = await lane_of(case), lanes_of(case)

    async def move(_method: str) -> None:
        await case.world.inner.commit([evolve(lane, reason="moved").put(1)])

    case.chain.before = move
    with pytest.raises(StoreConflict):
        await lanes.open(lane.key, principal=WHO, reason="")
    assert (await lane_of(case)).reason == "moved"


async def test_a_lane_is_not_opened_by_who_has_not_seen_the_last_doubt(case: Case) -> None:
    """It was halted before, and the doubt came while the account was being looked at."""
    task = await case.submit()
    case.foreign(visible=False)
    lane = await lane_of(case)
    halted = evolve(lane, status=LaneStatus.HALTED, reason="foreign_use")
    await case.world.inner.commit([halted.put(1)])
    await case.blocks(9)

    async def meanwhile(method: str) -> None:
        if method == "account":
            await case.blocks(5, seconds=31)

    case.chain.before = meanwhile
    with pytest.raises(StoreConflict):
        await lanes_of(case).open(lane.key, principal=WHO, reason="")
    assert done(task).state is EffectState.IN_DOUBT
    assert await case.status() == (LaneStatus.HALTED, "foreign_use")


@pytest.mark.parametrize("act", ["open", "drain", "retire", "check", "cancel"])
async def test_a_lane_that_is_not_there_is_named(case: Case, act: str) -> None:
    lanes = lanes_of(case)
    acts: dict[str, Callable[[], Awaitable[object]]] = {
        "open": lambda: lanes.open("1337:0x", principal=WHO, reason=""),
        "drain": lambda: lanes.drain("1337:0x", principal=WHO, reason=""),
        "retire": lambda: lanes.retire("1337:0x", principal=WHO, reason=""),
        "check": lambda: lanes.check("1337:0x", principal=WHO, reason=""),
        "cancel": lambda: lanes.cancel("1337:0x", 0, principal=WHO, reason=""),
    }
    with pytest.raises(OperationRefused, match="there is no lane 1337:0x"):
        await acts[act]()


async def test_a_chain_that_is_not_configured_is_named(case: Case) -> None:
    lane = Lane(5, case.signer.address, 0)
    await case.world.inner.commit([lane.put(0)])
    with pytest.raises(ChainNotConfigured):
        await lanes_of(case).open(lane.key, principal=WHO, reason="")


# --- check ---------------------------------------------------------------------------------------


async def test_a_check_looks_now_and_does_what_would_be_due_later(case: Case) -> None:
    task = await case.submit()
    await case.world.crash(case.process)
    case.process = await case.world.start()
    case.ledger.pool.clear()
    sent = len(case.chain.broadcasts)
    lane = await lanes_of(case).check((await lane_of(case)).key, principal=WHO, reason="why")
    assert lane.status is LaneStatus.OPEN
    assert len(case.chain.broadcasts) == sent + 1
    assert await case.lane_kinds() == ["checked"]
    task.cancel()


async def test_a_check_of_a_lane_with_nothing_under_way_is_journaled_all_the_same(
    case: Case,
) -> None:
    await case.submit()
    await case.blocks(12, seconds=31)
    await lanes_of(case).check((await lane_of(case)).key, principal=WHO, reason="")
    assert await case.lane_kinds() == ["checked"]


# --- cancel --------------------------------------------------------------------------------------


async def test_a_cancel_is_committed_before_it_is_sent_and_told_with_who_and_why(
    case: Case,
) -> None:
    task = await case.submit()
    lane = await lane_of(case)
    effect = await lanes_of(case).cancel(lane.key, 0, principal=WHO, reason="wrong amount")
    assert effect.state is EffectState.CANCELLING
    assert effect == await case.effect()
    said = case.chain.decode(case.chain.broadcasts[-1])
    assert (said.to, said.data, said.value_wei, said.nonce) == (case.signer.address, b"", 0, 0)
    [event] = await case.world.inner.read(f"lane:{lane.key}")
    assert event.kind == "cancel_requested"
    assert event.data == {
        "principal": "operator",
        "reason": "wrong amount",
        "at": case.clock.now(),
        "nonce": 0,
    }
    await case.blocks(10, seconds=31)
    assert done(task).state is EffectState.CANCELLED
    assert case.world.happened("x1:1:1") == 0
    with pytest.raises(OperationRefused, match="cancelled already"):
        await lanes_of(case).cancel(lane.key, 0, principal=WHO, reason="")


async def test_a_cancel_opens_a_lane_that_its_slot_blocked(case: Case) -> None:
    await case.submit()
    lane = await lane_of(case)
    blocked = evolve(lane, status=LaneStatus.BLOCKED, reason="fee_cap", blocked_nonce=0)
    await case.world.inner.commit([blocked.put(1)])
    await lanes_of(case).cancel(lane.key, 0, principal=WHO, reason="")
    assert await case.status() == (LaneStatus.OPEN, "")


async def test_a_cancel_works_on_a_halted_lane_and_leaves_it_halted(case: Case) -> None:
    await case.submit()
    lane = await lane_of(case)
    halted = evolve(lane, status=LaneStatus.HALTED, reason="test")
    await case.world.inner.commit([halted.put(1)])
    effect = await lanes_of(case).cancel(lane.key, 0, principal=WHO, reason="")
    assert effect.attempts[-1].purpose is Purpose.CANCEL
    assert await case.status() == (LaneStatus.HALTED, "test")


async def test_a_cancel_that_another_process_committed_and_could_not_send_is_sent(
    case: Case,
) -> None:
    """Nothing is offered more for on a halted lane, which would show that the effect changed."""
    task = await case.submit()
    lane = await lane_of(case)
    await case.world.inner.commit([evolve(lane, status=LaneStatus.HALTED, reason="test").put(1)])
    operator = await case.world.start()
    case.ledger.base_fee_wei = 4 * GWEI
    case.chain.lose_request = 99
    await case.world.lanes(operator).cancel(lane.key, 0, principal=WHO, reason="")
    await case.world.crash(operator)
    case.chain.lose_request = 0
    await case.clock.advance(30)
    cancel = (await case.effect()).attempts[-1]
    assert cancel.purpose is Purpose.CANCEL
    assert cancel.bytes in case.chain.broadcasts
    task.cancel()


async def test_a_poor_sender_cancels_with_the_gas_that_nothing_costs(case: Case) -> None:
    await case.submit()
    balance = case.ledger.balance(case.signer.address)
    case.ledger.fund(case.signer.address, 22_000 * 4 * GWEI - balance)
    lane = await lane_of(case)
    effect = await lanes_of(case).cancel(lane.key, 0, principal=WHO, reason="")
    assert effect.attempts[-1].gas == 21_000
    case.ledger.fund(case.signer.address, -case.ledger.balance(case.signer.address))
    with pytest.raises(OperationRefused, match="balance"):
        await lanes_of(case).cancel(lane.key, 0, principal=WHO, reason="")


async def test_a_cancel_that_nobody_here_can_sign_is_refused(case: Case) -> None:
    await case.submit()
    lanes = Lanes(
        case.world.inner,
        case.clock,
        {1337: case.chain},
        offers=Offers(case.world.inner, case.clock),
        reconciler=case.process.reconciler,
        authorizer=OwnerRule(),
    )
    with pytest.raises(OperationRefused, match="no_signer"):
        await lanes.cancel((await lane_of(case)).key, 0, principal=WHO, reason="")


async def test_a_nonce_without_slot_or_effect_cannot_be_cancelled(case: Case) -> None:
    task = await case.submit()
    lane, effect = await lane_of(case), await case.effect()
    with pytest.raises(OperationRefused, match="nonce 7 has no slot"):
        await lanes_of(case).cancel(lane.key, 7, principal=WHO, reason="")
    await case.world.inner.commit([Delete("effect", effect.key, 1)])
    with pytest.raises(OperationRefused, match="the effect of nonce 0 is not there"):
        await lanes_of(case).cancel(lane.key, 0, principal=WHO, reason="")
    await case.world.inner.commit([Put("effect", effect.key, 0, effect.put(0).body)])
    task.cancel()
