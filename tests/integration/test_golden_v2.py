"""Every transcript of v2, on every transport, against the real engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeAlias

import pytest

from tests.golden.exchanges import V2_RUNNERS, Exchange, Names, exchanges, v2_agents
from zephyrus_exec import ExecutionEngine, MemoryRepository, MemoryStore, serve
from zephyrus_exec.errors import TransportClosedByPeer
from zephyrus_exec.interfaces.transport import Frame, Transport
from zephyrus_exec.protocol import Language
from zephyrus_exec.protocol.v2.messages import CLIENT_MESSAGES, SERVER_MESSAGES
from zephyrus_exec.testing.clock import ManualClock
from zephyrus_exec.testing.frames import decoded, reply_name
from zephyrus_exec.testing.transports import end_of, soon
from zephyrus_exec.transports.memory import MemoryListener
from zephyrus_exec.transports.websocket import connect_websocket

EXCHANGES = exchanges()
Connect: TypeAlias = Callable[[], AbstractAsyncContextManager[Transport]]
Serve: TypeAlias = Callable[[Language], AbstractAsyncContextManager[Connect]]


def golden_engine() -> ExecutionEngine:
    repository = MemoryRepository(v2_agents())
    return ExecutionEngine(
        agents=repository,
        contracts=repository,
        store=MemoryStore(),
        runners=V2_RUNNERS,
        clock=ManualClock(),
    )


@asynccontextmanager
async def over_memory(language: Language) -> AsyncIterator[Connect]:
    listener = MemoryListener()

    @asynccontextmanager
    async def connected() -> AsyncIterator[Transport]:
        transport = await listener.connect()
        yield transport
        await transport.aclose()

    async with serve(golden_engine(), listener=listener, language=language):
        yield connected


@asynccontextmanager
async def over_websocket(language: Language) -> AsyncIterator[Connect]:
    async with serve(golden_engine(), host="127.0.0.1", port=0, language=language) as service:

        @asynccontextmanager
        async def connected() -> AsyncIterator[Transport]:
            transport = await connect_websocket(service.addresses[0])
            yield transport
            await transport.aclose()

        yield connected


class Reader:
    """Takes frames one by one."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self._frames: list[Frame] = []

    async def next(self) -> str:
        while not self._frames:
            self._frames += await soon(self.transport.receive())
        frame = self._frames.pop(0)
        assert isinstance(frame, str)
        return frame


async def play(exchange: Exchange, connect: Connect) -> None:
    """Say what the transcript says, and compare what comes; at the end nothing more may come."""
    names, lines = Names(), list(exchange.lines)
    while lines:
        async with connect() as transport:
            reader = Reader(transport)
            while lines and (line := lines.pop(0)).mark != "--":
                if line.mark == ">":
                    await transport.send([names.fill(line.text)])
                elif line.mark == "<":
                    frame = await reader.next()
                    assert names.match(line.text, frame), f"{frame}\nis not\n{line.text}"
                else:
                    end = await end_of(transport)
                    assert isinstance(end, TransportClosedByPeer)
                    assert f"{end.details['close_code']} {end.details['reason']}" == line.text
                    break
            else:
                await transport.send(["[]"])
                assert decoded(await reader.next())["type"] == "error"


@pytest.mark.parametrize("over", [over_memory, over_websocket], ids=["memory", "websocket"])
@pytest.mark.parametrize("exchange", EXCHANGES, ids=lambda exchange: exchange.name)
async def test_a_transcript_of_v2_is_reproduced_byte_for_byte(
    exchange: Exchange, over: Serve
) -> None:
    async with over(exchange.language) as connect:
        await play(exchange, connect)


NOT_HERE = {"Ping", "Pong", "GoAway", "Auth", "AuthAck", "AuthExpiring", "EffectEvent"}
"""What needs time, a credential or a chain."""


def test_every_message_has_its_place_in_a_transcript() -> None:
    """A loader that finds nothing would pass everything above."""
    lines = [line for one in EXCHANGES for line in one.lines]
    said = {decoded(line.text)["type"] for line in lines if line.text.startswith('{"type":')}
    told = {reply_name(decoded(line.text), 2) for line in lines if line.mark == "<"}
    assert {kind.type for kind in CLIENT_MESSAGES if kind.__name__ not in NOT_HERE} <= said
    assert {kind.__name__ for kind in SERVER_MESSAGES} - NOT_HERE <= told
    assert any(line.mark == "<!" for line in lines)
