"""Listening on every address of a host, on one port."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterator

import pytest

from zephyrus_exec.errors import ConfigurationError
from zephyrus_exec.transports.sockets import MAX_UNSENT, bind_address, listen


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        yield int(sock.getsockname()[1])


def _close(bound: list[socket.socket]) -> None:
    for sock in bound:
        sock.close()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "", None, ["127.0.0.1", "localhost"]])
async def test_port_0_is_one_free_port_for_all(host: str | list[str] | None) -> None:
    bound = await listen(host, 0)
    assert len({sock.getsockname()[1] for sock in bound}) == 1
    _close(bound)


async def test_small_frames_are_not_held_back() -> None:
    (bound,) = await listen("127.0.0.1", 0)
    assert bound.proto == socket.IPPROTO_TCP  # what asyncio asks before it sets TCP_NODELAY
    bound.close()


@pytest.mark.skipif(not hasattr(socket, "TCP_NOTSENT_LOWAT"), reason="this system cannot be told")
async def test_what_a_peer_makes_no_room_for_is_not_left_to_the_kernel() -> None:
    (bound,) = await listen("127.0.0.1", 0)
    with bound, socket.create_connection(bound.getsockname()):
        taken = (await asyncio.get_running_loop().sock_accept(bound))[0]
        with taken:
            unsent = taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT)
    assert unsent == MAX_UNSENT


async def test_a_system_that_cannot_be_told_that_serves_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(socket, "TCP_NOTSENT_LOWAT", raising=False)
    (bound,) = await listen("127.0.0.1", 0)
    with bound, socket.create_connection(bound.getsockname()):
        pass


async def test_a_taken_port_is_told_with_its_remedy(taken: int) -> None:
    with pytest.raises(ConfigurationError, match=f"port {taken}: the port is taken; stop") as error:
        await listen("127.0.0.1", taken)
    assert error.value.details == {"host": "127.0.0.1", "port": taken, "problem": "taken"}


async def test_nothing_stays_bound_when_a_later_host_fails() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(ConfigurationError, match=r"192\.0\.2\.1"):
        await listen(["127.0.0.1", "192.0.2.1"], port)
    _close(await listen("127.0.0.1", port))


async def test_an_address_of_another_machine_is_told() -> None:
    with pytest.raises(ConfigurationError, match="use localhost, an address of this machine"):
        await listen("192.0.2.1", 0)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70, "\udc80"])
async def test_an_unknown_host_is_told(host: str) -> None:
    with pytest.raises(ConfigurationError, match="no such host"):
        await listen(host, 0)


@pytest.mark.parametrize("port", [-1, 65536])
async def test_a_port_out_of_range_is_told(port: int) -> None:
    with pytest.raises(ConfigurationError, match="0 to 65535"):
        await listen("localhost", port)


async def test_no_host_at_all_is_told() -> None:
    with pytest.raises(ConfigurationError, match="name one"):
        await listen([], 0)


class Machine:
    """A machine with an IPv4 and an IPv6 loopback address, where binding may fail as told."""

    def __init__(self, **errors: list[int]) -> None:
        self._errors = {"127.0.0.1": errors.get("v4", []), "::1": errors.get("v6", [])}
        self.asked: list[tuple[str, int]] = []
        self.made: list[socket.socket] = []

    async def resolve(self, host: str, port: int) -> list[tuple[int, str]]:
        return [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]

    def bind(self, family: int, host: str, port: int) -> socket.socket:
        self.asked.append((host, port))
        code = self._errors[host].pop(0) if self._errors[host] else 0
        if code:
            raise OSError(code, "as told")
        sock = bind_address(socket.AF_INET, "127.0.0.1", 0)
        self.made.append(sock)
        return sock

    async def listen(self, port: int) -> list[socket.socket]:
        return await listen("localhost", port, resolve=self.resolve, bind=self.bind)


async def test_the_first_free_port_is_tried_on_the_other_addresses() -> None:
    machine = Machine()
    bound = await machine.listen(0)
    assert machine.asked == [("127.0.0.1", 0), ("::1", bound[0].getsockname()[1])]
    _close(bound)


@pytest.mark.parametrize("missing", [errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT])
async def test_an_address_this_machine_lacks_is_left_out(missing: int) -> None:
    machine = Machine(v6=[missing])
    bound = await machine.listen(8765)
    assert machine.asked == [("127.0.0.1", 8765), ("::1", bound[0].getsockname()[1])]
    assert bound == machine.made[:1]
    _close(bound)


async def test_another_port_is_tried_when_the_first_is_taken_on_another_address() -> None:
    machine = Machine(v6=[errno.EADDRINUSE, errno.EADDRINUSE])
    bound = await machine.listen(0)
    assert [host for host, _ in machine.asked] == ["127.0.0.1", "::1"] * 3
    assert [sock.fileno() for sock in machine.made[:2]] == [-1, -1]  # nothing was left open
    _close(bound)


async def test_ports_are_not_tried_for_ever() -> None:
    machine = Machine(v6=[errno.EADDRINUSE] * 1000)
    with pytest.raises(ConfigurationError, match="taken"):
        await machine.listen(0)
    assert all(sock.fileno() == -1 for sock in machine.made)


async def test_a_forbidden_port_is_told_with_its_remedy() -> None:
    with pytest.raises(ConfigurationError, match="choose a port above 1023"):
        await Machine(v4=[errno.EACCES]).listen(80)


async def test_an_ipv6_socket_takes_ipv6_only() -> None:
    try:
        sock = bind_address(socket.AF_INET6, "::1", 0)
    except OSError as error:
        problem = error.errno  # this machine has no IPv6
    else:
        problem = 0
        assert sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1
        sock.close()
    assert problem in (0, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
