"""What every repository of agents and contracts must do."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest
from attrs import evolve
from attrs.exceptions import FrozenInstanceError

from ..errors import (
    AgentNotFound,
    ContractNotFound,
    InvalidValue,
    RepositoryError,
)
from ..interfaces.repositories import AgentRepository, ContractRepository, WritableRepository
from ..model import (
    Agent,
    AgentFunction,
    AgentStatus,
    Component,
    Contract,
    FunctionParameter,
    FunctionType,
    Json,
    OnFailure,
    Overlap,
    Rules,
)

_UINT256: Final = 2**256 - 1
_SETTINGS: Final[dict[str, Json]] = {
    "steps": [{"function": "balanceOf", "parameters": {"a": 1}}],
    "numbers": [0, -1, 1.5, 1e300, _UINT256, -_UINT256],
    "nothing": None,
    "texts": ["", "a\x00b", "Ñandú", "🦤", '"\\/\n'],
    "deep": {"er": [{"and": {"deeper": [[]]}}]},
}

AGENTS: Final = (
    Agent(
        "b",
        name="Ñandú",
        description='says "hello"\n',
        contract_id="token",
        status=AgentStatus.PAUSED,
        owner="somebody",
        gas_limit=_UINT256,
        max_priority_fee_gwei=Decimal("0.000000001"),
        runner=Component("cycle"),
        planner=Component("steps", _SETTINGS),
        functions=(
            AgentFunction(
                "transfer",
                "transfer(address,uint256)",
                FunctionType.WRITE,
                enabled=False,
                parameters=(
                    FunctionParameter("to", Rules(allowed=("0x" + "aB" * 20,))),
                    FunctionParameter(
                        "amount", Rules(0, _UINT256, pattern=".*", min_length=1), "1"
                    ),
                ),
                abi={"type": "function", "name": "transfer", "inputs": []},
                confirmations=3,
            ),
            AgentFunction("balanceOf"),
        ),
        signer="treasury",
        on_failure=OnFailure.CONTINUE,
        max_cycles=1,
        max_concurrent=2,
        overlap=Overlap.JOIN,
    ),
    Agent("a"),
    Agent("c" * 256),
    Agent("🦤" * 256),
    Agent("../b"),
    Agent("/etc/passwd"),
    Agent("C:\\con"),
    Agent("a\x00b"),
    Agent("a' OR 1=1 --"),
    Agent("%"),
    Agent(" a"),
    Agent("A"),
    Agent("\u00f1"),
    Agent("n\u0303"),
)
"""Agents that a repository may mangle or mix up, each in its own way."""

CONTRACTS: Final = (
    Contract("token", "0x" + "aB" * 20, 57054, "Token", "ERC20", ({"type": "fallback"},)),
    Contract("other", "0x" + "0" * 40, _UINT256),
    Contract("a", "0x" + "0" * 40, 1, abi=({"name": "ñ", "inputs": [{"n": _UINT256}]},)),
    Contract("../token", "0x" + "1" * 40, 1),
    Contract("x" * 256, "0x" + "1" * 40, 1),
)

UNKNOWN: Final = (
    *("", "B", "b ", "./b", "..", "d" * 10_000, "c" * 255, "\x00", "a\x00", "b%", "_", "*"),
    *("\ud800", "nan\u0303du", "🦤"),
)
"""Ids that none of them has."""


def _shown(value: Agent | Contract | str) -> str:
    text = value if isinstance(value, str) else value.id
    return ascii(text[:12])


@pytest.mark.asyncio
class RepositoryConformance(ABC):
    """Subclass it, give a repository, and pytest runs these on it."""

    @abstractmethod
    async def agents(self, agents: Sequence[Agent]) -> AgentRepository:
        """Return a repository that holds exactly these agents."""

    @abstractmethod
    async def contracts(self, contracts: Sequence[Contract]) -> ContractRepository:
        """Return a repository that holds exactly these contracts."""

    @pytest.mark.parametrize("agent", AGENTS, ids=_shown)
    async def test_an_agent_comes_back_equal(self, agent: Agent) -> None:
        """What was put in is what is got, field by field, type by type."""
        repository = await self.agents(AGENTS)
        found = await repository.get_agent(agent.id)
        assert found == agent
        assert repr(found) == repr(agent)

    @pytest.mark.parametrize("agent_id", UNKNOWN, ids=_shown)
    async def test_an_unknown_agent_is_not_found(self, agent_id: str) -> None:
        """There is no agent but by its exact id, and the error names the id."""
        repository = await self.agents(AGENTS)
        with pytest.raises(AgentNotFound) as caught:
            await repository.get_agent(agent_id)
        assert caught.value.details == {"agent_id": agent_id}

    @pytest.mark.parametrize("contract", CONTRACTS, ids=_shown)
    async def test_a_contract_comes_back_equal(self, contract: Contract) -> None:
        """What was put in is what is got, field by field, type by type."""
        repository = await self.contracts(CONTRACTS)
        found = await repository.get_contract(contract.id)
        assert found == contract
        assert repr(found) == repr(contract)

    @pytest.mark.parametrize("contract_id", ["", "Token", "token ", "\x00", "\ud800", "b"])
    async def test_an_unknown_contract_is_not_found(self, contract_id: str) -> None:
        """There is no contract but by its exact id, and the error names the id."""
        repository = await self.contracts(CONTRACTS)
        with pytest.raises(ContractNotFound) as caught:
            await repository.get_contract(contract_id)
        assert caught.value.details == {"contract_id": contract_id}

    async def test_what_did_not_change_is_the_same_value(self) -> None:
        """Whoever asks again gets the same object, so that it need not be encoded again."""
        agents, contracts = await self.agents(AGENTS), await self.contracts(CONTRACTS)
        assert await agents.get_agent("b") is await agents.get_agent("b")
        assert await contracts.get_contract("token") is await contracts.get_contract("token")

    async def test_values_are_frozen(self) -> None:
        """Nobody changes an agent by changing what was given to them."""
        agent = await (await self.agents(AGENTS)).get_agent("a")
        with pytest.raises(FrozenInstanceError):
            agent.status = AgentStatus.STOPPED  # type: ignore[misc]

    async def test_lookups_at_once_get_each_their_own(self) -> None:
        """Whoever asks while others ask gets what they asked for."""
        repository = await self.agents(AGENTS)
        asked = AGENTS * 5
        found = await asyncio.gather(*(repository.get_agent(agent.id) for agent in asked))
        assert tuple(found) == asked

    async def test_a_cancelled_lookup_leaves_the_others_alone(self) -> None:
        """Whoever gives up takes nobody with them."""
        repository = await self.agents(AGENTS)
        lookups = [asyncio.ensure_future(repository.get_agent("a")) for _ in range(5)]
        await asyncio.sleep(0)
        lookups[0].cancel()
        found = await asyncio.gather(*lookups, return_exceptions=True)
        assert found[1:] == [Agent("a")] * 4
        assert await repository.get_agent("a") == Agent("a")

    async def test_a_listing_of_agents_is_whole_and_stable_or_refused(self) -> None:
        """A repository lists every agent once, each time in the same order, or says it cannot."""
        repository = await self.agents(AGENTS)
        try:
            first = [agent async for agent in repository.list_agents()]
        except RepositoryError:
            return
        assert sorted(agent.id for agent in first) == sorted(agent.id for agent in AGENTS)
        assert [agent async for agent in repository.list_agents()] == first

    async def test_a_listing_of_contracts_is_whole_and_stable_or_refused(self) -> None:
        """A repository lists every contract once, each time in the same order, or it refuses."""
        repository = await self.contracts(CONTRACTS)
        try:
            first = [contract async for contract in repository.list_contracts()]
        except RepositoryError:
            return
        assert sorted(one.id for one in first) == sorted(one.id for one in CONTRACTS)
        assert [contract async for contract in repository.list_contracts()] == first


class WritableConformance(RepositoryConformance):
    """For repositories that can be told what to hold; they list, too."""

    persistent: bool = False
    """Whether what was put is there when the place is opened again."""

    @abstractmethod
    async def open(self, place: Path) -> WritableRepository:
        """Return the repository of that place, a folder of the test's own."""

    @pytest.fixture(autouse=True)
    def _own_place(self, tmp_path: Path) -> None:
        self._place = tmp_path

    async def agents(self, agents: Sequence[Agent]) -> WritableRepository:
        """Return a repository that was told to hold these agents."""
        repository = await self.open(self._place)
        await repository.put(agents)
        return repository

    async def contracts(self, contracts: Sequence[Contract]) -> WritableRepository:
        """Return a repository that was told to hold these contracts."""
        repository = await self.open(self._place)
        await repository.put(contracts)
        return repository

    async def test_an_empty_one_holds_nothing(self) -> None:
        """It begins with nothing, and says so without an error."""
        repository = await self.open(self._place)
        assert await _held(repository) == []
        assert list(await repository.find_problems()) == []

    async def test_what_is_put_is_there_at_once(self) -> None:
        """After `put`, a lookup finds it; an agent and a contract may have the same id."""
        repository = await self.open(self._place)
        await repository.put([Agent("x"), CONTRACTS[0], evolve(CONTRACTS[0], id="x")])
        assert await repository.get_agent("x") == Agent("x")
        assert (await repository.get_contract("x")).chain_id == 57054
        await repository.put([Agent("y")])
        assert await _held(repository) == ["x", "y", "token", "x"]

    async def test_the_same_id_replaces_and_keeps_its_place(self) -> None:
        """There is never more than one of an id, and a listing stays in its order."""
        repository = await self.open(self._place)
        await repository.put([Agent("b"), Agent("a"), Agent("c")])
        await repository.put([Agent("a", name="new"), Agent("d")])
        assert await _held(repository) == ["b", "a", "c", "d"]
        assert (await repository.get_agent("a")).name == "new"

    async def test_of_several_with_one_id_the_last_counts(self) -> None:
        """Values are taken in their order."""
        repository = await self.open(self._place)
        await repository.put([Agent("a", name="first"), Agent("b"), Agent("a", name="last")])
        assert await _held(repository) == ["a", "b"]
        assert (await repository.get_agent("a")).name == "last"

    @pytest.mark.parametrize(
        "settings",
        [{"x": float("nan")}, {"x": "\ud800"}, {1: 2}, {"x": object()}],
        ids=["nan", "surrogate", "key", "object"],
    )
    async def test_where_one_cannot_be_kept_none_is(self, settings: dict[str, Json]) -> None:
        """What is no JSON is refused, and everything put with it."""
        repository = await self.open(self._place)
        await repository.put([Agent("old")])
        bad = Agent("bad", planner=Component("steps", settings))
        with pytest.raises(InvalidValue):
            await repository.put([Agent("new"), Agent("old", name="new"), bad])
        assert await _held(repository) == ["old"]
        assert (await repository.get_agent("old")).name == ""

    async def test_nothing_put_and_nothing_removed_changes_nothing(self) -> None:
        """Empty changes are changes, too."""
        repository = await self.open(self._place)
        await repository.put([Agent("a")])
        await repository.put([])
        await repository.remove()
        assert await _held(repository) == ["a"]

    async def test_what_is_removed_is_gone(self) -> None:
        """Removed ids are not found; a contract stays where an agent of its id goes."""
        repository = await self.open(self._place)
        await repository.put([*AGENTS, *CONTRACTS])
        await repository.remove(agents=["a", *(agent.id for agent in AGENTS[2:])])
        assert await _held(repository) == ["b", *(one.id for one in CONTRACTS)]
        await repository.remove(agents=["b"], contracts=[one.id for one in CONTRACTS[1:]])
        assert await _held(repository) == ["token"]
        with pytest.raises(AgentNotFound):
            await repository.get_agent("a")

    async def test_removing_what_is_not_there_is_nothing(self) -> None:
        """Forgetting twice is forgetting."""
        repository = await self.open(self._place)
        await repository.put([Agent("a")])
        await repository.remove(agents=["", "A", "\ud800"], contracts=["a"])
        assert await _held(repository) == ["a"]

    async def test_writers_at_once_lose_nothing(self) -> None:
        """Every `put` that returned is there, whoever wrote at the same time."""
        repository = await self.open(self._place)
        names = [str(number) for number in range(20)]
        await asyncio.gather(*(repository.put([Agent(name)]) for name in names))
        assert sorted(await _held(repository)) == sorted(names)

    async def test_a_cancelled_put_is_whole(self) -> None:
        """Whoever stops waiting for a `put` has not stopped it half way."""
        repository = await self.open(self._place)
        values = [Agent(str(number)) for number in range(20)]
        putting = asyncio.ensure_future(repository.put(values))
        await asyncio.sleep(0)
        putting.cancel()
        await asyncio.gather(putting, return_exceptions=True)
        await repository.put([Agent("after")])
        assert await _held(repository) in (
            [*(agent.id for agent in values), "after"],
            ["after", *(agent.id for agent in values)],
            ["after"],
        )

    async def test_a_listing_is_not_disturbed_by_what_comes_meanwhile(self) -> None:
        """Everything that was there when it began comes once, whatever is put meanwhile."""
        repository = await self.open(self._place)
        await repository.put([Agent(str(number)) for number in range(250)])
        seen = []
        async for agent in repository.list_agents():
            seen.append(agent.id)
            if agent.id == "3":
                await repository.put([Agent("new"), Agent("4", name="new")])
        assert seen[:250] == [str(number) for number in range(250)]

    async def test_it_outlives_its_process_or_does_not(self) -> None:
        """What was put is there for whoever opens the place next, where it is persistent."""
        repository = await self.open(self._place)
        await repository.put([*AGENTS, *CONTRACTS])
        held = await _held(repository)
        await repository.aclose()
        await repository.aclose()
        again = await self.open(self._place)
        assert await _held(again) == (held if self.persistent else [])
        await again.aclose()


async def _held(repository: WritableRepository) -> list[str]:
    """Return the ids of everything, agents first, each checked by a lookup."""
    agents = [agent async for agent in repository.list_agents()]
    contracts = [contract async for contract in repository.list_contracts()]
    for agent in agents:
        assert await repository.get_agent(agent.id) == agent
    for contract in contracts:
        assert await repository.get_contract(contract.id) == contract
    return [*(agent.id for agent in agents), *(contract.id for contract in contracts)]
