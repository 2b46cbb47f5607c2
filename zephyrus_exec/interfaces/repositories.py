"""Where agents and contracts come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator

from ..model import Agent, Contract


class AgentRepository(ABC):
    """Agents by id. Values are frozen: a change of an agent is another value."""

    @abstractmethod
    async def get_agent(self, agent_id: str) -> Agent:
        """Return the agent as it is now.

        Raises:
            AgentNotFound: There is none.
            RepositoryUnavailable: It cannot be asked now.
        """

    def list_agents(self) -> AsyncIterator[Agent]:
        """Return every agent, in a stable order; a repository may not offer this.

        Raises:
            RepositoryError: This repository cannot list.
        """
        from ..errors import RepositoryError

        raise RepositoryError("this repository cannot list its agents")


class ContractRepository(ABC):
    """Contracts by id."""

    @abstractmethod
    async def get_contract(self, contract_id: str) -> Contract:
        """Return the contract as it is now.

        Raises:
            ContractNotFound: There is none.
            RepositoryUnavailable: It cannot be asked now.
        """
