"""A server for a host's tests: what it does, and that it dies and comes back as told."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import pytest

from zephyrus_exec import (
    Agent,
    AgentFunction,
    Component,
    Contract,
    FunctionType,
    Json,
    MemoryRepository,
    Outcome,
    Principal,
    RunContext,
    SqliteStore,
    StepsPlanner,
)
from zephyrus_exec.errors import TransportBroken
from zephyrus_exec.protocol.messages import Completed, Failed, Rejected, Started
from zephyrus_exec.session import Peer
from zephyrus_exec.testing.chain import ModelChain, ModelSigner
from zephyrus_exec.testing.clock import settle
from zephyrus_exec.testing.running import Running, running
from zephyrus_exec.testing.transports import soon


class Shop:
    """An agent that orders twice, and how often it really did."""

    def __init__(self) -> None:
        self.orders: list[str] = []

    async def buy(self, context: RunContext) -> None:
        for item in ("bolts", "nuts"):
            await context.action("order", partial(self._order, item), once=True)

    async def _order(self, item: str) -> Json:
        self.orders.append(item)
        return item


async def ended(host: Running) -> Outcome | None:
    """Return how the only execution ended."""
    (execution,) = await host.engine.list_executions()
    return execution.outcome


# --- without a crash -----------------------------------------------------------------------------


async def test_a_client_gets_what_it_would_get_over_the_network() -> None:
    async with running({"buy": Shop().buy}) as host:
        replies = await host.v1_execute("buy")
        assert [type(reply) for reply in replies] == [Started, Completed]
        assert [type(one) for one in await host.v1_execute("nobody")] == [Started, Failed]
        assert isinstance((await host.v1_execute(""))[0], Rejected)


async def test_the_journal_the_engine_the_store_and_the_clock_are_at_hand() -> None:
    async with running({"buy": Shop().buy}) as host:
        execution_id = await host.engine.submit("buy", principal=Principal("ana"))
        await host.engine.result(execution_id, principal=Principal("ana"))
        events = await host.events(execution_id)
        assert events == await host.store.read(execution_id)
        assert {event.at for event in events} == {host.clock.now()}


async def test_time_passes_only_when_told() -> None:
    async def wait(context: RunContext) -> None:
        await asyncio.Event().wait()

    async with running({"wait": wait}, max_duration=3600) as host:
        asking = asyncio.create_task(host.v1_execute("wait"))
        await settle()
        await host.clock.advance(3599)
        assert not asking.done()
        await host.clock.advance(1)
        assert isinstance((await soon(asking))[-1], Failed)


async def test_agents_and_contracts_may_come_from_a_repository_or_as_they_are() -> None:
    chain, signer = ModelChain(), ModelSigner()
    chain.fund(signer.address)
    token = Contract("token", "0x" + "c0" * 20, chain.chain_id)
    chain.deploy(token.address, {"mint": "1"})
    minter = Agent(
        "minter",
        contract_id="token",
        planner=Component("steps", {"steps": [{"function": "mint"}]}),
        functions=(AgentFunction("mint", "mint()", type=FunctionType.WRITE),),
        signer="model",
    )
    repository = MemoryRepository([minter], [token])
    for agents, contracts in (([minter], [token]), (repository, repository)):
        async with running(
            agents=agents,
            contracts=contracts,
            planners={"steps": StepsPlanner()},
            chains={chain.chain_id: chain},
            signers={"model": signer},
        ) as host:
            assert isinstance((await host.v1_execute("minter"))[-1], Completed)


async def test_it_speaks_as_it_is_told_to_and_lets_the_host_answer() -> None:
    async def answer(message: dict[str, Json], peer: Peer) -> dict[str, Json]:
        return {"type": "you_are", "user": peer.principal.id}

    async with running(language="en", on_unknown=answer) as host:
        failed = (await host.v1_execute("nobody"))[-1]
        assert isinstance(failed, Failed)
        assert failed.error == "Agent not found: nobody"
        client = await host.connect(principal=Principal("ana"))
        await client.send(['{"type":"whoami"}'])
        assert await soon(client.receive()) == ['{"type":"you_are","user":"ana"}']


# --- crashes -------------------------------------------------------------------------------------


async def test_a_crash_is_the_end_for_clients_and_a_restart_goes_on() -> None:
    shop = Shop()
    async with running({"buy": shop.buy}) as host:
        host.crash(at="commit:action_started#2:after")
        assert await host.v1_execute("buy") == [Started("buy")]
        assert shop.orders == ["bolts"]
        with pytest.raises(TransportBroken, match="dead"):
            await host.v1_execute("buy")
        await host.restart()
        assert await ended(host) is Outcome.IN_DOUBT
        assert shop.orders == ["bolts"]


async def test_nothing_is_ordered_twice_wherever_the_server_dies() -> None:
    """And where nobody can know whether it was ordered, it is said to be in doubt."""
    async with running({"buy": Shop().buy}) as host:
        await host.v1_execute("buy")
        places = host.points
    assert len(places) >= 10
    outcomes = set()
    for place in places:
        shop = Shop()
        async with running({"buy": shop.buy}) as host:
            host.crash(at=place)
            await host.v1_execute("buy")
            await host.restart()
            if not await host.engine.list_executions():
                await host.v1_execute("buy")
            outcome = await ended(host)
        outcomes.add(outcome)
        if outcome is Outcome.SUCCEEDED:
            assert shop.orders == ["bolts", "nuts"], place
        assert len(shop.orders) == len(set(shop.orders)), place
    assert outcomes == {Outcome.SUCCEEDED, Outcome.IN_DOUBT}


async def test_a_crash_now_leaves_the_agent_no_time_for_anything() -> None:
    began = asyncio.Event()
    orders: list[str] = []

    async def slow(context: RunContext) -> None:
        async def order() -> Json:
            began.set()
            await gate.wait()
            orders.append("bolts")
            return None

        await context.action("order", order)

    gate = asyncio.Event()
    async with running({"slow": slow}) as host:
        asking = asyncio.create_task(host.v1_execute("slow"))
        await soon(began.wait())
        host.crash()
        assert await soon(asking) == [Started("slow")]
        gate.set()
        await host.restart()
        assert await ended(host) is Outcome.SUCCEEDED
        assert orders == ["bolts"]


async def test_the_next_server_can_be_told_to_die_too() -> None:
    shop = Shop()
    async with running({"buy": shop.buy}) as host:
        host.crash(at="commit:action_finished#1:after")
        await host.v1_execute("buy")
        host.crash(at="commit:taken_over+execution#1:after")
        await host.restart()
        assert host.crashed
        await host.restart()
        assert await ended(host) is Outcome.SUCCEEDED
    assert shop.orders == ["bolts", "nuts"]


async def test_a_server_can_die_while_it_starts() -> None:
    async with running({"buy": Shop().buy}) as host:
        host.crash()
        host.crash(at="commit:owner#1:before")
        await host.restart()
        assert host.crashed
        await host.restart()
        assert isinstance((await host.v1_execute("buy"))[-1], Completed)


async def test_a_restart_without_a_crash_is_one_in_good_order() -> None:
    gate, entered = asyncio.Event(), []

    async def wait(context: RunContext) -> None:
        entered.append(1)
        await gate.wait()

    async with running({"wait": wait}) as host:
        asking = asyncio.create_task(host.engine.submit("wait"))
        execution_id = await soon(asking)
        await settle()
        await host.restart()
        gate.set()
        await settle()
        assert (await soon(host.engine.result(execution_id)))["outcome"] == "succeeded"
    assert len(entered) == 2


async def _crash_at_no_place() -> None:
    async with running({"buy": Shop().buy}) as host:
        host.crash(at="commit:nothing")
        await host.v1_execute("buy")


async def test_a_crash_that_never_came_is_an_error_of_the_test() -> None:
    with pytest.raises(AssertionError, match=r"'commit:nothing'(?s:.*)commit:accepted"):
        await _crash_at_no_place()


async def _restart_before_the_crash() -> None:
    async with running({"buy": Shop().buy}) as host:
        host.crash(at="commit:nothing")
        await host.restart()


async def test_a_restart_before_the_crash_that_was_asked_for_is_an_error_too() -> None:
    with pytest.raises(AssertionError, match="never came by"):
        await _restart_before_the_crash()


async def test_a_hosts_own_store_may_stay_behind(tmp_path: Path) -> None:
    shop = Shop()
    store = await SqliteStore.open(tmp_path / "journal.db")
    async with running({"buy": shop.buy}, store=store) as host:
        host.crash(at="commit:action_finished#1:after")
        await host.v1_execute("buy")
        await host.restart()
        (execution,) = await host.engine.list_executions()
        await soon(host.engine.result(execution.id))
        assert await ended(host) is Outcome.SUCCEEDED
    await store.aclose()
    assert shop.orders == ["bolts", "nuts"]
