"""How a channel ends: the close code and reason somebody gives, and the error it becomes."""

from __future__ import annotations

from attrs import frozen

from ..errors import LocalProtocolError, TransportClosedByPeer, TransportClosedHere

MAX_REASON_BYTES = 123
"""A control frame holds 125 bytes, two of which are the code (RFC 6455 section 5.5.1)."""

_STANDARD_CODES = frozenset({*range(1000, 1004), *range(1007, 1015)})
"""Codes a close frame may carry (RFC 6455 section 7.4.1 and the IANA registry after it)."""


@frozen
class Farewell:
    """A close code and a reason that fit into a close frame."""

    code: int
    reason: str

    @classmethod
    def of(cls, code: int, reason: str) -> Farewell:
        """Return a farewell with the reason cut to what a close frame holds.

        Raises:
            LocalProtocolError: No close frame may carry this code (RFC 6455 section 7.4).
        """
        if code not in _STANDARD_CODES and not 3000 <= code <= 4999:
            raise LocalProtocolError(
                f"close code {code} must not be sent; use 1000 to 1003, 1007 to 1014 or 3000 to"
                " 4999",
                close_code=code,
            )
        return cls(code, _cut(reason))

    def said_here(self) -> TransportClosedHere:
        """Return the error for whoever uses the channel after we said it."""
        return TransportClosedHere(
            f"this channel was closed here with {self}",
            close_code=self.code,
            reason=self.reason,
        )

    def said_by_peer(self) -> TransportClosedByPeer:
        """Return the error for whoever uses the channel after the peer said it."""
        return TransportClosedByPeer(
            f"the peer closed the channel with {self}",
            close_code=self.code,
            reason=self.reason,
        )

    def __str__(self) -> str:
        return f"code {self.code}" + (f" ({self.reason})" if self.reason else "")


def _cut(reason: str) -> str:
    # A lone surrogate cannot go over the wire; it becomes `?`.
    encoded = reason.encode(errors="replace")[:MAX_REASON_BYTES]
    return encoded.decode(errors="ignore")
