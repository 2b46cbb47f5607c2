"""Many v1 requests at once on one connection, behind one that takes long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError

from zephyrus_exec import ExecutionEngine, Json, Listener, RunContext, Service, serve
from zephyrus_exec.testing.transports import soon
from zephyrus_exec.transports.connection import ChannelLimits
from zephyrus_exec.transports.websocket import WebSocketListener

from .peers import Held, engine_of, execute, noop, nothing_done, started

REQUESTS: Final = 40
LIMITS: Final = ChannelLimits(ping_interval=0.1, ping_timeout=0.1)
LONG: Final = 0.7
"""Seconds; more than three times what a silent peer gets."""


async def slow(context: RunContext) -> Json:
    await asyncio.sleep(LONG)
    return None


def _listener(service: Service) -> Listener:
    return WebSocketListener("127.0.0.1", 0, limits=LIMITS, respond=service.respond)


@asynccontextmanager
async def serving(engine: ExecutionEngine) -> AsyncIterator[str]:
    async with serve(engine, listener=_listener) as service:
        yield service.addresses[0]


async def test_requests_pipelined_behind_a_long_one_are_all_answered_in_order() -> None:
    """Keepalive goes on meanwhile, both ways: the connection lives, and is of use afterwards."""
    assert LIMITS.ping_interval is not None
    assert LIMITS.ping_interval + LIMITS.ping_timeout < LONG
    agents = ["slow", *(f"agent-{number}" for number in range(1, REQUESTS))]
    engine = engine_of({"slow": slow} | dict.fromkeys(agents[1:], noop))
    async with serving(engine) as url, connect(url) as client:
        for agent_id in agents:
            await client.send(execute(agent_id))
        assert await soon(client.recv()) == started("slow")
        await asyncio.wait_for(await client.ping(), LONG / 2)
        assert await soon(client.recv()) == nothing_done("slow")
        for agent_id in agents[1:]:
            assert await soon(client.recv()) == started(agent_id)
            assert await soon(client.recv()) == nothing_done(agent_id)
        await client.send(execute("agent-1"))
        assert await soon(client.recv()) == started("agent-1")
        ran = [execution.agent_id for execution in await engine.list_executions()]
    assert ran[:0:-1] == agents


async def test_a_request_is_not_executed_before_the_one_in_front_of_it_has_ended() -> None:
    held = Held()
    engine = engine_of({"held": held, "noop": noop})
    async with serving(engine) as url, connect(url) as client:
        await client.send(execute("held"))
        for _ in range(REQUESTS - 1):
            await client.send(execute("noop"))
        await soon(held.began.wait())
        await soon(await client.ping())  # whatever was sent before has arrived
        assert [e.agent_id for e in await engine.list_executions()] == ["held"]
        held.release.set()
        replies = [await soon(client.recv()) for _ in range(2 * REQUESTS)]
    assert replies == [started("held"), nothing_done("held")] + [
        started("noop"),
        nothing_done("noop"),
    ] * (REQUESTS - 1)


async def test_a_client_that_pipelines_without_end_is_closed_with_1013() -> None:
    held = Held()
    engine = engine_of({"held": held})
    async with serving(engine) as url, connect(url) as client:
        for _ in range(1024):
            await client.send(execute("held"))
        assert await soon(client.recv()) == started("held")
        await soon(await client.ping())
        await client.send("{")
        with pytest.raises(ConnectionClosedError, match="1013"):
            await soon(client.recv())
        held.release.set()
