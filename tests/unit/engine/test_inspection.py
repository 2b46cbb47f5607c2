"""What would keep an agent from running, found without running it."""

from __future__ import annotations

from typing import Any

import pytest

from zephyrus_exec.engine import CycleRunner
from zephyrus_exec.engine.inspection import find_problems
from zephyrus_exec.engine.invoker import Invoker
from zephyrus_exec.errors import CallReverted, ChainUnavailable
from zephyrus_exec.model import (
    Agent,
    AgentFunction,
    AgentStatus,
    Component,
    Contract,
    FunctionParameter,
    FunctionType,
    Rules,
)
from zephyrus_exec.planners.steps import StepsPlanner
from zephyrus_exec.repositories.memory import MemoryRepository
from zephyrus_exec.testing.chain import ModelChain
from zephyrus_exec.testing.ledger import ModelCall

from .world import TARGET, Script, World, chain_agent, forever, runner_agent


async def problems(agent: Agent, world: World | None = None, **more: Any) -> list[str]:
    world = world or World()
    planners = more.pop("planners", {"script": Script(), "steps": StepsPlanner()})
    return await find_problems(
        agent,
        contracts=world.repository,
        runners={"cycle": CycleRunner(planners), "forever": forever},
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
    assert problem == (
        f"there is no contract at {TARGET} on chain 1337, nor on another configured chain; "
        "correct its address, or its chain_id"
    )


async def test_a_contract_on_another_configured_chain_is_found_there() -> None:
    world, other, empty = World(), ModelChain(57054), ModelChain(1)
    world.chain._contracts.clear()
    other.deploy(TARGET, {})
    invoker = Invoker({57054: other, 1337: world.chain, 1: empty}, {"key": world.signer})
    [problem] = await problems(chain_agent(), world, invoker=invoker)
    assert "but there is one on chain 57054; correct its chain_id" in problem


async def test_another_chain_that_cannot_be_asked_is_told_and_does_not_hide_the_rest() -> None:
    async def away(_method: str) -> None:
        raise ChainUnavailable("the node of chain 5 is away", chain_id=5)

    world, other, lost = World(), ModelChain(57054), ModelChain(5)
    world.chain._contracts.clear()
    other.deploy(TARGET, {})
    lost.before = away
    invoker = Invoker({5: lost, 57054: other, 1337: world.chain}, {"key": world.signer})
    found, unknown = await problems(chain_agent(), world, invoker=invoker)
    assert "on chain 57054" in found
    assert unknown == "the node of chain 5 is away"


async def test_a_node_that_cannot_be_reached_is_a_problem() -> None:
    async def away(_method: str) -> None:
        raise ChainUnavailable("the node is away", chain_id=1337)

    world = World()
    world.chain.before = away
    assert await problems(chain_agent(), world) == ["the node is away"]


# --- functions and the ABI -----------------------------------------------------------------------


def entry(name: str, view: str = "nonpayable", *inputs: str) -> dict[str, Any]:
    parameters = [{"name": one, "type": "uint256"} for one in inputs]
    return {"type": "function", "name": name, "inputs": parameters, "stateMutability": view}


def abi_world(*entries: dict[str, Any]) -> World:
    world = World()
    world.repository = MemoryRepository([], [Contract("c", TARGET, 1337, abi=entries)])
    return world


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (AgentFunction("nothing"), "the ABI has no function nothing"),
        (
            AgentFunction("get", type=FunctionType.WRITE),
            "the type of function get is write, but by the ABI get(uint256) is read; "
            "set it to read",
        ),
        (AgentFunction("set"), "the type of function set is read, but by the ABI set() is write"),
        (AgentFunction("pay"), "by the ABI pay() is payable; set it to payable"),
        (
            AgentFunction("set", type=FunctionType.PAYABLE),
            "the type of function set is payable, but by the ABI set() is write",
        ),
        (
            AgentFunction("get", parameters=(FunctionParameter("kee"),)),
            "the parameter 'kee' of function get is none of get(uint256), which has: key; "
            "correct its name",
        ),
    ],
)
async def test_a_function_that_does_not_agree_with_the_abi_is_a_problem(
    function: AgentFunction, said: str
) -> None:
    world = abi_world(entry("get", "view", "key"), entry("set"), entry("pay", "payable"))
    [problem] = await problems(chain_agent(functions=(function,)), world)
    assert said in problem


async def test_functions_that_agree_and_those_that_are_switched_off_are_no_problem() -> None:
    world = abi_world(entry("get", "view", "key"), entry("pay", "payable"))
    functions = (
        AgentFunction("get", parameters=(FunctionParameter("key"),)),
        AgentFunction("pay", type=FunctionType.WRITE),
        AgentFunction("nothing", enabled=False),
    )
    assert await problems(chain_agent(functions=functions), world) == []


# --- what the agent would begin with -------------------------------------------------------------


def planned(*steps: dict[str, Any], **more: Any) -> Agent:
    return chain_agent(planner=Component("steps", {"steps": list(steps)}), **more)


def reverts(_call: ModelCall) -> None:
    raise CallReverted("the contract refused: closed", function="set", reason="closed")


async def test_calls_that_would_go_through_are_no_problem_and_nothing_is_sent() -> None:
    world = World()
    steps: list[dict[str, Any]] = [{"function": "get"}, {"function": "set"}]
    steps.append({"function": "pay", "value_wei": 5})
    assert await problems(planned(*steps, gas_limit=50_000), world) == []
    assert world.chain.broadcasts == []


async def test_a_call_that_needs_more_gas_than_the_agent_may_use_is_a_problem() -> None:
    [problem] = await problems(planned({"function": "get"}, {"function": "set"}, gas_limit=40_000))
    assert problem == (
        "step 2: set() needs about 50000 gas, the limit is 40000; "
        "raise the agent's gas_limit if that is meant"
    )


async def test_a_limit_that_no_transaction_fits_is_a_problem_without_any_plan() -> None:
    [problem] = await problems(chain_agent(gas_limit=20_000))
    assert problem == "its gas_limit is 20000, and every transaction needs 21000; raise it"


async def test_a_first_call_that_reverts_is_a_problem_and_a_later_one_is_not() -> None:
    world = World()
    world.chain.deploy(TARGET, {"get": "7", "set": reverts, "pay": None})
    [problem] = await problems(planned({"function": "set"}, {"function": "set"}), world)
    assert problem == "step 1: as things are now, the contract refused: closed"
    assert await problems(planned({"function": "pay"}, {"function": "set"}), world) == []


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ({"function": "sell"}, "the agent has no function 'sell'"),
        ({"function": "pay", "value_wei": 10**19}, "step 1: "),
        ({"function": "get", "parameters": {"a": "${steps.9.result}"}}, "steps.9"),
        (
            {"function": "get", "parameters": {"a": 9}},
            "step 1: get: a is 9, more than the allowed 5",
        ),
    ],
)
async def test_a_step_that_cannot_be_is_a_problem(step: dict[str, Any], said: str) -> None:
    ruled = AgentFunction("get", parameters=(FunctionParameter("a", Rules(maximum=5)),))
    functions = (ruled, AgentFunction("pay", type=FunctionType.PAYABLE))
    [problem] = await problems(planned(step, functions=functions))
    assert said in problem


async def test_what_only_a_request_brings_along_is_no_problem() -> None:
    assert await problems(planned({"function": "get", "parameters": {"a": "${input.a}"}})) == []


async def test_a_planner_that_does_not_say_it_is_pure_is_not_asked() -> None:
    world, script = World(), Script()
    assert await problems(chain_agent(), world, planners={"script": script}) == []
    assert script.requests == []


async def test_a_signer_that_is_missing_is_told_once() -> None:
    [problem] = await problems(planned({"function": "set"}, {"function": "pay"}, signer=None))
    assert "no signer" in problem


async def test_a_function_that_does_not_fit_is_not_called_as_well() -> None:
    world = abi_world(entry("get", "view", "key"))
    agent = planned({"function": "get"}, functions=(AgentFunction("get", type=FunctionType.WRITE),))
    [problem] = await problems(agent, world)
    assert "set it to read" in problem


async def test_a_node_that_is_lost_meanwhile_is_told_once() -> None:
    async def away(method: str) -> None:
        if method == "read":
            raise ChainUnavailable("the node is away", chain_id=1337)

    world = World()
    world.chain.before = away
    agent = planned({"function": "get"}, {"function": "get"})
    assert await problems(agent, world) == ["the node is away"]
