"""Watching sent transactions until the chain says what became of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from attrs import evolve

from zephyrus_exec.engine.reconciler import Reconciler
from zephyrus_exec.engine.records import (
    EFFECT,
    SETTLED,
    Attempt,
    Effect,
    EffectState,
    Lane,
    mined_in,
)
from zephyrus_exec.errors import ChainUnavailable
from zephyrus_exec.interfaces.chain import Fees
from zephyrus_exec.interfaces.store import Delete
from zephyrus_exec.model import AgentFunction, FunctionType
from zephyrus_exec.stores.memory import MemoryStore
from zephyrus_exec.testing.chain import GWEI, ModelChain, ModelSigner
from zephyrus_exec.testing.clock import ManualClock, settle
from zephyrus_exec.testing.faulty_store import Fault, FaultyStore

from .world import CONTRACT, TARGET


class Case:
    """A reconciler, and effects that are committed but not sent."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = FaultyStore(MemoryStore())
        self.chain = ModelChain()
        self.chain.automine = False
        self.chain.deploy(TARGET, {"set": None})
        self.signer = ModelSigner()
        self.chain.fund(self.signer.address)
        self.reconciler = self.another()

    def another(self) -> Reconciler:
        return Reconciler(self.store, self.clock, {1337: self.chain})

    async def signed(
        self, nonce: int = 0, *, confirmations: int = 1, chain_id: int = 1337
    ) -> Effect:
        """Commit an effect and its lane, and return it."""
        function = AgentFunction("set", type=FunctionType.WRITE)
        call = self.chain.encode(CONTRACT, function, {"n": nonce})
        unsigned = self.chain.build(call, nonce=nonce, gas=60_000, fees=Fees(3 * GWEI, GWEI))
        transaction = self.chain.assemble(unsigned, await self.signer.sign(unsigned.payload))
        attempt = Attempt(
            transaction.hash, "0x" + transaction.raw.hex(), 60_000, 3 * GWEI, GWEI, self.clock.now()
        )
        effect = Effect(
            key=f"x:1:{nonce}",
            execution_id="x",
            cycle=1,
            step=nonce,
            chain_id=chain_id,
            sender=self.signer.address,
            nonce=nonce,
            to=TARGET,
            function=call.function,
            arguments=call.arguments,
            value_wei="0",
            intent_hash="",
            confirmations=confirmations,
            state=EffectState.SIGNED,
            attempts=(attempt,),
        )
        lane = Lane(chain_id, self.signer.address, nonce + 1)
        record = await self.store.get("lane", lane.key)
        version = record.version if record is not None else 0
        await self.store.commit([effect.put(0), lane.put(version)])
        return effect

    async def sent(self, nonce: int = 0, *, confirmations: int = 1) -> Effect:
        effect = await self.signed(nonce, confirmations=confirmations)
        await self.chain.broadcast(bytes.fromhex(effect.attempts[0].raw[2:]))
        return effect

    def track(self, effect: Effect) -> asyncio.Future[Effect]:
        return self.reconciler.track(effect, 1, sent_at=self.clock.now(), flushed=True)

    async def history(self, effect: Effect) -> list[str]:
        return [event.kind for event in await self.store.read(f"effect:{effect.key}")]

    async def stored(self, effect: Effect) -> Effect:
        record = await self.store.get(EFFECT, effect.key)
        assert record is not None
        return Effect.of(record)


@pytest.fixture
async def case() -> AsyncIterator[Case]:
    case = Case()
    yield case
    await case.reconciler.aclose()


async def test_bytes_of_somebody_who_died_are_flushed_before_they_are_offered(case: Case) -> None:
    """That one may have been killed between its commit and the flush."""
    effects = [await case.signed(number) for number in range(3)]
    case.store.writable = False
    await case.reconciler.start()
    await case.clock.advance(30)
    assert case.chain.broadcasts == []
    case.store.writable = True
    await case.clock.advance(30)
    assert {*case.chain.broadcasts} == {effect.attempts[0].bytes for effect in effects}
    assert case.store.checks == 1


async def test_an_own_commit_is_not_flushed_again(case: Case) -> None:
    case.track(await case.signed())
    await case.clock.advance(30)
    assert case.chain.broadcasts
    assert case.store.checks == 0


async def test_a_mined_effect_is_settled_and_recorded(case: Case) -> None:
    effect = await case.sent()
    settled = case.track(effect)
    await case.clock.advance(5)
    assert not settled.done()
    case.chain.mine()
    await case.clock.advance(2)
    assert (await settled).state is EffectState.MINED_OK
    assert await case.stored(effect) == await settled
    [record] = await case.store.scan(EFFECT, group=mined_in(effect.lane))
    assert record.key == effect.key
    assert case.reconciler.open_slots == 0


async def test_a_mined_effect_is_watched_until_it_is_final(case: Case) -> None:
    effect = await case.sent()
    case.track(effect)
    case.chain.mine()
    await case.clock.advance(2)
    case.chain.mine(8)
    await case.clock.advance(40)
    assert (await case.stored(effect)).state is EffectState.FINAL_OK
    assert [record.key for record in await case.store.scan(EFFECT, group=SETTLED)] == [effect.key]
    assert not case.reconciler._lanes
    assert await case.history(effect) == ["mined", "finalized"]


async def test_slots_of_one_lane_are_watched_together(case: Case) -> None:
    effects = [await case.sent(nonce) for nonce in range(3)]
    settled = [case.track(effect) for effect in effects]
    assert case.reconciler.open_slots == 3
    assert len(case.reconciler._tasks) == 1
    case.chain.mine()
    await case.clock.advance(2)
    assert all(one.done() for one in settled)


async def test_a_new_slot_is_looked_at_without_waiting_for_the_pause_of_the_others(
    case: Case,
) -> None:
    case.track(await case.sent(0, confirmations=99))
    await case.clock.advance(60)
    later = await case.sent(1)
    case.chain.mine()
    settled = case.track(later)
    await settle()
    assert settled.done()


async def test_depth_counts_from_the_receipts_own_block(case: Case) -> None:
    settled = case.track(await case.sent(confirmations=3))
    for _ in range(3):
        await case.clock.advance(3)
        assert not settled.done()
        case.chain.mine()
    await case.clock.advance(3)
    assert settled.done()


async def test_the_same_bytes_are_offered_again_after_a_while(case: Case) -> None:
    effect = await case.signed()
    case.track(effect)
    await case.clock.advance(9.9)
    assert case.chain.broadcasts == []
    await case.clock.advance(3)
    assert len(case.chain.broadcasts) == 1
    await case.clock.advance(25)
    assert set(case.chain.broadcasts) == {bytes.fromhex(effect.attempts[0].raw[2:])}
    assert len(case.chain.broadcasts) == 3


async def test_a_node_that_refuses_them_decides_nothing(case: Case) -> None:
    case.chain.ledger.fund(case.signer.address, -(10**18))
    settled = case.track(await case.signed())
    await case.clock.advance(30)
    assert not settled.done()
    assert case.chain.broadcasts
    case.chain.fund(case.signer.address)
    await case.clock.advance(12)
    case.chain.mine()
    await case.clock.advance(3)
    assert settled.done()


async def test_bytes_whose_nonce_is_used_up_are_not_offered_again(case: Case) -> None:
    settled = case.track(await case.signed())
    case.chain.ledger.use_nonce(case.signer.address)
    await case.clock.advance(60)
    assert case.chain.broadcasts == []
    assert not settled.done()


async def test_a_node_that_cannot_be_reached_is_asked_again_later(case: Case) -> None:
    async def away(_method: str) -> None:
        raise ChainUnavailable("away", chain_id=1337)

    settled = case.track(await case.sent())
    case.chain.mine()
    back, case.chain.before = case.chain.before, away
    await case.clock.advance(60)
    assert not settled.done()
    case.chain.before = back
    await case.clock.advance(3)
    assert settled.done()


@pytest.mark.parametrize("fault", [Fault.UNAVAILABLE, Fault.UNKNOWN_LOST, Fault.UNKNOWN_WRITTEN])
async def test_an_outcome_that_cannot_be_stored_is_stored_later(case: Case, fault: Fault) -> None:
    effect = await case.sent()
    case.chain.mine()
    case.store.fail(fault)
    settled = case.track(effect)
    await case.clock.advance(5)
    assert settled.done()
    assert (await case.stored(effect)).state is EffectState.MINED_OK


async def test_two_processes_that_watch_the_same_effect_agree(case: Case) -> None:
    effect = await case.sent()
    other = case.another()
    await other.start()
    settled = case.track(effect)
    case.chain.mine()
    await case.clock.advance(3)
    assert (await settled) == await case.stored(effect)
    assert (case.reconciler.open_slots, other.open_slots) == (0, 0)
    await other.aclose()


async def test_an_effect_that_another_process_changed_is_read_again(case: Case) -> None:
    effect = await case.sent()
    changed = evolve(effect, confirmations=2)
    await case.store.commit([changed.put(1)])
    settled = case.track(effect)
    case.chain.mine()
    await case.clock.advance(3)
    assert not settled.done()
    case.chain.mine()
    await case.clock.advance(3)
    assert (await settled).confirmations == 2


async def test_an_effect_that_vanished_is_not_invented_again(
    case: Case, caplog: pytest.LogCaptureFixture
) -> None:
    effect = await case.sent()
    await case.store.commit([Delete(EFFECT, effect.key, 1)])
    settled = case.track(effect)
    case.chain.mine()
    await case.clock.advance(5)
    assert not settled.done()
    assert "is not in the store any more" in caplog.text
    assert await case.store.get(EFFECT, effect.key) is None


async def test_start_takes_up_what_is_open_and_offers_it_at_once(case: Case) -> None:
    effects = [await case.signed(nonce) for nonce in range(3)]
    await case.reconciler.start()
    assert case.reconciler.open_slots == 3
    await settle()
    assert len(case.chain.broadcasts) == 3
    case.chain.mine()
    await case.clock.advance(2)
    for effect in effects:
        assert (await case.stored(effect)).state is EffectState.MINED_OK


async def test_start_takes_up_more_than_one_page(case: Case) -> None:
    for nonce in range(101):
        await case.signed(nonce)
    await case.reconciler.start()
    assert case.reconciler.open_slots == 101


async def test_what_is_watched_already_goes_on_as_it_was(case: Case) -> None:
    effect = await case.sent()
    settled = case.track(effect)
    await case.reconciler.start()
    assert case.track(effect) is settled
    case.chain.mine()
    await case.clock.advance(2)
    assert settled.done()


async def test_effects_on_a_chain_that_is_not_configured_are_left_open_and_told(
    case: Case, caplog: pytest.LogCaptureFixture
) -> None:
    await case.signed(chain_id=5)
    await case.reconciler.start()
    assert case.reconciler.open_slots == 0
    assert "chain 5, which is not configured" in caplog.text


async def test_what_another_process_leaves_open_is_found_while_running(
    case: Case, caplog: pytest.LogCaptureFixture
) -> None:
    running = asyncio.create_task(case.reconciler.run())
    await case.clock.advance(5)
    effect = await case.signed()
    case.store.readable = False
    await case.clock.advance(10)
    assert "could not be listed" in caplog.text
    assert case.reconciler.open_slots == 0
    case.store.readable = True
    await case.clock.advance(10)
    case.chain.mine()
    await case.clock.advance(3)
    assert (await case.stored(effect)).state is EffectState.MINED_OK
    running.cancel()
    await asyncio.wait({running})


async def test_a_lane_whose_watch_failed_is_watched_again_with_its_next_effect(
    case: Case, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(_method: str) -> None:
        raise OSError("a bug of the adapter")

    back, case.chain.before = case.chain.before, broken
    first = case.track(await case.signed(0))
    await settle()
    assert "failed; this is a bug" in caplog.text
    case.chain.before = back
    await case.chain.broadcast(bytes.fromhex((await case.stored(_only(case))).attempts[0].raw[2:]))
    second = case.track(await case.sent(1))
    case.chain.mine()
    await case.clock.advance(3)
    assert first.done()
    assert second.done()


def _only(case: Case) -> Effect:
    [lane] = case.reconciler._lanes.values()
    return lane.slots[0].effect


async def test_closing_leaves_open_effects_open(case: Case) -> None:
    effect = await case.sent()
    settled = case.track(effect)
    await settle()
    await case.reconciler.aclose()
    assert not settled.done()
    assert (await case.stored(effect)).state is EffectState.SIGNED
