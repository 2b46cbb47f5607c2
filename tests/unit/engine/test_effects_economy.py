"""How much is asked of nodes: fifty effects under way cost few questions each."""

from __future__ import annotations

from collections import Counter

import pytest

from zephyrus_exec.engine.records import EffectState
from zephyrus_exec.testing.chain import GWEI
from zephyrus_exec.testing.clock import settle

from .test_effect_outcomes import Case, started

EFFECTS = 50


async def counted() -> tuple[Case, Counter[str]]:
    """Return a case with fifty effects under way, and what is asked from then on."""
    case, asked = await started(), Counter[str]()
    for _ in range(EFFECTS):
        await case.world.submit(case.process)
    await settle(400)
    assert len(case.ledger.pool) == EFFECTS

    async def count(method: str) -> None:
        asked[method] += 1

    case.chain.before = count
    lookup = case.chain.lookup

    async def count_receipts(hashes: list[str], *, sender: str) -> object:
        asked["receipts"] += len(hashes)
        return await lookup(hashes, sender=sender)

    case.chain.lookup = count_receipts  # type: ignore[method-assign,assignment]
    return case, asked


async def finish(case: Case) -> None:
    await case.blocks(12, seconds=2)
    await case.clock.advance(31)
    assert {one.state for one in await case.world.stored()} == {EffectState.FINAL_OK}
    await case.world.check()
    await case.world.close()


async def test_fifty_effects_that_wait_a_minute_cost_few_questions_each() -> None:
    """A lookup is three questions and one for each receipt that it asks for."""
    case, asked = await counted()
    await case.clock.advance(60)
    assert asked["receipts"] == 0
    await finish(case)
    requests = sum(asked.values()) + 2 * asked["lookup"]
    assert requests / EFFECTS < 5, asked


@pytest.mark.parametrize("gwei", [4])
async def test_so_do_fifty_of_which_the_first_is_stuck_until_more_is_offered(gwei: int) -> None:
    case, asked = await counted()
    case.ledger.base_fee_wei = gwei * GWEI
    await case.blocks(5)
    assert len((await case.effect()).attempts) == 2
    case.ledger.base_fee_wei = GWEI
    await finish(case)
    requests = sum(asked.values()) + 2 * asked["lookup"]
    assert requests / EFFECTS < 5, asked
