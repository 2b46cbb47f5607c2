"""How v2 is chosen: by subprotocol, or by the first frame of a connection that chose none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ...errors import RemoteProtocolError
from ..codec import MAX_BYTES, MAX_DEPTH, decode
from ..connection import V1_SUBPROTOCOL
from .messages import V2_SUBPROTOCOL, Hello

SUBPROTOCOLS: Final = (V2_SUBPROTOCOL, V1_SUBPROTOCOL)
"""What is spoken here, the best first."""


def select_subprotocol(offered: Sequence[str]) -> str | None:
    """Return the best we speak among those a peer offers; null: it offers none of ours."""
    return next((one for one in SUBPROTOCOLS if one in offered), None)


def is_hello(frame: str | bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> bool:
    """Return whether a frame says `hello`, well or badly; any other is v1's."""
    mentioned = b"hello" in frame if isinstance(frame, bytes) else "hello" in frame
    if not mentioned:
        return False  # so that v1 requests are decoded once
    try:
        message = decode(frame, max_bytes=max_bytes, max_depth=max_depth)
    except RemoteProtocolError:
        return False
    return message.get("type") == Hello.type
