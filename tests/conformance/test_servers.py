"""Our own server keeps the promises of both versions of the protocol, over every channel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from tests.integration.peers import engine_of, noop
from zephyrus_exec import ExecutionStore, MemoryStore, RunContext, Service, SqliteStore
from zephyrus_exec.access import Anonymous, TokenAuthenticator, new_token
from zephyrus_exec.interfaces.transport import Listener, Transport, select_subprotocol
from zephyrus_exec.protocol.v2.messages import Heartbeat
from zephyrus_exec.session import SessionLimits
from zephyrus_exec.testing.conformance import (
    ServerConformance,
    V1ServerConformance,
    V2ServerConformance,
    connected,
)
from zephyrus_exec.transports.connection import ChannelLimits
from zephyrus_exec.transports.memory import MemoryListener
from zephyrus_exec.transports.websocket import WebSocketListener

TOKEN = new_token()
IMPATIENT = SessionLimits(
    max_message_bytes=100_000,
    max_pending=100,
    hello_timeout=1.0,
    heartbeat=Heartbeat(ping_after=0.3, lost_after=2.0),
)
"""What can be waited for in a test, and is not met by accident on a busy machine."""


async def slow(context: RunContext) -> None:
    """Tell five times that it goes on."""
    for number in range(5):
        await asyncio.sleep(0.02)
        await context.emit({"number": number})


@asynccontextmanager
async def served(listener: Listener, store: ExecutionStore) -> AsyncIterator[None]:
    """Run a server on this listener and store, which knows a token and takes anybody."""
    async with engine_of({"idle": noop, "slow": slow}, store=store) as engine:
        access = TokenAuthenticator(engine.clock, operator_token=TOKEN, anonymous=Anonymous.ANYBODY)
        service = Service(engine, limits=IMPATIENT, authenticator=access)
        await service.listen(listener)
        yield
        await service.aclose()


class Ours(ServerConformance):
    agent_id = "idle"
    token = TOKEN
    slow_agent_id = "slow"
    thorough = True
    closed = True


class OverMemory(Ours):
    @pytest.fixture(autouse=True)
    async def server(self) -> AsyncIterator[None]:
        self.listener = MemoryListener(select_subprotocol=select_subprotocol)
        async with served(self.listener, MemoryStore()):
            yield

    def connect(self, subprotocols: Sequence[str] = ()) -> AbstractAsyncContextManager[Transport]:
        return self._connected(subprotocols)

    connect_unknown = connect

    @asynccontextmanager
    async def _connected(self, subprotocols: Sequence[str]) -> AsyncIterator[Transport]:
        transport = await self.listener.connect(subprotocols=subprotocols)
        yield transport
        await transport.aclose()


class OverWebSocket(Ours):
    async def open_store(self, place: Path) -> ExecutionStore:
        return MemoryStore()

    @pytest.fixture(autouse=True)
    async def server(self, tmp_path: Path) -> AsyncIterator[None]:
        listener = WebSocketListener(
            host="127.0.0.1",
            port=0,
            select_subprotocol=select_subprotocol,
            limits=ChannelLimits(max_message_bytes=IMPATIENT.max_message_bytes),
        )
        async with served(listener, await self.open_store(tmp_path)):
            (self.url,) = listener.addresses
            yield

    def connect(self, subprotocols: Sequence[str] = ()) -> AbstractAsyncContextManager[Transport]:
        return connected(self.url, subprotocols)

    connect_unknown = connect


class TestV1OverMemory(OverMemory, V1ServerConformance):
    pass


class TestV1OverWebSocket(OverWebSocket, V1ServerConformance):
    pass


class TestV2OverMemory(OverMemory, V2ServerConformance):
    pass


class TestV2OverWebSocket(OverWebSocket, V2ServerConformance):
    pass


@pytest.mark.slow
class TestV2OnSqlite(OverWebSocket, V2ServerConformance):
    async def open_store(self, place: Path) -> ExecutionStore:
        return await SqliteStore.open(place / "journal.db")
