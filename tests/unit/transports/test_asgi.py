"""Who gets in through an ASGI application, and how its life is its server's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.unit.transports.asgi_server import ScriptedServer, scope_of
from zephyrus_exec import ANONYMOUS, Principal, Transport
from zephyrus_exec.errors import ConfigurationError
from zephyrus_exec.testing.clock import settle
from zephyrus_exec.testing.transports import end_of, soon
from zephyrus_exec.transports.asgi import AsgiListener, with_lifespan
from zephyrus_exec.transports.asgi_transport import Message, Receive, Scope, Send

DENIAL: dict[str, Any] = {"extensions": {"websocket.http.response": {}}}


@asynccontextmanager
async def listening(**options: Any) -> AsyncIterator[tuple[AsgiListener, list[Transport]]]:
    """Yield a listener that was started, and the peers it has."""
    peers: list[Transport] = []

    async def accept(transport: Transport) -> None:
        peers.append(transport)
        await end_of(transport)

    listener = AsgiListener(**{"principal": lambda _: ANONYMOUS, **options})
    await listener.start(accept)
    yield listener, peers
    await soon(listener.aclose())


async def connect(listener: AsgiListener, scope: Scope) -> ScriptedServer:
    """Let a peer come, and go again if it was taken; return what the application said."""
    server = ScriptedServer()
    server.say(type="websocket.connect")
    serving = asyncio.create_task(listener(scope, server.receive, server.send))
    await settle()
    server.say(type="websocket.disconnect", code=1000, reason="")
    await soon(serving)
    return server


def page(origin: str, host: str = "shop.example") -> Scope:
    return scope_of(headers=[(b"origin", origin.encode()), (b"host", host.encode())])


# --- who gets in ---------------------------------------------------------------------------------


async def test_a_peer_comes_on_behalf_of_whom_the_host_says() -> None:
    async with listening(principal=lambda scope: Principal(scope["user"])) as (listener, peers):
        server = await connect(listener, scope_of(user="ana"))
        assert server.sent == [{"type": "websocket.accept", "subprotocol": None}]
        assert [peer.handshake.principal for peer in peers] == [Principal("ana")]


async def test_the_host_may_look_the_principal_up() -> None:
    async def look_up(_: Scope) -> Principal | None:
        await asyncio.sleep(0)
        return Principal("ana")

    async with listening(principal=look_up) as (listener, peers):
        await connect(listener, scope_of())
        assert [peer.handshake.principal for peer in peers] == [Principal("ana")]


async def _nobody(_: Scope) -> Principal | None:
    return None


@pytest.mark.parametrize("principal", [lambda _: None, _nobody], ids=["at once", "looked up"])
async def test_whom_the_host_does_not_know_is_refused(principal: Any) -> None:
    async with listening(principal=principal) as (listener, peers):
        server = await connect(listener, scope_of(**DENIAL))
        assert server.sent[0]["status"] == 403
        assert server.said == ["websocket.http.response.start", "websocket.http.response.body"]
        assert peers == []


async def test_a_server_without_the_extension_for_it_refuses_in_its_own_way() -> None:
    async with listening(principal=lambda _: None) as (listener, _):
        server = await connect(listener, scope_of())
        assert server.sent == [{"type": "websocket.close"}]


@pytest.mark.parametrize(
    "scope",
    [
        scope_of(),
        page("https://shop.example"),
        page("http://shop.example:8000", "Shop.Example:8000"),
        page("http://localhost:3000"),
    ],
    ids=["no page", "its own page", "its own page on a port", "this machine's page"],
)
async def test_programs_and_pages_of_the_host_may_connect(scope: Scope) -> None:
    async with listening() as (listener, peers):
        await connect(listener, scope)
        assert len(peers) == 1


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "shop.example",
        "ftp://shop.example",
        "https://shop.example:1",
    ],
)
async def test_other_pages_may_not_and_the_log_names_them(
    origin: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening() as (listener, peers):
        scope = page(origin)
        scope["extensions"] = DENIAL["extensions"]
        server = await connect(listener, scope)
        assert server.sent[0]["status"] == 403
        assert peers == []
    assert f"its origin is {origin}" in caplog.text


async def test_the_host_may_allow_other_pages() -> None:
    async with listening(allow_origin=lambda origin: origin == "https://b.example") as (
        listener,
        peers,
    ):
        await connect(listener, page("https://b.example"))
        assert len(peers) == 1


async def test_a_subprotocol_is_chosen_among_those_the_peer_offers() -> None:
    async with listening(select_subprotocol=lambda offered: offered[-1]) as (listener, peers):
        server = await connect(listener, scope_of(subprotocols=["a", "b"]))
        assert server.sent[0]["subprotocol"] == "b"
        assert peers[0].handshake.subprotocol == "b"


async def test_before_its_start_and_after_stop_accepting_it_takes_nobody() -> None:
    idle = AsgiListener(principal=lambda _: ANONYMOUS)
    assert (await connect(idle, scope_of(**DENIAL))).sent[0]["status"] == 503
    async with listening() as (listener, peers):
        await listener.stop_accepting()
        assert (await connect(listener, scope_of(**DENIAL))).sent[0]["status"] == 503
        assert peers == []


async def test_it_can_be_started_again_once_it_was_closed() -> None:
    """A host's tests run its application's lifespan again and again."""
    async with listening() as (listener, _):
        with pytest.raises(ConfigurationError, match="started already"):
            await listener.start(end_of)  # type: ignore[arg-type]
    again: list[Transport] = []

    async def accept(transport: Transport) -> None:
        again.append(transport)

    await listener.start(accept)
    await connect(listener, scope_of())
    assert len(again) == 1


async def test_a_server_that_cancels_the_application_ends_the_peer() -> None:
    async with listening() as (listener, peers):
        server = ScriptedServer()
        server.say(type="websocket.connect")
        serving = asyncio.create_task(listener(scope_of(), server.receive, server.send))
        await settle()
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await soon(serving)
        assert server.said == ["websocket.accept", "websocket.close"]
        assert len(peers) == 1


# --- other scopes --------------------------------------------------------------------------------


async def test_a_plain_request_is_told_that_there_is_nothing() -> None:
    server = ScriptedServer()
    await AsgiListener(principal=lambda _: None)({"type": "http"}, server.receive, server.send)
    assert (server.sent[0]["status"], server.said[1]) == (404, "http.response.body")


async def test_what_it_cannot_do_is_a_configuration_error() -> None:
    server = ScriptedServer()
    listener = AsgiListener(principal=lambda _: None)
    with pytest.raises(ConfigurationError, match="with_lifespan"):
        await listener({"type": "lifespan"}, server.receive, server.send)


# --- lifespan ------------------------------------------------------------------------------------


@asynccontextmanager
async def _noted(notes: list[str]) -> AsyncIterator[None]:
    notes.append("start")
    yield
    notes.append("end")


async def _application(_: Scope, __: Receive, send: Send) -> None:
    await send({"type": "http.response.start"})


async def test_a_lifespan_lasts_from_the_servers_start_to_its_end() -> None:
    notes: list[str] = []
    server = ScriptedServer()
    application = with_lifespan(_application, lambda: _noted(notes))
    living = asyncio.ensure_future(application({"type": "lifespan"}, server.receive, server.send))
    server.say(type="lifespan.startup")
    await settle()
    assert (notes, server.said) == (["start"], ["lifespan.startup.complete"])
    await application({"type": "http"}, server.receive, server.send)
    server.say(type="lifespan.shutdown")
    await soon(living)
    assert notes == ["start", "end"]
    assert server.said[1:] == ["http.response.start", "lifespan.shutdown.complete"]


@asynccontextmanager
async def _failing(when: str) -> AsyncIterator[None]:
    if when == "startup":
        raise ConfigurationError("no store there")
    yield
    raise ConfigurationError("no store there")


@pytest.mark.parametrize("when", ["startup", "shutdown"])
async def test_a_lifespan_that_fails_tells_its_server_why(when: str) -> None:
    server = ScriptedServer()
    server.say(type="lifespan.startup")
    server.say(type="lifespan.shutdown")
    application = with_lifespan(_application, lambda: _failing(when))
    with pytest.raises(ConfigurationError):
        await application({"type": "lifespan"}, server.receive, server.send)
    last: Message = server.sent[-1]
    assert last["type"] == f"lifespan.{when}.failed"
    assert "no store there" in last["message"]
