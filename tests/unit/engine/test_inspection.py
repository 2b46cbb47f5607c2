"""What would keep an agent from running, found without running it."""

from __future__ import annotations

from typing import Any

import pytest

from zephyrus_exec.engine import CycleRunner
from zephyrus_exec.engine.inspection import find_problems
from zephyrus_exec.engine.invoker import Invoker
from zephyrus_exec.errors import ChainUnavailable
from zephyrus_exec.model import Agent, AgentStatus, Component

from .world import Script, World, chain_agent, forever, runner_agent


async def problems(agent: Agent, world: World | None = None, **more: Any) -> list[str]:
    world = world or World()
    return await find_problems(
        agent,
        contracts=world.repository,
        runners={"cycle": CycleRunner({"script": Script()}), "forever": forever},
        invoker=more.pop("invoker", Invoker({1337: world.chain}, {"key": world.signer})),
    )


async def test_an_agent_that_has_everything_has_no_problems() -> None:
    assert await problems(chain_agent()) == []
    assert await problems(runner_agent("forever")) == []


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (chain_agent(status=AgentStatus.STOPPED), "stopped"),
        (chain_agent(runner=Component("other")), "not registered"),
        (chain_agent(planner=None), "names no planner"),
        (chain_agent(signer=None), "no signer"),
        (chain_agent(contract_id="nowhere"), "nowhere"),
    ],
)
async def test_each_problem_is_told_in_one_sentence(agent: Agent, words: str) -> None:
    [problem] = await problems(agent)
    assert words in problem


async def test_a_contract_whose_chain_is_not_configured_is_a_problem() -> None:
    [problem] = await problems(chain_agent(functions=()), invoker=Invoker({}, {}))
    assert "ZEPHYRUS_RPC_1337" in problem


async def test_an_address_without_code_is_a_problem() -> None:
    world = World()
    world.chain._contracts.clear()
    [problem] = await problems(chain_agent(), world)
    assert "there is no contract at" in problem


async def test_a_node_that_cannot_be_reached_is_a_problem() -> None:
    async def away(_method: str) -> None:
        raise ChainUnavailable("the node is away", chain_id=1337)

    world = World()
    world.chain.before = away
    assert await problems(chain_agent(), world) == ["the node is away"]
