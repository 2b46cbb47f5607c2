"""The way into a lane: effects that come together get their slots together, each its own."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from tests.stateful.effects_world import told
from zephyrus_exec.engine.records import SLOT, Effect
from zephyrus_exec.errors import ChainUnavailable, InsufficientFunds, TransactionRejected
from zephyrus_exec.interfaces.store import Expect, Put
from zephyrus_exec.stores.sqlite import SqliteStore
from zephyrus_exec.stores.sqlite_committer import Committer
from zephyrus_exec.testing.chain import ModelSigner
from zephyrus_exec.testing.clock import settle
from zephyrus_exec.testing.faulty_store import Commit, Fault

from .conftest import Enter
from .test_effect_outcomes import Case, started
from .world import World, chain_agent, plan


@pytest.fixture
async def case() -> AsyncIterator[Case]:
    """Return a case whose lane has been used once."""
    case = await started()
    await case.submit()
    yield case
    await case.world.check()
    await case.world.close()


class SlowSigner(ModelSigner):
    """A signer that answers when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = asyncio.Event()

    async def sign(self, payload: bytes) -> bytes:
        await self.answers.wait()
        return await super().sign(payload)


async def together(case: Case, number: int) -> list[asyncio.Task[Effect]]:
    """Submit so many effects before any of them gets far."""
    keys = [await case.world.submit(case.process) for _ in range(number)]
    return [case.process.performing[key] for key in keys]


def nonces(case: Case) -> list[int]:
    """Return the nonces of what was offered, in order."""
    return [case.chain.decode(raw).nonce for raw in case.chain.broadcasts]


def signing(case: Case) -> list[Commit]:
    """Return the commits by which slots were to be won."""
    return [
        commit
        for commit in case.process.store.commits
        if any(isinstance(write, Put) and write.kind == SLOT for write in commit.writes)
    ]


async def mined(case: Case, tasks: list[asyncio.Task[Effect]]) -> None:
    await settle(100)
    await case.blocks(3)
    assert [task.result().state for task in tasks] == ["mined_ok"] * len(tasks)


# --- what a group shares -------------------------------------------------------------------------


async def test_effects_that_come_together_get_nonces_in_a_row_from_one_look(case: Case) -> None:
    asked: Counter[str] = Counter()

    async def count(method: str) -> None:
        asked[method] += 1

    case.chain.before = count
    tasks = await together(case, 10)
    await settle(100)
    assert sorted(nonces(case)) == list(range(11))
    assert asked["account"] == asked["quote"] <= 2
    await mined(case, tasks)


async def test_each_is_committed_over_the_version_that_those_before_it_make(case: Case) -> None:
    case.process.store.commits.clear()
    tasks = await together(case, 3)
    await settle(100)
    lane = [one for commit in signing(case) for one in commit.writes if isinstance(one, Put)]
    assert [put.version for put in lane if put.kind == "lane"] == [1, 2, 3]
    [first, *others] = sorted(signing(case)[-3:], key=lambda one: len(one.expect))
    assert len(first.expect) <= 1
    assert all(commit.durable for commit in signing(case))
    key = f"1337:{case.signer.address.lower()}"
    assert [one.expect for one in others] == [(Expect(SLOT, f"{key}:{n}", 1),) for n in (1, 2)]
    await mined(case, tasks)


async def test_a_group_is_flushed_together(
    enter: Enter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[int] = []
    flush = Committer._commit_in_thread

    def count(self: Committer, batch: Any) -> Any:
        flushed.append(sum(unit.durable for unit in batch))
        return flush(self, batch)

    monkeypatch.setattr(Committer, "_commit_in_thread", count)
    store = await SqliteStore.open(tmp_path / "journal.db")
    try:
        world = World(chain_agent(max_concurrent=20))
        engine = await enter(world.chain_engine(*(plan("set") for _ in range(20)), store=store))
        submitted = [await engine.submit("a") for _ in range(20)]
        for execution_id in submitted:
            assert (await engine.result(execution_id))["outcome"] == "succeeded"
        await engine.aclose()
    finally:
        await store.aclose()
    assert sum(flushed) == 20
    assert len([units for units in flushed if units]) <= 10


async def test_all_are_counted_when_the_balance_is_compared(case: Case) -> None:
    [first] = await case.world.stored()
    ledger, sender = case.ledger, case.signer.address
    balance = (await case.chain.account(sender)).balance_wei
    ledger.fund(sender, 3 * first.worst_cost_wei - balance)
    tasks = await together(case, 3)
    await settle(100)
    refused = [task for task in tasks if task.done()]
    assert [type(task.exception()) for task in refused] == [InsufficientFunds]
    assert len(case.chain.broadcasts) == 3
    await mined(case, [task for task in tasks if task not in refused])


# --- some do not come through --------------------------------------------------------------------


@pytest.mark.parametrize("fault", [Fault.CONFLICT, Fault.UNKNOWN_LOST, Fault.UNKNOWN_WRITTEN])
@pytest.mark.parametrize("nth", [1, 2, 3])
async def test_a_commit_that_fails_leaves_no_gap(case: Case, fault: Fault, nth: int) -> None:
    case.process.store.fail(fault, nth=nth)
    tasks = await together(case, 3)
    await settle(100)
    await case.clock.advance(2)
    assert sorted(nonces(case)) == [0, 1, 2, 3]
    await mined(case, tasks)


async def test_those_behind_a_commit_under_way_are_asked_for_before_it_ends(case: Case) -> None:
    """Held, it is behind them in the end: they are thrown away unsent, and signed again."""
    case.process.store.commits.clear()
    case.process.store.fail(Fault.HELD, nth=2)
    tasks = await together(case, 4)
    await settle(100)
    assert len(signing(case)) == 4
    held = len(nonces(case))
    assert held < 4
    case.process.store.release()
    await settle(100)
    assert sorted(nonces(case)) == [0, 1, 2, 3, 4]
    await mined(case, tasks)


async def test_what_nobody_wants_any_more_leaves_no_gap(case: Case) -> None:
    tasks: list[asyncio.Task[Effect]] = []

    async def cancel() -> None:
        tasks[1].cancel()

    case.world.while_signing(cancel)
    tasks += await together(case, 4)
    await settle(100)
    assert tasks.pop(1).cancelled()
    assert sorted(nonces(case)) == [0, 1, 2, 3]
    await mined(case, tasks)


async def test_one_that_is_not_signed_fails_alone(case: Case) -> None:
    async def refuse() -> None:
        raise TransactionRejected("not this one", reason="policy")

    case.world.while_signing(refuse)
    tasks = await together(case, 3)
    await settle(100)
    failed = [task for task in tasks if task.done()]
    assert [str(task.exception()) for task in failed] == ["not this one"]
    assert sorted(nonces(case)) == [0, 1, 2]
    await mined(case, [task for task in tasks if task not in failed])


async def test_a_signer_that_does_not_answer_holds_nobody_up_once_its_effect_is_cancelled(
    case: Case,
) -> None:
    begun: list[asyncio.Task[Any] | None] = []

    async def hang() -> None:
        begun.append(asyncio.current_task())
        await asyncio.Event().wait()

    case.world.while_signing(hang)
    tasks = await together(case, 3)
    await settle(100)
    assert begun
    assert len(case.chain.broadcasts) < 4
    for task in tasks[:2]:
        task.cancel()
    await settle(100)
    assert not [task for task in tasks[2:] if task.done()]
    await case.blocks(3)
    assert tasks[2].result().state == "mined_ok"


async def test_when_the_account_cannot_be_seen_only_those_fail_who_need_the_newest_block(
    case: Case,
) -> None:
    account = case.chain.account

    async def behind(address: str, *, min_block: int | None = None) -> Any:
        if min_block == 9:
            raise ChainUnavailable("has not reached block 9", chain_id=1337)
        return await account(address, min_block=min_block)

    case.chain.account = behind  # type: ignore[method-assign]
    world, process = case.world, case.process
    simulate = case.chain.simulate
    case.chain.simulate = (  # type: ignore[method-assign]
        lambda call, *, sender, min_block=None: simulate(call, sender=sender)
    )
    tasks = []
    for key, min_block in (("y1:1:1", None), ("y2:1:1", 9), ("y3:1:1", 1)):
        execution = key.partition(":")[0]
        await world.inner.commit([world.event(execution, 1, "accepted")])
        journal = world.journal(process, execution, 1)
        tasks.append(world.perform(process, key, journal, min_block=min_block))
        world.submitted.append(key)
    case.chain.mine()
    outcome = await told(tasks.pop(1))
    assert isinstance(outcome, ChainUnavailable)
    await mined(case, tasks)


async def test_a_bug_on_the_way_is_told_to_all_who_wait_and_the_next_ones_get_in(
    case: Case, caplog: pytest.LogCaptureFixture
) -> None:
    quote = case.chain.quote

    async def broken(**_: Any) -> Any:
        raise TypeError("no quote")

    case.chain.quote = broken  # type: ignore[method-assign]
    tasks = await together(case, 2)
    await settle(100)
    assert {type(task.exception()) for task in tasks} == {TypeError}
    assert "this is a bug" in caplog.text
    case.chain.quote = quote  # type: ignore[method-assign]
    await mined(case, await together(case, 2))


async def test_lanes_do_not_wait_for_each_other(enter: Enter) -> None:
    other = evolve(chain_agent(signer="other"), id="b")
    world = World(chain_agent(), other)
    slow, quick = SlowSigner(), ModelSigner("other")
    signers = {"key": slow, "other": quick}
    world.chain.fund(quick.address)
    engine = await enter(world.chain_engine(plan("set"), plan("set"), signers=signers))
    first = await engine.submit("a")
    await settle()
    last = asyncio.ensure_future(engine.result(await engine.submit("b")))
    await world.clock.advance(5)
    assert last.result()["outcome"] == "succeeded"
    slow.answers.set()
    await world.clock.advance(5)
    assert (await world.ended(first))["outcome"] == "succeeded"
