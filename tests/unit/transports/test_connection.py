"""An open WebSocket without a network: a scripted wire, a socket that writes things down."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from zephyrus_exec.errors import (
    TransportBroken,
    TransportClosedByPeer,
    TransportClosedHere,
    TransportError,
)
from zephyrus_exec.interfaces.transport import Frame, Handshake
from zephyrus_exec.testing.transports import ManualTimers, soon
from zephyrus_exec.transports.connection import (
    ChannelLimits,
    WebSocketConnection,
    Wire,
    close_direction,
)
from zephyrus_exec.transports.farewell import Farewell


class FakeSocket(asyncio.Transport):
    """Writes down what is asked of it."""

    def __init__(self, *, half_close: bool = True, eof_error: OSError | None = None) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.calls: list[str] = []
        self.closing = False
        self._half_close = half_close
        self._eof_error = eof_error

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return self.closing

    def can_write_eof(self) -> bool:
        return self._half_close

    def write_eof(self) -> None:
        self.calls.append("write_eof")
        if self._eof_error is not None:
            raise self._eof_error

    def close(self) -> None:
        self.calls.append("close")

    def abort(self) -> None:
        self.calls.append("abort")

    def pause_reading(self) -> None:
        self.calls.append("pause")

    def resume_reading(self) -> None:
        self.calls.append("resume")


class FakeWire(Wire):
    """Every byte received is a frame; `?` is a ping to be answered with 1,000 bytes."""

    def __init__(self) -> None:
        self.queued: list[bytes] = []
        self.ended: TransportError | None = None

    def feed(self, data: bytes) -> list[Frame]:
        self.queued += [b"!" * 1000] * data.count(b"?")
        return list(data.replace(b"?", b"").decode())

    def send(self, frames: Sequence[Frame]) -> int:
        self.queued += [f.encode() if isinstance(f, str) else f for f in frames]
        return sum(map(len, frames))

    def ping(self) -> None:
        self.queued.append(b"<ping>")

    def close(self, farewell: Farewell) -> None:
        self.queued.append(f"<close {farewell.code}>".encode())

    def output(self) -> list[bytes]:
        queued, self.queued = self.queued, []
        return queued

    def detach(self) -> None:
        self.queued.append(b"<never>")

    @property
    def end(self) -> TransportError | None:
        return self.ended


class Scene:
    """A connection and everything around it."""

    def __init__(self, **limits: Any) -> None:
        self.wire = FakeWire()
        self.socket = FakeSocket()
        self.timers = ManualTimers()
        self.connection = WebSocketConnection(
            self.wire, Handshake(), limits=ChannelLimits(**limits), timers=self.timers
        )
        self.connection.connection_made(self.socket)


async def test_sends_of_one_iteration_are_one_write() -> None:
    scene = Scene()
    await scene.connection.send(["a", "b"])
    await scene.connection.send([b"c"])
    assert scene.socket.written == []
    await asyncio.sleep(0)
    assert scene.socket.written == [b"abc"]


async def test_much_at_once_is_written_at_once_and_lets_others_run() -> None:
    scene = Scene(max_unsent_bytes=1000)
    ran: list[bool] = []
    asyncio.get_running_loop().call_soon(ran.append, True)
    await scene.connection.send(["x" * 1000])
    assert scene.socket.written == [b"x" * 1000]
    assert ran == [True]


async def test_a_sender_waits_while_the_kernel_takes_no_more() -> None:
    scene = Scene()
    scene.connection.pause_writing()
    sending = asyncio.create_task(scene.connection.send(["a"]))
    await asyncio.sleep(0)
    assert not sending.done()
    scene.connection.resume_writing()
    await soon(sending)


async def test_a_send_after_a_cancelled_one_waits_before_it_adds_more() -> None:
    scene = Scene()
    scene.connection.pause_writing()
    sending = asyncio.create_task(scene.connection.send(["a"]))
    await asyncio.sleep(0)
    sending.cancel()
    await asyncio.wait([sending])
    assert scene.wire.queued == []
    scene.connection.connection_lost(None)
    with pytest.raises(TransportBroken):
        await scene.connection.send(["b"])


async def test_a_sender_that_waits_is_woken_by_the_end() -> None:
    scene = Scene(max_unsent_bytes=10)
    original = scene.socket.write

    def write(data: Any) -> None:
        original(data)
        scene.connection.pause_writing()

    scene.socket.write = write  # type: ignore[method-assign]
    sending = asyncio.create_task(scene.connection.send(["x" * 10]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not sending.done()
    scene.connection.connection_lost(ConnectionResetError())
    with pytest.raises(TransportBroken):
        await soon(sending)


async def test_reading_stops_while_too_much_is_unread() -> None:
    scene = Scene(max_queued_frames=3)
    scene.connection.data_received(b"abc")
    assert scene.socket.calls == ["pause"]
    assert await scene.connection.receive() == ["a", "b", "c"]
    assert scene.socket.calls == ["pause", "resume"]


async def test_reading_goes_on_at_the_end_so_that_the_farewell_is_found() -> None:
    scene = Scene(max_queued_frames=1)
    scene.connection.data_received(b"a")
    closing = asyncio.create_task(scene.connection.aclose())
    await asyncio.sleep(0)
    assert scene.socket.calls == ["pause", "resume"]
    scene.connection.connection_lost(None)
    await soon(closing)
    assert await scene.connection.receive() == ["a"]
    with pytest.raises(TransportClosedHere):
        await scene.connection.receive()


async def test_a_peer_that_pings_without_reading_the_answers_is_not_read_any_more() -> None:
    scene = Scene(max_unsent_bytes=2500)
    scene.connection.data_received(b"???")
    assert scene.socket.calls == []  # they leave us, so there is no reason to stop
    scene.connection.pause_writing()
    scene.connection.data_received(b"??")
    assert scene.socket.calls == []
    scene.connection.data_received(b"?")
    assert scene.socket.calls == ["pause"]
    scene.connection.resume_writing()
    assert scene.socket.calls == ["pause", "resume"]


async def test_a_silent_peer_is_pinged_and_then_given_up() -> None:
    scene = Scene(ping_interval=20, ping_timeout=5, close_timeout=10)
    scene.timers.advance(20)
    await asyncio.sleep(0)
    assert scene.socket.written == [b"<ping>"]
    scene.timers.advance(5)
    await asyncio.sleep(0)
    assert scene.socket.written == [b"<ping>", b"<close 1011>"]
    with pytest.raises(TransportBroken, match="answered no ping within 5 seconds"):
        await scene.connection.receive()
    scene.timers.advance(10)
    assert scene.socket.calls == ["abort"]


async def test_a_peer_that_talks_is_not_pinged() -> None:
    scene = Scene(ping_interval=20)
    for _ in range(10):
        scene.timers.advance(15)
        scene.connection.data_received(b"a")
    await asyncio.sleep(0)
    assert scene.socket.written == []


async def test_anything_heard_after_a_ping_is_a_sign_of_life() -> None:
    scene = Scene(ping_interval=20, ping_timeout=5)
    scene.timers.advance(24)
    scene.connection.data_received(b"a")
    scene.timers.advance(1)
    await asyncio.sleep(0)
    assert scene.socket.written == [b"<ping>"]
    assert scene.timers.pending == 1


async def test_a_peer_that_reads_what_piled_up_gives_a_sign_of_life() -> None:
    scene = Scene(ping_interval=20, ping_timeout=5)
    scene.connection.pause_writing()
    scene.timers.advance(24)
    scene.connection.resume_writing()
    scene.timers.advance(1)
    await asyncio.sleep(0)
    assert scene.socket.written == [b"<ping>"]


async def test_nobody_is_given_up_while_it_is_us_who_do_not_read() -> None:
    scene = Scene(ping_interval=20, ping_timeout=5, max_queued_frames=1)
    scene.timers.advance(20)
    scene.connection.data_received(b"a")
    scene.timers.advance(1000)
    await asyncio.sleep(0)
    assert b"<close 1011>" not in scene.socket.written
    assert await scene.connection.receive() == ["a"]
    scene.timers.advance(25)
    await asyncio.sleep(0)
    assert scene.socket.written == [b"<ping>", b"<ping><close 1011>"]


async def test_without_an_interval_nobody_is_pinged() -> None:
    scene = Scene(ping_interval=None)
    assert scene.timers.pending == 0
    scene.timers.advance(1000)
    scene.connection.connection_lost(None)
    assert scene.socket.written == []


async def test_closing_waits_for_the_peer_and_then_lets_go() -> None:
    scene = Scene(close_timeout=10)
    await scene.connection.send(["a"])
    closing = asyncio.create_task(scene.connection.aclose(4000))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert b"".join(scene.socket.written) == b"a<close 4000>"
    scene.timers.advance(9.9)
    assert scene.socket.calls == []
    scene.timers.advance(0.1)
    assert scene.socket.calls == ["abort"]
    assert not closing.done()
    scene.connection.connection_lost(None)
    await soon(closing)
    assert scene.timers.pending == 0


async def test_the_end_of_the_wire_is_the_end_of_the_channel() -> None:
    scene = Scene()
    scene.wire.ended = Farewell.of(1000, "").said_by_peer()
    scene.wire.queued.append(b"<close 1000>")
    scene.wire.queued.append(b"")
    scene.connection.data_received(b"a")
    await asyncio.sleep(0)
    assert scene.socket.written == [b"<close 1000>"]
    assert scene.socket.calls == ["write_eof"]
    assert await scene.connection.receive() == ["a"]
    with pytest.raises(TransportClosedByPeer):
        await scene.connection.receive()


async def test_nothing_is_written_to_a_socket_that_closes() -> None:
    scene = Scene()
    await scene.connection.send(["a"])
    scene.socket.closing = True
    await asyncio.sleep(0)
    assert scene.socket.written == []


async def test_what_was_sent_before_the_peer_left_is_still_written() -> None:
    scene = Scene()
    await scene.connection.send(["a"])
    scene.connection.eof_received()
    assert scene.socket.written == [b"a"]
    with pytest.raises(TransportBroken, match="without a farewell"):
        await scene.connection.receive()


async def test_a_direction_is_not_closed_alone_where_that_cannot_be() -> None:
    socket = FakeSocket(half_close=False)
    close_direction(socket)
    assert socket.calls == ["close"]


async def test_a_socket_that_was_reset_meanwhile_is_let_go() -> None:
    socket = FakeSocket(eof_error=OSError("not connected"))
    close_direction(socket)
    assert socket.calls == ["write_eof", "abort"]


async def test_aborting_ends_it_at_once() -> None:
    scene = Scene()
    scene.connection.abort()
    assert scene.socket.calls == ["abort"]


def test_manual_timers_make_calls_in_order_of_their_time() -> None:
    timers = ManualTimers()
    calls: list[object] = []
    timers.call_later(2, lambda: calls.append(("b", timers.time())))
    timers.call_later(1, lambda: calls.append(("a", timers.time())))
    timers.call_later(1.5, lambda: calls.append("never")).cancel()
    timers.call_later(2.5, lambda: timers.call_later(0.5, lambda: calls.append("c")))
    timers.advance(3)
    assert calls == [("a", 1), ("b", 2), "c"]
    assert timers.time() == 3
