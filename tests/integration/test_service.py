"""Services inside a host's own loop: listening, health, several on one engine, the end."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from attrs import frozen

from zephyrus_exec import ExecutionEngine, Json, Outcome, Principal, RunContext, Service, serve
from zephyrus_exec.conversion import MAX_DEPTH
from zephyrus_exec.engine.records import Lane, LaneStatus
from zephyrus_exec.errors import (
    ChainUnavailable,
    ConfigurationError,
    RemoteProtocolError,
    TransportBroken,
    TransportClosedByPeer,
)
from zephyrus_exec.protocol.messages import Completed, Failed, Rejected, Reply, Started
from zephyrus_exec.stores.memory import MemoryStore
from zephyrus_exec.testing.chain import ModelChain
from zephyrus_exec.testing.clock import settle
from zephyrus_exec.testing.faulty_store import FaultyStore
from zephyrus_exec.testing.transports import end_of, soon
from zephyrus_exec.testing.v1 import connect_v1
from zephyrus_exec.transports.memory import MemoryListener, memory_pair

from .peers import Held, Peer, engine_of, execute, failed, noop, nothing_done, started
from .raw_websocket import HANDSHAKE, request

LOOPBACK: dict[str, Any] = {"host": "127.0.0.1", "port": 0}
DRAINING = "El servidor se está deteniendo: no se ejecutó nada; inténtelo más tarde"


@frozen
class Answer:
    """An HTTP response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def http(url: str, target: str = "/", *, method: str = "GET") -> Answer:
    """Ask over a plain socket, as a load balancer does."""
    host, _, port = url.removeprefix("ws://").rpartition(":")
    reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    writer.write(f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    head, _, body = (await soon(reader.read())).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return Answer(int(status.split()[1]), headers, body)


async def ask(url: str, agent_id: str) -> list[Reply]:
    async with connect_v1(url) as client:
        return [reply async for reply in client.execute(agent_id)]


# --- the engine's life ---------------------------------------------------------------------------


async def test_an_engine_that_does_not_run_is_started_and_closed() -> None:
    engine = engine_of({"noop": noop})
    async with serve(engine, **LOOPBACK) as service:
        assert engine.running
        assert await ask(service.addresses[0], "noop") == [Started("noop"), Completed("noop")]
    assert not engine.running


async def test_a_hosts_running_engine_is_left_running() -> None:
    async with engine_of({"noop": noop}) as engine:
        async with serve(engine, **LOOPBACK) as service:
            assert await ask(service.addresses[0], "noop") == [Started("noop"), Completed("noop")]
        assert engine.running


async def test_two_services_share_one_engine() -> None:
    held = Held()
    async with (
        engine_of({"held": held}, max_running=1, max_queued=0) as engine,
        serve(engine, **LOOPBACK) as spanish,
        serve(engine, language="en", **LOOPBACK) as english,
    ):
        first = asyncio.create_task(ask(spanish.addresses[0], "held"))
        await soon(held.began.wait())
        refused = await ask(english.addresses[0], "held")
        assert refused[-1] == Failed(
            "held", "Server overloaded: nothing was executed; try again later"
        )
        held.release.set()
        assert await soon(first) == [Started("held"), Completed("held")]


async def test_a_service_that_ends_leaves_a_hosts_engine_open_for_others() -> None:
    async with engine_of({"noop": noop}) as engine, serve(engine, **LOOPBACK) as lasting:
        async with serve(engine, **LOOPBACK):
            pass
        assert await ask(lasting.addresses[0], "noop") == [Started("noop"), Completed("noop")]


async def test_leaving_ends_what_does_not_end_in_time_and_every_client_is_told() -> None:
    held = Held()
    engine = engine_of({"held": held})
    async with serve(engine, drain_timeout=0.05, **LOOPBACK) as service:
        asking = asyncio.create_task(ask(service.addresses[0], "held"))
        await soon(held.began.wait())
    first, last = await soon(asking)
    assert first == Started("held")
    assert last == Failed(
        "held", "Ejecución interrumpida: el servidor que la llevaba se detuvo antes de terminarla"
    )


async def test_leaving_does_not_wait_long_for_a_peer_that_answers_no_farewell() -> None:
    loop = asyncio.get_running_loop()
    async with serve(engine_of({}), drain_timeout=0.1, **LOOPBACK) as service:
        host, _, port = service.addresses[0].removeprefix("ws://").rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(request(HANDSHAKE))
        await soon(reader.readuntil(b"\r\n\r\n"))
        asked = loop.time()
    assert loop.time() - asked < 3  # without a bound of its own: 10
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def test_leaving_waits_for_what_ends_in_time() -> None:
    held = Held()
    engine = engine_of({"held": held})
    async with serve(engine, drain_timeout=10.0, **LOOPBACK) as service:
        asking = asyncio.create_task(ask(service.addresses[0], "held"))
        await soon(held.began.wait())
        asyncio.get_running_loop().call_later(0.05, held.release.set)
    assert await soon(asking) == [Started("held"), Completed("held")]


async def test_an_error_in_the_hosts_block_closes_everything_too() -> None:
    engine = engine_of({"noop": noop})
    urls: list[str] = []

    async def host() -> None:
        async with serve(engine, **LOOPBACK) as service:
            urls.extend(service.addresses)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await host()
    assert not engine.running
    with pytest.raises(TransportBroken):
        await ask(urls[0], "noop")


# --- listening -----------------------------------------------------------------------------------


async def test_port_0_is_a_free_port_the_same_on_every_address() -> None:
    async with serve(engine_of({}), host=["127.0.0.1", "127.0.0.2"], port=0) as service:
        first, second = service.addresses
        port = first.rpartition(":")[2]
        assert (first, second) == (f"ws://127.0.0.1:{port}", f"ws://127.0.0.2:{port}")
        assert int(port) > 0
        assert [(await http(url)).status for url in service.addresses] == [200, 200]


async def test_a_taken_port_is_a_configuration_error_and_leaves_nothing_behind() -> None:
    engine = engine_of({})
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ConfigurationError, match=str(port)):
            async with serve(engine, host="127.0.0.1", port=port):
                pass
    assert not engine.running


async def test_a_taken_port_leaves_a_hosts_engine_running() -> None:
    async with engine_of({}) as engine:
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            with pytest.raises(ConfigurationError):
                async with serve(engine, host="127.0.0.1", port=other.getsockname()[1]):
                    pass
        assert engine.running


async def test_a_host_may_bring_another_source_of_peers() -> None:
    listener = MemoryListener("test")
    async with serve(engine_of({"noop": noop}), listener=lambda _: listener) as service:
        assert service.addresses == ("memory:test",)
        client = await listener.connect()
        await client.send([execute("noop")])
        peer = Peer(client, asyncio.create_task(asyncio.sleep(0)))
        assert await peer.replies(2) == [started("noop"), nothing_done("noop")]


async def test_the_limits_of_messages_and_connections_hold() -> None:
    engine = engine_of({"noop": noop})
    async with (
        serve(
            engine, max_message_bytes=200, max_message_depth=1, max_connections=1, **LOOPBACK
        ) as service,
        connect_v1(service.addresses[0]) as client,
    ):
        assert [r async for r in client.execute("noop")][-1] == Completed("noop")
        with pytest.raises(Exception, match="503"):
            await ask(service.addresses[0], "noop")
        assert service.sessions == 1
        with pytest.raises(TransportClosedByPeer) as too_big:
            [r async for r in client.execute("n" * 200)]
        assert too_big.value.details["close_code"] == 1009


# --- plain HTTP ----------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["/", "/health", "/healthz", "/health?from=balancer"])
async def test_the_health_pages_say_that_the_process_is_alive(target: str) -> None:
    async with serve(engine_of({}), **LOOPBACK) as service:
        answer = await http(service.addresses[0], target)
        head = await http(service.addresses[0], target, method="HEAD")
    assert (answer.status, head.status) == (200, 200)
    assert answer.body
    assert head.body == b""
    assert head.headers["content-length"] == str(len(answer.body))


@pytest.mark.parametrize("target", ["/metrics", "/healthy", "/readyz/", "//", "/../health"])
async def test_other_pages_do_not_exist(target: str) -> None:
    async with serve(engine_of({}), **LOOPBACK) as service:
        assert (await http(service.addresses[0], target)).status == 404
        assert (await http(service.addresses[0], target, method="HEAD")).status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_other_methods_are_not_allowed(method: str) -> None:
    async with serve(engine_of({}), **LOOPBACK) as service:
        answer = await http(service.addresses[0], "/health", method=method)
    assert (answer.status, answer.headers["allow"]) == (405, "get, head")


async def test_a_service_that_can_work_is_ready() -> None:
    held = Held()
    async with serve(engine_of({"held": held}), **LOOPBACK) as service:
        asking = asyncio.create_task(ask(service.addresses[0], "held"))
        await soon(held.began.wait())
        answer = await http(service.addresses[0], "/readyz")
        held.release.set()
        await soon(asking)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json == {
        "status": "ready",
        "draining": False,
        "store": "ok",
        "halted_lanes": [],
        "low_balances": [],
        "chains": {},
        "running": 1,
        "queued": 0,
    }


async def test_a_store_that_cannot_write_is_not_ready() -> None:
    store = FaultyStore(MemoryStore())
    async with serve(engine_of({}, store=store), **LOOPBACK) as service:
        store.writable = False
        answer = await http(service.addresses[0], "/readyz")
        alive = await http(service.addresses[0], "/healthz")
        store.writable = True
        again = await http(service.addresses[0], "/readyz")
    assert (answer.status, alive.status, again.status) == (503, 200, 200)
    assert (answer.json["status"], answer.json["store"]) == ("unavailable", "store_unavailable")


async def test_a_service_that_drains_is_not_ready() -> None:
    async with engine_of({}) as engine, serve(engine, **LOOPBACK) as service:
        assert await engine.drain()
        answer = await http(service.addresses[0], "/readyz")
    assert (answer.status, answer.json["draining"]) == (503, True)


async def test_a_chain_that_does_not_answer_is_degraded_but_ready() -> None:
    async def dead(method: str) -> None:
        raise ChainUnavailable("https://user:password@node.example is down", chain_id=1)

    chain = ModelChain(1)
    chain.before = dead
    async with serve(engine_of({}, chains={1: chain}), **LOOPBACK) as service:
        answer = await http(service.addresses[0], "/readyz")
    assert (answer.status, answer.json["status"]) == (200, "degraded")
    assert answer.json["chains"] == {"1": "unavailable"}
    assert b"password" not in answer.body


async def test_a_halted_lane_is_degraded_but_ready() -> None:
    store = MemoryStore()
    lane = Lane(1, "0x" + "c0" * 20, 7, status=LaneStatus.HALTED, reason="foreign_use")
    await store.commit([lane.put(0)])
    async with serve(engine_of({}, store=store), **LOOPBACK) as service:
        answer = await http(service.addresses[0], "/readyz")
    assert (answer.status, answer.json["status"]) == (200, "degraded")
    assert answer.json["halted_lanes"] == [
        {"lane": lane.key, "status": "halted", "reason": "foreign_use"}
    ]


# --- sockets that are not ours -------------------------------------------------------------------


async def test_a_host_may_hand_in_a_channel_of_its_own_and_say_who_it_is() -> None:
    held = Held()
    held.release.set()
    async with engine_of({"held": held}) as engine:
        service = Service(engine)
        server, client = memory_pair()
        running = asyncio.create_task(service.run(server, principal=Principal("ana")))
        peer = Peer(client, running)
        await peer.send(execute("held"))
        assert await peer.replies(2) == [started("held"), nothing_done("held")]
        assert (service.sessions, service.addresses) == (1, ())
        await client.aclose()
        await soon(running)
        assert service.sessions == 0
    assert [principal.id for principal in held.principals] == ["ana"]


async def test_a_hosts_channels_get_their_replies_and_a_farewell_too() -> None:
    held = Held()
    async with engine_of({"held": held}) as engine:
        service = Service(engine)
        server, client = memory_pair()
        running = asyncio.create_task(service.run(server))
        await client.send([execute("held")])
        await soon(held.began.wait())
        closing = asyncio.create_task(service.aclose())
        await settle()
        held.release.set()
        peer = Peer(client, running)
        assert await peer.replies(2) == [started("held"), nothing_done("held")]
        end = await end_of(client)
        await soon(closing)
        await soon(running)
    assert isinstance(end, TransportClosedByPeer)
    assert end.details["close_code"] == 1001


async def test_a_drained_service_takes_nobody_new_and_nothing_new() -> None:
    held = Held()
    async with engine_of({"held": held}) as engine:
        listener = MemoryListener()
        service = Service(engine)
        await service.listen(listener)
        first, second = await listener.connect(), await listener.connect()
        await first.send([execute("held")])
        await soon(held.began.wait())
        assert not await service.drain(timeout=0.01)
        with pytest.raises(TransportBroken):
            await listener.connect()
        with pytest.raises(TransportClosedByPeer, match="1001"):
            await soon(second.receive())
        await first.send([execute("held")])
        held.release.set()
        peer = Peer(first, asyncio.create_task(asyncio.sleep(0)))
        assert await peer.replies(4) == [
            started("held"),
            nothing_done("held"),
            started("held"),
            failed("held", DRAINING),
        ]
        assert await service.drain(timeout=10.0)
        assert [e.outcome for e in await engine.list_executions()] == [Outcome.SUCCEEDED]
        await service.aclose()


async def test_closing_does_not_wait_for_a_peer_that_takes_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "zephyrus_exec.service")
    async with engine_of({"noop": noop}) as engine:
        listener = MemoryListener(max_frames=1)
        service = Service(engine)
        await service.listen(listener)
        client = await listener.connect()
        await client.send([execute("noop")])
        await settle()
        await soon(service.aclose(timeout=0.05))
        assert service.sessions == 0
    assert "1 peers did not take their replies in time" in caplog.text


# --- the client ----------------------------------------------------------------------------------


async def test_a_client_asks_for_one_execution_after_the_other() -> None:
    async with (
        serve(engine_of({"noop": noop}), **LOOPBACK) as service,
        connect_v1(service.addresses[0]) as client,
    ):
        for _ in range(3):
            replies = [reply async for reply in client.execute("noop")]
            assert replies == [Started("noop"), Completed("noop")]
        assert [r async for r in client.execute("nobody")][-1] == Failed(
            "nobody", "Agente no encontrado: nobody"
        )


async def test_a_client_is_told_that_its_request_was_refused() -> None:
    async with (
        serve(engine_of({}), **LOOPBACK) as service,
        connect_v1(service.addresses[0]) as client,
    ):
        assert [reply async for reply in client.execute("a" * 257)] == [
            Rejected("Se requiere agent_id para la ejecución")
        ]


@pytest.mark.parametrize("size", [(2 << 20, 0), (1, MAX_DEPTH)], ids=["long", "deep"])
async def test_a_client_takes_the_largest_results(size: tuple[int, int]) -> None:
    length, depth = size

    async def run(context: RunContext) -> Json:
        value: Json = "x" * length
        for _ in range(depth):
            value = [value]
        return value

    async with serve(engine_of({"large": run}), **LOOPBACK) as service:
        last = (await ask(service.addresses[0], "large"))[-1]
    assert isinstance(last, Completed)


async def test_a_client_notices_a_server_that_speaks_something_else() -> None:
    class Echo(Service):
        async def run(self, transport: Any, *, principal: Any = None) -> None:
            await transport.send(await transport.receive())
            await transport.receive()

    async with _listening(Echo(engine_of({}))) as url, connect_v1(url) as client:
        with pytest.raises(RemoteProtocolError):
            [reply async for reply in client.execute("noop")]


@asynccontextmanager
async def _listening(service: Service) -> AsyncIterator[str]:
    from zephyrus_exec.transports.websocket import WebSocketListener

    listener = WebSocketListener("127.0.0.1", 0)
    await service.listen(listener)
    try:
        yield listener.addresses[0]
    finally:
        await service.aclose()


async def test_a_url_that_is_none_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="ws://HOST:PORT"):
        async with connect_v1("http://localhost"):
            pass


async def test_an_engine_that_a_host_closed_refuses_and_the_service_still_ends() -> None:
    engine: ExecutionEngine = engine_of({"noop": noop})
    serving = serve(engine, **LOOPBACK)
    async with engine, serving as service, connect_v1(service.addresses[0]) as one:
        await engine.aclose()
        assert [r async for r in one.execute("noop")] == [
            Started("noop"),
            Failed("noop", DRAINING),
        ]
