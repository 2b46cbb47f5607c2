"""Where a listener listens: a TCP port, or a Unix socket."""

from __future__ import annotations

import errno
import os
import socket
import stat
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ..errors import ConfigurationError
from .sockets import BACKLOG, listen

_PROBE_TIMEOUT = 1.0
"""Seconds whoever listens on a socket file already gets to show it."""


class Endpoint(ABC):
    """A place to listen on."""

    @abstractmethod
    async def bind(self) -> list[socket.socket]:
        """Return sockets that listen.

        Raises:
            ConfigurationError: It cannot be done; it says what to do.
        """

    @abstractmethod
    def hosts(self, sockets: Sequence[socket.socket]) -> list[str]:
        """Return the numeric hosts of bound sockets; none: no network leads here."""

    @abstractmethod
    def urls(self, sockets: Sequence[socket.socket], scheme: str) -> tuple[str, ...]:
        """Return where clients reach bound sockets."""

    @abstractmethod
    def leave(self) -> None:
        """Clear up what is left when the sockets are closed."""


class TcpEndpoint(Endpoint):
    """A port on every address of a host, see `listen`."""

    def __init__(self, host: str | Sequence[str] | None, port: int) -> None:
        self._host = host
        self._port = port

    @property
    def names(self) -> frozenset[str]:
        """What its hosts are called, in lower case."""
        host = self._host
        given = [host] if isinstance(host, str) else host or []
        return frozenset(name.lower() for name in given if name)

    async def bind(self) -> list[socket.socket]:
        """Return sockets that listen on the port."""
        return await listen(self._host, self._port)

    def hosts(self, sockets: Sequence[socket.socket]) -> list[str]:
        """Return the addresses bound."""
        return [str(sock.getsockname()[0]) for sock in sockets]

    def urls(self, sockets: Sequence[socket.socket], scheme: str) -> tuple[str, ...]:
        """Return URLs such as `ws://127.0.0.1:8765`."""
        bound = [sock.getsockname()[:2] for sock in sockets]
        return tuple(f"{scheme}://{host_and_port(*address)}" for address in bound)

    def leave(self) -> None:
        """Do nothing: a closed port leaves nothing behind."""


class UnixEndpoint(Endpoint):
    """A Unix socket.

    Args:
        path: Where it is made. One that is there already is replaced if nobody listens on it.
        mode: Its permissions: who may connect.
    """

    def __init__(self, path: Path, mode: int) -> None:
        self._path = path
        self._mode = mode
        self._inode = 0

    async def bind(self) -> list[socket.socket]:
        """Return the socket, which listens."""
        family = getattr(socket, "AF_UNIX", None)
        if family is None:
            raise self._cannot("this system has no Unix sockets; listen on a port")
        try:
            self._remove_stale(family)
            sock = socket.socket(family, socket.SOCK_STREAM)
            try:
                sock.bind(str(self._path))
                self._path.chmod(self._mode)  # before anybody can connect, which needs `listen`
                sock.listen(BACKLOG)
                sock.setblocking(False)
                self._inode = self._path.stat().st_ino
            except OSError:
                sock.close()
                raise
        except OSError as error:
            raise self._cannot(f"{error.strerror or error}; choose another path") from None
        return [sock]

    def hosts(self, sockets: Sequence[socket.socket]) -> list[str]:
        """Return none."""
        return []

    def urls(self, sockets: Sequence[socket.socket], scheme: str) -> tuple[str, ...]:
        """Return `unix:PATH`."""
        return (f"unix:{self._path}",)

    def leave(self) -> None:
        """Remove the socket, once, unless another one has its place by now."""
        inode, self._inode = self._inode, 0
        with suppress(FileNotFoundError):  # asyncio removes it, too, since Python 3.13
            if inode and self._path.stat().st_ino == inode:
                self._path.unlink()

    def _remove_stale(self, family: int) -> None:
        try:
            kind = self._path.lstat().st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(kind):
            raise self._cannot("there is something else; choose another path")
        if _somebody_listens(family, self._path):
            raise self._cannot("somebody listens there; stop that, or choose another path")
        self._path.unlink()

    def _cannot(self, problem: str) -> ConfigurationError:
        return ConfigurationError(
            f"cannot listen on the Unix socket {self._path.name!r}: {problem}"
        )


def _somebody_listens(family: int, path: Path) -> bool:
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PROBE_TIMEOUT)
        try:
            probe.connect(os.fspath(path))
        except OSError as error:
            return error.errno != errno.ECONNREFUSED  # whatever else it is, it is not abandoned
    return True


def host_and_port(host: str, port: int) -> str:
    """Return an address as URLs write it: IPv6 in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
