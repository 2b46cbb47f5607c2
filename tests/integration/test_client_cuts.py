"""The client and a real server, on connections that are cut at each frame in turn."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from functools import partial
from itertools import chain, repeat
from typing import Any, TypeAlias, TypeVar

import pytest

from zephyrus_exec import RunContext
from zephyrus_exec.client import Client
from zephyrus_exec.interfaces.transport import Transport
from zephyrus_exec.protocol.v2.messages import ExecutionCompleted
from zephyrus_exec.testing.running import Running, running
from zephyrus_exec.testing.transports import FaultTransport

T = TypeVar("T")
EVENTS = 9
"""Of one execution: accepted, started, two of each of three actions, completed."""
RECEIVED = 2 + EVENTS
"""Frames on one connection that is not cut: with hello_ack and started."""
SENT = 2
"""Likewise: hello, execute."""
Fault: TypeAlias = tuple[int | None, int | None]
"""Frames that a connection may receive, and send, before it breaks; null: no bound."""
NONE: Fault = (None, None)


class Shop:
    """An agent that orders three times, and what it ordered."""

    def __init__(self) -> None:
        self.orders: list[int] = []

    async def __call__(self, context: RunContext, /) -> None:
        for number in range(3):
            await context.action("order", partial(self._order, number))

    async def _order(self, number: int) -> int:
        self.orders.append(number)
        return number


def client_of(host: Running, faults: Iterable[Fault]) -> Client:
    """Return a client whose connections have these faults, one after the other."""
    left = chain(faults, repeat(NONE))

    async def dial(_: str | None) -> Transport:
        receive, send = next(left)
        channel = await host.connect()
        return FaultTransport(channel, receive_at_most=receive, send_at_most=send)

    return Client(dial, clock=host.clock, random=lambda: 0.5)


async def in_time(host: Running, what: Coroutine[Any, Any, T]) -> T:
    """Let time pass until something has happened, and return what came of it."""
    task = asyncio.ensure_future(what)
    for _ in range(400):
        if task.done():
            break
        await host.clock.advance(0.5)
    assert task.done()
    return await task


async def _watched(client: Client) -> tuple[list[int], bool]:
    execution = client.execute("shop")
    events = [event async for event in execution]
    return [event.seq for event in events], isinstance(events[-1], ExecutionCompleted)


async def check(faults: Iterable[Fault]) -> None:
    shop = Shop()
    async with running({"shop": shop}) as host:
        client = client_of(host, faults)
        await in_time(host, client.open(patient=True))
        assert await in_time(host, _watched(client)) == (list(range(1, EVENTS + 1)), True)
        assert shop.orders == [0, 1, 2]
        assert len((await host.engine.list_executions()).executions) == 1
        await client.aclose()


@pytest.mark.parametrize("frames", range(RECEIVED + 1))
async def test_a_cut_before_any_frame_that_comes_is_not_noticed(frames: int) -> None:
    await check([(frames, None)])


@pytest.mark.parametrize("frames", range(SENT + 1))
async def test_a_cut_before_any_frame_that_is_sent_is_not_noticed(frames: int) -> None:
    await check([(None, frames)])


@pytest.mark.parametrize("first", range(RECEIVED))
@pytest.mark.parametrize("second", range(4))
async def test_two_cuts_one_after_the_other_are_not_noticed(first: int, second: int) -> None:
    await check([(first, None), (second, None)])


@pytest.mark.parametrize("frames", range(3, RECEIVED))
async def test_connections_that_all_break_soon_still_lead_to_the_end(frames: int) -> None:
    await check(repeat((frames, None)))
