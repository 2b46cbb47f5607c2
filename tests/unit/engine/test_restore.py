"""A restored backup that is told so does nothing again that it has forgotten."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from zephyrus_exec.engine.accounts import list_lanes, load_effect
from zephyrus_exec.engine.engine import ExecutionEngine
from zephyrus_exec.engine.records import LANE, Effect, EffectState, Lane, LaneStatus
from zephyrus_exec.engine.restore import declare_restored
from zephyrus_exec.errors import OperationRefused
from zephyrus_exec.interfaces.chain import Fees
from zephyrus_exec.model import OPERATOR, EventKind
from zephyrus_exec.testing.chain import ModelChain
from zephyrus_exec.testing.clock import settle

from .world import World, chain_agent, die, plan

pytestmark = pytest.mark.usefixtures("may_leave_tasks")

LEASE = 20.0


async def backed_up() -> tuple[World, Effect]:
    """Return a world whose server died with a transaction under way, and that transaction."""
    world = World(chain_agent(), chain=ModelChain(automine=False))
    store = world.faulty()
    engine = await world.chain_engine(plan("set"), store=store).__aenter__()
    await engine.submit("a")
    await settle(50)
    await die(engine, store)
    (view,) = await list_lanes(world.inner)
    (effect,) = view.in_flight
    return world, effect


async def lane_of(world: World) -> Lane:
    (view,) = await list_lanes(world.inner)
    return view.lane


async def refusal(engine: ExecutionEngine) -> dict[str, Any]:
    body: dict[str, Any] = await engine.result(await engine.submit("a"))
    return body


async def test_it_is_refused_while_a_server_may_use_the_journal() -> None:
    world, _ = await backed_up()
    with pytest.raises(OperationRefused, match="stop it"):
        await declare_restored(world.inner, world.clock)
    assert (await lane_of(world)).status is LaneStatus.OPEN


async def test_lanes_are_halted_executions_end_and_effects_are_marked() -> None:
    world, effect = await backed_up()
    await world.clock.advance(LEASE + 1)
    done = await declare_restored(world.inner, world.clock, reason="the disk died")
    assert done.lanes == (effect.lane,)
    assert done.executions == (effect.execution_id,)
    assert done.effects == (effect.key,)
    lane = await lane_of(world)
    assert (lane.status, lane.reason) == (LaneStatus.HALTED, "restored")
    body = await world.ended(effect.execution_id)
    assert (body["outcome"], body["error"]["details"]) == ("interrupted", {"reason": "restored"})
    assert (await load_effect(world.inner, effect.key)).restored
    (told,) = [e for e in await world.inner.read(f"lane:{lane.key}") if e.kind == "halted"]
    assert told.data == {"reason": "restored", "principal": OPERATOR.id, "note": "the disk died"}


async def test_nothing_is_resumed_and_nothing_signed_before_somebody_checked_and_opened() -> None:
    world, effect = await backed_up()
    await world.clock.advance(LEASE + 1)
    await declare_restored(world.inner, world.clock)
    async with world.chain_engine(plan("set"), plan("set")) as engine:
        assert (await refusal(engine))["error"]["code"] == "lane_halted"
        with pytest.raises(OperationRefused, match="check the lane first"):
            await engine.lanes.open(effect.lane, principal=OPERATOR, reason="")
        lane = await engine.lanes.check(effect.lane, principal=OPERATOR, reason="")
        assert (lane.status, lane.reason) == (LaneStatus.HALTED, "restored_checked")
        lane = await engine.lanes.check(effect.lane, principal=OPERATOR, reason="again")
        lane = await engine.lanes.open(effect.lane, principal=OPERATOR, reason="")
        assert lane.status is LaneStatus.OPEN
    kinds = await world.kinds(effect.execution_id)
    assert kinds.count(EventKind.COMPLETED) == 1
    assert EventKind.TAKEN_OVER not in kinds


async def test_a_nonce_used_by_a_transaction_the_backup_lacks_is_in_doubt_and_not_displaced() -> (
    None
):
    """The missing transaction may be a better offer for the very same call."""
    world, effect = await backed_up()
    await world.clock.advance(LEASE + 1)
    call = world.chain.decode(effect.attempts[0].bytes)
    better = await bumped(world, effect)
    world.chain.ledger.drop(call.hash)
    await world.chain.broadcast(better)
    world.chain.mine(20)
    await declare_restored(world.inner, world.clock)
    async with world.chain_engine(plan("set")) as engine:
        for _ in range(5):
            await engine.lanes.check(effect.lane, principal=OPERATOR, reason="")
            world.chain.mine(20)
            await world.clock.advance(60)
    now = await load_effect(world.inner, effect.key)
    assert now.state is EffectState.IN_DOUBT
    assert now.evidence is not None
    assert now.evidence["consumer"] == world.chain.decode(better).hash


async def bumped(world: World, effect: Effect) -> bytes:
    """Return the bytes of a better offer that was signed after the backup was taken."""
    said = world.chain.decode(effect.attempts[0].bytes)
    blank = evolve(world.chain.blank(said.sender), to=said.to, data=said.data)
    fees = Fees(said.fees.max_fee_wei * 2, (said.fees.max_priority_fee_wei or 0) * 2)
    unsigned = world.chain.build(blank, nonce=said.nonce, gas=said.gas, fees=fees)
    signature = await world.signer.sign(unsigned.payload)
    return world.chain.assemble(unsigned, signature).raw


async def test_a_retired_lane_stays_retired_and_saying_it_twice_does_no_harm() -> None:
    world, effect = await backed_up()
    await world.clock.advance(LEASE + 1)
    other = Lane(5, "0x" + "22" * 20, 3, status=LaneStatus.RETIRED, reason="moved")
    await world.inner.commit([other.put(0)])
    first = await declare_restored(world.inner, world.clock)
    second = await declare_restored(world.inner, world.clock)
    assert first.lanes == second.lanes == (effect.lane,)
    assert second.executions == ()
    record = await world.inner.get(LANE, other.key)
    assert record is not None
    assert Lane.of(record) == other
