"""A load generator that costs as little as it can: frames are prebuilt, replies only counted."""

from __future__ import annotations

import asyncio
import os
import struct
import time

from attrs import define, field, frozen

_DONE = b'"status":"completed"'


@frozen
class Load:
    """So many connections, each with so many requests in flight."""

    connections: int
    in_flight: int

    def __str__(self) -> str:
        return f"{self.connections}x{self.in_flight}"


def masked_text_frame(text: str) -> bytes:
    """Return a client's text frame (RFC 6455 section 5.2), masked with zeros: a legal mask."""
    payload = text.encode()
    assert len(payload) < 126
    return struct.pack("!BB", 0x81, 0x80 | len(payload)) + b"\0\0\0\0" + payload


@define(eq=False)
class _Peer(asyncio.Protocol):
    request: bytes
    in_flight: int
    latencies: list[float] = field(factory=list)
    answered: int = 0
    stopped: bool = False
    _open: bool = False
    _tail: bytes = b""
    _sent: list[float] = field(factory=list)
    _socket: asyncio.Transport = field(init=False)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._socket = transport
        transport.write(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )

    def data_received(self, data: bytes) -> None:
        if not self._open:
            assert data.startswith(b"HTTP/1.1 101"), data[:200]
            self._open = True
            self._ask(self.in_flight)
            return
        data = self._tail + data
        done = data.count(_DONE)
        self._tail = data[data.rfind(_DONE) + len(_DONE) :] if done else data[-len(_DONE) :]
        now = time.perf_counter()
        for sent in self._sent[:done]:
            self.latencies.append(now - sent)
        del self._sent[:done]
        self.answered += done
        if not self.stopped:
            self._ask(done)

    def _ask(self, count: int) -> None:
        if count:
            self._sent.extend([time.perf_counter()] * count)
            self._socket.write(self.request * count)

    @property
    def waiting(self) -> int:
        """How many requests are not answered yet."""
        return len(self._sent)

    def close(self) -> None:
        """Say farewell (RFC 6455 section 5.5.1) and go."""
        self._socket.write(b"\x88\x80\0\0\0\0")
        self._socket.close()


@frozen
class Measurement:
    """What one round gave."""

    per_second: float
    latencies: tuple[float, ...]
    """Seconds, sorted."""

    def percentile(self, share: float) -> float:
        """Return the latency that this share of the requests did not exceed, in seconds."""
        return self.latencies[min(len(self.latencies) - 1, int(share * len(self.latencies)))]


async def drive(port: int, load: Load, agent_id: str, seconds: float) -> Measurement:
    """Ask for executions as fast as replies come, and count; the first fifth is warm-up."""
    loop = asyncio.get_running_loop()
    request = masked_text_frame(f'{{"type":"execute","agent_id":"{agent_id}"}}')
    peers: list[_Peer] = []
    for _ in range(load.connections):
        _, peer = await loop.create_connection(
            lambda: _Peer(request, load.in_flight), "127.0.0.1", port
        )
        peers.append(peer)
    await asyncio.sleep(seconds / 5)
    for peer in peers:
        peer.latencies.clear()
        peer.answered = 0
    began = time.perf_counter()
    await asyncio.sleep(seconds)
    took = time.perf_counter() - began
    answered = sum(peer.answered for peer in peers)
    latencies = sorted(latency for peer in peers for latency in peer.latencies)
    for peer in peers:
        peer.stopped = True
    while any(peer.waiting for peer in peers):
        await asyncio.sleep(0.01)
    for peer in peers:
        peer.close()
    return Measurement(answered / took, tuple(latencies))


def pin(core: int) -> None:
    """Keep this process on one core, where the system can."""
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > core:
        os.sched_setaffinity(0, {core})
