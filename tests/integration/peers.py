"""A peer of a session in memory, and the engine behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from attrs import define, field

from zephyrus_exec import (
    ANONYMOUS,
    Agent,
    Component,
    ExecutionEngine,
    ExecutionStore,
    Json,
    MemoryRepository,
    MemoryStore,
    Principal,
    RunContext,
    Runner,
    Service,
)
from zephyrus_exec.interfaces.transport import Frame
from zephyrus_exec.protocol.wording import Language
from zephyrus_exec.session import OnUnknown, SessionLimits
from zephyrus_exec.testing.transports import soon
from zephyrus_exec.transports.memory import MemoryTransport, memory_pair


async def noop(context: RunContext) -> Json:
    """Do nothing."""
    return None


@define(eq=False)
class Held:
    """A runner that says when it runs, and ends when it is told to."""

    runs: int = 0
    began: asyncio.Event = field(factory=asyncio.Event)
    release: asyncio.Event = field(factory=asyncio.Event)
    principals: list[Principal] = field(factory=list)

    async def __call__(self, context: RunContext, /) -> Json:
        self.runs += 1
        self.principals.append(context.principal)
        self.began.set()
        await self.release.wait()
        return None


def engine_of(
    runners: Mapping[str, Runner],
    *,
    agents: Iterable[Agent] = (),
    store: ExecutionStore | None = None,
    **options: Any,
) -> ExecutionEngine:
    """Return an engine with an agent per runner, of its name, and perhaps further agents."""
    named = [Agent(name, runner=Component(name), max_concurrent=1000) for name in runners]
    repository = MemoryRepository((*named, *agents))
    return ExecutionEngine(
        agents=repository,
        contracts=repository,
        store=store or MemoryStore(),
        runners=runners,
        **options,
    )


def execute(agent_id: str) -> str:
    """Return a request."""
    return f'{{"type":"execute","agent_id":"{agent_id}"}}'


def started(agent_id: str) -> str:
    """Return the Spanish reply that says an execution begins."""
    return (
        '{"type":"execution_response","data":{"success":true,"message":"Iniciando ejecución del '
        f'agente {agent_id}","status":"started"}}}}'
    )


def nothing_done(agent_id: str) -> str:
    """Return the Spanish reply of an execution without actions."""
    return (
        '{"type":"execution_response","data":{"success":true,"results":[],'
        f'"agent_id":"{agent_id}","execution_count":0,'
        '"message":"No se ejecutó ninguna acción durante el ciclo","status":"completed"}}'
    )


def failed(agent_id: str, error: str) -> str:
    """Return the reply of an execution that failed."""
    return (
        f'{{"type":"execution_response","data":{{"success":false,"error":"{error}",'
        f'"agent_id":"{agent_id}","status":"completed"}}}}'
    )


def rejected(message: str) -> str:
    """Return the reply to a frame that is no request."""
    return f'{{"type":"error","data":{{"message":"{message}"}}}}'


@define(eq=False)
class Peer:
    """The far end of a session."""

    transport: MemoryTransport
    serving: asyncio.Task[Any]
    """Ends with the session."""
    _read: list[Frame] = field(factory=list)

    async def send(self, *frames: Frame) -> None:
        """Send frames that arrive together."""
        await self.transport.send(frames)

    async def next(self) -> Frame:
        """Return the next frame of the server."""
        while not self._read:
            self._read += await soon(self.transport.receive())
        return self._read.pop(0)

    async def replies(self, count: int) -> list[Frame]:
        """Return the next frames of the server."""
        return [await self.next() for _ in range(count)]


@asynccontextmanager
async def peer_of(
    engine: ExecutionEngine,
    *,
    language: Language = "es",
    limits: SessionLimits | None = None,
    principal: Principal = ANONYMOUS,
    on_unknown: OnUnknown | None = None,
) -> AsyncIterator[Peer]:
    """Connect a peer to an engine that runs; on leaving it says farewell, if nobody did."""
    service = Service(engine, language=language, limits=limits, on_unknown=on_unknown)
    server, client = memory_pair()
    serving = asyncio.create_task(service.run(server, principal=principal))
    try:
        yield Peer(client, serving)
    finally:
        await client.aclose()
        await soon(serving)
