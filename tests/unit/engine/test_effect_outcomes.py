"""What becomes of effects: reorgs, dropped and stuck transactions, somebody else on the account."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from attrs import evolve

from tests.stateful.effects_world import EffectsWorld, Process, told
from zephyrus_exec.engine.fees import FeePolicy
from zephyrus_exec.engine.includable import check_sender
from zephyrus_exec.engine.offers import Blocked, Stored
from zephyrus_exec.engine.reconciler import Reconciler
from zephyrus_exec.engine.records import LANE, Effect, EffectState, LaneStatus, Purpose
from zephyrus_exec.errors import (
    ChainUnavailable,
    EffectConflict,
    GasLimitExceeded,
    LaneHalted,
    TransactionRejected,
)
from zephyrus_exec.interfaces.chain import Account, Fees, Lookup
from zephyrus_exec.interfaces.store import Delete
from zephyrus_exec.testing.chain import GWEI
from zephyrus_exec.testing.clock import settle
from zephyrus_exec.testing.faulty_store import Fault


class Case:
    """One process, and what tests ask of it."""

    def __init__(self, policy: FeePolicy | None = None) -> None:
        self.world = EffectsWorld(policy=policy)
        self.chain, self.ledger = self.world.chain, self.world.chain.ledger
        self.clock, self.signer = self.world.clock, self.world.signer
        self.process: Process

    async def submit(self) -> asyncio.Task[Effect]:
        key = await self.world.submit(self.process)
        await settle(40)
        return self.process.performing[key]

    async def blocks(self, number: int, *, seconds: float = 12.0) -> None:
        for _ in range(number):
            self.chain.mine()
            await self.clock.advance(seconds)

    async def effect(self, number: int = 0) -> Effect:
        return (await self.world.stored())[number]

    async def kinds(self, number: int = 0) -> list[str]:
        key = (await self.effect(number)).key
        return [event.kind for event in await self.world.inner.read(f"effect:{key}", after=1)]

    async def lane_kinds(self) -> list[str]:
        lane = await self.world.lane()
        assert lane is not None
        return [event.kind for event in await self.world.inner.read(f"lane:{lane.key}")]

    async def status(self) -> tuple[LaneStatus, str]:
        lane = await self.world.lane()
        assert lane is not None
        return lane.status, lane.reason

    def foreign(self, *, visible: bool = True) -> None:
        """Let somebody else use the next nonce, and forget what waits."""
        self.ledger.pool.clear()
        self.ledger.use_nonce(self.signer.address, visible=visible)


async def nothing(_method: str) -> None:
    """Let the chain answer."""


def done(task: asyncio.Task[Effect]) -> Effect:
    """Return what was told; nobody has to wait any more."""
    assert task.done()
    return task.result()


async def started(policy: FeePolicy | None = None) -> Case:
    case = Case(policy)
    case.process = await case.world.start()
    return case


@pytest.fixture
async def case() -> AsyncIterator[Case]:
    case = await started()
    yield case
    await case.world.check()
    await case.world.close()


# --- mined, reorged, final -----------------------------------------------------------------------


async def test_mined_deep_enough_is_told_and_then_watched_until_it_is_final(case: Case) -> None:
    task = await case.submit()
    await case.blocks(2)
    assert done(task).state is EffectState.MINED_OK
    await case.blocks(7, seconds=31)
    assert (await case.effect()).state is EffectState.FINAL_OK
    assert await case.kinds() == ["mined", "finalized"]


async def test_a_reorg_sends_the_same_bytes_again_and_who_was_told_stays_told(
    case: Case,
) -> None:
    task = await case.submit()
    await case.blocks(2)
    assert done(task).state is EffectState.MINED_OK
    case.ledger.reorg(2, keep=False)
    await case.clock.advance(31)
    assert (await case.effect()).state is EffectState.SIGNED
    assert len(set(case.chain.broadcasts)) == 1
    assert len(case.chain.broadcasts) > 1
    await case.blocks(12, seconds=31)
    assert (await case.effect()).state is EffectState.FINAL_OK
    assert await case.kinds() == ["mined", "reorged", "mined", "finalized"]
    assert done(task).state is EffectState.MINED_OK


async def test_who_asks_after_a_reorg_waits_until_it_is_mined_again(case: Case) -> None:
    await case.submit()
    await case.blocks(2)
    case.ledger.reorg(2, keep=False)
    await case.clock.advance(31)
    await case.world.take_over(case.process, "x1:1:1")
    later = case.process.performing["x1:1:1"]
    await settle(40)
    assert not later.done()
    await case.blocks(2)
    assert done(later).state is EffectState.MINED_OK


async def test_mined_again_in_another_block_is_told_with_that_block(case: Case) -> None:
    await case.submit()
    await case.blocks(2)
    case.ledger.reorg(2)
    case.chain.mine(3)
    await case.clock.advance(31)
    effect = await case.effect()
    assert effect.state is EffectState.MINED_OK
    assert effect.receipt == case.ledger.receipt(effect.transaction_hash)
    assert await case.kinds() == ["mined", "reorged", "mined"]


async def test_a_reorg_above_it_leaves_a_mined_effect_as_it_was(case: Case) -> None:
    await case.submit()
    await case.blocks(2)
    await case.submit()
    await case.blocks(2)
    case.ledger.reorg(2, keep=False)
    await case.clock.advance(31)
    assert await case.kinds(0) == ["mined"]
    assert await case.kinds(1) == ["mined", "reorged"]


async def test_an_endpoint_that_is_behind_decides_nothing(case: Case) -> None:
    await case.submit()
    await case.blocks(2)
    before = case.ledger._blocks
    case.ledger._blocks = before[:1]  # what a lagging node shows
    await case.clock.advance(31)
    assert (await case.effect()).state is EffectState.MINED_OK
    case.ledger._blocks = before
    await case.clock.advance(31)
    assert await case.kinds() == ["mined"]


async def test_a_head_that_was_never_reached_keeps_nobody_from_looking_again(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node answered once as if it were another chain's, far ahead, with all nonces used."""
    tasks = [await case.submit() for _ in range(6)]
    honest = case.chain.lookup

    async def far_ahead(hashes: Sequence[str], *, sender: str) -> Lookup:
        seen = await honest((), sender=sender)
        return evolve(seen, block=evolve(seen.block, number=10**9), nonce=6)

    monkeypatch.setattr(case.chain, "lookup", far_ahead)
    await case.blocks(1)
    monkeypatch.setattr(case.chain, "lookup", honest)
    await case.blocks(4)
    assert [done(task).state for task in tasks] == [EffectState.MINED_OK] * 6


async def test_a_dropped_transaction_is_sent_again_byte_for_byte(case: Case) -> None:
    task = await case.submit()
    case.ledger.pool.clear()
    await case.clock.advance(12)
    await case.blocks(2)
    assert done(task).state is EffectState.MINED_OK
    assert len(case.chain.broadcasts) == 2
    assert len(set(case.chain.broadcasts)) == 1


async def test_when_a_pool_is_wiped_everything_is_sent_again_after_a_few_blocks(
    case: Case,
) -> None:
    for _ in range(6):
        await case.submit()
    case.ledger.base_fee_wei = 100 * GWEI
    case.ledger.pool.clear()
    await case.blocks(7, seconds=10)
    assert len({case.chain.decode(raw).nonce for raw in case.chain.broadcasts[6:]}) == 6


# --- somebody else on the account ----------------------------------------------------------------


async def test_a_nonce_that_somebody_else_used_for_good_displaces_and_halts(case: Case) -> None:
    task = await case.submit()
    case.foreign()
    await case.clock.advance(12)
    assert await case.kinds() == ["nonce_used"]
    await case.blocks(7)
    assert not task.done()
    assert await case.status() == (LaneStatus.OPEN, "")
    await case.blocks(3, seconds=31)
    effect = done(task)
    assert effect.state is EffectState.DISPLACED
    assert effect.evidence is not None
    used = case.ledger.consumer(case.signer.address, 0, after=-1, upto=99)
    assert effect.evidence["consumer"] == used
    assert await case.status() == (LaneStatus.HALTED, "displaced")
    assert await case.lane_kinds() == ["halted"]
    assert isinstance(await told(await case.submit()), LaneHalted)


async def test_a_nonce_that_was_used_and_nobody_can_see_by_what_is_in_doubt(case: Case) -> None:
    task = await case.submit()
    case.foreign(visible=False)
    await case.clock.advance(12)
    await case.blocks(10, seconds=31)
    assert done(task).state is EffectState.IN_DOUBT
    assert await case.status() == (LaneStatus.HALTED, "in_doubt")


async def test_foreign_use_that_a_reorg_undoes_is_forgotten_and_the_effect_happens(
    case: Case,
) -> None:
    task = await case.submit()
    case.foreign()
    await case.clock.advance(12)
    case.ledger.reorg(1, keep=False)
    await case.clock.advance(12)
    await case.blocks(3, seconds=2)
    assert done(task).state is EffectState.MINED_OK
    assert await case.kinds() == ["nonce_used", "nonce_free", "mined"]


async def test_foreign_use_that_moves_to_another_block_is_remembered_there(case: Case) -> None:
    task = await case.submit()
    case.foreign()
    await case.clock.advance(12)
    case.ledger.reorg(1)
    await case.blocks(11, seconds=31)
    assert done(task).state is EffectState.DISPLACED


async def test_a_reorg_that_puts_a_foreign_transaction_first_displaces_what_was_mined(
    case: Case,
) -> None:
    task = await case.submit()
    await case.blocks(2)
    assert done(task).state is EffectState.MINED_OK
    case.ledger.reorg(2, keep=False)
    case.foreign()
    await case.blocks(12, seconds=31)
    effect = await case.effect()
    assert effect.state is EffectState.DISPLACED
    assert effect.receipt is None


async def test_a_consumer_below_the_block_of_signing_is_found_after_a_reorg(case: Case) -> None:
    """Where effects.md scans only from the block it was signed at, this would be in doubt."""
    await case.blocks(6)
    task = await case.submit()
    case.ledger.reorg(6, keep=False)
    case.ledger._blocks = case.ledger._blocks[:2]  # the new fork is shorter at first
    case.foreign()
    case.chain.mine(6)
    await case.blocks(12, seconds=31)
    effect = done(task)
    assert effect.state is EffectState.DISPLACED
    assert effect.signed_at_block == 6


async def test_nodes_that_contradict_themselves_decide_nothing(case: Case) -> None:
    """A nonce is used, by our own transaction, of which no receipt is shown."""
    task = await case.submit()
    case.chain.mine()
    receipts = [mined.receipts for mined in case.ledger._blocks]
    kept = [dict(one) for one in receipts]
    for one in receipts:
        one.clear()
    await case.blocks(10, seconds=31)
    assert not task.done()
    for one, back in zip(receipts, kept, strict=True):
        one.update(back)
    await case.clock.advance(31)
    assert done(task).state is EffectState.FINAL_OK


async def unavailable(case: Case, method: str) -> None:
    """Let one method fail from now on."""

    async def fail(asked: str) -> None:
        if asked == method:
            raise ChainUnavailable("nobody tells", chain_id=1337)

    case.chain.before = fail


async def test_while_nobody_tells_what_is_final_other_effects_of_the_lane_are_told(
    case: Case,
) -> None:
    displaced = await case.submit()
    case.foreign()
    await case.clock.advance(12)
    await unavailable(case, "final")
    task = await case.submit()
    await case.blocks(10)
    assert done(task).state is EffectState.MINED_OK
    assert not displaced.done()
    case.chain.before = nothing
    await case.blocks(2, seconds=31)
    assert done(displaced).state is EffectState.DISPLACED


async def test_while_it_is_searched_who_used_a_nonce_other_effects_of_the_lane_are_told(
    case: Case,
) -> None:
    displaced = await case.submit()
    case.foreign()
    await case.clock.advance(12)
    await unavailable(case, "find_consumer")
    await case.blocks(10, seconds=31)
    task = await case.submit()
    await case.blocks(2)
    assert done(task).state is EffectState.MINED_OK
    assert not displaced.done()
    case.chain.before = nothing
    await case.clock.advance(3)
    assert done(displaced).state is EffectState.DISPLACED


async def test_an_effect_whose_lane_record_is_gone_is_still_told(case: Case) -> None:
    task = await case.submit()
    lane = await case.world.lane()
    assert lane is not None
    await case.world.inner.commit([Delete(LANE, lane.key, 1)])
    case.foreign()
    await case.clock.advance(12)
    await case.blocks(10, seconds=31)
    assert done(task).state is EffectState.DISPLACED
    await case.world.inner.commit([lane.put(0)])


# --- better offers -------------------------------------------------------------------------------


async def test_what_waits_too_long_is_offered_more_for_and_all_its_hashes_count(
    case: Case,
) -> None:
    task = await case.submit()
    case.ledger.base_fee_wei = 4 * GWEI
    await case.blocks(3)
    effect = await case.effect()
    assert [one.purpose for one in effect.attempts] == [Purpose.CALL, Purpose.CALL]
    assert await case.kinds() == ["bumped"]
    case.ledger.pool.clear()
    case.ledger.base_fee_wei = GWEI
    case.ledger.offer(case.chain.decode(effect.attempts[0].bytes))
    await case.blocks(2, seconds=3)
    assert done(task).transaction_hash == effect.attempts[0].transaction_hash


async def test_without_new_blocks_nothing_is_offered_more_for(case: Case) -> None:
    """There is no sign that the fees are to blame."""
    await case.submit()
    await case.clock.advance(300)
    assert len((await case.effect()).attempts) == 1


async def test_only_the_lowest_is_offered_more_for(case: Case) -> None:
    for _ in range(3):
        await case.submit()
    case.ledger.base_fee_wei = 4 * GWEI
    await case.blocks(4)
    assert [len(one.attempts) for one in await case.world.stored()] == [2, 1, 1]


async def test_above_the_cap_the_lane_is_blocked_and_opens_when_it_goes_on() -> None:
    case = await started(FeePolicy(max_fee_wei=3 * GWEI))
    task = await case.submit()
    case.ledger.base_fee_wei = 4 * GWEI
    await case.blocks(4)
    assert await case.status() == (LaneStatus.BLOCKED, "fee_cap")
    assert await case.kinds() == ["blocked"]
    waiting = await case.submit()
    assert not waiting.done()
    assert len(await case.world.stored()) == 1
    await case.blocks(4)
    assert await case.lane_kinds() == ["blocked"]  # told once
    case.ledger.base_fee_wei = GWEI
    await case.blocks(3)
    assert done(task).state is EffectState.MINED_OK
    assert await case.status() == (LaneStatus.OPEN, "")
    assert await case.lane_kinds() == ["blocked", "unblocked"]
    await case.blocks(3)
    assert done(waiting).state is EffectState.MINED_OK
    await case.world.close()


async def test_a_better_offer_goes_up_to_the_cap_where_that_is_enough() -> None:
    """A new transaction would offer twice the base fee, which is above the cap."""
    case = await started(FeePolicy(max_fee_wei=6 * GWEI))
    task = await case.submit()
    case.ledger.base_fee_wei = 4 * GWEI
    await case.blocks(6)
    assert done(task).state is EffectState.MINED_OK
    assert [one.max_fee_wei for one in (await case.effect()).attempts] == [3 * GWEI, 6 * GWEI]
    assert await case.lane_kinds() == []
    await case.world.close()


async def test_an_offer_that_its_cap_keeps_below_the_base_fee_is_not_made() -> None:
    case = await started(FeePolicy(max_fee_wei=6 * GWEI))
    await case.submit()
    case.ledger.base_fee_wei = 7 * GWEI
    await case.blocks(4)
    assert len((await case.effect()).attempts) == 1
    assert await case.status() == (LaneStatus.BLOCKED, "fee_cap")
    await case.world.close()


async def test_a_suggestion_above_the_agents_priority_fee_does_not_keep_from_offering_more(
    case: Case,
) -> None:
    await case.submit()
    effect = evolve(await case.effect(), max_priority_fee_wei=2 * GWEI)
    case.chain.priority_fee_wei = 5 * GWEI
    case.ledger.base_fee_wei = 4 * GWEI
    better = await case.process.offers.bump(effect, 1, case.chain)
    assert isinstance(better, Stored)
    assert better.effect.attempts[-1].fees == Fees(10 * GWEI, 2 * GWEI)


async def test_the_agents_priority_fee_is_never_exceeded_by_a_better_offer(case: Case) -> None:
    await case.submit()
    effect = await case.effect()
    below = await case.process.offers.bump(evolve(effect, max_priority_fee_wei=GWEI), 1, case.chain)
    assert below == Blocked("fee_cap")
    enough = await case.process.offers.bump(
        evolve(effect, max_priority_fee_wei=2 * GWEI), 1, case.chain
    )
    assert isinstance(enough, Stored)


def _rich(case: Case) -> Account:
    return Account(0, 10**30, has_code=False, block=case.ledger.head)


async def test_a_sender_that_is_poor_now_blocks_its_lane_until_it_is_paid(case: Case) -> None:
    task = await case.submit()
    balance = case.ledger.balance(case.signer.address)
    case.ledger.fund(case.signer.address, -balance)
    await case.blocks(4)
    assert await case.status() == (LaneStatus.BLOCKED, "balance")
    case.chain.fund(case.signer.address, balance)
    case.ledger.base_fee_wei = 4 * GWEI
    await case.blocks(4)
    assert await case.lane_kinds() == ["blocked", "unblocked"]  # a better offer was possible
    await case.blocks(3)
    assert done(task).state is EffectState.MINED_OK


@pytest.mark.parametrize("obstacle", ["gas_limit", "sender_has_code"])
async def test_what_can_never_be_mined_blocks_the_lane(case: Case, obstacle: str) -> None:
    task = await case.submit()
    case.ledger.base_fee_wei = 4 * GWEI
    if obstacle == "gas_limit":
        case.ledger._gas_limit = 50_000
    else:
        case.chain.deploy(case.signer.address, {})
    await case.blocks(4)
    assert await case.status() == (LaneStatus.BLOCKED, obstacle)
    assert not task.done()


async def test_a_process_without_the_signer_offers_nothing_better_and_blocks_nothing(
    case: Case,
) -> None:
    await case.submit()
    await case.world.crash(case.process)
    other = Reconciler(case.world.inner, case.clock, {1337: case.chain})
    await other.start()
    case.ledger.base_fee_wei = 4 * GWEI
    await case.blocks(5)
    assert await case.status() == (LaneStatus.OPEN, "")
    assert len((await case.effect()).attempts) == 1
    await other.aclose()


async def test_on_a_halted_lane_nothing_is_offered_more_for(case: Case) -> None:
    await case.submit()
    lane = await case.world.lane()
    assert lane is not None
    await case.world.inner.commit([evolve(lane, status=LaneStatus.HALTED, reason="test").put(1)])
    case.ledger.base_fee_wei = 4 * GWEI
    await case.blocks(5)
    assert len((await case.effect()).attempts) == 1


async def test_stuck_for_long_enough_it_is_cancelled_where_that_is_configured() -> None:
    case = await started(FeePolicy(stuck_after=60.0, max_fee_wei=3 * GWEI))
    task = await case.submit()
    case.ledger.base_fee_wei = 4 * GWEI
    await case.blocks(8)
    effect = await case.effect()
    assert effect.state is EffectState.CANCELLING
    assert effect.attempts[-1].purpose is Purpose.CANCEL
    case.ledger.base_fee_wei = GWEI
    await case.blocks(3)
    assert not task.done(), "a reorg may still let the call come first"
    await case.blocks(9, seconds=31)
    effect = done(task)
    assert effect.state is EffectState.CANCELLED
    assert effect.transaction_hash != effect.call_hash
    assert case.world.happened("x1:1:1") == 0
    await case.world.check()
    await case.world.close()


async def test_a_cancel_that_waits_is_offered_more_for_above_the_cap_of_calls() -> None:
    case = await started(FeePolicy(stuck_after=60.0, max_fee_wei=3 * GWEI))
    await case.submit()
    case.ledger.base_fee_wei = 4 * GWEI
    case.chain.lose_request = 99
    await case.blocks(8)
    case.ledger.base_fee_wei = 20 * GWEI
    await case.blocks(4)
    attempts = (await case.effect()).attempts
    assert [one.purpose for one in attempts[-2:]] == [Purpose.CANCEL] * 2
    assert attempts[-1].max_fee_wei == 41 * GWEI
    await case.world.close()


async def test_the_call_may_come_before_its_cancel_and_then_it_happened() -> None:
    case = await started(FeePolicy(stuck_after=60.0, max_fee_wei=3 * GWEI))
    task = await case.submit()
    call = case.chain.broadcasts[0]
    case.ledger.base_fee_wei = 4 * GWEI
    await case.blocks(3)
    case.chain.lose_request = 99  # so that the cancel reaches nobody
    await case.blocks(4)
    assert (await case.effect()).state is EffectState.CANCELLING
    case.ledger.pool.clear()
    case.ledger.base_fee_wei = GWEI
    case.ledger.offer(case.chain.decode(call))
    await case.blocks(2)
    assert done(task).state is EffectState.MINED_OK
    await case.world.close()


@pytest.mark.parametrize("fault", [Fault.UNKNOWN_WRITTEN, Fault.UNKNOWN_LOST, Fault.UNAVAILABLE])
async def test_a_better_offer_of_unknown_fate_is_read_back_before_it_is_sent(
    case: Case, fault: Fault
) -> None:
    await case.submit()
    case.ledger.base_fee_wei = 4 * GWEI
    await case.blocks(2)
    case.process.store.fail(fault)
    await case.blocks(3)
    effect = await case.effect()
    assert len(effect.attempts) == 2
    assert effect.attempts[-1].bytes in case.chain.broadcasts


async def test_two_processes_that_offer_more_at_once_make_one_offer(case: Case) -> None:
    await case.submit()
    await case.world.start()
    case.ledger.base_fee_wei = 4 * GWEI
    await case.blocks(4)
    assert len((await case.effect()).attempts) == 2


# --- what is refused, and what is taken up -------------------------------------------------------


async def test_the_same_key_with_another_intent_stops_and_overwrites_nothing(case: Case) -> None:
    task = await case.submit()
    before = await case.effect()
    journal = case.world.journal(case.process, "x1", 2)
    other = case.world.perform(case.process, "x1:1:1", journal, said="something else")
    assert isinstance(await told(other), EffectConflict)
    task.cancel()
    assert await case.effect() == before
    assert len(case.chain.broadcasts) == 1


async def test_whoever_takes_an_execution_over_watches_what_was_signed(case: Case) -> None:
    await case.submit()
    await case.world.crash(case.process)
    other = await case.world.start()
    await case.world.take_over(other, "x1:1:1")
    await case.blocks(2)
    assert done(other.performing["x1:1:1"]).state is EffectState.MINED_OK
    assert len(await case.world.stored()) == 1


async def test_an_effect_performed_twice_at_once_is_signed_once_and_told_to_both() -> None:
    case = Case()
    case.process = await case.world.start(turns=2)
    key = await case.world.submit(case.process)
    case.process.performing[key].cancel()
    await settle()
    journal = case.world.journal(case.process, "x1", 1)
    tasks = [case.world.perform(case.process, key, journal) for _ in range(2)]
    await settle(100)
    assert len(case.chain.broadcasts) == 1
    await case.blocks(2)
    assert [done(task).state for task in tasks] == [EffectState.MINED_OK] * 2
    await case.world.close()


async def test_a_lane_that_is_blocked_at_the_last_moment_makes_the_effect_wait(
    case: Case,
) -> None:
    first = await case.submit()

    async def block(method: str) -> None:
        lane = await case.world.lane()
        if method == "account" and lane is not None and lane.status is LaneStatus.OPEN:
            blocked = evolve(lane, status=LaneStatus.BLOCKED, reason="test", blocked_nonce=0)
            await case.world.inner.commit([blocked.put(1)])

    before, case.chain.before = case.chain.before, block
    waiting = await case.submit()
    assert len(await case.world.stored()) == 1
    case.chain.before = before
    await case.blocks(2)
    assert done(first).state is EffectState.MINED_OK
    await case.blocks(2)
    assert done(waiting).state is EffectState.MINED_OK


async def test_a_lane_that_somebody_else_opens_at_the_same_moment_is_open(case: Case) -> None:
    await case.submit()
    lane = await case.world.lane()
    assert lane is not None
    blocked = evolve(lane, status=LaneStatus.BLOCKED, reason="test", blocked_nonce=0)
    await case.world.inner.commit([blocked.put(1)])
    case.process.store.fail(Fault.CONFLICT)
    await case.blocks(2)
    assert (await case.effect()).state is EffectState.MINED_OK
    assert await case.status() == (LaneStatus.BLOCKED, "test")
    await case.submit()  # nothing that blocks is under way
    assert await case.status() == (LaneStatus.OPEN, "")


async def test_bytes_offered_for_what_is_not_watched_are_nobodys_business(case: Case) -> None:
    task = await case.submit()
    other = Reconciler(case.world.inner, case.clock, {1337: case.chain})
    other.sent(await case.effect(), taken=True)
    assert other.open_slots == 0
    task.cancel()


async def test_whoever_comes_when_it_is_final_is_told_at_once(case: Case) -> None:
    await case.submit()
    await case.blocks(12, seconds=31)
    await case.world.take_over(case.process, "x1:1:1")
    outcome = await told(case.process.performing["x1:1:1"])
    assert isinstance(outcome, Effect)
    assert outcome.state is EffectState.FINAL_OK


async def test_a_sender_with_code_cannot_send_unless_that_only_delegates(case: Case) -> None:
    case.chain.deploy(case.signer.address, {})
    outcome = await told(await case.submit())
    assert isinstance(outcome, TransactionRejected)
    assert outcome.details["reason"] == "sender_has_code"
    assert case.chain.broadcasts == []
    case.chain.delegated.add(case.signer.address)
    await case.submit()
    assert len(case.chain.broadcasts) == 1


async def test_a_cap_below_the_base_fee_sends_nothing() -> None:
    case = await started(FeePolicy(max_fee_wei=3 * GWEI))
    case.ledger.base_fee_wei = 5 * GWEI
    case.chain.mine()
    outcome = await told(await case.submit())
    assert isinstance(outcome, TransactionRejected)
    assert outcome.details["reason"] == "fee_cap"
    assert await case.world.stored() == []
    await case.world.close()


async def test_gas_below_what_the_bytes_alone_cost_is_refused(case: Case) -> None:
    case.ledger._gas_limit = 20_000
    case.ledger.gas_used = 10_000
    case.chain.mine()
    assert isinstance(await told(await case.submit()), GasLimitExceeded)


def test_a_call_for_another_chain_is_refused(case: Case) -> None:
    call = evolve(case.chain.blank(case.signer.address), chain_id=5)
    with pytest.raises(TransactionRejected) as caught:
        check_sender(call, case.chain, _rich(case), case.signer.address)
    assert caught.value.details["reason"] == "wrong_chain"
