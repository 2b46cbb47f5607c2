"""The conformance suite finds transports that break their promises."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from zephyrus_exec.errors import TransportError
from zephyrus_exec.interfaces.transport import Frame, Listener, Transport
from zephyrus_exec.testing.transports import ListenerConformance, TransportConformance
from zephyrus_exec.transports.inbox import Inbox
from zephyrus_exec.transports.memory import MemoryListener, MemoryTransport, memory_pair

Pair = Callable[[], tuple[Transport, Transport]]


class Suite(TransportConformance):
    __test__ = False

    def __init__(self, make: Pair) -> None:
        self._make = make

    @asynccontextmanager
    async def pair(self) -> AsyncIterator[tuple[Transport, Transport]]:
        yield self._make()


class _Wrong(MemoryTransport):
    """Good but for what a subclass breaks."""

    @classmethod
    def pair(cls) -> tuple[Transport, Transport]:
        handshake = memory_pair()[0].handshake
        server = cls(handshake, max_frames=1024, max_bytes=4 * 1024 * 1024)
        client = cls(handshake, max_frames=1024, max_bytes=4 * 1024 * 1024)
        server.join(client)
        return server, client


class _OneAtATime(_Wrong):
    _rest: Sequence[Frame] = ()

    async def receive(self) -> Sequence[Frame]:
        frames = self._rest or await super().receive()
        self._rest = frames[1:]
        return frames[:1]


class _AllText(_Wrong):
    async def send(self, frames: Sequence[Frame]) -> None:
        await super().send([f if isinstance(f, str) else f.decode("latin-1") for f in frames])


class _NeverWaits(_Wrong):
    async def _peer_has_room(self) -> None:
        self._inbox.raise_if_ended()


class _Reverses(_Wrong):
    async def send(self, frames: Sequence[Frame]) -> None:
        await super().send(frames[::-1])


class _ForgetsReasons(_Wrong):
    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        await super().aclose(code)


class _ForgetsFramesAtTheEnd(_Wrong):
    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        self._peer._inbox = Inbox(max_frames=9, max_bytes=9999, on_change=lambda: None)
        await super().aclose(code, reason)


class _SendsIntoTheVoid(_Wrong):
    async def send(self, frames: Sequence[Frame]) -> None:
        if not self._inbox.ended:
            await super().send(frames)


@pytest.mark.parametrize(
    ("wrong", "test"),
    [
        (_OneAtATime, "test_frames_of_one_send_go_out_together"),
        (_OneAtATime, "test_receive_returns_everything_that_is_there"),
        (_AllText, "test_text_stays_text_and_binary_stays_binary"),
        (_NeverWaits, "test_a_sender_waits_for_a_peer_that_does_not_read"),
        (_Reverses, "test_frames_of_one_send_go_out_together"),
        (_ForgetsReasons, "test_the_peer_sees_code_and_reason_when_the_client_closes"),
        (_ForgetsFramesAtTheEnd, "test_frames_before_the_end_are_returned_before_it_is_raised"),
        (_SendsIntoTheVoid, "test_sending_after_closing_raises"),
        (_SendsIntoTheVoid, "test_sending_to_a_peer_that_closed_raises"),
    ],
)
async def test_a_wrong_transport_is_found(wrong: type[_Wrong], test: str) -> None:
    run: Callable[[], Awaitable[None]] = getattr(Suite(wrong.pair), test)
    with pytest.raises((AssertionError, TransportError)):
        await run()


class _TakesEveryone(MemoryListener):
    async def stop_accepting(self) -> None:
        pass


class ListenerSuite(ListenerConformance):
    __test__ = False

    def listener(self) -> Listener:
        return _TakesEveryone()

    async def connect(self, listener: Listener) -> Transport:
        assert isinstance(listener, MemoryListener)
        return await listener.connect()


async def test_a_wrong_listener_is_found() -> None:
    with pytest.raises(AssertionError, match="after stop_accepting"):
        await ListenerSuite().test_it_takes_no_peers_after_stop_accepting_and_keeps_those_it_has()
