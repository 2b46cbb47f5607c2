"""The client against real servers: over sockets, with credentials, across restarts and deaths."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from attrs import define

from zephyrus_exec import ExecutionEngine, Json, RunContext, serve
from zephyrus_exec.access import (
    Token,
    TokenAuthenticator,
    TokenFile,
    append_token,
    digest,
    new_token,
)
from zephyrus_exec.client import Client, Status, connect
from zephyrus_exec.errors import (
    AgentNotFound,
    ConfigurationError,
    IdempotencyConflict,
    NotSupported,
    TransportBroken,
    Unauthenticated,
)
from zephyrus_exec.interfaces.transport import Transport
from zephyrus_exec.protocol.connection import MAX_REPLY_BYTES
from zephyrus_exec.protocol.v2.messages import ExecutionCompleted
from zephyrus_exec.testing.transports import soon
from zephyrus_exec.transports.connection import ChannelLimits
from zephyrus_exec.transports.memory import MemoryListener
from zephyrus_exec.transports.websocket import connect_websocket

from .peers import Held, engine_of, noop
from .processes import host


async def count(context: RunContext) -> Json:
    """Emit as many events as it is given."""
    assert isinstance(context.input, int)
    for number in range(context.input):
        await context.emit({"number": number})
    return context.input


@asynccontextmanager
async def serving(engine: ExecutionEngine | None = None) -> AsyncIterator[str]:
    engine = engine or engine_of({"noop": noop, "count": count})
    async with serve(engine, host="127.0.0.1", port=0, drain_timeout=1) as service:
        yield service.addresses[0]


# --- one server ----------------------------------------------------------------------------------


async def test_executions_are_started_watched_found_and_listed() -> None:
    async with serving() as url, connect(url) as client:
        execution = client.execute("count", input=3, idempotency_key="k")
        seen = [event async for event in execution]
        assert [event.seq for event in seen] == list(range(1, len(seen) + 1))
        assert isinstance(seen[-1], ExecutionCompleted)
        assert seen[-1].data.success
        again = client.execute("count", input=3, idempotency_key="k")
        assert await soon(again.started()) == execution.id
        assert [event async for event in again] == seen
        assert again.replayed
        with pytest.raises(IdempotencyConflict):
            await soon(client.execute("noop", idempotency_key="k").result())
        assert execution.id is not None
        assert [event async for event in client.watch(execution.id, after=2)] == seen[2:]
        view = await client.get_execution(execution.id)
        assert (view.status, view.outcome, view.head_seq) == ("completed", "succeeded", len(seen))
        page = await client.list_executions()
        assert [one.execution_id for one in page.executions] == [execution.id]
        with pytest.raises(AgentNotFound):
            await soon(client.execute("nobody").result())


async def test_many_executions_run_at_once_on_one_connection() -> None:
    async with serving() as url, connect(url) as client:
        executions = [client.execute("count", input=20) for _ in range(100)]
        ends = await soon(asyncio.gather(*(one.result() for one in executions)))
        assert len({end.execution_id for end in ends}) == 100
        assert all(end.data.success for end in ends)


async def test_an_execution_is_cancelled() -> None:
    held = Held()
    async with serving(engine_of({"held": held})) as url, connect(url) as client:
        execution = client.execute("held")
        await soon(held.began.wait())
        assert await soon(execution.cancel("enough")) == "requested"
        assert (await soon(execution.result())).data.outcome == "cancelled"
        assert await soon(execution.cancel()) == "already_terminal"


async def test_a_slow_reader_gets_everything_from_a_fast_execution() -> None:
    engine = engine_of({"count": count})
    listener = MemoryListener()

    async def dial(_: str | None) -> Transport:
        return await listener.connect()

    async with serve(engine, listener=listener):
        client = Client(dial, room=10)
        await soon(client.open())
        execution = client.execute("count", input=500)
        seqs = []
        async for event in execution:
            seqs.append(event.seq)
            await asyncio.sleep(0)
        assert seqs == list(range(1, 504))
        await client.aclose()


async def test_the_end_of_a_long_execution_is_waited_for_before_its_events_are_read() -> None:
    async with serving() as url, connect(url) as client:
        execution = client.execute("count", input=3000)
        last = await soon(execution.result())
        assert last.seq == 3003
        assert [event.seq async for event in execution] == list(range(1, 3004))


async def test_v1_is_spoken_where_v2_is_not_offered() -> None:
    async with serving() as url, connect(url, offer_v2=False) as client:
        assert client.version == 1
        first, last = [event async for event in client.execute("noop")]
        assert isinstance(last, ExecutionCompleted)
        assert last.data.success
        assert first.seq < last.seq
        with pytest.raises(NotSupported):
            client.watch("x")


async def test_where_there_is_no_server_that_is_said_at_once() -> None:
    async with serving() as url:
        pass
    with pytest.raises(TransportBroken, match="cannot connect"):
        async with connect(url):
            pass
    with pytest.raises(ConfigurationError):
        async with connect("http://localhost"):
            pass


# --- credentials ---------------------------------------------------------------------------------

ANA, READER = new_token(), new_token()


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[str]:
    """A server that takes nobody without a token."""
    file = tmp_path / "tokens.json"
    file.touch()
    for name, token, scopes in (("ana", ANA, {"execute", "watch"}), ("reader", READER, {"watch"})):
        append_token(file, Token(name, digest(token), name, frozenset(scopes)))
    engine = engine_of({"noop": noop})
    authenticator = TokenAuthenticator(engine.clock, file=TokenFile(file), anonymous=None)
    async with serve(engine, host="127.0.0.1", port=0, authenticator=authenticator) as service:
        yield service.addresses[0]


async def test_a_token_says_who_asks(guarded: str) -> None:
    async with connect(guarded, token=ANA) as client:
        execution_id = await soon(client.execute("noop").started())
        assert (await client.get_execution(execution_id)).principal == "ana"
        assert [one.principal for one in (await client.list_executions()).executions] == ["ana"]
    async with connect(guarded, token=lambda: READER) as client:
        with pytest.raises(AgentNotFound):
            await soon(client.execute("noop").started())


@pytest.mark.parametrize("token", [None, new_token()])
@pytest.mark.parametrize("offer_v2", [True, False])
async def test_nobody_else_gets_in(guarded: str, token: str | None, offer_v2: bool) -> None:
    with pytest.raises(Unauthenticated):
        async with connect(guarded, token=token, offer_v2=offer_v2, patient=True):
            pass


# --- restarts ------------------------------------------------------------------------------------


@define(eq=False)
class Moving:
    """A server that comes back elsewhere, and a client that finds it."""

    url: str = ""

    async def dial(self, _: str | None) -> Transport:
        limits = ChannelLimits(max_message_bytes=MAX_REPLY_BYTES)
        return await connect_websocket(self.url, limits=limits)


@pytest.mark.slow
async def test_a_restart_in_good_order_is_not_noticed(tmp_path: Path) -> None:
    moving, statuses = Moving(), list[Status]()
    async with host(tmp_path / "journal.db", lease=1.0, drain=0.5) as first:
        moving.url = first.url
        client = Client(moving.dial, on_status=statuses.append)
        await soon(client.open())
        execution = client.execute("walk")
        seqs = [(await soon(anext(execution))).seq for _ in range(5)]
        async with host(tmp_path / "journal.db", lease=1.0) as second:
            moving.url = second.url
            first.terminate()
            seqs += [event.seq async for event in execution]
        assert seqs == list(range(1, len(seqs) + 1))
        assert (await execution.result()).data.execution_count == 30
        assert any(one.kind == "waiting" for one in statuses)
        await client.aclose()


@pytest.mark.slow
async def test_a_server_that_is_killed_five_times_is_not_noticed(tmp_path: Path) -> None:
    moving = Moving()
    client = Client(moving.dial, random=lambda: 0.1)
    deaths = itertools.chain([1, 7, 20, 33, 45], itertools.repeat(10**6))
    seqs: list[int] = []
    for death in deaths:
        async with host(tmp_path / "journal.db", lease=1.0) as server:
            moving.url = server.url
            if not seqs:
                await soon(client.open())
                execution = client.execute("walk")
            async for event in execution:
                seqs.append(event.seq)
                if event.seq >= death:
                    server.kill()
                    break
            else:
                break
    assert seqs == list(range(1, len(seqs) + 1))
    last = await soon(execution.result())
    assert (last.data.outcome, last.data.execution_count) == ("succeeded", 30)
    await client.aclose()
