"""Several repositories as one."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from zephyrus_exec.errors import (
    AgentNotFound,
    InvalidDefinition,
    RepositoryError,
    RepositoryUnavailable,
)
from zephyrus_exec.interfaces.repositories import AgentRepository
from zephyrus_exec.model import Agent, Contract
from zephyrus_exec.repositories import MemoryRepository, UnionRepository
from zephyrus_exec.testing.repositories import RepositoryConformance


def contract(name: str, chain_id: int = 1) -> Contract:
    return Contract(name, "0x" + "0" * 40, chain_id)


class TestUnionRepository(RepositoryConformance):
    async def agents(self, agents: Sequence[Agent]) -> UnionRepository:
        return UnionRepository([MemoryRepository(agents[:1]), MemoryRepository(agents[1:])])

    async def contracts(self, contracts: Sequence[Contract]) -> UnionRepository:
        parts = MemoryRepository((), contracts[:2]), MemoryRepository((), contracts[2:])
        return UnionRepository(parts)


class Troubled(MemoryRepository):
    """Has agents that it cannot use, and may be out of reach."""

    bad = InvalidDefinition("agent 'bad' is bad", agent_id="bad")
    reachable = True
    closed = 0

    @property
    def problems(self) -> Sequence[RepositoryError]:
        return [self.bad]

    async def find_problems(self) -> Sequence[RepositoryError]:
        return [self.bad]

    async def get_agent(self, agent_id: str) -> Agent:
        if not self.reachable:
            raise RepositoryUnavailable("away")
        if agent_id == "bad":
            raise self.bad
        return await super().get_agent(agent_id)

    async def aclose(self) -> None:
        self.closed += 1


def union(*sources: MemoryRepository) -> UnionRepository:
    return UnionRepository(sources)


async def test_what_two_describe_is_refused_listed_nowhere_and_told() -> None:
    repository = union(
        MemoryRepository([Agent("x"), Agent("a")], [contract("t"), contract("u")], description="A"),
        MemoryRepository([Agent("b"), Agent("x", name="other")], [contract("t", 2)]),
    )
    with pytest.raises(InvalidDefinition) as agent:
        await repository.get_agent("x")
    with pytest.raises(InvalidDefinition) as token:
        await repository.get_contract("t")
    assert agent.value.details["agent_id"] == "x"
    assert agent.value.message == (
        "A and memory: agent 'x': it is described in more than one of them @ $.id; "
        "remove all but one; until then none is used"
    )
    assert [one.id async for one in repository.list_agents()] == ["a", "b"]
    assert [one.id async for one in repository.list_contracts()] == ["u"]
    found = await repository.find_problems()
    assert [one.message for one in found] == [agent.value.message, token.value.message]


async def test_an_agent_and_the_contract_of_another_source_go_together() -> None:
    repository = union(MemoryRepository([Agent("a")]), MemoryRepository((), [contract("a")]))
    assert await repository.get_agent("a") == Agent("a")
    assert await repository.get_contract("a") == contract("a")
    assert await repository.find_problems() == []


async def test_what_one_cannot_use_is_refused_though_another_could() -> None:
    repository = union(MemoryRepository([Agent("bad")]), Troubled([Agent("good")]))
    with pytest.raises(InvalidDefinition):
        await repository.get_agent("bad")
    assert await repository.get_agent("good") == Agent("good")
    with pytest.raises(AgentNotFound):
        await repository.get_agent("c")
    assert list(repository.problems) == [Troubled.bad]
    assert await repository.find_problems() == [Troubled.bad]


async def test_while_one_is_out_of_reach_nobody_knows_what_is_described_once() -> None:
    away = Troubled()
    away.reachable = False
    with pytest.raises(RepositoryUnavailable):
        await union(MemoryRepository([Agent("a")]), away).get_agent("a")


async def test_a_source_that_cannot_list_makes_it_one_that_cannot() -> None:
    class Unlisted(MemoryRepository):
        list_agents = AgentRepository.list_agents

    with pytest.raises(RepositoryError, match="cannot list"):
        [agent async for agent in union(MemoryRepository(), Unlisted()).list_agents()]


async def test_closing_it_closes_its_sources() -> None:
    sources = Troubled(), Troubled()
    await union(*sources).aclose()
    assert [source.closed for source in sources] == [1, 1]
