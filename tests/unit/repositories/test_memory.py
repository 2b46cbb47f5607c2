"""Agents and contracts kept in this process."""

from __future__ import annotations

from collections.abc import Sequence

from zephyrus_exec.interfaces.repositories import AgentRepository
from zephyrus_exec.model import Agent, Contract
from zephyrus_exec.repositories import MemoryRepository
from zephyrus_exec.testing.repositories import RepositoryConformance

CONTRACT = Contract("c", "0x" + "0" * 40, 1)


class TestMemoryRepository(RepositoryConformance):
    async def agents(self, agents: Sequence[Agent]) -> MemoryRepository:
        return MemoryRepository(agents)

    async def contracts(self, contracts: Sequence[Contract]) -> MemoryRepository:
        return MemoryRepository(contracts=contracts)


class Unlisted(MemoryRepository):
    """Knows its agents, but does not list them."""

    list_agents = AgentRepository.list_agents


class TestUnlistedRepository(TestMemoryRepository):
    async def agents(self, agents: Sequence[Agent]) -> MemoryRepository:
        return Unlisted(agents)


async def listing(repository: MemoryRepository) -> list[str]:
    return [agent.name or agent.id async for agent in repository.list_agents()]


async def test_agents_are_listed_in_the_order_they_came() -> None:
    repository = MemoryRepository([Agent("b"), Agent("a")])
    await repository.put([Agent("c")])
    assert await listing(repository) == ["b", "a", "c"]


async def test_a_replaced_agent_keeps_its_place() -> None:
    repository = MemoryRepository([Agent("b"), Agent("a")])
    await repository.put([Agent("b", name="new")])
    assert await listing(repository) == ["new", "a"]
    assert (await repository.get_agent("b")).name == "new"


async def test_a_listing_is_not_disturbed_by_what_comes_meanwhile() -> None:
    repository = MemoryRepository([Agent("a"), Agent("b")])
    seen = []
    async for agent in repository.list_agents():
        seen.append(agent.id)
        await repository.put([Agent(agent.id + "'")])
    assert seen == ["a", "b"]


async def test_a_contract_put_later_is_found() -> None:
    repository = MemoryRepository()
    await repository.put([CONTRACT])
    assert await repository.get_contract("c") == CONTRACT
