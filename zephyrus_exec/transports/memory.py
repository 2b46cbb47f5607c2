"""Channels inside one process: for tests, and for peers that need no network."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from attrs import evolve

from ..errors import ConfigurationError, TransportBroken
from ..interfaces.transport import Accept, Frame, Handshake, Listener, Transport
from .farewell import Farewell
from .inbox import Inbox
from .peers import Peers, SelectSubprotocol

_log = logging.getLogger(__name__)


class MemoryTransport(Transport):
    """One end of a channel made by `memory_pair`."""

    def __init__(self, handshake: Handshake, *, max_frames: int, max_bytes: int) -> None:
        self._handshake = handshake
        self._room = asyncio.Event()
        self._room.set()
        self._inbox = Inbox(
            max_frames=max_frames, max_bytes=max_bytes, on_change=self._inbox_changed
        )
        self._peer = self

    @property
    def handshake(self) -> Handshake:
        """What the peer said when it came."""
        return self._handshake

    async def receive(self) -> Sequence[Frame]:
        """Return every frame that is there; see `Transport.receive`."""
        return await self._inbox.receive()

    async def send(self, frames: Sequence[Frame]) -> None:
        """Hand frames to the peer; return when it has not too many left to read."""
        await self._peer_has_room()
        self._peer._inbox.put(frames)
        await self._peer_has_room()

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """Say farewell; the peer reads what was sent before, then that."""
        farewell = Farewell.of(code, reason)
        self._inbox.end(farewell.said_here())
        self._peer._inbox.end(farewell.said_by_peer())
        self._room.set()
        self._peer._room.set()

    def abort(self) -> None:
        """End the channel for both without a farewell, as a broken network does."""
        for end in (self, self._peer):
            end._inbox.end(TransportBroken("the memory channel was aborted"))
            end._room.set()

    def join(self, peer: MemoryTransport) -> None:
        """Make two ends one channel."""
        self._peer, peer._peer = peer, self

    async def _peer_has_room(self) -> None:
        # `_room` is the peer's to say: it tells whether *its* inbox can take more.
        self._inbox.raise_if_ended()
        if not self._peer._room.is_set():
            await self._peer._room.wait()
            self._inbox.raise_if_ended()

    def _inbox_changed(self) -> None:
        if self._inbox.full and not self._inbox.ended:
            self._room.clear()
        else:
            self._room.set()


def memory_pair(
    *, handshake: Handshake | None = None, max_frames: int = 1024, max_bytes: int = 4 * 1024 * 1024
) -> tuple[MemoryTransport, MemoryTransport]:
    """Return the two ends of a new channel: the server's, the client's.

    Args:
        handshake: What both ends show; null: an empty one.
        max_frames: A sender waits while so many of its frames are unread, at least 1.
        max_bytes: A sender waits while so many bytes are unread, at least 1.
    """
    shown = handshake or Handshake(peer="memory:", local=True)
    server = MemoryTransport(shown, max_frames=max_frames, max_bytes=max_bytes)
    client = MemoryTransport(shown, max_frames=max_frames, max_bytes=max_bytes)
    server.join(client)
    return server, client


class MemoryListener(Listener):
    """A source of memory channels: whoever holds it may `connect`.

    Args:
        name: Its address is `memory:NAME`.
        select_subprotocol: Chooses among the subprotocols a peer offers; null: chooses none.
        max_frames: As for `memory_pair`, for each channel.
        max_bytes: As for `memory_pair`, for each channel.
        close_timeout: Seconds the accept callbacks get to end after `aclose` closed their channel.
    """

    def __init__(
        self,
        name: str = "local",
        *,
        select_subprotocol: SelectSubprotocol | None = None,
        max_frames: int = 1024,
        max_bytes: int = 4 * 1024 * 1024,
        close_timeout: float = 10.0,
    ) -> None:
        self._name = name
        self._select_subprotocol = select_subprotocol
        self._max_frames = max_frames
        self._max_bytes = max_bytes
        self._close_timeout = close_timeout
        self._peers: Peers | None = None
        self._accepting = False

    @property
    def address(self) -> str:
        """`memory:NAME`, started or not."""
        return f"memory:{self._name}"

    @property
    def addresses(self) -> tuple[str, ...]:
        """The address; none before `start`."""
        return () if self._peers is None else (self.address,)

    async def start(self, accept: Accept) -> None:
        """Take peers from now on; see `Listener.start`."""
        if self._peers is not None:
            raise ConfigurationError(f"{self.address} was started already; make another listener")
        self._peers = Peers(accept, _log)
        self._accepting = True

    async def connect(
        self, *, handshake: Handshake | None = None, subprotocols: Sequence[str] = ()
    ) -> MemoryTransport:
        """Return the client's end of a new channel whose other end the listener accepted.

        Args:
            handshake: What the server is to see; its `subprotocol` is replaced by the chosen one.
            subprotocols: What to offer, in order of preference.

        Raises:
            TransportBroken: The listener takes no peers.
        """
        if self._peers is None or not self._accepting:
            raise TransportBroken(f"{self.address} takes no peers: start it first")
        select = self._select_subprotocol
        shown = evolve(
            handshake or Handshake(peer=self.address, local=True),
            subprotocol=select(subprotocols) if select is not None else None,
        )
        server, client = memory_pair(
            handshake=shown, max_frames=self._max_frames, max_bytes=self._max_bytes
        )
        self._peers.welcome(server)
        return client

    async def stop_accepting(self) -> None:
        """Take no new peers; those that are here stay."""
        self._accepting = False

    async def aclose(self, code: int = 1001, reason: str = "") -> None:
        """Take no new peers, close every channel with this code, and end every accept task."""
        self._accepting = False
        if self._peers is not None:
            await self._peers.aclose(code, reason, grace=self._close_timeout)
