"""The credential in a handshake."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from ..interfaces.transport import BEARER_SUBPROTOCOL, Handshake

_BEARER: Final = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)
"""RFC 6750 section 2.1."""
_INVALID: Final = ""
"""Presented, but no token: no entry has it."""


def presented(handshake: Handshake) -> str | None:
    """Return the token a peer presents; null: none. Contradictions are no token.

    It may stand in the header `Authorization`, or, for browsers, in an offered subprotocol; never
    in the URL, which is kept in too many logs.
    """
    headers = handshake.headers
    if "authorization" not in headers and "sec-websocket-protocol" not in headers:
        return None  # most peers of this machine, asked at each of their requests
    found = {*_in_header(handshake), *_in_subprotocols(handshake)}
    if not found:
        return None
    return found.pop() if len(found) == 1 else _INVALID


def _in_header(handshake: Handshake) -> list[str]:
    value = handshake.headers.get("authorization")
    if value is None:
        return []
    match = _BEARER.fullmatch(value)
    return [match[1] if match else _INVALID]


def _in_subprotocols(handshake: Handshake) -> list[str]:
    offered = handshake.headers.get("sec-websocket-protocol", "").split(",")
    return [
        _decoded(entry.removeprefix(BEARER_SUBPROTOCOL))
        for entry in map(str.strip, offered)
        if entry.startswith(BEARER_SUBPROTOCOL)
    ]


def _decoded(text: str) -> str:
    """Return what base64url without padding (RFC 4648 section 5) stands for."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        return data.decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        return _INVALID
