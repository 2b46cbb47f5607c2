"""What every repository of agents and contracts must do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import pytest

from ..errors import AgentNotFound, ContractNotFound, RepositoryError
from ..interfaces.repositories import AgentRepository, ContractRepository
from ..model import Agent, AgentFunction, Component, Contract

AGENTS = (
    Agent(
        "b",
        name="Ñandú",
        contract_id="token",
        functions=(AgentFunction("balanceOf", "balanceOf(address)"),),
        planner=Component("steps", {"steps": [{"function": "balanceOf", "parameters": {"a": 1}}]}),
    ),
    Agent("a"),
    Agent("c" * 256),
)
CONTRACTS = (
    Contract("token", "0x" + "aB" * 20, 57054, "Token", "ERC20", ({"type": "fallback"},)),
    Contract("other", "0x" + "0" * 40, 1),
)


@pytest.mark.asyncio
class RepositoryConformance(ABC):
    """Subclass it, give a repository, and pytest runs these on it."""

    @abstractmethod
    async def agents(self, agents: Sequence[Agent]) -> AgentRepository:
        """Return a repository that holds exactly these agents."""

    @abstractmethod
    async def contracts(self, contracts: Sequence[Contract]) -> ContractRepository:
        """Return a repository that holds exactly these contracts."""

    @pytest.mark.parametrize("agent", AGENTS, ids=["full", "bare", "longest-id"])
    async def test_an_agent_comes_back_equal(self, agent: Agent) -> None:
        """What was put in is what is got, field by field."""
        repository = await self.agents(AGENTS)
        assert await repository.get_agent(agent.id) == agent

    @pytest.mark.parametrize("agent_id", ["", "B", "b ", "../b", "d" * 10_000, "\x00", "b%"])
    async def test_an_unknown_agent_is_not_found(self, agent_id: str) -> None:
        """There is no agent but by its exact id, and the error names the id."""
        repository = await self.agents(AGENTS)
        with pytest.raises(AgentNotFound) as caught:
            await repository.get_agent(agent_id)
        assert caught.value.details == {"agent_id": agent_id}

    @pytest.mark.parametrize("contract", CONTRACTS, ids=["full", "bare"])
    async def test_a_contract_comes_back_equal(self, contract: Contract) -> None:
        """What was put in is what is got, field by field."""
        repository = await self.contracts(CONTRACTS)
        assert await repository.get_contract(contract.id) == contract

    @pytest.mark.parametrize("contract_id", ["", "Token", "token ", "\x00"])
    async def test_an_unknown_contract_is_not_found(self, contract_id: str) -> None:
        """There is no contract but by its exact id, and the error names the id."""
        repository = await self.contracts(CONTRACTS)
        with pytest.raises(ContractNotFound) as caught:
            await repository.get_contract(contract_id)
        assert caught.value.details == {"contract_id": contract_id}

    async def test_a_listing_is_whole_and_stable_or_refused(self) -> None:
        """A repository lists every agent once, each time in the same order, or says it cannot."""
        repository = await self.agents(AGENTS)
        try:
            first = [agent async for agent in repository.list_agents()]
        except RepositoryError:
            return
        assert sorted(agent.id for agent in first) == sorted(agent.id for agent in AGENTS)
        assert [agent async for agent in repository.list_agents()] == first
