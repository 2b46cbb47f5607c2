"""A channel over an ASGI server: what the conformance suite cannot ask of a real one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.unit.transports.asgi_server import ScriptedServer, scope_of
from zephyrus_exec import Principal
from zephyrus_exec.errors import TransportBroken, TransportClosedByPeer, TransportClosedHere
from zephyrus_exec.testing.clock import settle
from zephyrus_exec.testing.transports import end_of, soon
from zephyrus_exec.transports.asgi_transport import AsgiTransport, handshake_of


@asynccontextmanager
async def channel(
    server: ScriptedServer | None = None, **options: Any
) -> AsyncIterator[tuple[AsgiTransport, ScriptedServer]]:
    server = server or ScriptedServer()
    transport = AsgiTransport(scope_of(), server.receive, server.send, **options)
    try:
        yield transport, server
    finally:
        server.taking.set()
        await soon(transport.aclose())


# --- the handshake -------------------------------------------------------------------------------


def test_the_handshake_is_what_the_scope_tells() -> None:
    scope = scope_of(
        scheme="wss",
        path="/ä/b",
        raw_path=b"/%C3%A4/b",
        query_string=b"x=1",
        headers=[(b"Host", b"a"), (b"x-one", b"1"), (b"X-One", b"\xe4")],
        client=["::1", 4711],
    )
    ana = Principal("ana")
    shown = handshake_of(scope, subprotocol="s", principal=ana)
    assert shown.path == "/%C3%A4/b?x=1"
    assert shown.headers == {"host": "a", "x-one": "1, ä"}
    assert shown.peer == "[::1]:4711"
    assert shown.tls
    assert (shown.subprotocol, shown.principal) == ("s", ana)


def test_a_scope_may_lack_all_that_is_optional() -> None:
    shown = handshake_of(scope_of(path="/ä b"))
    assert (shown.path, shown.peer, shown.tls) == ("/%C3%A4%20b", "", False)
    assert (shown.subprotocol, shown.principal) == (None, None)


# --- the end -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "details"),
    [
        ({"code": 4001, "reason": "enough"}, {"close_code": 4001, "reason": "enough"}),
        ({"code": 1012}, {"close_code": 1012, "reason": ""}),
        ({"code": 1005, "reason": ""}, {"close_code": 1005, "reason": ""}),
    ],
)
async def test_a_disconnect_with_a_code_is_the_peers_farewell(
    message: dict[str, Any], details: dict[str, Any]
) -> None:
    async with channel() as (transport, server):
        server.say(type="websocket.disconnect", **message)
        end = await end_of(transport)
    assert isinstance(end, TransportClosedByPeer)
    assert end.details == details


@pytest.mark.parametrize(
    "message", [{}, {"code": 1005}, {"code": 1006}, {"code": 1006, "reason": ""}]
)
async def test_a_disconnect_that_nobody_said_is_a_broken_channel(message: dict[str, Any]) -> None:
    async with channel() as (transport, server):
        server.say(type="websocket.disconnect", **message)
        assert type(await end_of(transport)) is TransportBroken


async def test_what_a_server_raises_for_a_peer_that_left_is_a_broken_channel() -> None:
    async with channel(ScriptedServer(breaks_with=OSError())) as (transport, _):
        with pytest.raises(TransportBroken):
            await transport.send(["a"])
        assert type(await end_of(transport)) is TransportBroken


async def test_frameworks_that_raise_something_else_break_the_channel_too_and_the_log_has_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    refusing = ScriptedServer(breaks_with=RuntimeError("after websocket.close"))
    async with channel(refusing) as (transport, _):
        with pytest.raises(TransportBroken):
            await transport.send(["a"])
    assert "RuntimeError('after websocket.close')" in caplog.text


async def test_a_receive_that_fails_is_a_broken_channel() -> None:
    async with channel() as (transport, server):
        server.frame("a")
        server.incoming.put_nowait(RuntimeError())
        assert await soon(transport.receive()) == ["a"]
        assert type(await end_of(transport)) is TransportBroken


async def test_a_farewell_that_a_peer_does_not_take_is_given_up() -> None:
    server = ScriptedServer()
    async with channel(server, close_timeout=0.01) as (transport, _):
        server.taking.clear()
        sending = asyncio.create_task(transport.send(["a"]))
        await settle()
        await soon(transport.aclose())
        with pytest.raises(TransportClosedHere):
            await sending
    assert server.sent == []


async def test_a_server_that_confirms_no_close_is_waited_for_only_so_long() -> None:
    async with channel(ScriptedServer(disconnects=False), close_timeout=0.01) as (
        transport,
        server,
    ):
        await soon(transport.aclose(4001, "x"))
    assert server.sent == [{"type": "websocket.close", "code": 4001, "reason": "x"}]


async def test_nothing_is_said_to_a_peer_that_left_while_a_frame_was_under_way() -> None:
    async with channel() as (transport, server):
        server.taking.clear()
        sending = asyncio.create_task(transport.send(["a"]))
        await settle()
        closing = asyncio.create_task(transport.aclose())
        await settle()
        server.say(type="websocket.disconnect", code=1006)
        await soon(closing)
        with pytest.raises(TransportClosedHere):
            await sending
    assert server.sent == []


async def test_an_aclose_that_is_cancelled_goes_on() -> None:
    async with channel() as (transport, server):
        server.taking.clear()
        closing = asyncio.create_task(transport.aclose(4001))
        await settle()
        closing.cancel()
        await asyncio.wait({closing})
        server.taking.set()
        await soon(transport.aclose())
    assert server.said == ["websocket.close"]


async def test_what_comes_after_our_farewell_is_read_and_dropped() -> None:
    async with channel(ScriptedServer(disconnects=False), max_queued_frames=1) as (
        transport,
        server,
    ):
        closing = asyncio.create_task(transport.aclose())
        for number in range(3):
            server.frame(str(number))
        server.say(type="websocket.disconnect", code=1000)
        await soon(closing)
        assert isinstance(await end_of(transport), TransportClosedHere)
    assert server.incoming.empty()


# --- limits --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message", [{"text": "a" * 9}, {"text": "ñ" * 5}, {"bytes": b"a" * 9, "text": None}]
)
async def test_a_message_that_is_too_big_ends_the_channel_with_1009(
    message: dict[str, Any],
) -> None:
    async with channel(max_message_bytes=8) as (transport, server):
        server.frame("ñ" * 4)
        server.say(type="websocket.receive", **message)
        assert await soon(transport.receive()) == ["ñ" * 4]
        assert type(await end_of(transport)) is TransportBroken
    assert [(one["type"], one["code"]) for one in server.sent] == [("websocket.close", 1009)]


async def test_a_message_that_is_too_big_after_the_end_changes_nothing() -> None:
    async with channel(ScriptedServer(disconnects=False), max_message_bytes=8) as (
        transport,
        server,
    ):
        closing = asyncio.create_task(transport.aclose(4001))
        await settle()
        server.frame("a" * 9)
        server.say(type="websocket.disconnect", code=4001)
        await soon(closing)
    assert [one["code"] for one in server.sent] == [4001]


async def test_nothing_more_is_received_while_too_much_is_unread() -> None:
    async with channel(max_queued_frames=2) as (transport, server):
        for number in range(5):
            server.frame(str(number))
        await settle()
        assert server.incoming.qsize() == 3
        assert await soon(transport.receive()) == ["0", "1"]
        await settle()
        assert await soon(transport.receive()) == ["2", "3"]


# --- sending -------------------------------------------------------------------------------------


async def test_every_frame_of_a_cancelled_send_is_sent_before_the_next() -> None:
    async with channel() as (transport, server):
        server.taking.clear()
        sending = asyncio.create_task(transport.send(["a", b"b"]))
        await settle()
        sending.cancel()
        await asyncio.wait({sending})
        after = asyncio.create_task(transport.send(["c"]))
        await settle()
        server.taking.set()
        await soon(after)
        assert server.sent == [
            {"type": "websocket.send", "text": "a"},
            {"type": "websocket.send", "bytes": b"b"},
            {"type": "websocket.send", "text": "c"},
        ]
