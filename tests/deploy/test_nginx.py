"""A server behind nginx, with the block that the documentation ships."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from zephyrus_exec import (
    Agent,
    Component,
    ExecutionEngine,
    MemoryRepository,
    MemoryStore,
    RunContext,
    Runner,
    Service,
)
from zephyrus_exec.errors import TransportError
from zephyrus_exec.interfaces.transport import Handshake, Transport
from zephyrus_exec.model import Principal
from zephyrus_exec.protocol.messages import Completed, Started
from zephyrus_exec.testing.v1 import V1Peer
from zephyrus_exec.transports.connection import ChannelLimits
from zephyrus_exec.transports.websocket import WebSocketListener, connect_websocket

from .nginx import BLOCK, nginx, trusting

PATH = "/ws/agent/8191feef-546d-46a8-a26f-b92073882f5c"


class Curious(Service):
    """A service that remembers what it was told of its peers."""

    seen: list[Handshake]

    async def run(self, transport: Transport, *, principal: Principal | None = None) -> None:
        self.seen.append(transport.handshake)
        await super().run(transport, principal=principal)


@asynccontextmanager
async def server(work: Runner, **limits: Any) -> AsyncIterator[tuple[str, Curious]]:
    """Run a server with one agent, `a`; give HOST:PORT, and the service."""
    agents = MemoryRepository([Agent("a", runner=Component("work"))])
    engine = ExecutionEngine(
        agents=agents, contracts=agents, store=MemoryStore(), runners={"work": work}
    )
    async with engine:
        service = Curious(engine)
        service.seen = []
        await service.listen(
            WebSocketListener(
                host="127.0.0.1",
                port=0,
                respond=service.respond,
                limits=ChannelLimits(**limits),
            )
        )
        try:
            yield service.addresses[0].removeprefix("ws://"), service
        finally:
            await service.aclose()


@asynccontextmanager
async def client(url: str, **options: Any) -> AsyncIterator[V1Peer]:
    transport = await connect_websocket(url, ssl_context=trusting(), **options)
    try:
        yield V1Peer(transport)
    finally:
        await transport.aclose()


async def quick(_: RunContext) -> str:
    return "done"


async def slow(_: RunContext) -> str:
    await asyncio.sleep(4)
    return "done"


async def test_an_agent_is_executed_by_the_path_of_the_original_service(tmp_path: Path) -> None:
    async with server(quick) as (upstream, service), nginx(tmp_path, upstream) as url:
        async with client(url + PATH) as peer:
            replies = [reply async for reply in peer.execute("a")]
        assert [type(reply) for reply in replies] == [Started, Completed]
        assert service.seen[0].path == PATH


async def test_the_server_learns_who_came_and_not_what_they_claim(tmp_path: Path) -> None:
    claims = {
        "X-Forwarded-For": "6.6.6.6",
        "X-Forwarded-Proto": "gopher",
        "X-Forwarded-Host": "evil.example",
        "Forwarded": "for=6.6.6.6",
    }
    async with server(quick) as (upstream, service), nginx(tmp_path, upstream) as url:
        async with client(url, headers=claims) as peer:
            assert [reply async for reply in peer.execute("a")]
        headers = service.seen[0].headers
    told = {name: value for name, value in headers.items() if "forwarded" in name}
    assert told == {
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-proto": "https",
        "x-forwarded-host": "localhost",
    }
    assert headers["host"].startswith("127.0.0.1")


async def test_plain_requests_pass_and_details_stay_on_the_machine(tmp_path: Path) -> None:
    def get(url: str) -> bytes:
        with urlopen(url, context=trusting(), timeout=10) as answer:
            body: bytes = answer.read()
            return body

    async with server(quick) as (upstream, _), nginx(tmp_path, upstream) as url:
        place = url.replace("wss://", "https://")
        assert b"alive" in await asyncio.to_thread(get, f"{place}/healthz")
        details = json.loads(await asyncio.to_thread(get, f"{place}/readyz"))
        assert details["status"] == "ready"
        with pytest.raises(HTTPError, match="404"):
            await asyncio.to_thread(get, f"{place}/elsewhere")
    block = (tmp_path / "zephyrus-exec.conf").read_text(encoding="utf-8")
    assert "deny all;" in block.partition("location = /readyz")[2]


@pytest.mark.slow
async def test_keepalive_carries_a_long_execution_past_the_proxy_s_patience(
    tmp_path: Path,
) -> None:
    async with (
        server(slow, ping_interval=0.5, ping_timeout=0.5) as (upstream, _),
        nginx(tmp_path, upstream, quiet="2s") as url,
        client(url) as peer,
    ):
        replies = [reply async for reply in peer.execute("a")]
    assert isinstance(replies[-1], Completed)


@pytest.mark.slow
async def test_without_keepalive_the_proxy_would_have_cut_it(tmp_path: Path) -> None:
    async with (
        server(slow, ping_interval=None) as (upstream, _),
        nginx(tmp_path, upstream, quiet="2s") as url,
        client(url, limits=ChannelLimits(ping_interval=None)) as peer,
    ):
        with pytest.raises(TransportError):
            _ = [reply async for reply in peer.execute("a")]


def test_the_shipped_time_out_is_longer_than_two_keepalives() -> None:
    limits = ChannelLimits()
    assert limits.ping_interval is not None
    text = BLOCK.read_text(encoding="utf-8")
    assert "proxy_read_timeout 75s;" in text
    assert limits.ping_interval + limits.ping_timeout + 20 < 75
