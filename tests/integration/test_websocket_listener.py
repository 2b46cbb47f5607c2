"""The listener as peers meet it: plain HTTP, origins, subprotocols, limits, time, the end."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from tests.deploy.nginx import free_port
from zephyrus_exec.errors import (
    ConfigurationError,
    TransportBroken,
    TransportError,
    TransportRefused,
)
from zephyrus_exec.interfaces.transport import Handshake, Transport
from zephyrus_exec.testing.transports import ManualTimers, end_of, read, soon
from zephyrus_exec.transports import endpoints
from zephyrus_exec.transports.connection import ChannelLimits
from zephyrus_exec.transports.http import HttpRequest, HttpResponse
from zephyrus_exec.transports.server import SPARE_CONNECTIONS
from zephyrus_exec.transports.sockets import bind_address
from zephyrus_exec.transports.websocket import WebSocketListener, connect_websocket

from .raw_websocket import (
    CLOSE,
    HANDSHAKE,
    PING,
    PONG,
    TEXT,
    RawPeer,
    close_frame,
    dial,
    echo,
    exchange,
    frame,
    opened,
    port_of,
    request,
    serving,
)

LOGGER = "zephyrus_exec.transports.websocket"
HOST = {"Host": "localhost"}


@pytest.fixture
async def listener() -> AsyncIterator[WebSocketListener]:
    async with serving(WebSocketListener("127.0.0.1", 0)) as listener:
        yield listener


# --- plain HTTP ----------------------------------------------------------------------------------


async def _respond(request: HttpRequest) -> HttpResponse:
    return HttpResponse(200, request.path.encode(), "text/x-path", {"X-Method": request.method})


@pytest.mark.parametrize("respond", [_respond, lambda r: HttpResponse(200, r.path.encode())])
async def test_get_is_answered_by_respond(
    respond: Callable[[HttpRequest], HttpResponse],
) -> None:
    async with serving(WebSocketListener("127.0.0.1", 0, respond=respond)) as listener:
        status, headers, body = await exchange(listener, request(HOST, target="/health?x=1"))
    assert (status, body) == (200, b"/health")
    assert headers["content-length"] == "7"
    assert headers["connection"] == "close"


async def test_head_gets_the_headers_of_get_and_no_body() -> None:
    async with serving(WebSocketListener("127.0.0.1", 0, respond=_respond)) as listener:
        status, headers, body = await exchange(
            listener, request(HOST, method="HEAD", target="/health")
        )
    assert (status, body) == (200, b"")
    assert headers["content-length"] == "7"
    assert headers["x-method"] == "HEAD"


async def test_everything_is_404_where_nobody_responds(listener: WebSocketListener) -> None:
    status, _, _ = await exchange(listener, request(HOST))
    assert status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "BREW"])
async def test_other_methods_are_405(listener: WebSocketListener, method: str) -> None:
    status, headers, _ = await exchange(listener, request(HOST, method=method))
    assert (status, headers["allow"]) == (405, "GET, HEAD")


async def test_a_request_with_a_body_still_gets_its_answer(listener: WebSocketListener) -> None:
    data = request(HOST | {"Content-Length": "100000"}, method="POST") + b"x" * 100_000
    status, _, _ = await exchange(listener, data)
    assert status == 405


async def test_an_upgrade_to_something_else_is_ignored(listener: WebSocketListener) -> None:
    status, _, _ = await exchange(
        listener, request(HOST | {"Upgrade": "h2c", "Connection": "upgrade"})
    )
    assert status == 404


async def test_a_failing_respond_is_a_500_that_tells_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def respond(request: HttpRequest) -> HttpResponse:
        raise RuntimeError("secret")

    async with serving(WebSocketListener("127.0.0.1", 0, respond=respond)) as listener:
        status, _, body = await exchange(listener, request(HOST))
    assert status == 500
    assert b"secret" not in body
    assert b"Traceback" not in body
    assert "secret" in caplog.text


async def test_a_client_that_closes_its_direction_still_gets_an_answer() -> None:
    ready = asyncio.Event()

    async def respond(request: HttpRequest) -> HttpResponse:
        await ready.wait()
        return HttpResponse(200, b"late")

    async with (
        serving(WebSocketListener("127.0.0.1", 0, respond=respond)) as listener,
        dial(listener) as peer,
    ):
        await peer.send(request(HOST))
        peer.writer.write_eof()
        asyncio.get_running_loop().call_later(0.01, ready.set)
        assert (await soon(peer.reader.read())).endswith(b"\r\n\r\nlate")


@pytest.mark.parametrize("turns", range(1, 5))
async def test_a_start_that_is_cancelled_leaves_no_port_open(
    turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = {free_port(), free_port()}

    async def bind_at_once(*_: object) -> list[socket.socket]:
        return [bind_address(socket.AF_INET, "127.0.0.1", port) for port in ports]

    monkeypatch.setattr(endpoints, "listen", bind_at_once)
    listener = WebSocketListener("127.0.0.1", 0)
    starting = asyncio.create_task(listener.start(echo))
    for _ in range(turns):
        await asyncio.sleep(0)
    starting.cancel()
    await asyncio.wait({starting})
    if not starting.cancelled():
        await listener.aclose()
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)


async def test_a_client_that_closes_its_direction_with_its_request_gets_an_answer() -> None:
    async with (
        serving(WebSocketListener("127.0.0.1", 0, respond=_respond)) as listener,
        dial(listener) as peer,
    ):
        peer.writer.write(request(HOST, target="/health"))
        peer.writer.write_eof()
        assert (await soon(peer.reader.read())).endswith(b"\r\n\r\n/health")


async def test_an_answer_nobody_waits_for_is_given_up() -> None:
    given_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    asked = asyncio.Event()

    async def respond(request: HttpRequest) -> HttpResponse:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            given_up.set_result(None)
        raise AssertionError("unreachable")

    async with serving(WebSocketListener("127.0.0.1", 0, respond=respond)) as listener:
        async with dial(listener) as peer:
            await peer.send(request(HOST))
            await soon(asked.wait())
            peer.reset()
        await soon(given_up)


async def test_an_answer_that_takes_too_long_ends_the_connection() -> None:
    timers = ManualTimers()
    asked = asyncio.Event()

    async def respond(request: HttpRequest) -> HttpResponse:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    listener = WebSocketListener("127.0.0.1", 0, respond=respond, timers=timers)
    async with serving(listener), dial(listener) as peer:
        await peer.send(request(HOST))
        await soon(asked.wait())
        timers.advance(10)
        assert await peer.is_dropped()


# --- origins -------------------------------------------------------------------------------------


@pytest.mark.parametrize("origin", ["http://localhost:3000", "https://127.0.0.1", "http://[::1]:5"])
async def test_pages_of_this_machine_may_connect(listener: WebSocketListener, origin: str) -> None:
    async with opened(listener, Origin=origin) as peer:
        await peer.send(frame(TEXT, b"a"))
        assert await peer.receive() == (TEXT, b"a")


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost.evil"])
async def test_other_pages_are_refused(listener: WebSocketListener, origin: str) -> None:
    status, _, _ = await exchange(listener, request(HANDSHAKE | {"Origin": origin}))
    assert status == 403


async def test_a_refused_origin_is_logged_in_one_clean_short_line(
    listener: WebSocketListener, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, LOGGER):
        await exchange(listener, request(HANDSHAKE | {"Origin": "http://\x9b31m" + "é" * 500}))
    (record,) = [r for r in caplog.records if r.name == LOGGER]
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith("refused a WebSocket from 127.0.0.1:")
    assert record.getMessage().isprintable()
    assert len(record.getMessage()) < 250


async def test_who_may_connect_is_a_setting() -> None:
    listener = WebSocketListener("127.0.0.1", 0, allow_origin=lambda o: o == "https://mine.example")
    async with serving(listener), opened(listener, Origin="https://mine.example"):
        status, _, _ = await exchange(listener, request(HANDSHAKE))
    assert status == 403


# --- subprotocols and the handshake --------------------------------------------------------------


def _prefer_v2(offered: Sequence[str]) -> str | None:
    return "v2" if "v2" in offered else None


@pytest.mark.parametrize(
    ("offered", "selected"), [((), None), (("x", "y"), None), (("x", "v2"), "v2")]
)
async def test_a_subprotocol_is_selected_where_a_known_one_is_offered(
    offered: Sequence[str], selected: str | None
) -> None:
    seen: list[Handshake] = []

    async def accept(transport: Transport) -> None:
        seen.append(transport.handshake)

    listener = WebSocketListener("127.0.0.1", 0, select_subprotocol=_prefer_v2)
    async with serving(listener, accept):
        client = await connect_websocket(listener.addresses[0], subprotocols=offered)
        assert client.handshake.subprotocol == selected
        await end_of(client)
        await client.aclose()
    assert seen[0].subprotocol == selected


async def test_without_a_selector_nothing_is_selected(listener: WebSocketListener) -> None:
    async with dial(listener) as peer:
        await peer.send(request(HANDSHAKE | {"Sec-WebSocket-Protocol": "a, b"}))
        answer = await soon(peer.reader.readuntil(b"\r\n\r\n"))
    assert b"HTTP/1.1 101" in answer
    assert b"Sec-WebSocket-Protocol" not in answer


async def test_a_failing_selector_is_a_500_that_tells_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def select(offered: Sequence[str]) -> str | None:
        raise RuntimeError("secret")

    listener = WebSocketListener("127.0.0.1", 0, select_subprotocol=select)
    async with serving(listener):
        status, _, body = await exchange(listener, request(HANDSHAKE))
    assert status == 500
    assert b"secret" not in body
    assert "secret" in caplog.text


async def test_the_handshake_tells_path_headers_and_address() -> None:
    seen: asyncio.Future[Handshake] = asyncio.get_running_loop().create_future()

    async def accept(transport: Transport) -> None:
        seen.set_result(transport.handshake)

    async with serving(WebSocketListener("127.0.0.1", 0), accept) as listener, dial(listener) as p:
        await p.send(request(HANDSHAKE | {"X-A": "1", "x-a": "2"}, target="/any/path?q=1"))
        handshake = await soon(seen)
        name = p.writer.get_extra_info("sockname")
    assert handshake.path == "/any/path?q=1"
    assert handshake.headers["x-a"] == "1, 2"
    assert handshake.peer == f"127.0.0.1:{name[1]}"
    assert handshake.tls is False


async def test_credentials_are_never_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        async with serving(WebSocketListener("127.0.0.1", 0)) as listener:
            client = await connect_websocket(
                listener.addresses[0], headers={"Authorization": "Bearer s3cr3t"}
            )
            await client.send(["s3cr3t"])
            assert await soon(client.receive()) == ["s3cr3t"]
            await client.aclose()
    assert "s3cr3t" not in caplog.text


# --- limits --------------------------------------------------------------------------------------


async def test_beyond_max_connections_a_peer_gets_503_until_another_leaves() -> None:
    async with serving(WebSocketListener("127.0.0.1", 0, max_connections=1)) as listener:
        async with opened(listener) as peer:
            assert (await exchange(listener, request(HANDSHAKE)))[0] == 503
            assert (await exchange(listener, request(HOST)))[0] == 404
            await peer.send(close_frame(1000))
            await peer.receive_close()
        await soon(_let_in(listener))


async def _let_in(listener: WebSocketListener) -> None:
    """Return once the listener has noticed that there is room again."""
    while True:
        try:
            client = await connect_websocket(listener.addresses[0])
        except TransportRefused as error:
            assert error.details == {"http_status": 503}  # noqa: PT017
        else:
            await client.aclose()
            return


async def test_a_flood_of_idle_connections_is_answered_at_once_with_503() -> None:
    listener = WebSocketListener("127.0.0.1", 0, max_connections=1)
    async with serving(listener):
        port = port_of(listener)
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(129)]
        assert len(idle) == SPARE_CONNECTIONS + 1
        async with dial(listener) as late:
            assert (await soon(late.reader.read())).startswith(b"HTTP/1.1 503 ")
        for _, writer in idle:
            writer.close()


async def test_a_peer_that_asks_nothing_gets_408_after_the_opening_time_out() -> None:
    timers = ManualTimers()
    listener = WebSocketListener("127.0.0.1", 0, timers=timers, open_timeout=10.0)
    async with serving(listener), dial(listener) as peer:
        await peer.send(b"GET / HTTP/1.1\r\nHost: ")  # slowly, as slowloris does
        await exchange(listener, request(HOST))  # by now the listener knows both
        timers.advance(9.9)
        assert not peer.reader.at_eof()
        timers.advance(0.2)
        assert (await soon(peer.reader.read())).startswith(b"HTTP/1.1 408 ")


async def test_a_peer_that_does_not_take_its_answer_is_dropped() -> None:
    timers = ManualTimers()
    listener = WebSocketListener("127.0.0.1", 0, timers=timers)
    async with serving(listener), dial(listener) as peer:
        await peer.send(request(HOST))
        await soon(peer.reader.read())  # the answer; the peer keeps its own direction open
        timers.advance(10.0)
        await soon(_refused_writes(peer))


async def _refused_writes(peer: RawPeer) -> None:
    """Return once the other end tells, with a reset, that it takes nothing any more."""
    with suppress(ConnectionError):
        while True:
            await peer.send(b"x")


async def test_a_peer_that_does_not_read_makes_the_sender_wait_and_memory_stays_flat() -> None:
    sent = 0

    async def pour(transport: Transport) -> None:
        nonlocal sent
        while True:
            await transport.send(["x" * 65536] * 4)
            sent += 4 * 65536

    async with (
        serving(WebSocketListener("127.0.0.1", 0), pour) as listener,
        opened(listener) as peer,
    ):
        before = -1
        while sent != before:
            before = sent
            await asyncio.sleep(0.05)
        assert sent < 64 * 1024 * 1024  # what kernels buffer, and a little of ours
        for _ in range(before // 65536 + 100):
            assert (await peer.receive())[0] == TEXT
        assert sent > before
        peer.writer.transport.abort()


async def test_a_peer_that_sends_more_than_is_read_is_not_read_any_more() -> None:
    over = asyncio.Event()

    async def ignore(transport: Transport) -> None:
        await over.wait()

    listener = WebSocketListener("127.0.0.1", 0, limits=ChannelLimits(close_timeout=0.2))
    async with serving(listener, ignore), opened(listener) as peer:
        data = frame(TEXT, b"x" * 65536) * 16
        sent = 0
        with suppress(TimeoutError):
            while True:
                async with asyncio.timeout(0.2):
                    peer.writer.write(data)
                    await peer.writer.drain()
                    sent += len(data)
        assert sent < 64 * 1024 * 1024
        over.set()
        peer.writer.transport.abort()


async def test_pings_are_answered_while_the_application_reads_nothing() -> None:
    over = asyncio.Event()

    async def ignore(transport: Transport) -> None:
        await over.wait()

    async with (
        serving(WebSocketListener("127.0.0.1", 0), ignore) as listener,
        opened(listener) as peer,
    ):
        for number in range(100):
            await peer.send(frame(TEXT, b"unread") + frame(PING, str(number).encode()))
            assert await peer.receive() == (PONG, str(number).encode())
        over.set()


async def test_a_peer_that_pings_and_does_not_read_the_answers_is_not_read_any_more() -> None:
    async with serving(WebSocketListener("127.0.0.1", 0)) as listener, opened(listener) as peer:
        data = frame(PING, b"x" * 125) * 8000
        sent = 0
        with suppress(TimeoutError):
            while True:
                async with asyncio.timeout(0.3):
                    peer.writer.write(data)
                    await peer.writer.drain()
                    sent += len(data)
        assert sent < 64 * 1024 * 1024
        peer.reset()


# --- keepalive -----------------------------------------------------------------------------------


async def test_a_silent_peer_is_pinged_and_one_that_stays_silent_is_closed_with_1011() -> None:
    timers = ManualTimers()
    ends: asyncio.Queue[TransportError] = asyncio.Queue()

    async def accept(transport: Transport) -> None:
        ends.put_nowait(await end_of(transport))

    listener = WebSocketListener("127.0.0.1", 0, timers=timers)
    async with serving(listener, accept), opened(listener) as peer:
        timers.advance(20.0)
        assert await peer.receive() == (PING, b"")
        timers.advance(20.0)
        opcode, payload = await peer.receive()
        assert (opcode, payload[:2]) == (CLOSE, b"\x03\xf3")
        assert isinstance(await soon(ends.get()), TransportBroken)
        timers.advance(10.0)  # the farewell is not answered either
        assert await peer.is_dropped()


async def test_a_silent_peer_that_answers_pings_is_never_closed() -> None:
    timers = ManualTimers()
    listener = WebSocketListener("127.0.0.1", 0, timers=timers)
    async with serving(listener), opened(listener) as peer:
        for _ in range(50):
            timers.advance(20.0)
            assert await peer.receive() == (PING, b"")
            await peer.send(frame(PONG) + frame(PING, b"seen?"))
            assert await peer.receive() == (PONG, b"seen?")  # so the pong was heard as well


# --- the end -------------------------------------------------------------------------------------


async def test_a_failing_callback_is_logged_with_its_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail(transport: Transport) -> None:
        raise RuntimeError("secret")

    listener = WebSocketListener("127.0.0.1", 0)
    async with serving(listener, fail), opened(listener) as peer:
        assert await peer.receive() == (CLOSE, b"\x03\xf3")
    (record,) = [r for r in caplog.records if r.name == LOGGER and r.levelno == logging.ERROR]
    assert record.exc_info is not None


async def test_a_peer_that_left_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(WebSocketListener("127.0.0.1", 0)) as listener, opened(listener) as peer:
        await peer.send(close_frame(1000))
        await peer.receive_close()
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]


async def test_a_callback_that_does_not_end_is_cancelled() -> None:
    cancelled: list[bool] = []

    async def stubborn(transport: Transport) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(True)

    listener = WebSocketListener("127.0.0.1", 0, limits=ChannelLimits(close_timeout=0.05))
    await listener.start(stubborn)
    client = await connect_websocket(listener.addresses[0])
    await asyncio.gather(soon(listener.aclose()), soon(end_of(client)))
    assert cancelled == [True]


async def test_a_peer_that_does_not_say_farewell_is_dropped_after_the_close_time_out() -> None:
    listener = WebSocketListener("127.0.0.1", 0, limits=ChannelLimits(close_timeout=0.05))
    async with serving(listener), opened(listener) as peer:
        await soon(listener.aclose(1001, "bye"))
        assert await peer.receive() == (CLOSE, b"\x03\xe9bye")
        assert await peer.is_dropped()


async def test_connections_that_have_not_asked_yet_end_with_the_listener() -> None:
    listener = WebSocketListener("127.0.0.1", 0)
    async with serving(listener), dial(listener) as peer:
        await peer.send(b"GET / ")
        await exchange(listener, request(HOST))  # by now the listener knows both
        await soon(listener.aclose())
        assert await peer.is_dropped()


async def test_a_handshake_under_way_when_the_port_closes_is_refused(
    listener: WebSocketListener,
) -> None:
    async with dial(listener) as peer:
        await peer.send(b"GET / HTTP/1.1\r\n")
        await exchange(listener, request(HOST))
        await listener.stop_accepting()
        await peer.send(request(HANDSHAKE).partition(b"\r\n")[2])
        assert (await soon(peer.reader.read())).startswith(b"HTTP/1.1 503 ")


async def test_a_listener_starts_once(listener: WebSocketListener) -> None:
    with pytest.raises(ConfigurationError, match="started already"):
        await listener.start(end_of_nothing)


async def end_of_nothing(transport: Transport) -> None:
    raise AssertionError("never called")


async def test_a_taken_port_names_host_port_and_remedy(listener: WebSocketListener) -> None:
    port = port_of(listener)
    with pytest.raises(ConfigurationError) as caught:
        await WebSocketListener("127.0.0.1", port).start(end_of_nothing)
    assert "127.0.0.1" in caught.value.message
    assert str(port) in caught.value.message
    assert "choose another port" in caught.value.message


async def test_a_port_is_free_again_after_aclose() -> None:
    async with serving(WebSocketListener("127.0.0.1", 0)) as first:
        port = port_of(first)
        async with opened(first):
            pass
    async with serving(WebSocketListener("127.0.0.1", port)) as second:
        assert second.addresses == (f"ws://127.0.0.1:{port}",)


@pytest.mark.parametrize("host", ["localhost", "", None, ["127.0.0.1", "localhost"]])
async def test_port_0_gives_several_addresses_one_port(host: str | list[str] | None) -> None:
    async with serving(WebSocketListener(host, 0)) as listener:
        assert len({address.rpartition(":")[2] for address in listener.addresses}) == 1
        async with opened(listener) as peer:
            await peer.send(frame(TEXT, b"a"))
            assert await peer.receive() == (TEXT, b"a")


# --- TLS -----------------------------------------------------------------------------------------

CERTIFICATE = Path(__file__).parent / "certificates" / "localhost.pem"


@pytest.fixture
def server_tls() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE)
    return context


async def test_a_channel_may_be_encrypted(server_tls: ssl.SSLContext) -> None:
    seen: list[Handshake] = []

    async def accept(transport: Transport) -> None:
        seen.append(transport.handshake)
        await echo(transport)

    listener = WebSocketListener("127.0.0.1", 0, ssl_context=server_tls)
    async with serving(listener, accept):
        (url,) = listener.addresses
        assert url.startswith("wss://")
        client = await connect_websocket(
            url, ssl_context=ssl.create_default_context(cafile=CERTIFICATE)
        )
        await client.send(["secret", "x" * 500_000])
        assert await read(client, 2) == ["secret", "x" * 500_000]
        await soon(client.aclose())
    assert client.handshake.tls
    assert seen[0].tls


async def test_a_server_nobody_vouches_for_is_not_talked_to(server_tls: ssl.SSLContext) -> None:
    async with serving(WebSocketListener("127.0.0.1", 0, ssl_context=server_tls)) as listener:
        with pytest.raises(TransportBroken, match="cannot connect to"):
            await connect_websocket(listener.addresses[0])
