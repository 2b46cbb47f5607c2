"""The channel to one peer, and a source of such channels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cached_property
from typing import Final, TypeAlias

from attrs import field, frozen

from ..model import Principal

V1_SUBPROTOCOL: Final = "zephyrus.exec.v1.json"
"""What a client may offer that speaks v1; one that offers nothing speaks v1, too.

A browser that offers subprotocols, to carry a credential for one, fails where none is selected.
"""
V2_SUBPROTOCOL: Final = "zephyrus.exec.v2.json"
"""What a client offers that speaks v2."""
SUBPROTOCOLS: Final = (V2_SUBPROTOCOL, V1_SUBPROTOCOL)
"""What sessions speak, the best first."""
BEARER_SUBPROTOCOL: Final = "zephyrus.auth.bearer."
"""How the subprotocol begins that carries a token, for clients that cannot set headers."""
_SECRET_HEADERS: Final = frozenset({"authorization", "proxy-authorization", "cookie"})

Frame: TypeAlias = str | bytes
"""One whole message: text, or binary."""


def select_subprotocol(offered: Sequence[str]) -> str | None:
    """Return the best we speak among those a peer offers; null: it offers none of ours."""
    return next((one for one in SUBPROTOCOLS if one in offered), None)


class SharedText(str):
    """A text message that goes to many peers."""

    encoded: bytes | None = None
    """What a transport made of it for its network, to be made once; null: nothing yet."""


class SharedTexts(tuple[str, ...]):
    """Text messages that go to many peers, one after the other."""

    encoded: bytes | None = None
    """What a transport made of all of them for its network, to be made once; null: nothing yet."""

    @cached_property
    def characters(self) -> int:
        """How long they are together."""
        return sum(map(len, self))


def shown_target(target: str) -> str:
    """Return a request target for logs: its query may hold what is nobody's business."""
    path, question_mark, _ = target.partition("?")
    return repr(f"{path}?…" if question_mark else path)


def shown_headers(headers: Mapping[str, str]) -> str:
    """Return request headers for logs, credentials left out."""
    return repr({name: _shown_header(name, value) for name, value in headers.items()})


def _shown_header(name: str, value: str) -> str:
    if name == "sec-websocket-protocol":
        return ", ".join(
            f"{BEARER_SUBPROTOCOL}…" if entry.startswith(BEARER_SUBPROTOCOL) else entry
            for entry in map(str.strip, value.split(","))
        )
    return "…" if name in _SECRET_HEADERS else value


@frozen
class Handshake:
    """What is known of a peer before its first frame. `repr` shows no credential."""

    path: str = field(default="/", repr=shown_target)
    """Request target as sent, query included."""
    headers: Mapping[str, str] = field(factory=dict, repr=shown_headers)
    """Request headers, names in lower case; repeated ones joined by `, `."""
    peer: str = ""
    """Address of the peer for logs, for example `127.0.0.1:51342`."""
    tls: bool = False
    """Whether the channel is encrypted."""
    subprotocol: str | None = None
    """The subprotocol agreed on; null: none."""
    local: bool = False
    """Whether the peer certainly is a program of this machine, and no proxy."""
    principal: Principal | None = None
    """On whose behalf the peer asks, where its host or listener has found out; null: not yet."""


class Transport(ABC):
    """An ordered channel of messages to one peer.

    `receive` and `send` may be awaited at the same time by two tasks, each by one at a time.
    Cancelling either loses no frame: one that was not returned is returned by the next `receive`.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def handshake(self) -> Handshake:
        """What the peer said when it came."""

    @abstractmethod
    async def receive(self) -> Sequence[Frame]:
        """Return every frame that is there, at least one, in order; wait for the first.

        Frames that arrived before the end are returned before the end is raised.

        Raises:
            TransportClosedByPeer: The peer said farewell (`close_code`, `reason`).
            TransportClosedHere: `aclose` was called.
            TransportBroken: The channel ended without a farewell.
        """

    @abstractmethod
    async def send(self, frames: Sequence[Frame]) -> None:
        """Hand frames over in order; those of one call go out together.

        Returns once the channel has room for more, so a peer that does not read makes its
        sender wait.

        Raises:
            TransportError: As for `receive`; how much of `frames` arrived is not known.
        """

    @abstractmethod
    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """Say farewell, wait for the peer's up to the close time-out, and let go of the channel.

        Frames handed over before are sent first. Closing a closed channel does nothing.

        Args:
            code: WebSocket close code (RFC 6455 section 7.4).
            reason: Text for the peer, cut to 123 bytes of UTF-8.
        """


Accept: TypeAlias = Callable[[Transport], Awaitable[None]]
"""Called once per peer, in a task of its own; the channel is closed when it returns."""


class Listener(ABC):
    """A source of transports."""

    @property
    @abstractmethod
    def addresses(self) -> tuple[str, ...]:
        """Where peers reach it, as URLs; empty before `start`."""

    @abstractmethod
    async def start(self, accept: Accept) -> None:
        """Take peers from now on.

        Raises:
            ConfigurationError: It cannot listen there (port taken, no such address).
        """

    @abstractmethod
    async def stop_accepting(self) -> None:
        """Take no new peers; those that are here stay."""

    @abstractmethod
    async def aclose(self, code: int = 1001, reason: str = "") -> None:
        """Take no new peers, close every channel with this code, and end every accept task."""
