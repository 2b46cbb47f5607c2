"""The demo's agents do what their descriptions say, on the demo's chain."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from zephyrus_exec.demo import (
    IDLE_AGENT,
    LOST_AGENT,
    MINTED,
    MINTING_AGENT,
    PATIENT_AGENT,
    PLAIN_AGENT,
    REVERTING_AGENT,
    DemoWorld,
    demo_world,
)
from zephyrus_exec.engine import ExecutionEngine
from zephyrus_exec.errors import AgentNotFound, ContractNotFound, MissingExtra
from zephyrus_exec.interfaces.repositories import AgentRepository, ContractRepository
from zephyrus_exec.model import Agent, Contract, Json
from zephyrus_exec.planners.steps import StepsPlanner
from zephyrus_exec.stores.memory import MemoryStore


class Repository(AgentRepository, ContractRepository):
    def __init__(self, world: DemoWorld) -> None:
        self._agents = {agent.id: agent for agent in world.agents}
        self._contracts = {contract.id: contract for contract in world.contracts}

    async def get_agent(self, agent_id: str) -> Agent:
        if agent_id not in self._agents:
            raise AgentNotFound(agent_id=agent_id)
        return self._agents[agent_id]

    async def get_contract(self, contract_id: str) -> Contract:
        if contract_id not in self._contracts:
            raise ContractNotFound("there is no such contract", contract_id=contract_id)
        return self._contracts[contract_id]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[DemoWorld]:
    async with demo_world() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(world: DemoWorld) -> AsyncIterator[ExecutionEngine]:
    repository = Repository(world)
    running = ExecutionEngine(
        agents=repository,
        contracts=repository,
        store=MemoryStore(),
        runners=world.runners,
        planners={"steps": StepsPlanner()},
        chains=world.chains,
        signers=world.signers,
    )
    await running.start()
    yield running
    await running.aclose()


async def outcome(engine: ExecutionEngine, agent_id: str, given: Json = None) -> Any:
    """Run an agent and return the data of its last event."""
    execution = await engine.submit(agent_id, input=given)
    return [event async for event in engine.watch(execution)][-1].data


@pytest.mark.asyncio(loop_scope="module")
async def test_the_minting_agent_reads_then_mints_and_the_balance_grows_by_what_it_says(
    engine: ExecutionEngine, world: DemoWorld
) -> None:
    before = await world.balance_of(world.holder)
    end = await outcome(engine, MINTING_AGENT)
    assert end["outcome"] == "succeeded"
    read, minted = end["results"]
    assert (read["function_name"], read["result"]) == ("balanceOf", str(before))
    assert (minted["function_name"], minted["success"]) == ("mint", True)
    assert await world.balance_of(world.holder) == before + MINTED


@pytest.mark.asyncio(loop_scope="module")
async def test_the_idle_agent_succeeds_without_any_action(engine: ExecutionEngine) -> None:
    end = await outcome(engine, IDLE_AGENT)
    assert (end["outcome"], end["results"]) == ("succeeded", [])


@pytest.mark.asyncio(loop_scope="module")
async def test_the_reverting_agent_fails_with_the_contracts_reason(
    engine: ExecutionEngine,
) -> None:
    end = await outcome(engine, REVERTING_AGENT)
    assert (end["outcome"], end["error"]["code"]) == ("failed", "call_reverted")
    assert "this function always reverts" in str(end["error"])


@pytest.mark.asyncio(loop_scope="module")
async def test_the_lost_agent_has_no_contract(engine: ExecutionEngine) -> None:
    with pytest.raises(ContractNotFound):
        await engine.submit(LOST_AGENT)


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="module")
async def test_the_patient_agent_reads_ten_times(engine: ExecutionEngine) -> None:
    end = await outcome(engine, PATIENT_AGENT)
    assert end["outcome"] == "succeeded"
    assert [each["function_name"] for each in end["results"]] == ["totalSupply"] * 10


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("given", "greeting"), [({"name": "Ana"}, "Hola, Ana"), (None, "Hola, mundo")]
)
async def test_the_plain_agent_greets_without_a_chain(
    engine: ExecutionEngine, given: Json, greeting: str
) -> None:
    end = await outcome(engine, PLAIN_AGENT, given)
    assert end["outcome"] == "succeeded"
    assert [each["result"] for each in end["results"]] == [greeting, len(greeting) - 6]


async def test_without_the_extra_nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "eth_tester", None)
    with pytest.raises(MissingExtra, match=r'pip install "zephyrus-exec\[demo\]"'):
        async with demo_world():
            pass
