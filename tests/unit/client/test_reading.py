"""Readers that are slow, several, late or gone: what is not read stays on the server."""

from __future__ import annotations

import asyncio
import gc

import pytest

from zephyrus_exec.client import RemoteExecution
from zephyrus_exec.errors import (
    EffectNotFound,
    ExecutionLost,
    ExecutionNotFound,
    InvalidValue,
    OutcomeUnknown,
    Overloaded,
)
from zephyrus_exec.protocol.v2.messages import (
    EffectEvent,
    Execute,
    Subscribe,
    Unsubscribe,
    Unsubscribed,
)
from zephyrus_exec.testing.clock import settle
from zephyrus_exec.testing.transports import soon

from .scripted import Near, completed, connected, error, event, started, subscribed
from .test_executions import seqs


def unsubscribed(request: Unsubscribe) -> Unsubscribed:
    return Unsubscribed(
        request_id=request.request_id,
        execution_id=request.execution_id,
        effect_key=request.effect_key,
    )


async def begin(near: Near, *seqs: int) -> None:
    """Accept an execution, and send some of its events."""
    request = await near.hear(Execute)
    await near.say(started(request.request_id), *(event(seq) for seq in seqs))
    await settle()


async def take(execution: RemoteExecution, count: int) -> list[int]:
    return [(await soon(anext(execution))).seq for _ in range(count)]


async def test_a_reader_that_is_behind_makes_the_server_wait_and_misses_nothing() -> None:
    async with connected(room=4) as (_, client, near):
        execution = client.execute("a")
        await begin(near, 1, 2, 3, 4)
        stop = await near.hear(Unsubscribe)
        await near.say(event(5), event(6), unsubscribed(stop))
        assert await take(execution, 1) == [1]
        assert await near.silent()
        assert await take(execution, 1) == [2]
        go_on = await near.hear(Subscribe)
        assert go_on.from_seq == 4
        await near.say(subscribed(go_on, 7), event(5), event(6))
        await near.say(unsubscribed(await near.hear(Unsubscribe)))
        assert await take(execution, 4) == [3, 4, 5, 6]
        go_on = await near.hear(Subscribe)
        assert go_on.from_seq == 6
        await near.say(subscribed(go_on, 7), completed(7))
        assert await soon(seqs(execution)) == [7]


async def test_a_reader_that_goes_on_at_once_waits_for_the_server_to_have_stopped() -> None:
    async with connected(room=2) as (_, client, near):
        execution = client.execute("a")
        await begin(near, 1, 2)
        stop = await near.hear(Unsubscribe)
        assert await take(execution, 2) == [1, 2]
        await near.say(event(3), completed(4))
        assert await near.silent()
        await near.say(unsubscribed(stop))
        assert await soon(seqs(execution)) == [3, 4]
        assert await near.silent()


async def test_the_end_is_waited_for_without_taking_what_comes_before() -> None:
    async with connected(room=2) as (_, client, near):
        execution = client.execute("a")
        await begin(near, 1, 2)
        stop = await near.hear(Unsubscribe)
        await near.say(unsubscribed(stop))
        ending = asyncio.ensure_future(execution.result())
        go_on = await near.hear(Subscribe)
        assert go_on.from_seq == 2
        await near.say(subscribed(go_on, 4), event(3), event(4))
        assert await near.silent()
        await near.say(completed(5))
        assert (await soon(ending)).seq == 5
        assert await near.silent()
        assert await take(execution, 2) == [1, 2]
        again = await near.hear(Subscribe)
        assert again.from_seq == 2
        await near.say(subscribed(again, 5, terminal=True), event(3), event(4))
        await near.say(unsubscribed(await near.hear(Unsubscribe)))
        assert await take(execution, 1) == [3]
        again = await near.hear(Subscribe)
        assert again.from_seq == 4
        await near.say(subscribed(again, 5, terminal=True), completed(5))
        assert await soon(seqs(execution)) == [4, 5]
        assert await near.silent()


async def test_an_execution_that_nobody_has_any_more_is_not_sent_any_more() -> None:
    async with connected() as (_, client, near):
        client.execute("a")
        await begin(near, 1)
        gc.collect()
        await near.say(event(2))
        stop = await near.hear(Unsubscribe)
        await near.say(event(3), unsubscribed(stop))
        await settle()
        assert client.version == 2


async def test_a_reader_that_is_behind_stays_where_it_is_over_connections() -> None:
    async with connected(room=2) as (world, client, near):
        execution = client.execute("a")
        await begin(near, 1, 2)
        await near.hear(Unsubscribe)
        near.cut()
        near = await world.again()
        assert await near.silent()
        assert await take(execution, 1) == [1]
        go_on = await near.hear(Subscribe)
        assert go_on.from_seq == 2
        await near.say(subscribed(go_on, 3, terminal=True), completed(3))
        assert await soon(seqs(execution)) == [2, 3]


async def test_what_was_on_its_way_to_nobody_is_dropped() -> None:
    async with connected() as (_, client, near):
        client.watch("x1")
        subscribe = await near.hear(Subscribe)
        gc.collect()
        await near.say(subscribed(subscribe, 2), event(1))
        stop = await near.hear(Unsubscribe)
        await near.say(unsubscribed(stop))
        again = client.watch("x1", after=1)
        subscribe = await near.hear(Subscribe)
        await near.say(subscribed(subscribe, 2, terminal=True), completed(2))
        assert await soon(seqs(again)) == [2]


async def test_several_readers_of_one_execution_each_get_everything() -> None:
    async with connected() as (_, client, near):
        first = client.watch("x1", after=3)
        subscribe = await near.hear(Subscribe)
        assert subscribe.from_seq == 3
        await near.say(subscribed(subscribe, 5), event(4))
        second = client.watch("x1")
        subscribe = await near.hear(Subscribe)
        assert subscribe.from_seq == 0
        await near.say(subscribed(subscribe, 5), *map(event, (1, 2, 3, 4, 5)))
        third = client.watch("x1", after=5)
        await settle()
        await near.say(completed(6))
        assert [await soon(seqs(each)) for each in (first, second, third)] == [
            [4, 5, 6],
            [1, 2, 3, 4, 5, 6],
            [6],
        ]
        assert await near.silent()


async def test_who_has_read_everything_does_not_end_what_others_watch_later() -> None:
    async with connected() as (_, client, near):
        first = client.watch("x1")
        request = await near.hear(Subscribe)
        await near.say(subscribed(request, 2, terminal=True), event(1), completed(2))
        await settle()
        second = client.watch("x1")
        assert await soon(seqs(first)) == [1, 2]
        await first.result()
        request = await near.hear(Subscribe)
        await near.say(subscribed(request, 2, terminal=True), event(1), completed(2))
        assert await soon(seqs(second)) == [1, 2]


async def test_an_end_that_another_reader_is_told_again_is_not_told_twice() -> None:
    async with connected() as (_, client, near):
        first, second = client.watch("x1"), client.watch("x1", after=1)
        request = await near.hear(Subscribe)
        await near.say(subscribed(request, 1), event(1))
        await settle()
        third = client.watch("x1", after=2)
        await near.say(completed(2))
        request = await near.hear(Subscribe)
        assert request.from_seq == 2
        await near.say(subscribed(request, 2, terminal=True))
        request = await near.hear(Subscribe)
        assert request.from_seq == 1
        await near.say(subscribed(request, 2, terminal=True), completed(2))
        await settle()
        assert [await soon(seqs(one)) for one in (first, second, third)] == [[1, 2], [2], [2]]


async def test_a_known_end_is_told_again() -> None:
    async with connected() as (_, client, near):
        execution = client.watch("x1", after=3)
        assert (execution.id, execution.idempotency_key) == ("x1", None)
        subscribe = await near.hear(Subscribe)
        await near.say(subscribed(subscribe, 3, terminal=True))
        subscribe = await near.hear(Subscribe)
        assert subscribe.from_seq == 2
        await near.say(subscribed(subscribe, 3, terminal=True), completed(3))
        assert (await soon(execution.result())).seq == 3


async def test_what_is_not_there_cannot_be_watched() -> None:
    async with connected() as (_, client, near):
        execution = client.watch("x1")
        await near.say(error((await near.hear(Subscribe)).request_id, "execution_not_found"))
        with pytest.raises(ExecutionNotFound):
            await soon(execution.result())
        with pytest.raises(ExecutionNotFound):
            await soon(seqs(execution))


async def test_an_overload_is_told_to_who_begins_to_watch() -> None:
    async with connected() as (_, client, near):
        execution = client.watch("x1")
        request = await near.hear(Subscribe)
        await near.say(error(request.request_id, "overloaded", retryable=True))
        with pytest.raises(Overloaded):
            await soon(execution.result())


async def test_an_overload_does_not_end_what_was_watched_before() -> None:
    async with connected() as (world, client, near):
        execution = client.execute("a")
        await begin(near, 1)
        near.cut()
        near = await world.again()
        request = await near.hear(Subscribe)
        await near.say(error(request.request_id, "rate_limited", retryable=True, retry_after=2.0))
        await world.clock.advance(1.9)
        assert await near.silent()
        await world.clock.advance(1.0)
        request = await near.hear(Subscribe)
        await near.say(subscribed(request, 1), completed(2))
        assert await soon(seqs(execution)) == [1, 2]


async def test_events_that_were_lost_are_told() -> None:
    async with connected() as (world, client, near):
        execution = client.execute("a")
        await begin(near, 1, 2)
        near.cut()
        near = await world.again(epoch="e2")
        await near.say(error((await near.hear(Subscribe)).request_id, "execution_lost"))
        assert await take(execution, 2) == [1, 2]
        with pytest.raises(ExecutionLost):
            await soon(anext(execution))


async def test_another_incarnation_of_the_store_is_asked_for_the_newest_event_again() -> None:
    async with connected() as (world, client, near):
        execution = client.execute("a")
        await begin(near, 1, 2)
        assert await take(execution, 2) == [1, 2]
        near.cut()
        near = await world.again(epoch="e2")
        request = await near.hear(Subscribe)
        assert request.from_seq == 1
        await near.say(subscribed(request, 2), event(2), completed(3))
        assert await soon(seqs(execution)) == [3]


async def test_another_history_by_the_same_numbers_is_not_believed() -> None:
    async with connected() as (world, client, near):
        execution = client.execute("a")
        await begin(near, 1, 2)
        near.cut()
        near = await world.again(epoch="e2")
        request = await near.hear(Subscribe)
        await near.say(subscribed(request, 3), event(2, kind="taken_over"), event(3))
        assert await take(execution, 2) == [1, 2]
        with pytest.raises(ExecutionLost, match="event 2 is another one"):
            await soon(anext(execution))


async def test_an_execution_that_was_only_asked_for_is_unknown_to_another_incarnation() -> None:
    async with connected() as (world, client, near):
        execution = client.execute("a")
        await near.hear(Execute)
        near.cut()
        near = await world.again(epoch="e2")
        request = await near.hear(Execute)
        assert request.store_epoch == "e1"
        await near.say(error(request.request_id, "outcome_unknown"))
        with pytest.raises(OutcomeUnknown):
            await soon(execution.result())


async def test_an_effect_is_watched_to_its_end_across_connections() -> None:
    def effect(seq: int, kind: str = "mined") -> EffectEvent:
        return EffectEvent("k", seq, 1.0, kind, {})

    async with connected() as (world, client, near):

        async def watch() -> list[int]:
            return [one.seq async for one in client.watch_effect("k")]

        watching = asyncio.ensure_future(watch())
        request = await near.hear(Subscribe)
        assert (request.effect_key, request.from_seq) == ("k", 0)
        await near.say(subscribed(request, 1), effect(1))
        await settle()
        near.cut()
        near = await world.again()
        request = await near.hear(Subscribe)
        assert (request.effect_key, request.from_seq) == ("k", 1)
        await near.say(subscribed(request, 1), effect(2), effect(3, "finalized"))
        assert await soon(watching) == [1, 2, 3]


async def test_an_effect_that_has_ended_before_is_over_at_once() -> None:
    async with connected() as (_, client, near):
        watching = asyncio.ensure_future(anext(client.watch_effect("k", after=3), None))
        await near.say(subscribed(await near.hear(Subscribe), 3, terminal=True))
        assert await soon(watching) is None


async def test_the_last_event_of_an_effect_may_be_of_a_kind_that_is_not_known() -> None:
    async with connected() as (_, client, near):
        watching = client.watch_effect("k")
        first = asyncio.ensure_future(anext(watching))
        last = EffectEvent("k", 1, 1.0, "odd", {})
        await near.say(subscribed(await near.hear(Subscribe), 1, terminal=True), last)
        assert await soon(first) == last
        assert await soon(anext(watching, None)) is None


async def test_an_effect_that_is_not_there_is_told() -> None:
    async with connected() as (_, client, near):
        watching = asyncio.ensure_future(anext(client.watch_effect("k")))
        await near.say(error((await near.hear(Subscribe)).request_id, "effect_not_found"))
        with pytest.raises(EffectNotFound):
            await soon(watching)


async def test_arguments_out_of_bounds_are_not_sent() -> None:
    async with connected() as (_, client, near):
        with pytest.raises(InvalidValue, match=r"\$\.agent_id"):
            client.execute("")
        with pytest.raises(InvalidValue, match=r"\$\.idempotency_key"):
            client.execute("a", idempotency_key="")
        with pytest.raises(InvalidValue, match="finite"):
            client.execute("a", input=float("nan"))
        with pytest.raises(InvalidValue, match=r"\$\.from_seq"):
            client.watch("x", after=-1)
        with pytest.raises(InvalidValue, match=r"\$\.effect_key"):
            await anext(client.watch_effect(""))
        assert await near.silent()
