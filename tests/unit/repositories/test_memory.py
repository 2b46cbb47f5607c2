"""Agents and contracts kept in this process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zephyrus_exec.interfaces.repositories import AgentRepository, ContractRepository
from zephyrus_exec.model import Agent, Contract
from zephyrus_exec.repositories import MemoryRepository
from zephyrus_exec.testing.repositories import WritableConformance


class TestMemoryRepository(WritableConformance):
    async def open(self, place: Path) -> MemoryRepository:
        return MemoryRepository()


class Unlisted(MemoryRepository):
    """Knows what it holds, but does not list it."""

    list_agents = AgentRepository.list_agents
    list_contracts = ContractRepository.list_contracts


class TestUnlistedRepository(TestMemoryRepository):
    async def agents(self, agents: Sequence[Agent]) -> MemoryRepository:
        return Unlisted(agents)

    async def contracts(self, contracts: Sequence[Contract]) -> MemoryRepository:
        return Unlisted(contracts=contracts)


async def test_what_it_begins_with_is_listed_in_its_order() -> None:
    repository = MemoryRepository([Agent("b"), Agent("a"), Agent("b", name="last")])
    names = [agent.name or agent.id async for agent in repository.list_agents()]
    assert names == ["last", "a"]
