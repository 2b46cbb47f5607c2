"""Places to listen on: what goes wrong with Unix sockets."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from zephyrus_exec.errors import ConfigurationError
from zephyrus_exec.transports.endpoints import UnixEndpoint

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix sockets here")


async def test_a_path_that_is_too_long_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="choose another path"):
        await UnixEndpoint(tmp_path / ("x" * 200), 0o600).bind()
    with pytest.raises(ConfigurationError, match="choose another path"):
        await UnixEndpoint(tmp_path / "no folder" / "x", 0o600).bind()


async def test_a_system_without_them_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(socket, "AF_UNIX")
    with pytest.raises(ConfigurationError, match="has no Unix sockets"):
        await UnixEndpoint(tmp_path / "x", 0o600).bind()


async def test_what_has_its_place_by_now_is_left(tmp_path: Path) -> None:
    path = tmp_path / "x"
    endpoint = UnixEndpoint(path, 0o600)
    (sock,) = await endpoint.bind()
    sock.close()
    other = tmp_path / "other"
    other.write_text("somebody else's")
    other.replace(path)
    endpoint.leave()
    assert path.read_text() == "somebody else's"


async def test_it_is_removed_once(tmp_path: Path) -> None:
    path = tmp_path / "x"
    endpoint = UnixEndpoint(path, 0o600)
    (sock,) = await endpoint.bind()
    sock.close()
    endpoint.leave()
    assert not path.exists()
    path.write_text("new")
    endpoint.leave()
    assert path.exists()
