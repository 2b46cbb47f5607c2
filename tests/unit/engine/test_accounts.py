"""Lanes and effects as operators see them."""

from __future__ import annotations

import pytest
from attrs import evolve

from zephyrus_exec.engine.accounts import (
    last_effect,
    list_effects,
    list_lanes,
    load_effect,
    load_lane,
)
from zephyrus_exec.engine.records import EFFECT, Effect, EffectState
from zephyrus_exec.errors import OperationRefused
from zephyrus_exec.testing.chain import ModelSigner

from .world import World, chain_agent, plan

LANE = f"1337:{ModelSigner().address}"


async def world_with(*states: EffectState) -> tuple[World, list[Effect]]:
    """Return a world in which the account's effects stand like this, and the effects."""
    world = World(chain_agent())
    async with world.chain_engine(plan(*["set"] * len(states))) as engine:
        await engine.result(await engine.submit("a"))
    effects = []
    for number, state in enumerate(states):
        record = (await world.inner.scan(EFFECT))[number]
        effect = evolve(Effect.of(record), state=state)
        await world.inner.commit([effect.put(record.version)])
        effects.append(effect)
    return world, effects


async def test_a_lane_shows_what_is_under_way_by_nonce() -> None:
    states = (
        EffectState.FINAL_OK,
        EffectState.IN_DOUBT,
        EffectState.MINED_OK,
        EffectState.CANCELLING,
        EffectState.SIGNED,
    )
    world, effects = await world_with(*states)
    (view,) = await list_lanes(world.inner)
    assert view == await load_lane(world.inner, LANE.upper().replace("0X", "0x"))
    assert [effect.nonce for effect in view.in_flight] == [3, 4]
    assert [effect.nonce for effect in view.mined] == [2]
    assert [effect.nonce for effect in view.in_doubt] == [1]
    assert view.unsettled == tuple(effects[1:])
    assert await last_effect(world.inner, view.lane) == effects[-1]
    assert await last_effect(world.inner, evolve(view.lane, next_nonce=99)) is None


async def test_an_unknown_lane_is_refused_with_the_known_ones() -> None:
    world, _ = await world_with(EffectState.FINAL_OK)
    with pytest.raises(OperationRefused, match=LANE):
        await load_lane(world.inner, "1:0x00")
    with pytest.raises(OperationRefused, match="nothing was ever sent"):
        await load_lane(World().inner, "1:0x00")


async def test_effects_are_listed_newest_first_and_chosen() -> None:
    world, (one, two, three) = await world_with(
        EffectState.MINED_OK, EffectState.FINAL_OK, EffectState.SIGNED
    )
    assert await list_effects(world.inner, limit=9) == [three, two, one]
    assert await list_effects(world.inner, limit=2, lane=LANE) == [three, two]
    unsettled = await list_effects(world.inner, limit=9, unsettled=True)
    assert sorted(effect.nonce for effect in unsettled) == [one.nonce, three.nonce]
    assert len(await list_effects(world.inner, limit=1, unsettled=True, lane=LANE)) == 1
    with pytest.raises(OperationRefused, match="there is no lane"):
        await list_effects(world.inner, limit=9, lane="1:0x00")


async def test_another_lanes_effects_are_left_out() -> None:
    world, (one, _) = await world_with(EffectState.FINAL_OK, EffectState.FINAL_OK)
    record = await world.inner.get(EFFECT, one.key)
    assert record is not None
    foreign = evolve(one, sender="0x" + "22" * 20)
    await world.inner.commit([foreign.put(record.version)])
    assert [e.nonce for e in await list_effects(world.inner, limit=9, lane=LANE)] == [1]


async def test_an_effect_is_found_by_its_key_and_by_each_of_its_hashes() -> None:
    world, (one, two) = await world_with(EffectState.FINAL_OK, EffectState.FINAL_OK)
    assert await load_effect(world.inner, one.key) == one
    assert await load_effect(world.inner, two.call_hash.upper().replace("0X", "0x")) == two
    for unknown in ("0x" + "00" * 32, "nobody:1:1"):
        with pytest.raises(OperationRefused, match="there is no effect"):
            await load_effect(world.inner, unknown)
