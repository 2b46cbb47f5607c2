"""Agents and contracts kept in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

from ..errors import AgentNotFound, ContractNotFound
from ..interfaces.repositories import AgentRepository, ContractRepository
from ..model import Agent, Contract


class MemoryRepository(AgentRepository, ContractRepository):
    """Holds what it was given, until the process ends."""

    def __init__(self, agents: Iterable[Agent] = (), contracts: Iterable[Contract] = ()) -> None:
        """Begin with these agents and contracts; of several with one id, the last counts."""
        self._agents = {agent.id: agent for agent in agents}
        self._contracts = {contract.id: contract for contract in contracts}

    def put(self, value: Agent | Contract) -> None:
        """Keep the agent or contract, instead of the one with the same id if there is one.

        A replaced one keeps its place in the order.
        """
        if isinstance(value, Agent):
            self._agents[value.id] = value
        else:
            self._contracts[value.id] = value

    async def get_agent(self, agent_id: str) -> Agent:
        """Return the agent as it is now.

        Raises:
            AgentNotFound: There is none.
        """
        if agent_id not in self._agents:
            raise AgentNotFound(f"there is no agent {agent_id!r}", agent_id=agent_id)
        return self._agents[agent_id]

    async def list_agents(self) -> AsyncIterator[Agent]:
        """Return every agent, in the order they came."""
        for agent in tuple(self._agents.values()):
            yield agent

    async def get_contract(self, contract_id: str) -> Contract:
        """Return the contract as it is now.

        Raises:
            ContractNotFound: There is none.
        """
        if contract_id not in self._contracts:
            raise ContractNotFound(f"there is no contract {contract_id!r}", contract_id=contract_id)
        return self._contracts[contract_id]
