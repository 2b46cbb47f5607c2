"""What every `Transport` and `Listener` must do, as test suites; and fakes to test against.

A suite is subclassed in a pytest module of whoever wrote a transport::

    class TestMyTransport(TransportConformance):
        @asynccontextmanager
        async def pair(self):
            ...
            yield server_side, client_side

Tests are coroutine functions: run them with pytest-asyncio in auto mode, or mark the subclass.
"""

# ruff: noqa: D102 - the names of the tests are the sentences about them

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

from ..errors import (
    TransportBroken,
    TransportClosedByPeer,
    TransportClosedHere,
    TransportError,
)
from ..interfaces.transport import Frame, Handshake, Listener, Transport

PATIENCE = 10.0
"""Seconds after which something that must happen is held not to happen."""

_QUIET = 0.05
_T = TypeVar("_T")


async def soon(what: Awaitable[_T]) -> _T:
    """Return the result of something that must not take long.

    Raises:
        TimeoutError: It took longer than `PATIENCE`.
    """
    async with asyncio.timeout(PATIENCE):
        return await what


async def read(transport: Transport, count: int) -> list[Frame]:
    """Return the next frames of a transport, at least `count` of them."""
    frames: list[Frame] = []
    while len(frames) < count:
        frames += await soon(transport.receive())
    return frames


async def end_of(transport: Transport) -> TransportError:
    """Read a transport to its end, and return the error that told it."""
    try:
        while True:
            await soon(transport.receive())
    except TransportError as error:
        return error


class _Flood:
    """Sends numbered frames until it has to wait, and beyond if it may."""

    def __init__(self, transport: Transport, *, frames: int = 2000, size: int = 65536) -> None:
        self.total = frames
        self.sent = 0
        self._transport = transport
        self._padding = "x" * size
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        for number in range(self.total):
            await self._transport.send([f"{number}:{self._padding}"])
            self.sent = number + 1

    async def stalled(self) -> None:
        """Return when the sender has not got ahead for a while."""
        before = -1
        while self.sent != before:
            before = self.sent
            await asyncio.wait([self.task], timeout=_QUIET)


def _number(frame: Frame) -> int:
    assert isinstance(frame, str)
    return int(frame.partition(":")[0])


class TransportConformance(ABC):
    """The promises of `Transport`. Subclasses say how to get a connected pair."""

    @abstractmethod
    def pair(self) -> AbstractAsyncContextManager[tuple[Transport, Transport]]:
        """Return a context with both ends of one channel: the server's, the client's."""

    async def test_it_tells_what_the_peer_said_when_it_came(self) -> None:
        async with self.pair() as (server, client):
            assert isinstance(server.handshake, Handshake)
            assert isinstance(client.handshake, Handshake)

    async def test_text_stays_text_and_binary_stays_binary(self) -> None:
        frames: list[Frame] = ["text", b"binary", "", b"", "ñ \u2028 \U0001f680", b"\x00\xff"]
        async with self.pair() as (server, client):
            await client.send(frames)
            assert await read(server, len(frames)) == frames

    async def test_frames_arrive_in_order_in_both_directions(self) -> None:
        expected = [str(number) for number in range(500)]
        async with self.pair() as (server, client):
            for number in expected:
                await client.send([number])
                await server.send([number])
            assert await read(server, 500) == expected
            assert await read(client, 500) == expected

    async def test_frames_of_one_send_go_out_together(self) -> None:
        async with self.pair() as (server, client):
            await client.send(["a", "b", "c"])
            assert await soon(server.receive()) == ["a", "b", "c"]

    async def test_receive_returns_everything_that_is_there(self) -> None:
        async with self.pair() as (server, client):
            await client.send(["a"])
            await client.send(["b", "c"])
            await soon(client.aclose())  # when this returns, everything has arrived
            assert await soon(server.receive()) == ["a", "b", "c"]

    async def test_sending_nothing_sends_nothing(self) -> None:
        async with self.pair() as (server, client):
            await client.send([])
            await client.send(["a"])
            assert await soon(server.receive()) == ["a"]

    async def test_a_large_frame_arrives_whole(self) -> None:
        frame = "0123456789abcdef" * 32768
        async with self.pair() as (server, client):
            sending = asyncio.create_task(client.send([frame]))
            assert await read(server, 1) == [frame]
            await soon(sending)

    async def test_both_sides_send_and_receive_at_the_same_time(self) -> None:
        async def talk(transport: Transport) -> list[Frame]:
            reading = asyncio.create_task(read(transport, 300))
            for number in range(300):
                await transport.send([str(number)])
            return await reading

        async with self.pair() as (server, client):
            heard = await soon(asyncio.gather(talk(server), talk(client)))
            assert list(heard) == [[str(number) for number in range(300)]] * 2

    async def test_cancelling_receive_loses_no_frame(self) -> None:
        received: list[Frame] = []
        async with self.pair() as (server, client):
            for number in range(60):
                receiving = asyncio.create_task(_receive_into(server, received))
                await client.send([str(number)])
                for _ in range(number % 6):  # cancel before, while and after the frame arrives
                    await asyncio.sleep(0)
                receiving.cancel()
                await asyncio.wait([receiving])
            while len(received) < 60:
                received += await soon(server.receive())
        assert received == [str(number) for number in range(60)]

    async def test_cancelling_a_send_that_waits_repeats_and_reorders_nothing(self) -> None:
        async with self.pair() as (server, client):
            flood = _Flood(client)
            await flood.stalled()
            flood.task.cancel()
            await asyncio.wait([flood.task])
            sending = asyncio.create_task(client.send(["-1:"]))
            numbers = [0]
            while numbers[-1] != -1:
                numbers += map(_number, await soon(server.receive()))
            await soon(sending)
        assert numbers == [0, *range(len(numbers) - 2), -1]

    async def test_a_sender_waits_for_a_peer_that_does_not_read(self) -> None:
        async with self.pair() as (_, client):
            flood = _Flood(client)
            await flood.stalled()
            assert flood.sent < flood.total
            flood.task.cancel()

    async def test_a_sender_goes_on_when_the_peer_reads_again(self) -> None:
        async with self.pair() as (server, client):
            flood = _Flood(client, frames=1000)
            await flood.stalled()
            numbers = [_number(frame) for frame in await read(server, flood.total)]
            await soon(flood.task)
        assert numbers == list(range(1000))

    async def test_the_peer_sees_code_and_reason_when_the_client_closes(self) -> None:
        async with self.pair() as (server, client):
            await soon(client.aclose(4001, "enough"))
            _assert_ends(await end_of(server), TransportClosedByPeer, 4001, "enough")
            _assert_ends(await end_of(client), TransportClosedHere, 4001, "enough")

    async def test_the_peer_sees_code_and_reason_when_the_server_closes(self) -> None:
        async with self.pair() as (server, client):
            await soon(server.aclose(1001, "good night"))
            _assert_ends(await end_of(client), TransportClosedByPeer, 1001, "good night")
            _assert_ends(await end_of(server), TransportClosedHere, 1001, "good night")

    async def test_a_reason_is_cut_to_123_bytes_between_two_characters(self) -> None:
        async with self.pair() as (server, client):
            await soon(server.aclose(1000, "ñ" * 100))
            _assert_ends(await end_of(client), TransportClosedByPeer, 1000, "ñ" * 61)

    async def test_closing_twice_does_nothing_more(self) -> None:
        async with self.pair() as (server, client):
            await soon(client.aclose(4001, "first"))
            await soon(client.aclose(4002, "second"))
            _assert_ends(await end_of(server), TransportClosedByPeer, 4001, "first")
            _assert_ends(await end_of(client), TransportClosedHere, 4001, "first")

    async def test_both_may_close_at_once(self) -> None:
        async with self.pair() as (server, client):
            await soon(asyncio.gather(server.aclose(1001), client.aclose(1000)))

    async def test_closing_what_the_peer_closed_does_nothing(self) -> None:
        async with self.pair() as (server, client):
            await soon(client.aclose(4001, "mine"))
            await end_of(server)
            await soon(server.aclose(4002, "yours"))
            _assert_ends(await end_of(server), TransportClosedByPeer, 4001, "mine")

    async def test_frames_before_the_end_are_returned_before_it_is_raised(self) -> None:
        async with self.pair() as (server, client):
            await server.send(["a", b"b"])
            await soon(server.aclose(1001))
            assert await soon(client.receive()) == ["a", b"b"]
            assert isinstance(await end_of(client), TransportClosedByPeer)

    async def test_the_end_is_raised_again_and_again(self) -> None:
        async with self.pair() as (server, client):
            await soon(server.aclose(1001))
            ends = [await end_of(client) for _ in range(3)]
            assert [type(end) for end in ends] == [TransportClosedByPeer] * 3

    async def test_sending_after_closing_raises(self) -> None:
        async with self.pair() as (_, client):
            await soon(client.aclose())
            _assert_ends(await _send_error(client), TransportClosedHere, 1000, "")

    async def test_sending_to_a_peer_that_closed_raises(self) -> None:
        async with self.pair() as (server, client):
            await soon(server.aclose(4000, "gone"))
            await end_of(client)
            _assert_ends(await _send_error(client), TransportClosedByPeer, 4000, "gone")

    async def test_closing_wakes_a_receiver(self) -> None:
        async with self.pair() as (_, client):
            waiting = asyncio.create_task(end_of(client))
            await asyncio.sleep(0)
            await soon(client.aclose())
            assert isinstance(await soon(waiting), TransportClosedHere)

    async def test_the_end_wakes_a_sender_that_waits(self) -> None:
        async with self.pair() as (server, client):
            flood = _Flood(client)
            await flood.stalled()
            closing = asyncio.create_task(client.aclose())
            await asyncio.wait([flood.task], timeout=PATIENCE)
            assert isinstance(flood.task.exception(), TransportClosedHere)
            await end_of(server)
            await soon(closing)


async def _receive_into(transport: Transport, frames: list[Frame]) -> None:
    frames += await transport.receive()


async def _send_error(transport: Transport) -> TransportError:
    try:
        await soon(transport.send(["too late"]))
    except TransportError as error:
        return error
    raise AssertionError("send() on a closed transport raised nothing")


def _assert_ends(error: TransportError, kind: type[TransportError], code: int, reason: str) -> None:
    assert type(error) is kind
    assert error.details == {"close_code": code, "reason": reason}


class ListenerConformance(ABC):
    """The promises of `Listener`. Subclasses say how to make one and how to reach it."""

    @abstractmethod
    def listener(self) -> Listener:
        """Return a listener that was not started."""

    @abstractmethod
    async def connect(self, listener: Listener) -> Transport:
        """Return the client's end of a new channel.

        Raises:
            TransportError: The listener takes no peers.
        """

    async def test_it_has_addresses_once_it_is_started(self) -> None:
        listener = self.listener()
        assert listener.addresses == ()
        await listener.start(_hold)
        assert listener.addresses != ()
        await soon(listener.aclose())

    async def test_every_peer_is_accepted_in_a_task_of_its_own(self) -> None:
        listener = self.listener()
        await listener.start(_echo)
        peers = [await self.connect(listener) for _ in range(3)]
        for number, peer in enumerate(peers):
            await peer.send([str(number)])
        assert [await soon(peer.receive()) for peer in peers] == [["0"], ["1"], ["2"]]
        await soon(listener.aclose())

    async def test_a_channel_is_closed_when_its_callback_returns(self) -> None:
        async def greet(transport: Transport) -> None:
            await transport.send(["hello"])

        listener = self.listener()
        await listener.start(greet)
        peer = await self.connect(listener)
        assert await soon(peer.receive()) == ["hello"]
        _assert_ends(await end_of(peer), TransportClosedByPeer, 1000, "")
        await soon(listener.aclose())

    async def test_a_callback_that_fails_closes_its_channel_with_1011_and_tells_nothing(
        self,
    ) -> None:
        async def fail(transport: Transport) -> None:
            raise RuntimeError("secret")

        listener = self.listener()
        await listener.start(fail)
        _assert_ends(await end_of(await self.connect(listener)), TransportClosedByPeer, 1011, "")
        await soon(listener.aclose())

    async def test_it_takes_no_peers_after_stop_accepting_and_keeps_those_it_has(self) -> None:
        listener = self.listener()
        await listener.start(_echo)
        peer = await self.connect(listener)
        await listener.stop_accepting()
        try:
            await self.connect(listener)
        except TransportError:
            pass
        else:
            raise AssertionError("a peer was taken after stop_accepting()")
        await peer.send(["still here"])
        assert await soon(peer.receive()) == ["still here"]
        await soon(listener.aclose())

    async def test_aclose_closes_every_channel_and_ends_every_callback(self) -> None:
        ended: list[str] = []

        async def accept(transport: Transport) -> None:
            ended.append(type(await end_of(transport)).__name__)

        listener = self.listener()
        await listener.start(accept)
        peers = [await self.connect(listener) for _ in range(3)]
        await soon(listener.aclose(1012, "restart"))
        assert ended == ["TransportClosedHere"] * 3
        for peer in peers:
            _assert_ends(await end_of(peer), TransportClosedByPeer, 1012, "restart")

    async def test_aclose_is_harmless_before_start_and_the_second_time(self) -> None:
        listener = self.listener()
        await soon(listener.aclose())
        await soon(listener.aclose())


async def _hold(transport: Transport) -> None:
    await end_of(transport)


async def _echo(transport: Transport) -> None:
    while True:
        await transport.send(await transport.receive())


class AbortableTransport(Protocol):
    """A transport that can end without a farewell; the shipped ones can."""

    @property
    def handshake(self) -> Handshake:
        """As `Transport.handshake`."""
        ...

    async def receive(self) -> Sequence[Frame]:
        """As `Transport.receive`."""
        ...

    async def send(self, frames: Sequence[Frame]) -> None:
        """As `Transport.send`."""
        ...

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """As `Transport.aclose`."""
        ...

    def abort(self) -> None:
        """End it at once."""
        ...


class FaultTransport(Transport):
    """A transport that breaks at a frame of your choice.

    Args:
        transport: What it wraps; aborted when it breaks, so that the peer sees it too.
        receive_at_most: Frames it receives before it breaks; null: no bound.
        send_at_most: Frames it sends before it breaks; null: no bound.
        pause: Awaited before each frame is handed on, in either direction; null: nothing.
    """

    def __init__(
        self,
        transport: AbortableTransport,
        *,
        receive_at_most: int | None = None,
        send_at_most: int | None = None,
        pause: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._transport = transport
        self._may_receive = receive_at_most
        self._may_send = send_at_most
        self._pause = pause
        self._undelivered: list[Frame] = []

    @property
    def handshake(self) -> Handshake:
        """The wrapped transport's."""
        return self._transport.handshake

    async def receive(self) -> Sequence[Frame]:
        """Return one frame, so that a fault can lie between any two."""
        if self._may_receive == 0:
            self._break()
        if not self._undelivered:
            self._undelivered = list(await self._transport.receive())
        if self._pause is not None:
            await self._pause()
        if self._may_receive is not None:
            self._may_receive -= 1
        return [self._undelivered.pop(0)]

    async def send(self, frames: Sequence[Frame]) -> None:
        """Send the frames one by one, up to the fault."""
        for frame in frames:
            if self._may_send == 0:
                self._break()
            if self._pause is not None:
                await self._pause()
            await self._transport.send([frame])
            if self._may_send is not None:
                self._may_send -= 1

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """Close the wrapped transport."""
        await self._transport.aclose(code, reason)

    def _break(self) -> None:
        self._transport.abort()
        raise TransportBroken("a fault was injected here")


class ManualTimers:
    """Time that passes only when a test says so; see `zephyrus_exec.transports.connection.Timers`.

    Calls happen within `advance`, in order of their time.
    """

    def __init__(self) -> None:
        self._now = 0.0
        self._calls: list[_ManualTimer] = []

    def time(self) -> float:
        """Return the seconds `advance` was asked for so far."""
        return self._now

    def call_later(self, delay: float, callback: Callable[[], object], /) -> _ManualTimer:
        """Call `callback` when so many seconds have passed."""
        timer = _ManualTimer(self._now + delay, callback)
        self._calls.append(timer)
        return timer

    @property
    def pending(self) -> int:
        """How many calls are still to come."""
        return sum(not timer.cancelled for timer in self._calls)

    def advance(self, seconds: float) -> None:
        """Let time pass, and make every call that falls due, also those set up meanwhile."""
        until = self._now + seconds
        while due := [t for t in self._calls if not t.cancelled and t.when <= until]:
            timer = min(due, key=lambda t: t.when)
            self._calls.remove(timer)
            self._now = timer.when
            timer.callback()
        self._now = until


class _ManualTimer:
    def __init__(self, when: float, callback: Callable[[], object]) -> None:
        self.when = when
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        """Let the call not happen."""
        self.cancelled = True
