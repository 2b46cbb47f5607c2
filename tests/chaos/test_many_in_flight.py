"""Fifty transactions of one signer under way at once: in order, and without a storm of requests."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.anvil import Anvil, running_anvil
from tests.chaos.crowd import AGENTS, EACH, NODE_OPTIONS, UNLUCKY, Crowd, crowd_at
from zephyrus_exec.engine.records import EffectState

pytestmark = pytest.mark.slow

MANY = AGENTS * EACH
MOST_CALLS_PER_EFFECT = 5
WAIT = 2.0
"""Seconds in which nothing is mined; ten times as many on the engine's clock."""


@pytest.fixture
def anvil() -> Iterator[Anvil]:
    with running_anvil(*NODE_OPTIONS) as node:
        yield node


def calls_per_effect(crowd: Crowd, capsys: pytest.CaptureFixture[str]) -> float:
    """Return how many requests were made since they were counted anew, and print them."""
    number = crowd.calls.total() / MANY
    with capsys.disabled():
        print(
            f"\n{number:.2f} requests per effect until the last nonce was used: {dict(crowd.calls)}"
        )
    return number


async def test_all_become_final_in_the_order_of_their_nonces(
    anvil: Anvil, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with crowd_at(anvil, tmp_path) as crowd:
        executions = await crowd.submit(MANY)
        await crowd.signed(MANY)
        assert [effect.nonce for effect in await crowd.effects()] == list(range(MANY))
        crowd.calls.clear()
        await asyncio.sleep(WAIT)
        await crowd.mine_until_used(MANY)
        assert calls_per_effect(crowd, capsys) < MOST_CALLS_PER_EFFECT
        await crowd.mine_until_final()
        outcomes = {(await crowd.engine.result(one))["outcome"] for one in executions}
        assert outcomes == {"succeeded"}
        assert {effect.state for effect in await crowd.effects()} == {EffectState.FINAL_OK}
        for kind in ("mined", "finalized"):
            places = await crowd.positions(kind)
            assert len(places) == MANY
            assert places == sorted(places)


async def test_one_that_offers_too_little_is_bumped_and_the_rest_follow_it(
    anvil: Anvil, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with crowd_at(anvil, tmp_path) as crowd:
        await crowd.submit(20)
        await crowd.signed(20)
        crowd.poor = True
        await crowd.submit(1, agent="unlucky")
        await crowd.signed(21)
        crowd.poor = False
        await crowd.submit(MANY - 21)
        await crowd.signed(MANY)
        crowd.calls.clear()
        await asyncio.sleep(WAIT)
        await crowd.mine_until_used(MANY)
        assert calls_per_effect(crowd, capsys) < MOST_CALLS_PER_EFFECT
        await crowd.mine_until_final()
        effects = await crowd.effects()
        assert {effect.state for effect in effects} == {EffectState.FINAL_OK}
        assert len(effects[20].attempts) > 1
        assert all(len(effect.attempts) == 1 for effect in effects[:20])


async def test_one_that_can_never_be_mined_is_cancelled_and_the_rest_go_on(
    anvil: Anvil, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with crowd_at(anvil, tmp_path, stuck_after=45.0) as crowd:
        crowd.refused = True
        await crowd.submit(20)
        await crowd.signed(20)
        (unlucky,) = await crowd.submit(1, agent="unlucky")
        await crowd.signed(21)
        await crowd.submit(MANY - 21)
        await crowd.signed(MANY)
        crowd.calls.clear()
        await asyncio.sleep(WAIT)
        await crowd.mine_until_used(MANY)
        assert calls_per_effect(crowd, capsys) < MOST_CALLS_PER_EFFECT
        await crowd.mine_until_final()
        effects = await crowd.effects()
        assert effects[20].state is EffectState.CANCELLED
        others = [effect for effect in effects if effect.nonce != 20]
        assert {effect.state for effect in others} == {EffectState.FINAL_OK}
        assert UNLUCKY not in crowd.node.amounts_at(others[0].to)
        assert (await crowd.engine.result(unlucky))["outcome"] == "failed"
