"""A server for a host's own tests: it stands still in time, and dies and comes back when told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from attrs import define, field

from ..engine.engine import ExecutionEngine
from ..engine.leases import OWNER
from ..engine.listing import read_all
from ..errors import TransportBroken, TransportError
from ..interfaces.repositories import AgentRepository, ContractRepository
from ..interfaces.runner import Runner
from ..interfaces.store import ExecutionStore
from ..interfaces.transport import Handshake
from ..model import ANONYMOUS, Agent, Component, Contract, Event, Principal
from ..protocol.messages import Reply
from ..protocol.wording import Language
from ..repositories.memory import MemoryRepository
from ..service import Service
from ..session import OnUnknown
from ..stores.memory import MemoryStore
from ..transports.memory import MemoryListener, MemoryTransport
from .clock import ManualClock
from .crash_points import CrashPoints, PointedStore
from .faulty_store import FaultyStore
from .transports import soon
from .v1 import V1Peer


@define(eq=False)
class _Process:
    """One life of the server: what is gone when it is killed."""

    engine: ExecutionEngine
    service: Service
    listener: MemoryListener
    disk: FaultyStore
    """Its way to the store, which can be cut."""
    points: CrashPoints
    known: int = 0
    """How many of its places belong to its start."""
    clients: list[MemoryTransport] = field(factory=list)
    dead: asyncio.Event = field(factory=asyncio.Event)

    def die(self) -> None:
        """End as `kill -9` does."""
        self.dead.set()
        self.disk.cut()
        self.engine.kill()
        for client in self.clients:
            client.abort()

    async def start(self) -> None:
        """Start, as far as it comes."""
        await self.listener.start(self.service.run)
        starting = asyncio.ensure_future(self.engine.start())
        dying = asyncio.ensure_future(self.dead.wait())
        await asyncio.wait({starting, dying}, return_when=asyncio.FIRST_COMPLETED)
        for task in (starting, dying):
            if not task.done():
                task.cancel()
        if not self.dead.is_set():
            await starting
        self.known = len(self.points.names)

    async def stop(self) -> None:
        """End in good order; what runs is left to the next process."""
        if not self.dead.is_set():
            await self.engine.aclose()
            await self.service.aclose()
        await self.listener.aclose()


class Running:
    """A server, its store and its time; made by `running`.

    Args:
        store: What outlives the server.
        clock: Its time.
        engine_options: For each engine.
        service_options: For each service.
    """

    def __init__(
        self,
        store: ExecutionStore,
        clock: ManualClock,
        *,
        engine_options: Mapping[str, Any],
        service_options: Mapping[str, Any],
    ) -> None:
        self.store = store
        """Where executions are journaled; the server may die, this stays."""
        self.clock = clock
        """Time passes only in `await clock.advance(seconds)`."""
        self._engine_options = engine_options
        self._service_options = service_options
        self._fatal: str | None = None
        self._process = self._new_process()

    @property
    def engine(self) -> ExecutionEngine:
        """The server's engine; another one after each `restart`."""
        return self._process.engine

    @property
    def crashed(self) -> bool:
        """Whether the server is dead; `restart` starts another one."""
        return self._process.dead.is_set()

    @property
    def points(self) -> tuple[str, ...]:
        """The places the server has come by since its start; `crash` can end it at each.

        There is one before and one after every commit to the journal, named by what that writes:
        `commit:action_finished#2:before` is when the second action was done and nobody knows.
        """
        return tuple(self._process.points.names[self._process.known :])

    async def connect(self, *, principal: Principal = ANONYMOUS) -> MemoryTransport:
        """Return a client's end of a new channel to the server.

        Args:
            principal: On whose behalf the client asks.

        Raises:
            TransportBroken: The server is dead.
        """
        if self.crashed:
            raise TransportBroken("the server is dead; `restart` starts another one")
        shown = Handshake(peer="running:", principal=principal)
        client = await self._process.listener.connect(handshake=shown)
        self._process.clients.append(client)
        return client

    async def v1_execute(self, agent_id: str, *, principal: Principal = ANONYMOUS) -> list[Reply]:
        """Ask for an execution as a client of protocol v1 does.

        Args:
            agent_id: Which agent.
            principal: On whose behalf.

        Returns:
            Every reply, up to the last one, or up to where the server died.

        Raises:
            TransportBroken: The server is dead already.
            TimeoutError: There was no last reply within ten seconds of the world's time.
        """
        client = await self.connect(principal=principal)
        replies: list[Reply] = []

        async def ask() -> None:
            nonlocal replies
            async for reply in V1Peer(client).execute(agent_id):
                replies += [reply]  # one by one: it may be cut off

        try:
            await soon(ask())
        except TransportError:
            if not self.crashed:
                raise
        finally:
            await client.aclose()
        return replies

    async def events(self, execution_id: str) -> list[Event]:
        """Return the journal of an execution as it is stored."""
        return await read_all(self.store, execution_id)

    def crash(self, *, at: str | None = None) -> None:
        """Kill the server: its store hears nothing more, its clients lose their connections.

        As agents share the test's process, theirs is cancelled and not wiped out: its `finally`
        blocks run, and the work of `context.action` goes on if it ignores cancellation.

        Args:
            at: One of `points`, to come by; null: now. Where the server is dead already, it is the
                next one that dies there.
        """
        if at is None:
            self._process.die()
        else:
            self._fatal = at

    async def restart(self) -> None:
        """Start another server on the store, and let time pass until it has taken everything up.

        One that has not crashed is stopped in good order before.

        Raises:
            AssertionError: It was to crash at a place that it never came by.
        """
        if not self.crashed:
            self.check()
        gone = self._process
        await gone.stop()
        self._process = self._new_process()
        await self._process.start()
        lease = gone.engine._leases.owner
        while not self.crashed and await self.store.get(OWNER, lease) is not None:
            await self.clock.advance(1.0)

    async def start(self) -> None:
        """Start the first server."""
        await self._process.start()

    async def aclose(self) -> None:
        """Kill the server, if it lives; what still runs is of no interest any more."""
        if not self.crashed:
            self._process.die()
        await self._process.stop()

    def check(self) -> None:
        """Return if every crash that was asked for has happened.

        Raises:
            AssertionError: The server never came by the place.
        """
        if self._fatal is not None:
            raise AssertionError(
                f"the server was to crash at {self._fatal!r}, and never came by there, but by:\n"
                + "\n".join(self.points)
            )

    def _new_process(self) -> _Process:
        disk = FaultyStore(self.store)
        points = CrashPoints(self._reached)
        store = PointedStore(disk, points)
        store.durable = True  # whatever it is: it outlives this server
        engine = ExecutionEngine(store=store, clock=self.clock, **self._engine_options)
        service = Service(engine, **self._service_options)
        return _Process(engine, service, MemoryListener("running"), disk, points)

    async def _reached(self, place: str) -> None:
        if place == self._fatal:
            self._fatal = None
            self._process.die()
        if self.crashed:
            await asyncio.Event().wait()


@asynccontextmanager
async def running(
    runners: Mapping[str, Runner] | None = None,
    *,
    agents: AgentRepository | Iterable[Agent] = (),
    contracts: ContractRepository | Iterable[Contract] = (),
    store: ExecutionStore | None = None,
    clock: ManualClock | None = None,
    language: Language = "es",
    on_unknown: OnUnknown | None = None,
    **engine_options: Any,
) -> AsyncIterator[Running]:
    """Run an engine and a service over memory, with a clock that stands still.

    Args:
        runners: By name. Where `agents` is no repository, each is also an agent of that name.
        agents: Where agents come from, or further agents.
        contracts: Where contracts come from, or these.
        store: Null: one in memory.
        clock: Null: a new one.
        language: Of the texts that clients get.
        on_unknown: As for `serve`.
        **engine_options: Whatever else `ExecutionEngine` takes: `planners`, `chains`, `signers` …

    Raises:
        AssertionError: On leaving: a crash was asked for that never happened.
    """
    named = {name: Agent(name, runner=Component(name)) for name in runners or {}}
    if not isinstance(agents, AgentRepository):
        named |= {agent.id: agent for agent in agents}
        agents = MemoryRepository(named.values())
    if not isinstance(contracts, ContractRepository):
        contracts = MemoryRepository((), contracts)
    host = Running(
        store or MemoryStore(),
        clock or ManualClock(),
        engine_options={
            "agents": agents,
            "contracts": contracts,
            "runners": runners,
            **engine_options,
        },
        service_options={"language": language, "on_unknown": on_unknown},
    )
    await host.start()
    try:
        yield host
        host.check()
    finally:
        await host.aclose()
