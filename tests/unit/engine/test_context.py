"""What a runner holds of the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from zephyrus_exec.errors import CallReverted, ContractNotFound, InvalidValue, NotRunning
from zephyrus_exec.interfaces.chain import Call, ReadResult, Simulation
from zephyrus_exec.interfaces.runner import RunContext
from zephyrus_exec.model import Action, ActionResult, Json
from zephyrus_exec.testing.chain import ModelChain

from .conftest import Enter
from .world import World, chain_agent, plan, runner_agent, settle

Work = Callable[[RunContext], Awaitable[Json]]


async def run(enter: Enter, work: Work, world: World | None = None) -> tuple[World, str]:
    """Run the work as an agent, to its end."""
    world = world or World(runner_agent("work"))
    engine = await enter(world.chain_engine(runners={"work": work}))
    agent_id = (await anext(world.repository.list_agents())).id
    execution_id = await engine.submit(agent_id)
    await engine.result(execution_id)
    return world, execution_id


def returning(value: Any) -> Callable[[], Awaitable[Json]]:
    async def perform() -> Json:
        result: Json = value
        return result

    return perform


async def test_an_action_is_journaled_before_it_is_done_and_after(enter: Enter) -> None:
    seen: list[str] = []

    async def work(context: RunContext) -> Json:
        async def perform() -> Json:
            seen.extend(await world.kinds(context.execution_id))
            return {"ok": True}

        value = await context.action(
            "pay", perform, parameters={"n": 1}, message="since it is due", once=True
        )
        assert value == {"ok": True}
        assert context.history == (
            ActionResult("pay", {"n": 1}, {"ok": True}, success=True, message="since it is due"),
        )
        return None

    world = World(runner_agent("work"))
    _, execution_id = await run(enter, work, world)
    assert seen == ["accepted", "started", "action_started"]
    events = await world.events(execution_id)
    assert events[2].data == {
        "cycle": 0,
        "step": 1,
        "function_name": "pay",
        "parameters": {"n": 1},
        "message": "since it is due",
        "once": True,
    }
    assert events[3].data == {
        "cycle": 0,
        "step": 1,
        "function_name": "pay",
        "parameters": {"n": 1},
        "result": {"ok": True},
        "success": True,
        "message": "since it is due",
    }


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ValueError("inside"), "runner_failed"),
        (CallReverted("no", reason="closed"), "call_reverted"),
        (asyncio.CancelledError(), "cancelled"),
    ],
)
async def test_an_action_that_fails_is_journaled_and_its_error_goes_on(
    enter: Enter, error: BaseException, code: str
) -> None:
    async def work(context: RunContext) -> Json:
        async def perform() -> Json:
            raise error

        with pytest.raises(type(error)):
            await context.action("try", perform)
        return None

    world, execution_id = await run(enter, work)
    body = await world.ended(execution_id)
    [result] = body["results"]
    assert (result["success"], result["error"]["code"]) == (False, code)
    assert "inside" not in str(result)
    assert body["outcome"] == "succeeded"


async def test_an_action_whose_value_is_no_json_has_failed(enter: Enter) -> None:
    async def work(context: RunContext) -> Json:
        with pytest.raises(InvalidValue):
            await context.action("odd", returning(object()))
        return None

    world, execution_id = await run(enter, work)
    assert (await world.ended(execution_id))["results"][0]["error"]["code"] == "invalid_value"


async def test_every_decision_is_journaled_before_it_is_returned(enter: Enter) -> None:
    async def work(context: RunContext) -> Json:
        async def ask() -> dict[str, Json]:
            return {"choice": "left"}

        assert await context.decide(ask) == {"choice": "left"}
        [decided] = (await world.events(context.execution_id))[2:]
        assert (decided.kind, decided.data) == ("planned", {"cycle": 1, "choice": "left"})
        return None

    world = World(runner_agent("work"))
    _, execution_id = await run(enter, work, world)
    assert (await world.ended(execution_id))["outcome"] == "succeeded"


async def test_what_is_emitted_is_journaled_at_once(enter: Enter) -> None:
    async def work(context: RunContext) -> Json:
        await context.emit({"percent": 50})
        assert (await world.events(context.execution_id))[-1].data == {"percent": 50}
        with pytest.raises(InvalidValue):
            await context.emit({"percent": float("nan")})
        return None

    world = World(runner_agent("work"))
    _, execution_id = await run(enter, work, world)
    assert (await world.ended(execution_id))["outcome"] == "succeeded"


async def test_after_the_end_a_context_is_of_no_use(enter: Enter) -> None:
    kept: list[RunContext] = []

    async def work(context: RunContext) -> Json:
        kept.append(context)
        return None

    await run(enter, work)
    [context] = kept
    with pytest.raises(NotRunning):
        await context.emit({})
    with pytest.raises(NotRunning):
        await context.action("late", returning(1))
    with pytest.raises(NotRunning):
        await context.invoke(Action("get"))


# --- calls of contract functions -----------------------------------------------------------------


async def test_a_read_is_answered_with_value_and_block(enter: Enter) -> None:
    async def work(context: RunContext) -> Json:
        result = await context.invoke(Action("get", name="price", message="to know"))
        assert result == ActionResult(
            "get", {}, "7", success=True, name="price", message="to know", block_number=5
        )
        return None

    world = World(chain_agent(runner=runner_agent("work").runner))
    world.chain.mine(5)
    _, execution_id = await run(enter, work, world)
    assert (await world.ended(execution_id))["outcome"] == "succeeded"


async def test_a_write_is_answered_with_its_hash_block_and_gas(enter: Enter) -> None:
    async def work(context: RunContext) -> Json:
        result = await context.invoke(Action("set"))
        assert result.success
        assert result.result == result.transaction_hash
        assert (result.block_number, result.gas_used) == (1, 50_000)
        return None

    world = World(chain_agent(runner=runner_agent("work").runner))
    _, execution_id = await run(enter, work, world)
    body = await world.ended(execution_id)
    assert (body["outcome"], body["effects"]["mined"]) == ("succeeded", 1)


@pytest.mark.parametrize(
    ("action", "code"),
    [
        (Action("burn"), "function_not_found"),
        (Action("get", value_wei=5), "invalid_arguments"),
    ],
)
async def test_a_call_that_is_not_valid_is_a_failed_result_and_no_node_is_asked(
    enter: Enter, action: Action, code: str
) -> None:
    async def refuse(_method: str) -> None:
        raise AssertionError("a node was asked")

    async def work(context: RunContext) -> Json:
        result = await context.invoke(action)
        assert result.error is not None
        assert (result.success, result.error["code"]) == (False, code)
        return None

    world = World(chain_agent(runner=runner_agent("work").runner))
    world.chain.before = refuse
    _, execution_id = await run(enter, work, world)
    assert (await world.kinds(execution_id))[2:4] == ["action_started", "action_finished"]


async def test_an_agent_without_contract_cannot_call_one(enter: Enter) -> None:
    async def work(context: RunContext) -> Json:
        result = await context.invoke(Action("get"))
        assert result.error is not None
        assert result.error["code"] == ContractNotFound.code
        return None

    world = World(chain_agent(runner=runner_agent("work").runner, contract_id=None))
    await run(enter, work, world)


async def test_calls_of_one_execution_are_made_one_after_the_other(enter: Enter) -> None:
    async def work(context: RunContext) -> Json:
        await asyncio.gather(*(context.invoke(Action("set")) for _ in range(3)))
        return None

    world = World(chain_agent(runner=runner_agent("work").runner))
    _, execution_id = await run(enter, work, world)
    kinds = (await world.kinds(execution_id))[2:-1]
    assert kinds == ["action_started", "effect_signed", "action_finished"] * 3


async def test_after_an_own_receipt_reads_and_simulations_ask_for_its_block(
    enter: Enter,
) -> None:
    class Watched(ModelChain):
        def __init__(self) -> None:
            super().__init__()
            self.asked: list[int | None] = []

        async def read(
            self, call: Call, *, sender: str | None = None, min_block: int | None = None
        ) -> ReadResult:
            self.asked.append(min_block)
            return await super().read(call, sender=sender, min_block=min_block)

        async def simulate(
            self, call: Call, *, sender: str, min_block: int | None = None
        ) -> Simulation:
            self.asked.append(min_block)
            return await super().simulate(call, sender=sender, min_block=min_block)

    async def work(context: RunContext) -> Json:
        for function in ("get", "set", "get", "set"):
            await context.invoke(Action(function))
        return None

    chain = Watched()
    world = World(chain_agent(runner=runner_agent("work").runner), chain=chain)
    await run(enter, work, world)
    assert chain.asked == [None, None, 1, 1]


async def test_a_read_that_is_cancelled_is_journaled_as_cancelled(enter: Enter) -> None:
    async def hang(method: str) -> None:
        if method == "read":
            await asyncio.Event().wait()

    async def work(context: RunContext) -> Json:
        await context.invoke(Action("get"))
        return None

    world = World(chain_agent(runner=runner_agent("work").runner))
    world.chain.before = hang
    engine = await enter(world.chain_engine(runners={"work": work}))
    execution_id = await engine.submit("a")
    await settle()
    await engine.cancel(execution_id)
    await engine.result(execution_id)
    [result] = (await world.ended(execution_id))["results"]
    assert (result["function_name"], result["error"]["code"]) == ("get", "cancelled")


async def test_an_adapter_that_breaks_its_promise_fails_the_run_under_an_incident(
    enter: Enter,
) -> None:
    async def crash(_method: str) -> None:
        raise OSError("socket")

    async def work(context: RunContext) -> Json:
        await context.invoke(Action("get"))
        return None

    world = World(chain_agent(runner=runner_agent("work").runner))
    world.chain.before = crash
    _, execution_id = await run(enter, work, world)
    assert (await world.ended(execution_id))["error"]["code"] == "runner_failed"


def nested(levels: int) -> Any:
    """Return a list in a list, so many levels deep."""
    value: Any = 0
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("value", [nested(65), {1: 2}, object(), float("nan")])
async def test_a_value_that_could_not_be_read_back_fails_the_action(
    enter: Enter, value: Any
) -> None:
    """Too deep, keys that are no strings: whoever reads the results must be able to."""

    async def odd(context: RunContext) -> Json:
        async def perform() -> Json:
            checked: Json = value
            return checked

        return await context.action("odd", perform)

    world = World(runner_agent("odd"))
    engine = await enter(world.engine(runners={"odd": odd}))
    body = await engine.result(await engine.submit("odd"))
    error = body["error"]
    assert isinstance(error, dict)
    assert error["code"] == "invalid_value"


async def test_progress_is_an_object(enter: Enter) -> None:
    async def odd(context: RunContext) -> None:
        await context.emit([1])  # type: ignore[arg-type]

    world = World(runner_agent("odd"))
    engine = await enter(world.engine(runners={"odd": odd}))
    body = await engine.result(await engine.submit("odd"))
    assert body["outcome"] == "failed"


@pytest.mark.parametrize(
    ("seen", "outcome", "code"), [(True, "failed", "displaced"), (False, "in_doubt", "in_doubt")]
)
async def test_what_somebody_else_used_the_nonce_for_is_told_as_it_can_be_seen(
    enter: Enter, seen: bool, outcome: str, code: str
) -> None:
    world = World(chain_agent())
    world.chain.automine = False
    engine = await enter(world.chain_engine(plan("set")))
    execution_id = await engine.submit("a")
    await settle()
    world.chain.ledger.pool.clear()
    world.chain.ledger.use_nonce(world.signer.address, visible=seen)
    world.chain.mine(5)
    ending = asyncio.create_task(engine.result(execution_id))
    while not ending.done():
        world.chain.mine()
        await world.clock.advance(1)
    body: Any = await world.ended(execution_id)
    assert (body["outcome"], body["error"]["code"]) == (outcome, code)
    assert body["effects"][code] == 1
    assert body["results"][0]["error"]["code"] == code
