"""Every golden transcript, byte for byte, on every transport, against the real engine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeAlias

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.golden import RUNNERS, Expected, Sent, Transcript, golden_agents, transcripts
from zephyrus_exec import ExecutionEngine, MemoryRepository, MemoryStore, serve
from zephyrus_exec.interfaces.transport import Frame
from zephyrus_exec.protocol.texts import TEXTS
from zephyrus_exec.protocol.wording import Language
from zephyrus_exec.testing.transports import soon

from .peers import Peer, peer_of, rejected

TRANSCRIPTS = transcripts()


class GoldenClient(ABC):
    """Somebody who sends frames and reads replies."""

    @abstractmethod
    async def send(self, frame: Frame) -> None: ...

    @abstractmethod
    async def next(self) -> Frame: ...


class MemoryClient(GoldenClient):
    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    async def send(self, frame: Frame) -> None:
        await self._peer.send(frame)

    async def next(self) -> Frame:
        return await self._peer.next()


class WebSocketClient(GoldenClient):
    """The client of the `websockets` library, as it is without any setting."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, frame: Frame) -> None:
        await self._connection.send(frame)

    async def next(self) -> Frame:
        return await soon(self._connection.recv())


def golden_engine() -> ExecutionEngine:
    repository = MemoryRepository(golden_agents())
    return ExecutionEngine(
        agents=repository, contracts=repository, store=MemoryStore(), runners=RUNNERS
    )


@asynccontextmanager
async def over_memory(language: Language) -> AsyncIterator[GoldenClient]:
    async with golden_engine() as engine, peer_of(engine, language=language) as peer:
        yield MemoryClient(peer)


@asynccontextmanager
async def over_websocket(language: Language) -> AsyncIterator[GoldenClient]:
    async with (
        serve(golden_engine(), host="127.0.0.1", port=0, language=language) as service,
        connect(service.addresses[0]) as connection,
    ):
        yield WebSocketClient(connection)


Connect: TypeAlias = Callable[[Language], AbstractAsyncContextManager[GoldenClient]]


async def play(transcript: Transcript, client: GoldenClient) -> None:
    """Say what the transcript says, and compare what comes; at the end nothing more may come."""
    for number, line in enumerate(transcript.lines):
        match line:
            case Sent(frame):
                await client.send(frame)
            case Expected(frame):
                assert await client.next() == frame, f"frame {number} of {transcript.name}"
    await client.send("[]")
    assert await client.next() == rejected(TEXTS[transcript.language].invalid_json)


@pytest.mark.parametrize("over", [over_memory, over_websocket], ids=["memory", "websocket"])
@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=lambda transcript: transcript.name)
async def test_a_golden_transcript_is_reproduced_byte_for_byte(
    transcript: Transcript, over: Connect
) -> None:
    async with over(transcript.language) as client:
        await play(transcript, client)


async def test_every_kind_of_reply_has_a_transcript() -> None:
    """A loader that finds nothing would pass everything above."""
    expected = [
        line.frame for one in TRANSCRIPTS for line in one.lines if isinstance(line, Expected)
    ]
    for part in ('"status":"started"', '"execution_count":2', '"results":[]', '"success":false'):
        assert any(part in frame for frame in expected), part
    assert any(frame.startswith('{"type":"error"') for frame in expected)
    assert {one.language for one in TRANSCRIPTS} == set(TEXTS)
