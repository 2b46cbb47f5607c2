"""Executions over connections that come and go."""

from __future__ import annotations

import asyncio

import pytest

from zephyrus_exec.client import RemoteExecution
from zephyrus_exec.errors import AgentNotFound, Overloaded, ZephyrusError
from zephyrus_exec.protocol.v2.messages import Execute, ExecutionCompleted, Subscribe
from zephyrus_exec.testing.clock import settle
from zephyrus_exec.testing.transports import soon

from .scripted import completed, connected, error, event, started, subscribed


async def seqs(execution: RemoteExecution) -> list[int]:
    """Return the numbers of all events to the end."""
    return [one.seq async for one in execution]


async def test_every_event_comes_once_and_the_last_one_last() -> None:
    async with connected() as (_, client, near):
        execution = client.execute("a", input={"n": 1})
        request = await near.hear(Execute)
        assert (request.agent_id, request.input, request.store_epoch) == ("a", {"n": 1}, "e1")
        assert request.idempotency_key == execution.idempotency_key
        await near.say(started(request.request_id), event(1), event(2), completed(3))
        assert await soon(execution.started()) == "x1"
        *events, last = [one async for one in execution]
        assert [one.seq for one in events] == [1, 2]
        assert isinstance(last, ExecutionCompleted)
        assert await soon(execution.result()) == last
        assert (execution.id, execution.replayed) == ("x1", False)
        assert [one async for one in execution] == []


async def test_an_execution_has_no_id_before_it_is_accepted() -> None:
    async with connected() as (_, client, near):
        execution = client.execute("a")
        await near.hear(Execute)
        assert execution.id is None


async def test_an_unanswered_request_goes_out_again_with_its_key_and_epoch() -> None:
    async with connected() as (world, client, near):
        execution = client.execute("a")
        first = await near.hear(Execute)
        near.cut()
        near = await world.again(epoch="e2")
        second = await near.hear(Execute)
        assert (second.idempotency_key, second.store_epoch) == (first.idempotency_key, "e1")
        await near.say(started(second.request_id, replayed=True), event(1), completed(2))
        assert await soon(seqs(execution)) == [1, 2]
        assert execution.replayed


async def test_a_watched_execution_goes_on_behind_the_last_event_that_came() -> None:
    async with connected() as (world, client, near):
        execution = client.execute("a")
        request = await near.hear(Execute)
        await near.say(started(request.request_id), event(1), event(2))
        await settle()
        near.cut()
        near = await world.again()
        subscribe = await near.hear(Subscribe)
        assert (subscribe.execution_id, subscribe.from_seq) == ("x1", 2)
        await near.say(subscribed(subscribe, 2), event(3), completed(4))
        assert await soon(seqs(execution)) == [1, 2, 3, 4]


async def test_a_refusal_is_raised_as_the_error_of_its_code() -> None:
    async with connected() as (_, client, near):
        execution = client.execute("a")
        waiting = [asyncio.ensure_future(one) for one in (execution.result(), execution.started())]
        request = await near.hear(Execute)
        await near.say(error(request.request_id, "agent_not_found"))
        for one in waiting:
            with pytest.raises(AgentNotFound):
                await soon(one)
        with pytest.raises(AgentNotFound):
            await soon(seqs(execution))
        with pytest.raises(AgentNotFound):
            await soon(execution.cancel())


async def test_an_overload_is_told_to_whoever_asked_as_nothing_was_executed() -> None:
    async with connected() as (_, client, near):
        execution = client.execute("a")
        request = await near.hear(Execute)
        await near.say(error(request.request_id, "overloaded", retryable=True))
        with pytest.raises(Overloaded):
            await soon(execution.result())


@pytest.mark.parametrize("code", ["overloaded", "rate_limited", "store_unavailable"])
async def test_an_overload_says_nothing_of_a_request_that_was_sent_before(code: str) -> None:
    async with connected() as (world, client, near):
        execution = client.execute("a")
        await near.hear(Execute)
        near.cut()
        near = await world.again()
        second = await near.hear(Execute)
        await near.say(error(second.request_id, code, retryable=True, retry_after=5.0))
        await world.clock.advance(4.9)
        assert await near.silent()
        await world.clock.advance(1.0)
        third = await near.hear(Execute)
        assert third == second
        await near.say(started(third.request_id), completed(1))
        assert await soon(seqs(execution)) == [1]


async def test_a_server_that_shuts_down_has_the_next_one_asked() -> None:
    async with connected() as (world, client, near):
        execution = client.execute("a")
        request = await near.hear(Execute)
        await near.say(error(request.request_id, "draining", retryable=True, retry_after=1.0))
        await settle()
        await near.close(4503)
        near = await world.again()
        await near.say(started((await near.hear(Execute)).request_id), completed(1))
        assert await soon(seqs(execution)) == [1]


async def test_an_ended_client_tells_everybody_who_waits() -> None:
    async with connected() as (_, client, near):
        execution = client.execute("a")
        await near.hear(Execute)
        waiting = asyncio.ensure_future(execution.result())
        await settle()
        await client.aclose()
        with pytest.raises(ZephyrusError, match="closed"):
            await soon(waiting)
        late = client.execute("a")
        with pytest.raises(ZephyrusError, match="closed"):
            await soon(late.started())
