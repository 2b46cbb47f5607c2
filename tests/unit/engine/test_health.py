"""Whether an engine can do its work."""

from __future__ import annotations

import asyncio

import pytest

from zephyrus_exec.engine import ExecutionEngine, health
from zephyrus_exec.engine.funds import LowBalance
from zephyrus_exec.engine.health import Health, examine
from zephyrus_exec.engine.records import Lane, LaneStatus
from zephyrus_exec.errors import ChainUnavailable, InvalidDefinition
from zephyrus_exec.interfaces.chain import Chain, EndpointHealth
from zephyrus_exec.repositories.memory import MemoryRepository
from zephyrus_exec.stores.memory import MemoryStore
from zephyrus_exec.testing.chain import ModelChain
from zephyrus_exec.testing.faulty_store import FaultyStore

from .world import World, chain_agent, plan


async def look(
    store: FaultyStore | None = None, chain: Chain | None = None, *, draining: bool = False
) -> Health:
    chains = {1337: chain} if chain is not None else {}
    return await examine(
        store or FaultyStore(MemoryStore()), chains, draining=draining, running=1, queued=2
    )


async def test_an_engine_whose_store_and_chains_answer_is_ready() -> None:
    seen = await look(chain=ModelChain())
    assert (seen.ready, seen.degraded) == (True, False)
    assert seen.details == {
        "status": "ready",
        "draining": False,
        "store": "ok",
        "halted_lanes": [],
        "low_balances": [],
        "chains": {"1337": "ok"},
        "running": 1,
        "queued": 2,
    }


class TwoEndpoints(ModelChain):
    """A chain of which one endpoint is left out."""

    @property
    def endpoints(self) -> tuple[EndpointHealth, ...]:
        return EndpointHealth(0, "behind", 3), EndpointHealth(1, "ok", 9)


async def test_how_the_endpoints_of_a_chain_are_is_told_where_there_are_several() -> None:
    """One that is left out harms nobody: the chain answers."""
    seen = await look(chain=TwoEndpoints())
    assert (seen.ready, seen.degraded) == (True, False)
    assert seen.details["endpoints"] == {"1337": ["behind", "ok"]}


@pytest.mark.parametrize("broken", ["writable", "readable"])
async def test_without_its_store_an_engine_is_not_ready(broken: str) -> None:
    store = FaultyStore(MemoryStore())
    setattr(store, broken, False)
    seen = await look(store)
    assert (seen.ready, seen.degraded) == (False, False)
    assert (seen.details["status"], seen.details["store"]) == (
        "unavailable",
        "store_unavailable",
    )


async def test_a_draining_engine_is_not_ready() -> None:
    assert not (await look(draining=True)).ready


async def test_a_chain_that_cannot_be_reached_degrades() -> None:
    async def away(_method: str) -> None:
        raise ChainUnavailable("away", chain_id=1337)

    chain = ModelChain()
    chain.before = away
    seen = await look(chain=chain)
    assert (seen.ready, seen.degraded) == (True, True)
    assert seen.details["chains"] == {"1337": "unavailable"}


async def test_a_chain_that_does_not_answer_in_time_degrades(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def hang(_method: str) -> None:
        await asyncio.Event().wait()

    chain = ModelChain()
    chain.before = hang
    monkeypatch.setattr(health, "_PATIENCE", 0.0)
    assert (await look(chain=chain)).degraded


async def test_lanes_that_wait_for_somebody_degrade_and_are_named_with_the_reason() -> None:
    store = FaultyStore(MemoryStore())
    for sender, status, reason in (
        ("0xa", LaneStatus.HALTED, "foreign_use"),
        ("0xb", LaneStatus.BLOCKED, "fee_cap"),
        ("0xc", LaneStatus.DRAINING, "moving"),
        ("0xd", LaneStatus.RETIRED, "moved"),
        ("0xe", LaneStatus.OPEN, ""),
    ):
        await store.commit([Lane(1, sender, 3, status=status, reason=reason).put(0)])
    seen = await look(store)
    assert seen.degraded
    assert seen.details["halted_lanes"] == [
        {"lane": "1:0xa", "status": "halted", "reason": "foreign_use"},
        {"lane": "1:0xb", "status": "blocked", "reason": "fee_cap"},
    ]


async def test_what_operators_have_put_out_of_use_does_not_degrade() -> None:
    store = FaultyStore(MemoryStore())
    await store.commit([Lane(1, "0xd", 3, status=LaneStatus.RETIRED, reason="moved").put(0)])
    assert not (await look(store)).degraded


async def test_an_account_that_runs_low_degrades_and_is_named() -> None:
    store = FaultyStore(MemoryStore())
    low = (LowBalance("1:0xa", 10**20, 10**21),)
    seen = await examine(store, {}, draining=False, running=0, queued=0, low=low)
    assert seen.degraded
    assert seen.details["low_balances"] == [
        {"lane": "1:0xa", "balance_wei": str(10**20), "wanted_wei": str(10**21)}
    ]


async def test_an_engine_tells_which_of_its_signers_run_low() -> None:
    world = World(chain_agent())
    async with world.chain_engine(plan("set"), low_balance_factor=10**9) as engine:
        await engine.result(await engine.submit("a"))
        assert not (await engine.health()).degraded
        (low,) = await engine.look_at_balances()
        health = await engine.health()
    assert (health.degraded, low.lane) == (True, f"1337:{world.signer.address}")


async def test_agents_that_cannot_be_used_degrade_and_are_counted() -> None:
    class Flawed(MemoryRepository):
        problems = (InvalidDefinition("one"), InvalidDefinition("other"))

    agents = Flawed()
    engine = ExecutionEngine(agents=agents, contracts=agents, store=MemoryStore())
    async with engine:
        seen = await engine.health()
    assert (seen.ready, seen.degraded, seen.details["unusable"]) == (True, True, 2)
