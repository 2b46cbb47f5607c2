"""Channels inside one process, beyond what every transport does."""

from __future__ import annotations

import asyncio
import logging

import pytest

from zephyrus_exec.errors import ConfigurationError, LocalProtocolError, TransportBroken
from zephyrus_exec.interfaces.transport import Handshake, Transport
from zephyrus_exec.testing.transports import FaultTransport, end_of, soon
from zephyrus_exec.transports.memory import MemoryListener, memory_pair


async def test_a_sender_waits_at_the_bound_of_frames() -> None:
    server, client = memory_pair(max_frames=2)
    await client.send(["a"])
    sending = asyncio.create_task(client.send(["b"]))
    await asyncio.sleep(0)
    assert not sending.done()
    assert await server.receive() == ["a", "b"]
    await soon(sending)


async def test_a_channel_that_is_aborted_is_broken_for_both() -> None:
    server, client = memory_pair()
    client.abort()
    assert isinstance(await end_of(server), TransportBroken)
    assert isinstance(await end_of(client), TransportBroken)


async def test_a_code_that_must_not_be_sent_is_refused() -> None:
    server, _ = memory_pair()
    with pytest.raises(LocalProtocolError):
        await server.aclose(1006)


async def _greet(transport: Transport) -> None:
    await transport.send([transport.handshake.path, str(transport.handshake.subprotocol)])


async def test_the_server_sees_the_handshake_the_client_gives() -> None:
    listener = MemoryListener("x", select_subprotocol=lambda offered: offered[-1])
    await listener.start(_greet)
    client = await listener.connect(handshake=Handshake(path="/p"), subprotocols=["a", "b"])
    assert await soon(client.receive()) == ["/p", "b"]
    await listener.aclose()


async def test_a_memory_listener_has_a_name() -> None:
    listener = MemoryListener("x")
    assert listener.address == "memory:x"
    await listener.start(_greet)
    assert listener.addresses == ("memory:x",)
    await listener.aclose()


async def test_a_memory_listener_starts_once() -> None:
    listener = MemoryListener()
    await listener.start(_greet)
    with pytest.raises(ConfigurationError, match="started already"):
        await listener.start(_greet)


async def test_nobody_connects_to_a_listener_that_was_not_started() -> None:
    with pytest.raises(TransportBroken, match="start it first"):
        await MemoryListener().connect()


async def test_a_callback_that_does_not_end_is_cancelled_when_the_grace_is_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def stubborn(transport: Transport) -> None:
        await asyncio.Event().wait()

    listener = MemoryListener(close_timeout=0.01)
    await listener.start(stubborn)
    client = await listener.connect()
    await soon(listener.aclose())
    assert (await end_of(client)).details["close_code"] == 1001
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]


async def test_a_fault_breaks_a_channel_before_the_chosen_frame_for_both() -> None:
    server, client = memory_pair()
    faulty = FaultTransport(client, send_at_most=2)
    with pytest.raises(TransportBroken, match="injected"):
        await faulty.send(["a", "b", "c"])
    assert await server.receive() == ["a", "b"]
    assert isinstance(await end_of(server), TransportBroken)


async def test_a_fault_breaks_a_channel_after_the_chosen_frame_was_received() -> None:
    pauses: list[str] = []

    async def pause() -> None:
        pauses.append("pause")

    server, client = memory_pair()
    faulty = FaultTransport(client, receive_at_most=1, pause=pause)
    await server.send(["a", "b"])
    await faulty.send(["c"])
    assert await faulty.receive() == ["a"]
    assert pauses == ["pause"] * 2
    with pytest.raises(TransportBroken, match="injected"):
        await faulty.receive()
    assert await server.receive() == ["c"]
    assert isinstance(await end_of(server), TransportBroken)
