"""Servers that speak v1 only: what is left, and what is said of the rest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from zephyrus_exec.client import Client
from zephyrus_exec.errors import (
    NotSupported,
    OutcomeUnknown,
    RequestRefused,
    TransportClosedHere,
    UnexpectedMessage,
)
from zephyrus_exec.model import Outcome
from zephyrus_exec.protocol.v2.messages import (
    Execute,
    ExecutionCompleted,
    ExecutionEvent,
    Subscribe,
)
from zephyrus_exec.testing.clock import settle
from zephyrus_exec.testing.transports import soon

from .scripted import Near, World, connected, v1

STARTED = v1("execution_response", success=True, message="…", status="started")
UNKNOWN = v1("error", message="Tipo de mensaje no reconocido: hello")


def done(agent_id: str = "a", *results: dict[str, Any]) -> str:
    return v1(
        "execution_response",
        success=True,
        results=list(results),
        agent_id=agent_id,
        execution_count=len(results),
        status="completed",
    )


@asynccontextmanager
async def of_v1() -> AsyncIterator[tuple[World, Client, Near]]:
    """Connect to a server that selects the subprotocol of v1."""
    world = World()
    world.server.subprotocol = "zephyrus.exec.v1.json"
    await soon(world.client.open())
    try:
        yield world, world.client, await world.server.accept()
    finally:
        await soon(world.client.aclose())


async def asked(near: Near) -> Any:
    message = await near.hear_raw()
    assert message["type"] == "websocket_execution"
    return message["agent_id"]


async def test_a_server_that_selects_v1_is_spoken_to_in_v1() -> None:
    async with of_v1() as (_, client, near):
        assert client.version == 1
        execution = client.execute("a")
        assert await asked(near) == "a"
        item = {"function_name": "f", "parameters": {}, "result": 1, "success": True}
        await near.say(STARTED, done("a", item))
        assert await soon(execution.started()) == ""
        first, last = [one async for one in execution]
        assert isinstance(first, ExecutionEvent)
        assert (first.execution_id, first.event, first.data) == ("", "started", {"agent_id": "a"})
        assert isinstance(last, ExecutionCompleted)
        assert (last.data.outcome, last.data.results) == (Outcome.SUCCEEDED, (item,))
        assert await soon(execution.result()) == last


async def test_a_server_that_does_not_know_hello_is_spoken_to_in_v1() -> None:
    world = World()
    opening = asyncio.ensure_future(world.client.open())
    near = await world.server.accept()
    assert (await near.hear_raw())["type"] == "hello"
    await near.say(UNKNOWN)
    await soon(opening)
    assert world.client.version == 1
    execution = world.client.execute("a")
    assert await asked(near) == "a"
    await near.say(STARTED, done())
    assert (await soon(execution.result())).data.success
    await world.client.aclose()


async def test_v1_is_spoken_where_v2_is_not_wanted() -> None:
    world = World(offer_v2=False)
    await soon(world.client.open())
    assert world.client.version == 1
    await world.client.aclose()


async def test_executions_follow_one_another() -> None:
    async with of_v1() as (_, client, near):
        first, second = client.execute("a"), client.execute("b")
        assert await asked(near) == "a"
        await near.say(STARTED)
        assert await near.silent()
        await near.say(
            v1("execution_response", success=False, error="x", agent_id="a", status="completed")
        )
        failed = await soon(first.result())
        assert (failed.data.outcome, failed.data.error) == (Outcome.FAILED, "x")
        assert failed.data.error_info is not None
        assert await asked(near) == "b"
        await near.say(STARTED, done("b"))
        assert (await soon(second.result())).data.agent_id == "b"


async def test_what_the_server_does_not_understand_is_refused() -> None:
    async with of_v1() as (_, client, near):
        first, second = client.execute("a"), client.execute("b")
        assert await asked(near) == "a"
        await near.say(v1("error", message="no"))
        with pytest.raises(RequestRefused, match="no"):
            await soon(first.started())
        assert await asked(near) == "b"
        await near.say(STARTED, done("b"))
        assert (await soon(second.result())).data.success


@pytest.mark.parametrize("begun", [False, True])
async def test_what_was_under_way_is_not_known_and_what_was_not_sent_is_sent(begun: bool) -> None:
    async with of_v1() as (world, client, near):
        first, second = client.execute("a"), client.execute("b")
        assert await asked(near) == "a"
        if begun:
            await near.say(STARTED)
            await soon(first.started())
        near.cut()
        with pytest.raises(OutcomeUnknown, match="cannot be known"):
            await soon(first.result())
        near = await world.back()
        assert await asked(near) == "b"
        await near.say(STARTED, done("b"))
        assert (await soon(second.result())).data.success


async def test_a_connection_that_is_lost_while_nothing_runs_is_made_again() -> None:
    async with of_v1() as (world, client, near):
        near.cut()
        near = await world.back()
        execution = client.execute("a")
        assert await asked(near) == "a"
        await near.say(STARTED, done())
        assert (await soon(execution.result())).data.success


FEATURES: dict[str, Callable[[Client], Any]] = {
    "watch": lambda client: client.watch("x"),
    "get_execution": lambda client: client.get_execution("x"),
    "list_executions": lambda client: client.list_executions(),
    "watch_effect": lambda client: anext(client.watch_effect("k")),
    "cancel": lambda client: client._cancel("x", ""),
    "input": lambda client: client.execute("a", input=0),
    "deadline": lambda client: client.execute("a", deadline=1e12),
    "idempotency_key": lambda client: client.execute("a", idempotency_key="k"),
}


@pytest.mark.parametrize("feature", FEATURES)
async def test_what_v1_lacks_is_named(feature: str) -> None:
    async with of_v1() as (_, client, near):
        with pytest.raises(NotSupported, match=rf"speaks v1 only.*{feature}"):
            await FEATURES[feature](client)
        assert await near.silent()


async def test_an_execution_of_v1_cannot_be_cancelled() -> None:
    async with of_v1() as (_, client, near):
        execution = client.execute("a")
        await asked(near)
        await near.say(STARTED)
        with pytest.raises(NotSupported, match="cancel"):
            await soon(execution.cancel())


async def test_a_server_that_became_older_cannot_tell_what_became_of_a_request() -> None:
    async with connected() as (world, client, near):
        execution = client.execute("a")
        asking = asyncio.ensure_future(client.get_execution("x"))
        await near.hear(Execute)
        world.server.subprotocol = "zephyrus.exec.v1.json"
        near.cut()
        await world.back()
        with pytest.raises(OutcomeUnknown, match="cannot tell"):
            await soon(execution.result())
        with pytest.raises(NotSupported, match="get_execution"):
            await soon(asking)


async def test_a_server_that_became_older_is_not_given_what_it_would_ignore() -> None:
    async with connected() as (world, client, near):
        world.server.subprotocol = "zephyrus.exec.v1.json"
        near.cut()
        await settle()
        keyed = client.execute("a", idempotency_key="k", input=0)
        plain = client.execute("b")
        near = await world.back()
        with pytest.raises(NotSupported, match="input, idempotency_key"):
            await soon(keyed.result())
        assert await asked(near) == "b"
        await near.say(STARTED, done("b"))
        assert (await soon(plain.result())).data.success


async def test_a_watched_execution_cannot_be_watched_on_an_older_server() -> None:
    async with connected() as (world, client, near):
        execution = client.watch("x")
        await near.hear(Subscribe)
        world.server.subprotocol = "zephyrus.exec.v1.json"
        near.cut()
        await world.back()
        with pytest.raises(NotSupported, match="subscribe"):
            await soon(execution.result())


async def test_a_client_that_is_closed_says_so_to_who_waits() -> None:
    async with of_v1() as (_, client, near):
        execution = client.execute("a")
        await asked(near)
        await client.aclose()
        with pytest.raises(TransportClosedHere):
            await soon(execution.result())


async def test_a_server_that_says_what_it_must_not_is_the_end() -> None:
    async with of_v1() as (_, client, near):
        await near.say(done())
        await settle()
        execution = client.execute("a")
        with pytest.raises(UnexpectedMessage):
            await soon(execution.result())
