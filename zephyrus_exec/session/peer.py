"""Who is at the other end of a session, and what it may ask."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from attrs import frozen

from ..interfaces.transport import BEARER_SUBPROTOCOL, V2_SUBPROTOCOL, Handshake
from ..model import Json, JsonObject, Principal
from ..protocol.codec import MAX_BYTES, MAX_DEPTH
from ..protocol.connection import MAX_PENDING
from ..protocol.v2.messages import HEARTBEAT, Heartbeat


@frozen
class SessionLimits:
    """What one peer may ask of us."""

    max_message_bytes: int = MAX_BYTES
    """Longest message that is decoded, in bytes."""
    max_message_depth: int = MAX_DEPTH
    """Deepest nesting that is decoded."""
    max_pending: int = MAX_PENDING
    """How many requests may wait for their answers. Beyond it a v1 channel is closed with 1013;
    in v2 further ones are refused."""
    rate: float = 0
    """How many requests a second it may make, a second's worth at once; 0: no bound."""
    max_subscriptions: int = 10_000
    """How many executions and effects it may watch at once."""
    hello_timeout: float = 10.0
    """Seconds that a v2 client gets for its `hello`."""
    stall_timeout: float = 30.0
    """Seconds after which a v2 client that takes nothing is closed with 4510."""
    heartbeat: Heartbeat = HEARTBEAT
    """How the silence of v2 clients is understood."""


Holds: TypeAlias = Callable[[], Awaitable[bool]]
"""Tells whether what a peer was granted when it came still holds."""


@frozen
class Grant:
    """What somebody's credential is good for."""

    principal: Principal
    """On whose behalf it asks."""
    expires_at: float | None = None
    """Seconds since the epoch at which that ends; null: it does not end by itself."""
    holds: Holds | None = None
    """Asked again and again; where it says no, the peer is closed. Null: it always holds."""


Identify: TypeAlias = Callable[[Handshake], Awaitable[Grant]]
"""Finds out who a peer is, from what it said; raises `Unauthenticated`."""


@frozen
class Peer:
    """Who is at the other end of a session."""

    principal: Principal
    """On whose behalf it asks."""
    handshake: Handshake
    """What it said when it came."""


OnUnknown: TypeAlias = Callable[
    [dict[str, Json], Peer], Awaitable[JsonObject | Sequence[JsonObject] | None]
]
"""A host's answer to a message whose `type` is none of ours: one reply, several, or none.

None, other than no replies, means that the host does not know the message either, which is then
rejected as ever. A `ZephyrusError` rejects it, too, with that error's text. Replies of v1 come in
the order of the peer's frames. Where the peer leaves meanwhile, the handler is cancelled.
"""


def may_identify_later(handshake: Handshake) -> bool:
    """Return whether a peer that shows no credential can bring one in its `hello`."""
    offered = [*map(str.strip, handshake.headers.get("sec-websocket-protocol", "").split(","))]
    shown = "authorization" in handshake.headers or any(
        entry.startswith(BEARER_SUBPROTOCOL) for entry in offered
    )
    return V2_SUBPROTOCOL in offered and not shown
