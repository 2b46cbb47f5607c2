"""Several repositories as one."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence

from ..errors import AgentNotFound, ContractNotFound, InvalidDefinition, RepositoryError
from ..interfaces.repositories import Repository
from ..model import Agent, Contract
from .definitions import D, Definition, not_found, unusable


class UnionRepository(Repository):
    """Has what its sources have. What two of them describe is refused: which one was meant?

    Args:
        sources: In the order in which they are listed.
    """

    def __init__(self, sources: Iterable[Repository]) -> None:
        self._sources = tuple(sources)
        self.description = " and ".join(source.description for source in self._sources)

    @property
    def problems(self) -> Sequence[RepositoryError]:
        """What the sources are known not to be able to use."""
        return [problem for source in self._sources for problem in source.problems]

    async def get_agent(self, agent_id: str) -> Agent:
        """Return the agent of the one source that has it.

        Raises:
            AgentNotFound: None has it.
            InvalidDefinition: Two have it, or the one cannot use it.
            RepositoryUnavailable: A source cannot be asked now.
        """
        return await self._only(Agent, agent_id, lambda source: source.get_agent(agent_id))

    async def get_contract(self, contract_id: str) -> Contract:
        """Return the contract of the one source that has it.

        Raises:
            ContractNotFound: None has it.
            InvalidDefinition: Two have it, or the one cannot use it.
            RepositoryUnavailable: A source cannot be asked now.
        """
        return await self._only(
            Contract, contract_id, lambda source: source.get_contract(contract_id)
        )

    async def list_agents(self) -> AsyncIterator[Agent]:
        """Return every agent that one source alone has, source by source."""
        for agent in _single([[a async for a in one.list_agents()] for one in self._sources]):
            yield agent

    async def list_contracts(self) -> AsyncIterator[Contract]:
        """Return every contract that one source alone has, source by source."""
        for contract in _single([[c async for c in one.list_contracts()] for one in self._sources]):
            yield contract

    async def find_problems(self) -> Sequence[RepositoryError]:
        """Return what the sources cannot use, and what two of them have."""
        found = [problem for one in self._sources for problem in await one.find_problems()]
        agents = [{a.id async for a in one.list_agents()} for one in self._sources]
        contracts = [{c.id async for c in one.list_contracts()} for one in self._sources]
        found += [self._twice(Agent, name) for name in _repeated(agents)]
        found += [self._twice(Contract, name) for name in _repeated(contracts)]
        return found

    async def aclose(self) -> None:
        """Close every source."""
        for source in self._sources:
            await source.aclose()

    async def _only(self, kind: type[D], name: str, ask: Callable[[Repository], Awaitable[D]]) -> D:
        found: list[D] = []
        for source in self._sources:
            try:
                found.append(await ask(source))
            except (AgentNotFound, ContractNotFound):
                continue
        if not found:
            raise not_found(kind, name)
        if len(found) > 1:
            raise self._twice(kind, name)
        return found[0]

    def _twice(self, kind: type[Definition], name: str) -> InvalidDefinition:
        return unusable(
            kind,
            name,
            where=self.description,
            field="$.id",
            problem="it is described in more than one of them",
            remedy="remove all but one; until then none is used",
        )


def _repeated(names: Sequence[Iterable[str]]) -> list[str]:
    """Return what is in more than one of these."""
    counted = Counter(name for some in names for name in some)
    return [name for name, count in counted.items() if count > 1]


def _single(sources: Sequence[Sequence[D]]) -> list[D]:
    """Return the values of all sources whose id no other source has."""
    repeated = set(_repeated([[value.id for value in values] for values in sources]))
    return [value for values in sources for value in values if value.id not in repeated]
