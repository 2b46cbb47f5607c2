"""Where agents and contracts come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Sequence

from ..errors import RepositoryError
from ..model import Agent, Contract


class AgentRepository(ABC):
    """Agents by id. Values are frozen: a change of an agent is another value."""

    @abstractmethod
    async def get_agent(self, agent_id: str) -> Agent:
        """Return the agent as it is now; the same object as before where nothing changed.

        Raises:
            AgentNotFound: There is none.
            InvalidDefinition: There is one, but what is stored of it cannot be used.
            RepositoryUnavailable: It cannot be asked now.
        """

    def list_agents(self) -> AsyncIterator[Agent]:
        """Return every usable agent, in a stable order; a repository may not offer this.

        Raises:
            RepositoryError: This repository cannot list, or cannot be asked now.
        """
        raise RepositoryError("this repository cannot list its agents")

    @property
    def problems(self) -> Sequence[RepositoryError]:
        """What it is known not to be able to use, as of the last time it looked; never waits."""
        return ()


class ContractRepository(ABC):
    """Contracts by id."""

    @abstractmethod
    async def get_contract(self, contract_id: str) -> Contract:
        """Return the contract as it is now; the same object as before where nothing changed.

        Raises:
            ContractNotFound: There is none.
            InvalidDefinition: There is one, but what is stored of it cannot be used.
            RepositoryUnavailable: It cannot be asked now.
        """

    def list_contracts(self) -> AsyncIterator[Contract]:
        """Return every usable contract, in a stable order; a repository may not offer this.

        Raises:
            RepositoryError: This repository cannot list, or cannot be asked now.
        """
        raise RepositoryError("this repository cannot list its contracts")


class Repository(AgentRepository, ContractRepository):
    """Both, from one source."""

    description: str = "a repository"
    """What it is, for people; no path but a file's or folder's own name."""

    async def find_problems(self) -> Sequence[RepositoryError]:
        """Return what cannot be used and why: one error for each agent, contract or file.

        Raises:
            RepositoryUnavailable: It cannot be asked now.
        """
        return ()

    async def aclose(self) -> None:
        """Let go of what it holds; closing again does nothing."""
        return


class WritableRepository(Repository):
    """One that can be told what to hold."""

    @abstractmethod
    async def put(self, values: Sequence[Agent | Contract]) -> None:
        """Keep all of these, or none of them where one cannot be kept.

        Each replaces the one of its kind with the same id and takes its place in the order; of
        several with one id, the last counts. It happens even if the caller is cancelled, whole.

        Raises:
            InvalidValue: One is not as the model allows, so it could not be read again.
            RepositoryUnavailable: It cannot be written now.
        """

    @abstractmethod
    async def remove(self, *, agents: Iterable[str] = (), contracts: Iterable[str] = ()) -> None:
        """Forget all of these, by id; those it does not hold count as forgotten.

        Raises:
            RepositoryUnavailable: It cannot be written now.
        """
