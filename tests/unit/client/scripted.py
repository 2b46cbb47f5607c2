"""A server that says what a test tells it, and what it hears."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from zephyrus_exec.client import Client, Status
from zephyrus_exec.errors import TransportBroken, ZephyrusError
from zephyrus_exec.interfaces.transport import Handshake, Transport
from zephyrus_exec.model import Json, Outcome
from zephyrus_exec.protocol.codec import decode
from zephyrus_exec.protocol.v2.codec import encode, read_request
from zephyrus_exec.protocol.v2.messages import (
    ClientMessage,
    CompletedData,
    EffectCounts,
    Error,
    ErrorData,
    ExecutionCompleted,
    ExecutionEvent,
    ExecutionStarted,
    Heartbeat,
    Hello,
    HelloAck,
    Identity,
    Limits,
    ServerMessage,
    StartedData,
    Subscribe,
    Subscribed,
)
from zephyrus_exec.testing.clock import ManualClock, settle
from zephyrus_exec.testing.transports import soon
from zephyrus_exec.transports.memory import MemoryTransport, memory_pair

M = TypeVar("M")
LIMITS = Limits(
    max_message_bytes=10_000,
    max_message_depth=64,
    max_requests=8,
    max_subscriptions=8,
    max_request_rate=0,
    hello_timeout=10,
    stall_timeout=30,
    max_duration=3600,
    executions_kept=None,
    idempotency_key_retention=86400,
    max_idempotency_key=256,
    max_agent_id=256,
)


def hello_ack(hello: Hello, *, epoch: str = "e1", limits: Limits = LIMITS) -> HelloAck:
    """Return the answer of a server that takes everybody."""
    anonymous = Identity("anonymous", ("execute", "watch"), None)
    return HelloAck(
        hello.request_id, 2, "test/1", "c1", epoch, anonymous, limits, Heartbeat(25.0, 60.0)
    )


def started(
    request_id: str, execution_id: str = "x1", *, replayed: bool = False
) -> ExecutionStarted:
    """Return the answer to `execute`."""
    data = StartedData(True, "Iniciando ejecución", "started", replayed)
    return ExecutionStarted(request_id, execution_id, "e1", 1, data)


def event(seq: int, execution_id: str = "x1", kind: str = "progress") -> ExecutionEvent:
    """Return an event."""
    return ExecutionEvent(execution_id, seq, 1.0, kind, {"n": seq})


def completed(seq: int, execution_id: str = "x1") -> ExecutionCompleted:
    """Return the last event."""
    data = CompletedData(
        success=True,
        results=(),
        agent_id="a",
        execution_count=0,
        status="completed",
        outcome=Outcome.SUCCEEDED,
        error_info=None,
        effects=EffectCounts(0, 0, 0, 0, 0, 0),
    )
    return ExecutionCompleted(execution_id, seq, 2.0, data)


def error(
    request_id: str | None, code: str, *, retryable: bool = False, retry_after: float | None = None
) -> Error:
    """Return a refusal."""
    return Error(request_id=request_id, data=ErrorData("no", code, retryable, retry_after))


def subscribed(request: Subscribe, head: int, *, terminal: bool = False) -> Subscribed:
    """Return the answer to `subscribe`."""
    return Subscribed(
        request_id=request.request_id,
        execution_id=request.execution_id,
        effect_key=request.effect_key,
        head_seq=head,
        terminal=terminal,
    )


class Near:
    """The server's end of one connection."""

    def __init__(self, transport: MemoryTransport, token: str | None) -> None:
        self.transport = transport
        self.token = token
        """What the client brought."""
        self._heard: list[Any] = []

    async def hear_raw(self) -> dict[str, Json]:
        """Return the next message, decoded."""
        while not self._heard:
            self._heard += await soon(self.transport.receive())
        return decode(self._heard.pop(0))

    async def hear(self, kind: type[M]) -> M:
        """Return the next request, which must be one of that class."""
        message = await self.hear_raw()
        request: ClientMessage = read_request(message)
        assert isinstance(request, kind), request
        return request

    async def silent(self) -> bool:
        """Return whether nothing more was said."""
        await settle()
        if not self._heard:
            hearing = asyncio.ensure_future(self.transport.receive())
            await settle()
            if hearing.cancel():
                await asyncio.wait({hearing})
            else:
                self._heard += hearing.result()
        return not self._heard

    async def say(self, *messages: ServerMessage | str) -> None:
        """Say several things at once."""
        await self.transport.send(
            [one if isinstance(one, str) else encode(one) for one in messages]
        )

    async def welcome(self, *, epoch: str = "e1", limits: Limits = LIMITS) -> Hello:
        """Answer `hello`."""
        hello = await self.hear(Hello)
        await self.say(hello_ack(hello, epoch=epoch, limits=limits))
        return hello

    async def close(self, code: int, reason: str = "") -> None:
        """Close the connection."""
        await self.transport.aclose(code, reason)

    def cut(self) -> None:
        """End the connection without a farewell."""
        self.transport.abort()


class Server:
    """Takes connections for a test, which plays the server."""

    def __init__(self) -> None:
        self.subprotocol: str | None = None
        """What it selects."""
        self.down: list[ZephyrusError] = []
        """What the next attempts to connect get instead."""
        self._calls: asyncio.Queue[Near] = asyncio.Queue()

    async def dial(self, token: str | None) -> Transport:
        """Open a channel, as `Client` asks for it."""
        if self.down:
            raise self.down.pop(0)
        shown = Handshake(peer="memory:", subprotocol=self.subprotocol)
        near, far = memory_pair(handshake=shown)
        self._calls.put_nowait(Near(near, token))
        return far

    async def accept(self) -> Near:
        """Return the next connection."""
        return await soon(self._calls.get())

    @property
    def idle(self) -> bool:
        """Whether nobody has connected since."""
        return self._calls.empty()


class World:
    """A client, the server that the test plays, and the time."""

    def __init__(self, **options: Any) -> None:
        self.server = Server()
        self.clock = ManualClock()
        self.statuses: list[Status] = []
        options = {"random": lambda: 0.5, **options}
        self.client = Client(
            self.server.dial, on_status=self.statuses.append, clock=self.clock, **options
        )

    async def back(self) -> Near:
        """Let the client wait as long as it wants, and return its next connection."""
        for _ in range(1000):
            await self.clock.advance(0.125)
            if not self.server.idle:
                break
        return await self.server.accept()

    async def again(self, *, epoch: str = "e1") -> Near:
        """Welcome the client when it is back."""
        near = await self.back()
        await near.welcome(epoch=epoch)
        return near


@asynccontextmanager
async def connected(**options: Any) -> AsyncIterator[tuple[World, Client, Near]]:
    """Connect a client to a server that the test plays."""
    limits = options.pop("limits", LIMITS)
    world = World(**options)
    opening = asyncio.ensure_future(world.client.open())
    near = await world.server.accept()
    await near.welcome(limits=limits)
    await soon(opening)
    try:
        yield world, world.client, near
    finally:
        await soon(world.client.aclose())


def v1(kind: str, **data: Json) -> str:
    """Return a frame of v1."""
    return json.dumps({"type": kind, "data": data})


def broken() -> TransportBroken:
    """Return what an attempt gets where there is no server."""
    return TransportBroken("cannot connect")
