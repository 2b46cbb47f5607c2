"""Which web pages may open a WebSocket here."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

_SHOWN_CHARACTERS = 100


def loopback_or_none(origin: str | None) -> bool:
    """Return whether an Origin header is absent, or names a page served by this machine.

    Loopback is `localhost`, 127.0.0.0/8 and ::1, over http or https, on any port. The opaque
    origin `null` is not: any page can have it (RFC 6454 section 7.3).

    Args:
        origin: The header's value; null: there is none, as with clients that are no browsers.
    """
    if origin is None:
        return True
    try:
        parts = urlsplit(origin)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    # Equal to its own serialisation: no path, no user, nothing the parser forgave.
    exact = origin == f"{parts.scheme}://{parts.netloc}" and parts.username is None
    return exact and parts.scheme in ("http", "https") and port != 0 and _is_loopback(host)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def shown(value: str) -> str:
    """Return what a peer sent as one printable line of at most 100 characters, for logs."""
    printable = ascii(value)[1:-1]
    if len(printable) <= _SHOWN_CHARACTERS:
        return printable
    return printable[: _SHOWN_CHARACTERS - 3] + "..."
