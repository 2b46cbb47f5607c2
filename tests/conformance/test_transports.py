"""The shipped transports and listeners keep their promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from tests.uvicorn_host import uvicorn_host
from zephyrus_exec import ANONYMOUS
from zephyrus_exec.interfaces.transport import Listener, Transport
from zephyrus_exec.testing.transports import (
    FaultTransport,
    ListenerConformance,
    TransportConformance,
)
from zephyrus_exec.transports.asgi import AsgiListener
from zephyrus_exec.transports.memory import MemoryListener, memory_pair
from zephyrus_exec.transports.websocket import WebSocketListener, connect_websocket


class TestMemoryTransport(TransportConformance):
    @asynccontextmanager
    async def pair(self) -> AsyncIterator[tuple[Transport, Transport]]:
        yield memory_pair()


class TestMemoryTransportBoundedByFrames(TransportConformance):
    @asynccontextmanager
    async def pair(self) -> AsyncIterator[tuple[Transport, Transport]]:
        yield memory_pair(max_frames=600)


class TestMemoryListener(ListenerConformance):
    def listener(self) -> MemoryListener:
        return MemoryListener()

    async def connect(self, listener: Listener) -> Transport:
        assert isinstance(listener, MemoryListener)
        return await listener.connect()


@asynccontextmanager
async def websocket_pair(*, deflate: bool = False) -> AsyncIterator[tuple[Transport, Transport]]:
    """Yield both ends of a WebSocket over loopback."""
    accepted: asyncio.Future[Transport] = asyncio.get_running_loop().create_future()
    over = asyncio.Event()

    async def accept(transport: Transport) -> None:
        accepted.set_result(transport)
        await over.wait()

    listener = WebSocketListener("127.0.0.1", 0, deflate=deflate)
    await listener.start(accept)
    client = await connect_websocket(listener.addresses[0], deflate=deflate)
    try:
        yield await accepted, client
    finally:
        over.set()
        await asyncio.gather(listener.aclose(), client.aclose())


class TestWebSocketTransport(TransportConformance):
    @asynccontextmanager
    async def pair(self) -> AsyncIterator[tuple[Transport, Transport]]:
        async with websocket_pair() as pair:
            yield pair


class TestWebSocketTransportWithDeflate(TransportConformance):
    @asynccontextmanager
    async def pair(self) -> AsyncIterator[tuple[Transport, Transport]]:
        async with websocket_pair(deflate=True) as pair:
            yield pair

    # Compressed padding fits into the buffers of the kernel, so nobody ever waits.
    test_a_sender_waits_for_a_peer_that_does_not_read = None  # type: ignore[assignment]
    test_the_end_wakes_a_sender_that_waits = None  # type: ignore[assignment]


class TestWebSocketListener(ListenerConformance):
    def listener(self) -> WebSocketListener:
        return WebSocketListener("127.0.0.1", 0)

    async def connect(self, listener: Listener) -> Transport:
        return await connect_websocket(listener.addresses[0])


@asynccontextmanager
async def asgi_pair() -> AsyncIterator[tuple[Transport, Transport]]:
    """Yield the application's and the client's end of a WebSocket that uvicorn took."""
    accepted: asyncio.Future[Transport] = asyncio.get_running_loop().create_future()
    over = asyncio.Event()

    async def accept(transport: Transport) -> None:
        accepted.set_result(transport)
        await over.wait()

    listener = AsgiListener(principal=lambda _: ANONYMOUS)
    await listener.start(accept)
    async with uvicorn_host(listener) as address:
        client = await connect_websocket(f"ws://{address}/")
        try:
            yield await accepted, client
        finally:
            over.set()
            await asyncio.gather(listener.aclose(), client.aclose())


class TestAsgiTransport(TransportConformance):
    @asynccontextmanager
    async def pair(self) -> AsyncIterator[tuple[Transport, Transport]]:
        async with asgi_pair() as pair:
            yield pair


class TestAsgiTransportAsTheOtherEnd(TransportConformance):
    """What the suite asks of a client's end, asked of the application's."""

    @asynccontextmanager
    async def pair(self) -> AsyncIterator[tuple[Transport, Transport]]:
        async with asgi_pair() as (server, client):
            yield client, server

    # ASGI takes one frame at a time, and does not tell when the peer has it.
    test_frames_of_one_send_go_out_together = None  # type: ignore[assignment]
    test_receive_returns_everything_that_is_there = None  # type: ignore[assignment]


class TestAsgiListener(ListenerConformance):
    @pytest.fixture(autouse=True)
    async def _hosts(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as self._stack:
            self._addresses: dict[Listener, str] = {}
            yield

    def listener(self) -> AsgiListener:
        return AsgiListener(principal=lambda _: ANONYMOUS)

    async def connect(self, listener: Listener) -> Transport:
        assert isinstance(listener, AsgiListener)
        if listener not in self._addresses:
            host = uvicorn_host(listener)
            self._addresses[listener] = await self._stack.enter_async_context(host)
        return await connect_websocket(f"ws://{self._addresses[listener]}/")


class TestFaultTransportWithoutAFault(TransportConformance):
    """A wrapped transport is still a transport, but hands frames on one by one."""

    @asynccontextmanager
    async def pair(self) -> AsyncIterator[tuple[Transport, Transport]]:
        server, client = memory_pair()
        yield FaultTransport(server), FaultTransport(client)

    test_frames_of_one_send_go_out_together = None  # type: ignore[assignment]
    test_receive_returns_everything_that_is_there = None  # type: ignore[assignment]
    test_frames_before_the_end_are_returned_before_it_is_raised = None  # type: ignore[assignment]
