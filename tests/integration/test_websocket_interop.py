"""Our listener with the client of `websockets`, our client with its server, and with wrong ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from zephyrus_exec.errors import (
    ConfigurationError,
    TransportBroken,
    TransportClosedByPeer,
    TransportClosedHere,
    TransportRefused,
)
from zephyrus_exec.interfaces.transport import Frame, SharedText, Transport
from zephyrus_exec.testing.transports import end_of, read, soon
from zephyrus_exec.transports.connection import ChannelLimits
from zephyrus_exec.transports.websocket import WebSocketListener, connect_websocket

from .raw_websocket import serving

MESSAGES: list[Frame] = ["text", b"binary", "", "ñ" * 70_000, b"\x00" * 100_000]


# --- their client, our listener ------------------------------------------------------------------


@pytest.mark.parametrize("compression", ["deflate", None])
@pytest.mark.parametrize("deflate", [False, True])
async def test_their_client_is_understood(deflate: bool, compression: str | None) -> None:
    listener = WebSocketListener("127.0.0.1", 0, deflate=deflate)
    async with serving(listener), connect(listener.addresses[0], compression=compression) as client:
        for message in MESSAGES:
            await client.send(message)
            assert await soon(client.recv()) == message
        await soon(await client.ping())


@pytest.mark.parametrize("compression", ["deflate", None])
async def test_a_message_that_goes_to_many_is_every_peers_and_keeps_its_place(
    compression: str | None,
) -> None:
    shared = SharedText("é" * 200)

    async def tell(transport: Transport) -> None:
        await transport.send(["before", shared, b"between", shared, "after"])
        await transport.receive()

    listener = WebSocketListener("127.0.0.1", 0, deflate=True)
    async with serving(listener, tell):
        for _ in range(2):
            async with connect(listener.addresses[0], compression=compression) as client:
                got = [await soon(client.recv()) for _ in range(5)]
                assert got == ["before", "é" * 200, b"between", "é" * 200, "after"]
    assert (shared.encoded is None) == (compression == "deflate")


async def test_their_client_may_fragment() -> None:
    listener = WebSocketListener("127.0.0.1", 0)
    async with serving(listener), connect(listener.addresses[0]) as client:
        await client.send(["a", "b", "c"])
        assert await soon(client.recv()) == "abc"


async def test_their_client_sees_our_farewell() -> None:
    listener = WebSocketListener("127.0.0.1", 0)
    async with serving(listener), connect(listener.addresses[0]) as client:
        closing = asyncio.create_task(listener.aclose(1012, "restart"))
        with pytest.raises(ConnectionClosedError, match="restart"):
            await soon(client.recv())
        await soon(closing)


async def test_their_client_sees_who_is_refused() -> None:
    async with serving(WebSocketListener("127.0.0.1", 0)) as listener:
        with pytest.raises(InvalidStatus, match="403"):
            await connect(listener.addresses[0], origin="https://evil.example")  # type: ignore[arg-type]


async def test_a_compressed_message_counts_with_its_size_unpacked() -> None:
    listener = WebSocketListener(
        "127.0.0.1", 0, deflate=True, limits=ChannelLimits(max_message_bytes=1000)
    )
    async with serving(listener), connect(listener.addresses[0]) as client:
        await client.send("x" * 100_000)
        with pytest.raises(ConnectionClosedError, match="1009"):
            await soon(client.recv())


# --- our client, their server --------------------------------------------------------------------


async def _their_echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


@asynccontextmanager
async def their_server(
    handler: Callable[[ServerConnection], Awaitable[None]] = _their_echo,
) -> AsyncIterator[str]:
    async with serve(handler, "127.0.0.1", 0, subprotocols=None) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("deflate", [False, True])
async def test_their_server_is_understood(deflate: bool) -> None:
    async with their_server() as url:
        client = await connect_websocket(url, deflate=deflate)
        await client.send(MESSAGES)
        assert await read(client, len(MESSAGES)) == MESSAGES
        await client.aclose(4000, "done")
        assert isinstance(await end_of(client), TransportClosedHere)


async def test_their_server_sees_path_headers_and_origin() -> None:
    async def tell(connection: ServerConnection) -> None:
        request = connection.request
        assert request is not None
        await connection.send(request.path)
        await connection.send(request.headers["Origin"])
        await connection.send(request.headers["Authorization"])
        await connection.close(4001, "told")

    async with their_server(tell) as url:
        client = await connect_websocket(
            f"{url}/p?q=1", origin="http://localhost", headers={"Authorization": "Bearer x"}
        )
        assert await read(client, 3) == ["/p?q=1", "http://localhost", "Bearer x"]
        end = await end_of(client)
        await client.aclose()
    assert isinstance(end, TransportClosedByPeer)
    assert end.details == {"close_code": 4001, "reason": "told"}
    assert client.handshake.path == "/p?q=1"
    assert client.handshake.headers["upgrade"] == "websocket"


# --- our client, wrong servers -------------------------------------------------------------------


@asynccontextmanager
async def raw_server(answer: bytes, *, close: bool = True) -> AsyncIterator[str]:
    """Answer every request with given bytes."""
    writers: list[asyncio.StreamWriter] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        if close:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        for writer in writers:
            writer.close()
        server.close()


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", 403),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\nuntil the end", 503),
        (b"HTTP/1.1 302 Found\r\nLocation: ws://elsewhere\r\nContent-Length: 0\r\n\r\n", 302),
    ],
)
async def test_a_server_that_refuses_is_told_with_its_status(answer: bytes, status: int) -> None:
    async with raw_server(answer) as url:
        with pytest.raises(TransportRefused) as caught:
            await soon(connect_websocket(url))
    assert caught.value.details == {"http_status": status}


@pytest.mark.parametrize(
    "answer",
    [
        b"220 smtp.example ESMTP\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 " + b"x" * 20_000,
    ],
)
async def test_a_server_that_speaks_something_else_is_refused(answer: bytes) -> None:
    async with raw_server(answer, close=False) as url:
        with pytest.raises(TransportRefused, match="no WebSocket handshake"):
            await soon(connect_websocket(url))


async def test_a_server_that_hangs_up_during_the_handshake_broke_it() -> None:
    async with raw_server(b"HTTP/1.1 101 Swi") as url:
        with pytest.raises(TransportBroken, match="lost during the opening"):
            await soon(connect_websocket(url))


async def test_a_server_that_does_not_answer_is_given_up() -> None:
    async with raw_server(b"", close=False) as url:
        with pytest.raises(TransportBroken, match=r"did not answer within 0\.05 seconds"):
            await soon(connect_websocket(url, open_timeout=0.05))


async def test_a_port_where_nobody_listens_is_told() -> None:
    async with serving(WebSocketListener("127.0.0.1", 0)) as listener:
        url = listener.addresses[0]
    with pytest.raises(TransportBroken, match=r"cannot connect to 127\.0\.0\.1:\d+: "):
        await soon(connect_websocket(url))


@pytest.mark.parametrize(
    "url", ["http://localhost", "localhost", "ws://", "ws://h:port", "ws://h#f"]
)
async def test_what_is_no_websocket_url_is_told(url: str) -> None:
    with pytest.raises(ConfigurationError, match="write ws://HOST:PORT"):
        await connect_websocket(url)


async def test_a_password_in_a_url_is_never_told() -> None:
    with pytest.raises(ConfigurationError) as caught:
        await connect_websocket("ws://me:s3cr3t@localhost:port")
    assert "s3cr3t" not in str(caught.value)


async def test_frames_that_come_with_the_answer_are_not_lost() -> None:
    async def greet(connection: ServerConnection) -> None:
        await connection.send("hello")

    async with their_server(greet) as url:
        client = await connect_websocket(url)
        assert await read(client, 1) == ["hello"]
        assert isinstance(await end_of(client), TransportClosedByPeer)
        await client.aclose()


async def test_a_bad_frame_spoils_no_good_one_sent_with_it() -> None:
    async with their_server() as url:
        client = await connect_websocket(url)
        with pytest.raises(UnicodeEncodeError):
            await client.send(["good", "\ud800"])
        await client.send(["better"])
        assert await soon(client.receive()) == ["better"]
        await client.aclose()


async def test_localhost_is_found_whatever_its_address() -> None:
    async with serving(WebSocketListener(["localhost", "::1"], 0)) as listener:
        port = listener.addresses[0].rpartition(":")[2]
        for url in (f"ws://localhost:{port}", *listener.addresses):
            client = await connect_websocket(url)
            await client.aclose()
