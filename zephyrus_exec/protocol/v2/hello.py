"""How v2 is chosen: by subprotocol, or by the first frame of a connection that chose none."""

from __future__ import annotations

from ...errors import RemoteProtocolError
from ..codec import MAX_BYTES, MAX_DEPTH, decode
from .messages import Hello


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
