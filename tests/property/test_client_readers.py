"""Whoever reads an execution, slowly, with others, over cuts, reads it whole and in order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TypeAlias

from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st

from zephyrus_exec import RunContext
from zephyrus_exec.client import Client, RemoteExecution
from zephyrus_exec.client.backoff import CAP
from zephyrus_exec.interfaces.transport import Frame, Handshake, Transport
from zephyrus_exec.testing.clock import settle
from zephyrus_exec.testing.running import Running, running
from zephyrus_exec.testing.transports import soon
from zephyrus_exec.transports.memory import MemoryTransport

EMITTED = 12
EVENTS = EMITTED + 3
ROOM = 3
Op: TypeAlias = tuple[str, int, int]


async def emit(context: RunContext) -> None:
    for number in range(EMITTED):
        await context.emit({"number": number})


class Counted(Transport):
    """A channel that counts what is sent."""

    def __init__(self, inner: MemoryTransport) -> None:
        self.inner = inner
        self.sent = 0

    @property
    def handshake(self) -> Handshake:
        return self.inner.handshake

    async def receive(self) -> Sequence[Frame]:
        return await self.inner.receive()

    async def send(self, frames: Sequence[Frame]) -> None:
        self.sent += len(frames)
        await self.inner.send(frames)

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        await self.inner.aclose(code, reason)


@define(eq=False)
class Reading:
    """One reader: where it began, and what it has read."""

    execution: RemoteExecution
    after: int
    seqs: list[int] = field(factory=list)
    tasks: list[asyncio.Task[None]] = field(factory=list)

    async def read(self, count: int) -> None:
        for _ in range(count):
            event = await anext(self.execution, None)
            if event is None:
                return
            self.seqs += [event.seq]

    async def wait(self) -> None:
        assert (await self.execution.result()).seq == EVENTS

    def check(self) -> None:
        first = min(self.after + 1, EVENTS)  # the last event is told in any case
        assert self.seqs == list(range(first, EVENTS + 1))


@define(eq=False)
class World:
    host: Running
    channels: list[Counted] = field(factory=list)
    readings: list[Reading] = field(factory=list)

    async def dial(self, _: str | None) -> Transport:
        self.channels.append(Counted(await self.host.connect()))
        return self.channels[-1]

    async def do(self, client: Client, execution_id: str, op: Op) -> None:
        name, which, number = op
        if name == "cut":
            self.channels[-1].inner.abort()
            await self.host.clock.advance(1)
        elif name == "watch" or not self.readings:
            self.readings.append(Reading(client.watch(execution_id, after=number), number))
        else:
            reading = self.readings[which % len(self.readings)]
            if all(task.done() for task in reading.tasks):
                what = reading.wait() if name == "wait" else reading.read(number)
                reading.tasks.append(asyncio.create_task(what))
        await settle()


OPS = st.lists(
    st.tuples(
        st.sampled_from(["watch", "read", "read", "wait", "cut"]),
        st.integers(0, 3),
        st.integers(0, EVENTS),
    ),
    max_size=12,
)


@settings(deadline=None)
@given(OPS)
def test_every_reader_reads_everything_once_in_order(ops: list[Op]) -> None:
    asyncio.run(_play(ops))


async def _play(ops: list[Op]) -> None:
    async with running({"emit": emit}) as host:
        world = World(host)
        client = Client(world.dial, clock=host.clock, random=lambda: 0.5, room=ROOM)
        await soon(client.open())
        execution = client.execute("emit")
        execution_id = await soon(execution.started())
        world.readings.append(Reading(execution, 0))
        for op in ops:
            await world.do(client, execution_id, op)
        await host.clock.advance(CAP)  # by then it is connected again
        for reading in world.readings:
            await soon(asyncio.gather(*reading.tasks))
            await soon(reading.read(EVENTS))
            reading.check()
        steps = len(ops) + len(world.readings) * (EVENTS + 1)
        assert sum(channel.sent for channel in world.channels) <= 4 * steps
        await soon(client.aclose())
