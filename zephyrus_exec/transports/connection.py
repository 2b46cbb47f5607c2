"""An open WebSocket: RFC 6455 without I/O, driven by asyncio, seen as a `Transport`."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Protocol, cast

from attrs import frozen

from ..errors import TransportBroken, TransportError
from ..interfaces.transport import Frame, Handshake, Transport
from .farewell import Farewell
from .inbox import Inbox

KEEPALIVE_FAILED = 1011


class Timer(Protocol):
    """A call that was put off."""

    def cancel(self) -> None:
        """Let the call not happen."""
        ...


class Timers(Protocol):
    """Time as connections need it; an event loop is one, and tests bring their own."""

    def time(self) -> float:
        """Return seconds since some fixed moment."""
        ...

    def call_later(self, delay: float, callback: Callable[[], object], /) -> Timer:
        """Call `callback` after `delay` seconds."""
        ...


class Wire(ABC):
    """One side of RFC 6455 without I/O: bytes in, frames out, and the other way round."""

    __slots__ = ()

    @abstractmethod
    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes from the network; return the messages they complete. Never raises."""

    @abstractmethod
    def send(self, frames: Sequence[Frame]) -> int:
        """Queue messages for `output`; return how many bytes of payload that is."""

    @abstractmethod
    def ping(self) -> None:
        """Queue a ping."""

    @abstractmethod
    def close(self, farewell: Farewell) -> None:
        """Queue a close frame; the wire must not have ended."""

    @abstractmethod
    def output(self) -> list[bytes]:
        """Return what is queued and forget it; a last `b""` asks to close our direction."""

    @abstractmethod
    def detach(self) -> None:
        """Hear that neither bytes nor frames will come any more."""

    @property
    @abstractmethod
    def end(self) -> TransportError | None:
        """How the peer ended it: by a farewell or by breaking the rules; null: not yet."""


@frozen
class ChannelLimits:
    """What one connection may cost."""

    max_message_bytes: int = 1024 * 1024
    """Largest message taken; beyond it the connection ends with 1009."""
    max_queued_frames: int = 1024
    """Unread frames at which the socket is no longer read."""
    max_queued_bytes: int = 4 * 1024 * 1024
    """Unread bytes at which the socket is no longer read."""
    max_unsent_bytes: int = 32 * 1024
    """Bytes the kernel has not taken yet at which senders wait."""
    ping_interval: float | None = 20.0
    """Seconds of silence after which the peer is pinged; null: never."""
    ping_timeout: float = 20.0
    """Seconds after a ping without any sign of life at which the connection ends with 1011."""
    close_timeout: float = 10.0
    """Seconds the peer gets for its part of the farewell."""


class WebSocketConnection(asyncio.Protocol, Transport):
    """A `Transport` over one TCP connection, after the opening handshake.

    Args:
        wire: Its framing.
        handshake: What the peer said when it came.
        limits: What it may cost.
        timers: Time; usually the running loop.
    """

    # There are thousands of these, most of them idle: no dictionary, and events only for who waits.
    __slots__ = (
        "_deadline",
        "_gone",
        "_handshake",
        "_heard_at",
        "_inbox",
        "_keepalive",
        "_limits",
        "_lost",
        "_pinged_at",
        "_reading",
        "_socket",
        "_timers",
        "_unflushed",
        "_unflushed_bytes",
        "_unread_answers",
        "_wire",
        "_writable",
    )

    def __init__(
        self, wire: Wire, handshake: Handshake, *, limits: ChannelLimits, timers: Timers
    ) -> None:
        self._wire = wire
        self._handshake = handshake
        self._limits = limits
        self._timers = timers
        self._inbox = Inbox(
            max_frames=limits.max_queued_frames,
            max_bytes=limits.max_queued_bytes,
            on_change=self._read_or_not,
        )
        self._socket: asyncio.Transport
        self._unflushed: list[bytes] = []
        self._unflushed_bytes = 0
        self._reading = True
        self._unread_answers = 0
        self._writable: asyncio.Event | None = None
        """What senders wait for; null: the kernel takes more."""
        self._lost = False
        self._gone: asyncio.Event | None = None
        """Set when the connection is lost; null: nobody waits for that."""
        self._heard_at = self._pinged_at = timers.time()
        self._keepalive: Timer | None = None
        self._deadline: Timer

    # --- Transport -------------------------------------------------------------------------------

    @property
    def handshake(self) -> Handshake:
        """What the peer said when it came."""
        return self._handshake

    async def receive(self) -> Sequence[Frame]:
        """Return every frame that is there; see `Transport.receive`."""
        return await self._inbox.receive()

    async def send(self, frames: Sequence[Frame]) -> None:
        """Hand frames over; see `Transport.send`."""
        if self._writable is not None:  # a send before was cancelled while it waited
            await self._room()
        self._inbox.raise_if_ended()
        self._unflushed_bytes += self._wire.send(frames)
        self._collect()
        if self._unflushed_bytes >= self._limits.max_unsent_bytes:
            self._flush()
            await asyncio.sleep(0)  # a sender whose peer keeps up must let others run too
        if self._writable is not None:
            await self._room()
            self._inbox.raise_if_ended()

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """Say farewell and wait for the end; see `Transport.aclose`."""
        farewell = Farewell.of(code, reason)
        if not self._inbox.ended:
            self._wire.close(farewell)
            self._collect()
            self._end(farewell.said_here())
        if not self._lost:
            self._gone = self._gone or asyncio.Event()
            await self._gone.wait()

    def abort(self) -> None:
        """End the channel at once without a farewell; what was not sent yet is dropped."""
        self._socket.abort()

    # --- asyncio.Protocol ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket over; what the wire has to say first goes out."""
        self._socket = cast(asyncio.Transport, transport)  # those of uvloop are not derived from it
        self._socket.set_write_buffer_limits(high=self._limits.max_unsent_bytes)
        self._collect()
        self._flush()
        if self._limits.ping_interval is not None:
            self._watch_after(self._limits.ping_interval)

    def data_received(self, data: bytes) -> None:
        """Hand what came to the reader, and answer what the wire answers by itself."""
        self._heard_at = self._timers.time()
        frames = self._wire.feed(data)
        if frames:
            self._inbox.put(frames)
        answers = self._collect()
        if answers and self._writable is not None:
            self._unread_answers += answers
            self._read_or_not()
        end = self._wire.end
        if end is not None:
            self._end(end)

    def eof_received(self) -> None:
        """End the channel: a peer that leaves says farewell first (RFC 6455 section 7.1.4)."""
        self._flush()
        self._end(TransportBroken("the peer closed the connection without a farewell"))

    def connection_lost(self, exc: Exception | None) -> None:
        """End the channel for good."""
        self._end(TransportBroken("the connection was lost"))
        self._deadline.cancel()
        self._lost = True
        self._inbox.detach()  # what refers to itself would stay until garbage is looked for
        self._wire.detach()
        if self._gone is not None:
            self._gone.set()

    def pause_writing(self) -> None:
        """Let senders wait: the kernel takes no more."""
        self._writable = asyncio.Event()

    def resume_writing(self) -> None:
        """Let senders go on: the peer has read, which is also a sign of life."""
        self._heard_at = self._timers.time()
        self._let_senders_go_on()
        self._writable = None
        self._unread_answers = 0
        self._read_or_not()

    # --- writing ---------------------------------------------------------------------------------

    async def _room(self) -> None:
        while self._writable is not None and not self._inbox.ended:
            await self._writable.wait()

    def _let_senders_go_on(self) -> None:
        if self._writable is not None:
            self._writable.set()

    def _collect(self) -> int:
        """Take what the wire has to say; it goes out, in one write, later in this iteration."""
        chunks = self._wire.output()
        if not chunks:
            return 0
        if not self._unflushed:
            asyncio.get_running_loop().call_soon(self._flush)
        self._unflushed += chunks
        return sum(map(len, chunks))

    def _flush(self) -> None:
        chunks, self._unflushed, self._unflushed_bytes = self._unflushed, [], 0
        if not chunks or self._socket.is_closing():
            return
        data = b"".join(chunks)
        if data:
            self._socket.write(data)
        if not chunks[-1]:
            close_direction(self._socket)

    # --- reading ---------------------------------------------------------------------------------

    def _read_or_not(self) -> None:
        # Two reasons not to read: the application is behind; or the peer makes us answer (pings)
        # and does not read the answers, which pile up here. After the end what comes is dropped,
        # but must be read, for the peer's farewell is behind it.
        answers_pile_up = self._unread_answers > self._limits.max_unsent_bytes
        reading = self._inbox.ended or not (self._inbox.full or answers_pile_up)
        if reading and not self._reading:
            self._socket.resume_reading()
        elif self._reading and not reading:
            self._socket.pause_reading()
        self._reading = reading

    # --- the end ---------------------------------------------------------------------------------

    def _end(self, error: TransportError) -> None:
        if self._inbox.ended:
            return
        self._inbox.end(error)
        self._let_senders_go_on()
        if self._keepalive is not None:
            self._keepalive.cancel()
        self._read_or_not()
        self._deadline = self._timers.call_later(self._limits.close_timeout, self._socket.abort)

    # --- keepalive -------------------------------------------------------------------------------

    def _watch_after(self, delay: float) -> None:
        self._keepalive = self._timers.call_later(delay, self._watch)

    def _watch(self) -> None:
        """Ping a silent peer; give up on one that stays silent.

        One timer per connection, set again only when it fires: traffic costs a time stamp.
        """
        interval = self._limits.ping_interval
        assert interval is not None
        now = self._timers.time()
        if self._inbox.full:
            self._heard_at = now  # it is us who do not listen
        silence = now - self._heard_at
        if self._pinged_at > self._heard_at:
            self._give_up()
        elif silence >= interval:
            self._pinged_at = now
            self._wire.ping()
            self._collect()
            self._watch_after(self._limits.ping_timeout)
        else:
            self._watch_after(interval - silence)

    def _give_up(self) -> None:
        timeout = self._limits.ping_timeout
        self._wire.close(Farewell.of(KEEPALIVE_FAILED, f"no sign of life in {timeout:g} s"))
        self._collect()
        self._end(TransportBroken(f"the peer answered no ping within {timeout:g} seconds"))


def close_direction(socket: asyncio.Transport) -> None:
    """Tell the peer that nothing more comes from us, after what was written before.

    A TLS connection cannot be closed in one direction only; it is closed whole.
    """
    if not socket.can_write_eof():
        socket.close()
        return
    try:
        socket.write_eof()
    except OSError:  # the peer has reset the connection meanwhile
        socket.abort()
