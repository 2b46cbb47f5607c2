"""Agents and contracts kept in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence

from ..interfaces.repositories import WritableRepository
from ..model import Agent, Contract
from .definitions import encode, not_found


class MemoryRepository(WritableRepository):
    """Holds what it was given, until the process ends."""

    def __init__(
        self,
        agents: Iterable[Agent] = (),
        contracts: Iterable[Contract] = (),
        *,
        description: str = "memory",
    ) -> None:
        """Begin with these agents and contracts; of several with one id, the last counts."""
        self.description = description
        self._agents = {agent.id: agent for agent in agents}
        self._contracts = {contract.id: contract for contract in contracts}

    async def put(self, values: Sequence[Agent | Contract]) -> None:
        """Keep all of these, or none of them where one is not as the model allows."""
        for value in values:
            encode(value)
        for value in values:
            if isinstance(value, Agent):
                self._agents[value.id] = value
            else:
                self._contracts[value.id] = value

    async def remove(self, *, agents: Iterable[str] = (), contracts: Iterable[str] = ()) -> None:
        """Forget all of these, by id; those it does not hold count as forgotten."""
        for agent_id in agents:
            self._agents.pop(agent_id, None)
        for contract_id in contracts:
            self._contracts.pop(contract_id, None)

    async def get_agent(self, agent_id: str) -> Agent:
        """Return the agent as it is now.

        Raises:
            AgentNotFound: There is none.
        """
        if agent_id not in self._agents:
            raise not_found(Agent, agent_id)
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
            raise not_found(Contract, contract_id)
        return self._contracts[contract_id]

    async def list_contracts(self) -> AsyncIterator[Contract]:
        """Return every contract, in the order they came."""
        for contract in tuple(self._contracts.values()):
            yield contract
