"""A host that answers messages of types that are not ours."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import pytest

from zephyrus_exec import Json, Principal, serve
from zephyrus_exec.errors import AgentNotFound, TransportClosedByPeer
from zephyrus_exec.interfaces.transport import Handshake
from zephyrus_exec.model import JsonObject
from zephyrus_exec.session import Peer as SessionPeer
from zephyrus_exec.testing.clock import settle
from zephyrus_exec.testing.transports import end_of, soon
from zephyrus_exec.transports.memory import MemoryListener

from .peers import Held, engine_of, execute, noop, nothing_done, peer_of, rejected, started

UNKNOWN = rejected("Tipo de mensaje no reconocido: greet")
GREET = '{"type":"greet","name":"ñ"}'


async def test_a_host_answers_with_one_reply_as_it_stands() -> None:
    async def greet(message: dict[str, Json], _: SessionPeer) -> JsonObject:
        return {"type": "greeting", "to": message["name"]}

    async with engine_of({}) as engine, peer_of(engine, on_unknown=greet) as peer:
        await peer.send(GREET, GREET.encode())
        assert await peer.replies(2) == ['{"type":"greeting","to":"ñ"}'] * 2


async def test_a_host_answers_with_several_replies_or_with_none() -> None:
    async def count(message: dict[str, Json], _: SessionPeer) -> Sequence[JsonObject]:
        return [{"n": n} for n in range(int(str(message["to"])))]

    async with engine_of({}) as engine, peer_of(engine, on_unknown=count) as peer:
        await peer.send(*(f'{{"type":"count","to":{to}}}' for to in (2, 0, 1)), "{")
        assert await peer.replies(4) == [
            '{"n":0}',
            '{"n":1}',
            '{"n":0}',
            rejected("Mensaje JSON no válido"),
        ]


async def test_what_the_host_does_not_know_is_rejected_as_without_it() -> None:
    async def know_nothing(_: dict[str, Json], __: SessionPeer) -> None:
        return None

    async with (
        engine_of({}) as engine,
        peer_of(engine, on_unknown=know_nothing) as asked,
        peer_of(engine) as plain,
    ):
        for peer in (asked, plain):
            await peer.send(GREET)
            assert await peer.next() == UNKNOWN


async def test_the_host_is_told_who_asks() -> None:
    peers: list[SessionPeer] = []

    async def note(_: dict[str, Json], peer: SessionPeer) -> Sequence[JsonObject]:
        peers.append(peer)
        return [{}]

    ana, handshake = Principal("ana"), Handshake(peer="memory:", local=True)
    async with (
        engine_of({}) as engine,
        peer_of(engine, on_unknown=note, principal=ana) as peer,
    ):
        await peer.send(GREET)
        await peer.next()
    assert peers == [SessionPeer(ana, handshake)]


async def test_the_hosts_answers_keep_the_order_of_the_requests() -> None:
    async def greet(_: dict[str, Json], __: SessionPeer) -> JsonObject:
        return {"type": "greeting"}

    held = Held()
    async with engine_of({"held": held}) as engine, peer_of(engine, on_unknown=greet) as peer:
        await peer.send(execute("held"), GREET, execute("held"))
        await soon(held.began.wait())
        await settle()
        held.release.set()
        assert await peer.replies(5) == [
            started("held"),
            nothing_done("held"),
            '{"type":"greeting"}',
            started("held"),
            nothing_done("held"),
        ]


async def test_our_own_types_are_never_the_hosts() -> None:
    async def claim(_: dict[str, Json], __: SessionPeer) -> JsonObject:
        return {"type": "mine"}

    async with engine_of({"noop": noop}) as engine, peer_of(engine, on_unknown=claim) as peer:
        await peer.send(execute("noop"), '{"type":"execute"}', "{}")
        assert await peer.replies(4) == [
            started("noop"),
            nothing_done("noop"),
            rejected("Se requiere agent_id para la ejecución"),
            rejected("Se requiere el campo type"),
        ]


async def test_an_error_of_the_library_rejects_the_message_with_its_text() -> None:
    async def fail(_: dict[str, Json], __: SessionPeer) -> None:
        raise AgentNotFound("there is none", agent_id="bob")

    async with engine_of({}) as engine, peer_of(engine, on_unknown=fail) as peer:
        await peer.send(GREET, "{")
        assert await peer.replies(2) == [
            rejected("Agente no encontrado: bob"),
            rejected("Mensaje JSON no válido"),
        ]


@pytest.mark.parametrize("reply", [None, {"x": float("nan")}], ids=["raises", "is no JSON"])
async def test_a_bug_in_the_host_ends_that_channel_with_an_incident_that_the_log_has(
    reply: JsonObject | None, caplog: pytest.LogCaptureFixture
) -> None:
    async def buggy(_: dict[str, Json], __: SessionPeer) -> JsonObject:
        if reply is None:
            raise KeyError("/home/somebody/secret.py")
        return reply

    async with (
        engine_of({"noop": noop}) as engine,
        peer_of(engine, on_unknown=buggy) as peer,
        peer_of(engine, on_unknown=buggy) as other,
    ):
        await peer.send(GREET)
        end = await end_of(peer.transport)
        await other.send(execute("noop"))
        assert await other.replies(2) == [started("noop"), nothing_done("noop")]
    assert isinstance(end, TransportClosedByPeer)
    (record,) = [one for one in caplog.records if one.levelno == logging.ERROR]
    incident = record.getMessage().rpartition(" ")[2]
    assert end.details == {"close_code": 1011, "reason": f"internal error, incident {incident}"}


async def test_a_handler_whose_peer_leaves_is_cancelled() -> None:
    began, cancelled = asyncio.Event(), asyncio.Event()

    async def wait(_: dict[str, Json], __: SessionPeer) -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async with engine_of({}) as engine, peer_of(engine, on_unknown=wait) as peer:
        await peer.send(GREET)
        await soon(began.wait())
        await peer.transport.aclose()
        await soon(cancelled.wait())


async def test_serve_takes_the_hosts_handler() -> None:
    async def greet(_: dict[str, Json], __: SessionPeer) -> JsonObject:
        return {"type": "greeting"}

    listener = MemoryListener("host")
    async with serve(engine_of({}), listener=listener, on_unknown=greet):
        client = await listener.connect()
        await client.send([GREET])
        assert await soon(client.receive()) == ['{"type":"greeting"}']
