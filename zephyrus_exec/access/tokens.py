"""Bearer tokens: how they are made, and what is kept of them."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from attrs import field, frozen

from ..model import Principal

SCOPES: Final = ("execute", "watch", "operate")
"""What a token may allow."""
PREFIX: Final = "zx_"
"""How tokens begin, so that people and scanners of secrets know one when they see it."""
_BYTES: Final = 32


def new_token() -> str:
    """Return another token: 256 random bits, which nobody guesses."""
    return PREFIX + secrets.token_urlsafe(_BYTES)


def digest(token: str) -> str:
    """Return what is kept of a token.

    A plain hash: slow ones (scrypt, Argon2) protect what people think up, and make every wrong
    token expensive for us; there is nothing to try out in 256 random bits.
    """
    return f"sha256:{hashlib.sha256(token.encode('utf-8', 'surrogateescape')).hexdigest()}"


@frozen
class Token:
    """One entry: what a token allows, and to whom."""

    name: str
    """For people; unique."""
    hash: str = field(repr=False)
    """`sha256:` and 64 hex digits."""
    principal: str
    """On whose behalf its bearer asks."""
    scopes: frozenset[str]
    """Any of `execute`, `watch`, `operate`."""
    expires: datetime | None = None
    """From when on it is worth nothing, with its time zone; null: never."""

    def bearer(self) -> Principal:
        """Return on whose behalf its bearer asks."""
        return Principal(self.principal, self.scopes)


def find(tokens: Iterable[Token], presented: str, now: float) -> Token | None:
    """Return the entry of a token that is valid now.

    It looks at every entry, and compares in constant time: how long it takes tells neither
    whether there is one, nor why it does not count.

    Args:
        tokens: Every entry.
        presented: What a peer sent.
        now: Seconds since the epoch.
    """
    wanted, found = digest(presented), None
    for token in tokens:
        same = hmac.compare_digest(token.hash, wanted)
        fresh = token.expires is None or now < token.expires.timestamp()
        if same and fresh:
            found = token
    return found
