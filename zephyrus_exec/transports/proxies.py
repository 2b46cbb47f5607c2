"""Where a request comes from, where proxies may stand in between."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Final, TypeAlias

from attrs import frozen

from ..errors import ConfigurationError
from .endpoints import host_and_port
from .http import HttpRequest
from .origin import host_name, is_loopback

_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

UNIX: Final = "unix"
"""Stands for whoever connects through a Unix socket."""
FORWARDING_HEADERS: Final = (
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-server",
    "x-real-ip",
    "via",
    "cf-connecting-ip",
    "true-client-ip",
)
"""What proxies add. Whoever sends one of these is no local client, trusted or not."""


@frozen
class Source:
    """Where a request comes from."""

    name: str
    """For logs: address and port, or the client's address and the proxy that told it."""
    tls: bool
    """Whether its way was encrypted, as far as is known."""
    local: bool
    """Whether the peer certainly is a program of this machine, and no proxy."""


class TrustedProxies:
    """Believes what some proxies tell of their clients, and nobody else.

    Args:
        networks: Addresses or networks (CIDR) of the proxies; `unix` for those that come through
            a Unix socket.

    Raises:
        ConfigurationError: One is no network.
    """

    def __init__(self, networks: Iterable[str] = ()) -> None:
        texts = list(networks)
        self._unix = UNIX in texts
        self._networks = [_network(text) for text in texts if text != UNIX]

    def source(self, request: HttpRequest, address: str | None, port: int, *, tls: bool) -> Source:
        """Return where a request comes from.

        What came through a proxy is never local, whatever address the proxy tells: a header may
        take rights away, but give none.

        Args:
            request: With its headers.
            address: Of the other end of the socket, numeric; null: a Unix socket.
            port: Of the other end.
            tls: Whether the socket is encrypted.
        """
        peer = UNIX if address is None else host_and_port(address, port)
        headers = request.headers
        if any(name in headers for name in FORWARDING_HEADERS):
            if not (self._unix if address is None else self._trusts(address)):
                return Source(peer, tls, local=False)
            client = self._client(headers.get("x-forwarded-for", ""))
            proto = headers.get("x-forwarded-proto", "").rpartition(",")[2].strip().lower()
            name = f"{client} by {peer}" if client else peer
            return Source(name, proto == "https" if proto else tls, local=False)
        here = address is None or is_loopback(address)
        return Source(peer, tls, local=here and is_loopback(host_name(headers.get("host", ""))))

    def _trusts(self, address: str) -> bool:
        parsed = _address(address)
        return parsed is not None and any(parsed in network for network in self._networks)

    def _client(self, forwarded_for: str) -> str:
        """Return the last address that is none of ours: what stands before it, it may invent."""
        client = ""
        for text in reversed(forwarded_for.split(",")):
            parsed = _address(text.strip())
            if parsed is None:
                break
            client = str(parsed)
            if not self._trusts(client):
                break
        return client


def _network(text: str) -> _Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        raise ConfigurationError(
            f"{text!r} is no network; write an address or a network such as 10.0.0.0/8, or unix"
        ) from None


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found
