"""Which web pages may open a WebSocket here, and under which names this machine is called."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from ..errors import ConfigurationError

AllowOrigin: TypeAlias = Callable[[str | None], bool]
"""Given an Origin header (null: there is none), tells whether that page may connect."""

_LABEL: Final = "[a-z0-9]([a-z0-9-]*[a-z0-9])?"
_HOST: Final = rf"({_LABEL}(\.{_LABEL})*|\[[0-9a-f:.]+\])"
_ORIGIN: Final = re.compile(rf"https?://{_HOST}(:[1-9][0-9]{{0,4}})?")
_PATTERN: Final = re.compile(
    rf"(?P<scheme>https?)://(?P<any>\*\.(?={_LABEL}\.))?(?P<host>{_HOST})"
    r"(:(?P<port>[1-9][0-9]{0,4}|\*))?"
)
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


class OriginRule:
    """Allows none, this machine's pages, and the origins it was given.

    A pattern is an origin as browsers write it: scheme, host, and the port unless it is the
    scheme's own. `*.` in front of a host of at least two labels stands for one or more labels;
    `*` as the port for any. `null` is what pages opened from disk have, and sandboxed frames of
    any page.

    Raises:
        ConfigurationError: A pattern is none; the message says what to write.
    """

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        self._allowed = [_compiled(pattern) for pattern in patterns]

    def __call__(self, origin: str | None) -> bool:
        """Return whether a page of this origin may connect; null: there is no such header."""
        return loopback_or_none(origin) or any(
            pattern.fullmatch(origin or "") for pattern in self._allowed
        )


def _compiled(text: str) -> re.Pattern[str]:
    if text == "null":
        return re.compile("null")
    found = _PATTERN.fullmatch(text)
    if found is None:
        raise ConfigurationError(
            f"{shown(text)!r} is no origin; write one as browsers do, such as "
            "https://app.example.org, https://*.example.org, http://localhost:*, or null"
        )
    labels = rf"({_LABEL}\.)+" if found["any"] else ""
    port = "(:[0-9]+)?" if found["port"] == "*" else _explicit(found["scheme"], found["port"])
    return re.compile(f"{found['scheme']}://{labels}{re.escape(found['host'])}{port}")


def _explicit(scheme: str, port: str | None) -> str:
    """Return the port as browsers write it: the scheme's own is left out."""
    own = {"http": "80", "https": "443"}[scheme]
    return "" if port in (None, own) else f":{port}"


def remedy_for(origin: str) -> str:
    """Return the flag that would allow an origin, where one can be told safely."""
    if origin == "null" or _ORIGIN.fullmatch(origin):
        return f"; to allow it: --origin {origin}"
    return ""


def host_name(header: str) -> str:
    """Return the host of a Host header, in lower case and without brackets; empty: it has none."""
    found = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]/@\s]+)(:[0-9]{1,5})?", header)
    return found[1].lower().strip("[]") if found else ""


def is_loopback(host: str) -> bool:
    """Return whether a host name or numeric address is this machine's own, whoever asks."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    return _is_loopback(host)


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
