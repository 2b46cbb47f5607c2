"""Listening sockets: every address of a host, all on one port."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeAlias

from ..errors import ConfigurationError

BACKLOG = 512
"""Connections the kernel keeps for us before we accept them."""
MAX_UNSENT = 32 * 1024
"""Bytes the kernel keeps that a peer has not made room for, where it can be told."""

_PORT_ATTEMPTS = 20
"""How many ports are tried where any will do but all addresses must agree on it."""

Address: TypeAlias = tuple[int, str]
"""Family and numeric host."""


Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[Address]]]
"""Returns the addresses of a host; raises OSError."""

Bind: TypeAlias = Callable[[int, str, int], socket.socket]
"""Returns a socket that listens on an address (family, numeric host, port); raises OSError."""


async def resolve_host(host: str, port: int) -> list[Address]:
    """Return every IPv4, then every IPv6 address of a host ("": of this machine).

    Raises:
        OSError: There is no such host.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except UnicodeError as error:  # a name that can be no host's
        raise OSError(str(error)) from None
    inet = (socket.AF_INET, socket.AF_INET6)  # IPv4 first: the address people expect to see
    addresses = dict.fromkeys((int(f), str(a[0])) for f, _, _, _, a in found if f in inet)
    return sorted(addresses, key=lambda address: inet.index(socket.AddressFamily(address[0])))


def bind_address(family: int, host: str, port: int) -> socket.socket:
    """Return a socket that listens on one address.

    Raises:
        OSError: It cannot.
    """
    # With the protocol named, asyncio sets TCP_NODELAY on what is accepted; without, it would not,
    # and a small frame could wait 40 ms for the acknowledgement of the one before.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # Only so that a restart need not wait for old connections (TIME_WAIT). On Windows the
        # same option would let two servers share the port.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, os.name == "posix")
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        _keep_unsent_here(sock)
        sock.bind((host, port))
        sock.listen(BACKLOG)  # here, because some conflicts show only now
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def _keep_unsent_here(sock: socket.socket) -> None:
    """Let the kernel take little of what it cannot send; the connections taken inherit that.

    Otherwise it takes megabytes for every peer that has stopped reading, and nobody notices.
    """
    option = getattr(socket, "TCP_NOTSENT_LOWAT", None)  # Linux and macOS have it
    if option is not None:
        sock.setsockopt(socket.IPPROTO_TCP, option, MAX_UNSENT)


async def listen(
    host: str | Sequence[str] | None,
    port: int,
    *,
    resolve: Resolve = resolve_host,
    bind: Bind = bind_address,
) -> list[socket.socket]:
    """Return sockets that listen on every address of the host, all on the same port.

    An address this machine does not have (IPv6 switched off) is left out as long as another
    one of the same host name works.

    Args:
        host: A name, an address, several of them, or "" or null for every address.
        port: 1 to 65535; 0: a free one.
        resolve: Looks hosts up.
        bind: Opens a socket.

    Raises:
        ConfigurationError: The port is taken, the host unknown or not ours; it says what to do.
    """
    if not 0 <= port <= 65535:
        raise ConfigurationError(f"port {port} is no port; use 0 to 65535", port=port)
    hosts = [host or ""] if host is None or isinstance(host, str) else list(host)
    if not hosts:
        raise ConfigurationError('no host to listen on; name one, or use "" for every address')
    groups = await _addresses_by_host(hosts, port, resolve)
    attempts = 1 if port else _PORT_ATTEMPTS
    while True:
        attempts -= 1
        try:
            return _bind_all(groups, port, bind)
        except ConfigurationError as error:
            if error.details["problem"] != "taken" or not attempts:
                raise


async def _addresses_by_host(
    hosts: Sequence[str], port: int, resolve: Resolve
) -> dict[str, list[Address]]:
    groups: dict[str, list[Address]] = {}
    seen: set[Address] = set()
    for host in hosts:
        try:
            found = await resolve(host, port)
        except OSError:
            raise ConfigurationError(
                f"cannot listen on host {host!r}: no such host; use localhost, an address of this"
                ' machine, or "" for all of them',
                host=host,
            ) from None
        groups[host] = [address for address in found if address not in seen]
        seen.update(found)
    return groups


def _bind_all(
    groups: Mapping[str, Sequence[Address]], port: int, bind: Bind
) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    try:
        for host, addresses in groups.items():
            sockets += _bind_host(host, addresses, _port_of(sockets, port), bind)
    except ConfigurationError:
        _close(sockets)
        raise
    return sockets


def _bind_host(
    host: str, addresses: Sequence[Address], port: int, bind: Bind
) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    missing: list[OSError] = []
    for family, address in addresses:
        try:
            sockets.append(bind(family, address, _port_of(sockets, port)))
        except OSError as error:
            if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                _close(sockets)
                raise _cannot_listen(host, port, error) from None
            missing.append(error)
    if missing and not sockets:
        raise _cannot_listen(host, port, missing[0]) from None
    return sockets


def _port_of(sockets: Sequence[socket.socket], port: int) -> int:
    return int(sockets[0].getsockname()[1]) if sockets else port


def _close(sockets: Sequence[socket.socket]) -> None:
    for sock in sockets:
        sock.close()


def _cannot_listen(host: str, port: int, error: OSError) -> ConfigurationError:
    where = f"cannot listen on host {host!r}, port {port}"
    if error.errno == errno.EADDRINUSE:
        return ConfigurationError(
            f"{where}: the port is taken; stop what listens there, or choose another port (0: any"
            " free one)",
            host=host,
            port=port,
            problem="taken",
        )
    if error.errno == errno.EACCES:
        return ConfigurationError(
            f"{where}: not permitted; choose a port above 1023",
            host=host,
            port=port,
            problem="forbidden",
        )
    return ConfigurationError(
        f"{where}: {error.strerror}; use localhost, an address of this machine, or"
        ' "" for all of them',
        host=host,
        port=port,
        problem="address",
    )
