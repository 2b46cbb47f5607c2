"""Clients and a server on channels that break anywhere: one execution a key, every event once.

A channel is cut at any frame, delivers events twice, or holds them back; the server dies and comes
back on its journal; several clients ask by the same keys. Whatever the order of all that:

- there is at most one execution of a key, and all who ask by it watch the same one;
- each of them sees its events contiguous, from the first on, then one terminal, then nothing;
- all see the same, and what the journal holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import takewhile
from typing import Any, Final, TypeAlias

from attrs import define, field
from hypothesis import example, given, settings
from hypothesis import strategies as st

from zephyrus_exec import Agent, Component, Json, RunContext, Runner
from zephyrus_exec.client import Client, RemoteExecution
from zephyrus_exec.errors import TransportBroken
from zephyrus_exec.interfaces.transport import Frame, Handshake, Transport
from zephyrus_exec.protocol.v2.messages import ExecutionCompleted, ExecutionEvent
from zephyrus_exec.testing.clock import ManualClock, settle
from zephyrus_exec.testing.running import Running, running
from zephyrus_exec.testing.streams import verify_stream
from zephyrus_exec.testing.transports import soon

KEYS: Final = ("first", "second", "third")
CLIENTS: Final = 2
STEPS: Final = 4
Op: TypeAlias = tuple[str, int]


@define(eq=False)
class Weather:
    """What happens to the channels of one client."""

    left: int | None = None
    """Frames that still pass before the channel is cut; null: it is not going to be."""
    twice: bool = False
    """Whether events are delivered twice."""
    held: asyncio.Event = field(factory=asyncio.Event)
    """Set while frames pass."""

    def passes(self) -> bool:
        if self.left is None:
            return True
        self.left -= 1
        return self.left >= 0

    def clear(self) -> None:
        self.left, self.twice = None, False
        self.held.set()


class BadTransport(Transport):
    """A channel that suffers from the weather."""

    def __init__(self, inner: Any, weather: Weather) -> None:
        self._inner = inner
        self._weather = weather
        self._cut = False
        self.frames: list[Frame] = []
        """What came through."""

    @property
    def handshake(self) -> Handshake:
        shown: Handshake = self._inner.handshake
        return shown

    async def receive(self) -> Sequence[Frame]:
        while True:
            if self._cut:  # what is behind it never comes, even if it is here already
                raise TransportBroken("cut by the weather")
            frames = await self._inner.receive()
            await self._weather.held.wait()
            passed = list(takewhile(lambda _: self._pass(), frames))
            if self._weather.twice:
                passed = [each for frame in passed for each in _repeated(frame)]
            self.frames += passed
            if passed:
                return passed

    async def send(self, frames: Sequence[Frame]) -> None:
        for frame in frames:
            if not self._pass():
                raise TransportBroken("cut by the weather")
            await self._inner.send([frame])

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        await self._inner.aclose(code, reason)

    def _pass(self) -> bool:
        if self._weather.passes():
            return True
        self._weather.left = None
        self._cut = True
        self._inner.abort()
        return False


def _repeated(frame: Frame) -> list[Frame]:
    again = '"type":"execution_event"' in str(frame)
    return [frame, frame] if again else [frame]


@define(eq=False)
class World:
    """A server, clients, and everything anybody asked for."""

    server: Running
    weathers: list[Weather] = field(factory=lambda: [Weather() for _ in range(CLIENTS)])
    clients: list[Client] = field(factory=list)
    channels: list[BadTransport] = field(factory=list)
    asked: list[tuple[str, RemoteExecution, list[ExecutionEvent | ExecutionCompleted]]] = field(
        factory=list
    )
    reading: list[asyncio.Task[None]] = field(factory=list)

    async def open(self) -> None:
        for weather in self.weathers:
            weather.clear()
            client = Client(self._dialling(weather), clock=self.server.clock, random=lambda: 0.5)
            await client.open()
            self.clients.append(client)

    def _dialling(self, weather: Weather) -> Any:
        async def dial(_: str | None) -> Transport:
            channel = BadTransport(await self.server.connect(), weather)
            self.channels.append(channel)
            return channel

        return dial

    async def do(self, op: Op) -> None:
        name, number = op
        weather = self.weathers[number % CLIENTS]
        match name:
            case "ask":
                self._ask(number % CLIENTS, KEYS[number % len(KEYS)])
            case "cut":
                weather.left = number
            case "twice":
                weather.twice = not weather.twice
            case "hold":
                weather.held.clear()
            case "let":
                weather.held.set()
            case "wait":
                await self.server.clock.advance(float(number))
            case "restart":
                self.server.crash()
                await settle()
                await self.server.restart()
        await settle()

    def _ask(self, client: int, key: str) -> None:
        execution = self.clients[client].execute("walk", input=key, idempotency_key=key)
        seen: list[ExecutionEvent | ExecutionCompleted] = []
        self.asked.append((key, execution, seen))
        self.reading.append(asyncio.create_task(self._read(execution, seen)))

    async def _read(
        self, execution: RemoteExecution, seen: list[ExecutionEvent | ExecutionCompleted]
    ) -> None:
        async for event in execution:
            seen += [event]  # one by one: it may be cut off

    async def fair_weather(self) -> None:
        """Let everything come to its end."""
        for weather in self.weathers:
            weather.clear()
        for _ in range(200):
            if all(task.done() for task in self.reading):
                break
            await self.server.clock.advance(10.0)
        await soon(asyncio.gather(*self.reading))

    async def check(self) -> None:
        page = await self.server.engine.list_executions(limit=1000)
        by_key: dict[str, set[str]] = {}
        for key, execution, seen in self.asked:
            assert execution.id is not None
            by_key.setdefault(key, set()).add(execution.id)
            journal = await self.server.events(execution.id)
            assert [one.seq for one in seen] == [one.seq for one in journal]
            assert isinstance(seen[-1], ExecutionCompleted)
            assert seen[-1].data.outcome == "succeeded"
            assert all(isinstance(one, ExecutionEvent) for one in seen[:-1])
        assert all(len(ids) == 1 for ids in by_key.values())
        assert len(page.executions) == len(by_key)
        for channel in self.channels:
            verify_stream(channel.frames, ended=False)


def walking(clock: ManualClock) -> Runner:
    """Return an agent that takes some steps, each of a second."""

    async def step() -> Json:
        await clock.sleep_until(clock.now() + 1)
        return None

    async def walk(context: RunContext) -> Json:
        for number in range(STEPS):
            await context.action("step", step, parameters={"number": number})
            await context.emit({"number": number})
        return context.input

    return walk


OPS: Final = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.integers(0, 5)),
        st.tuples(st.sampled_from(["cut", "wait"]), st.integers(0, 9)),
        st.tuples(st.sampled_from(["cut", "wait"]), st.integers(0, 9)),
        st.tuples(st.sampled_from(["twice", "hold", "let"]), st.integers(0, 1)),
        st.tuples(st.just("wait"), st.just(30)),
        st.tuples(st.just("restart"), st.just(0)),
    ),
    min_size=4,
    max_size=25,
).map(lambda ops: [("ask", 0), ("ask", 1), *ops])


@settings(deadline=None)
@given(ops=OPS)
@example([("ask", 0), ("ask", 1), ("hold", 1), ("wait", 30), ("cut", 1), ("let", 1)])
def test_a_client_that_comes_back_misses_nothing_and_starts_nothing_twice(ops: list[Op]) -> None:
    asyncio.run(_play(ops))


async def _play(ops: list[Op]) -> None:
    agent = Agent("walk", runner=Component("walk"), max_concurrent=10)
    clock = ManualClock()
    async with running({"walk": walking(clock)}, agents=[agent], clock=clock) as server:
        world = World(server)
        await world.open()
        for op in ops:
            await world.do(op)
        await world.fair_weather()
        await world.check()
        for client in world.clients:
            await client.aclose()
