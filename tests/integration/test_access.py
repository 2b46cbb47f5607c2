"""Who gets in, and what they may do there: every combination against a real listener."""

from __future__ import annotations

import asyncio
import base64
import logging
import re
import statistics
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import field, frozen

from zephyrus_exec import (
    OPERATOR,
    Agent,
    Component,
    ExecutionEngine,
    Principal,
    Service,
    serve,
)
from zephyrus_exec.access import (
    Anonymous,
    Token,
    TokenAuthenticator,
    TokenFile,
    append_token,
    digest,
    new_token,
)
from zephyrus_exec.engine.lanes import Verdict
from zephyrus_exec.engine.quotas import Quota
from zephyrus_exec.errors import (
    AgentNotFound,
    ConfigurationError,
    ExecutionNotFound,
    OperationRefused,
    Overloaded,
    RateLimited,
    TransportClosedByPeer,
)
from zephyrus_exec.interfaces.transport import Handshake, Transport
from zephyrus_exec.stores.memory import MemoryStore
from zephyrus_exec.testing.chain import ModelSigner
from zephyrus_exec.testing.clock import ManualClock
from zephyrus_exec.testing.transports import end_of, soon
from zephyrus_exec.transports.http import HttpRequest
from zephyrus_exec.transports.memory import memory_pair
from zephyrus_exec.transports.origin import OriginRule
from zephyrus_exec.transports.proxies import TrustedProxies
from zephyrus_exec.transports.server import handshake_of
from zephyrus_exec.transports.websocket import WebSocketListener, connect_websocket

from .peers import Held, engine_of, execute, failed, noop, nothing_done, peer_of, started

ANA, BOB, OPS, READER, EXPIRED, UNKNOWN = (new_token() for _ in range(6))
OWNER = new_token()  # another token of ana
V1 = "zephyrus.exec.v1.json"
NOT_FOUND = "Agente no encontrado: {}"
AGENTS = [
    Agent("ours", runner=Component("noop"), max_concurrent=1000),
    Agent("anas", runner=Component("noop"), owner="ana", max_concurrent=1000),
    Agent("bobs", runner=Component("noop"), owner="bob", max_concurrent=1000),
]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def as_subprotocol(token: str) -> str:
    return "zephyrus.auth.bearer." + base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")


def entry(name: str, token: str, *scopes: str, principal: str = "", **more: Any) -> Token:
    return Token(name, digest(token), principal or name, frozenset(scopes), **more)


TOKENS = (
    entry("ana", ANA, "execute", "watch"),
    entry("ana laptop", OWNER, "execute", principal="ana"),
    entry("bob", BOB, "execute", "watch"),
    entry("ops", OPS, "operate", "execute"),
    entry("reader", READER, "watch"),
    entry("old", EXPIRED, "execute", "watch", expires=datetime.now(UTC) - timedelta(seconds=1)),
)


def written(path: Path, *tokens: Token) -> Path:
    path.unlink(missing_ok=True)
    path.touch()
    for token in tokens:
        append_token(path, token)
    return path


@asynccontextmanager
async def open_to(
    anonymous: Anonymous | None = None, file: Path | None = None, **options: Any
) -> AsyncIterator[Service]:
    engine = engine_of({"noop": noop}, agents=AGENTS)
    authenticator = TokenAuthenticator(
        engine.clock,
        file=None if file is None else TokenFile(file),
        operator_token=OPS if file is None else None,
        anonymous=anonymous,
    )
    chosen = {"host": "127.0.0.1", "port": 0, **options}
    async with serve(engine, authenticator=authenticator, **chosen) as service:
        yield service


@frozen
class Answer:
    status: int
    head: str
    body: str
    replies: tuple[str, ...] = ()


async def attempt(
    url: str, headers: dict[str, str], *, path: str = "/", agent: str = "ours", upgrade: bool = True
) -> Answer:
    """Ask by hand, so that every header can be wrong; where it is let in, execute the agent."""
    host, _, port = url.removeprefix("ws://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = {"Host": f"localhost:{port}", **headers}
    if upgrade:
        lines |= {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version": "13",
        }
    said = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    writer.write(f"GET {path} HTTP/1.1\r\n{said}\r\n".encode())
    try:
        head = (await soon(reader.readuntil(b"\r\n\r\n"))).decode()
        status = int(head.split(" ")[1])
        if status != 101:
            return Answer(status, head, (await soon(reader.read())).decode())
        payload = execute(agent).encode()
        writer.write(bytes([0x81, 0x80 | len(payload)]) + bytes(4) + payload)
        replies = [await _frame(reader) for _ in range(2)]
        return Answer(status, head, "", tuple(replies))
    finally:
        writer.transport.abort()
        writer.close()


async def _frame(reader: asyncio.StreamReader) -> str:
    _, length = await soon(reader.readexactly(2))
    if length == 126:
        length = int.from_bytes(await reader.readexactly(2), "big")
    return (await soon(reader.readexactly(length))).decode()


@frozen
class Case:
    about: str
    server: str
    """Which of the servers below."""
    expected: str
    """`yes`: it ran; `no agent`: as if there were none; otherwise the HTTP status."""
    headers: dict[str, str] = field(factory=dict)
    path: str = "/"
    agent: str = "ours"
    upgrade: bool = True


SERVERS: dict[str, dict[str, Any]] = {
    "plain": {},
    "tokens": {"tokens": True},
    "open": {"anonymous": Anonymous.ANYBODY},
    "closed": {"anonymous": Anonymous.NOBODY},
    "pages": {
        "origins": ("https://*.example.org", "https://app.test:8443", "http://dev.test:*", "null")
    },
    "proxied": {"trusted_proxies": ("127.0.0.1",), "allowed_hosts": ("api.example.org",)},
    "wide": {"host": "0.0.0.0"},
}


def _credentials() -> list[Case]:
    """Every way to say who one is, where tokens are needed and where they are not."""
    wrong = {
        "unknown": bearer(UNKNOWN),
        "cut": bearer(ANA[:-1]),
        "longer": bearer(ANA + "x"),
        "other case": bearer(ANA.swapcase()),
        "expired": bearer(EXPIRED),
        "empty": {"Authorization": "Bearer "},
        "no scheme": {"Authorization": ANA},
        "basic": {"Authorization": "Basic " + base64.b64encode(b"ana:x").decode()},
        "two in one": {"Authorization": f"Bearer {ANA}, Bearer {ANA}"},
        "the hash": bearer(digest(ANA)),
        "the hash's digits": bearer(digest(ANA).removeprefix("sha256:")),
        "not base64": {"Sec-WebSocket-Protocol": f"{V1}, zephyrus.auth.bearer.*"},
        "not ascii": {"Sec-WebSocket-Protocol": f"{V1}, zephyrus.auth.bearer.w7E"},
        "no token in it": {"Sec-WebSocket-Protocol": f"{V1}, zephyrus.auth.bearer."},
        "unknown in it": {"Sec-WebSocket-Protocol": f"{V1}, {as_subprotocol(UNKNOWN)}"},
        "two in it": {
            "Sec-WebSocket-Protocol": f"{V1}, {as_subprotocol(ANA)}, {as_subprotocol(BOB)}"
        },
        "two places": {**bearer(ANA), "Sec-WebSocket-Protocol": f"{V1}, {as_subprotocol(BOB)}"},
    }
    right = {
        "header": bearer(ANA),
        "small letters": {"authorization": f"bearer {ANA}"},
        "subprotocol": {"Sec-WebSocket-Protocol": f"{V1}, {as_subprotocol(ANA)}"},
        "subprotocol first": {"Sec-WebSocket-Protocol": f"{as_subprotocol(ANA)},{V1}"},
        "subprotocol alone": {"Sec-WebSocket-Protocol": as_subprotocol(ANA)},
        "twice the same": {**bearer(ANA), "Sec-WebSocket-Protocol": as_subprotocol(ANA)},
        "other token": bearer(OWNER),
    }
    cases = [Case(f"wrong: {name}", "tokens", "401", value) for name, value in wrong.items()]
    cases += [
        Case(f"wrong: {name}", "plain", "401", value)
        for name, value in wrong.items()
        if name != "expired"
    ]
    cases += [Case(f"right: {name}", "tokens", "yes", value) for name, value in right.items()]
    cases += [
        Case("none", "tokens", "401"),
        Case("none", "plain", "yes"),
        Case("none", "open", "yes"),
        Case("none", "closed", "401"),
        Case("wrong where none is needed", "open", "401", bearer(UNKNOWN)),
        Case("operator", "plain", "yes", bearer(OPS)),
        Case("operator", "closed", "yes", bearer(OPS)),
        Case("ana's where nobody knows it", "plain", "401", bearer(ANA)),
    ]
    for name in ("token", "access_token", "authorization"):
        cases.append(Case(f"in the URL: {name}", "tokens", "401", path=f"/?{name}={ANA}"))
        cases.append(Case(f"ignored: {name}", "plain", "yes", path=f"/ws/agent/1?{name}=x"))
    return cases


def _scopes() -> list[Case]:
    may = {
        ("ours", ANA): True, ("anas", ANA): True, ("bobs", ANA): False,
        ("ours", OWNER): True, ("anas", OWNER): True, ("bobs", OWNER): False,
        ("ours", BOB): True, ("anas", BOB): False, ("bobs", BOB): True,
        ("ours", OPS): True, ("anas", OPS): True, ("bobs", OPS): True,
        ("ours", READER): False, ("anas", READER): False, ("bobs", READER): False,
        ("nobody", ANA): False, ("nobody", OPS): False, ("nobody", READER): False,
    }  # fmt: skip
    names = {ANA: "ana", OWNER: "ana laptop", BOB: "bob", OPS: "ops", READER: "reader"}
    cases = [
        Case(f"{names[token]} runs {agent}", "tokens", "yes" if yes else "no agent", bearer(token),
             agent=agent)
        for (agent, token), yes in may.items()
    ]  # fmt: skip
    return [
        *cases,
        Case("anonymous runs ana's", "plain", "no agent", agent="anas"),
        Case("anonymous runs ana's", "open", "no agent", agent="anas"),
        Case("the operator runs ana's", "plain", "yes", bearer(OPS), agent="anas"),
    ]


def _origins() -> list[Case]:
    everywhere = {
        "http://localhost:3000": True, "https://127.0.0.1": True, "http://[::1]:5173": True,
        "https://example.org": False, "https://evil.test": False,
        "http://localhost.evil.test": False, "file://": False, "": False,
        "HTTPS://APP.EXAMPLE.ORG": False,
    }  # fmt: skip
    pages = {
        "https://app.example.org": True, "https://a.b.example.org": True, "null": True,
        "https://app.example.org:443": False, "http://app.example.org": False,
        "https://app.example.org.evil.test": False, "https://appexample.org": False,
        "https://.example.org": False, "https://x@app.example.org": False,
        "https://app.example.org/": False, "https://app.test:8443": True,
        "https://app.test": False, "https://app.test:84430": False, "http://dev.test": True,
        "http://dev.test:3000": True, "https://dev.test:3000": False,
        "https://evil.test, https://app.example.org": False,
    }  # fmt: skip
    return [
        *(Case(f"origin {o}", "plain", "yes" if y else "403", {"Origin": o})
          for o, y in {**everywhere, "null": False, "https://app.example.org": False}.items()),
        *(Case(f"origin {o}", "pages", "yes" if y else "403", {"Origin": o})
          for o, y in {**everywhere, **pages}.items()),
        Case("a token does not help a page", "tokens", "403",
             {**bearer(ANA), "Origin": "https://evil.test"}),
    ]  # fmt: skip


def _hosts_and_proxies() -> list[Case]:
    hosts = {
        "localhost": "yes", "LOCALHOST:1": "yes", "127.0.0.1:8765": "yes", "[::1]:8765": "yes",
        "app.localhost": "yes", "evil.test": "403", "evil.test:8765": "403",
        "localhost.evil.test": "403", "127.0.0.1.evil.test": "403", "10.0.0.1": "403",
        "": "403", "a@localhost": "403",
    }  # fmt: skip
    forwarding = {
        "X-Forwarded-For": "127.0.0.1", "Forwarded": "for=127.0.0.1", "X-Real-IP": "127.0.0.1",
        "Via": "1.1 x", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "localhost",
    }  # fmt: skip
    return [
        *(Case(f"host {h!r}", "plain", e, {"Host": h}) for h, e in hosts.items()),
        *(Case(f"through a proxy: {n}", s, "401", {n: v})
          for n, v in forwarding.items() for s in ("plain", "proxied")),
        *(Case(f"everybody, through a proxy: {n}", "open", "yes", {n: v})
          for n, v in forwarding.items()),
        Case("a token, through a proxy", "tokens", "yes",
             {**bearer(ANA), "X-Forwarded-For": "203.0.113.9"}),
        Case("an allowed name is no local client's", "proxied", "401", {"Host": "api.example.org"}),
        Case("an allowed name, and a token", "proxied", "yes",
             {**bearer(OPS), "Host": "api.example.org"}),
        Case("another name", "proxied", "403", {**bearer(OPS), "Host": "evil.test"}),
        Case("any name where others can come", "wide", "yes", {**bearer(OPS), "Host": "x.test"}),
        Case("local where others can come", "wide", "yes"),
        Case("a rebound name where others can come", "wide", "401", {"Host": "x.test"}),
        *(Case(f"health {p}, any host", "tokens", "200", {"Host": "x.test"}, p, upgrade=False)
          for p in ("/", "/health", "/healthz", "/readyz")),
        Case("another path, any host", "tokens", "404", {"Host": "x.test"}, "/x", upgrade=False),
        *(Case(f"path {p}", "plain", "yes", path=p) for p in ("/ws", "/ws/agent/7", "/a%20b")),
    ]  # fmt: skip


CASES = [*_credentials(), *_scopes(), *_origins(), *_hosts_and_proxies()]


def test_there_are_at_least_a_hundred_attempts() -> None:
    assert len(CASES) >= 100


@pytest.mark.parametrize("server", SERVERS)
async def test_exactly_the_allowed_attempts_pass(server: str, tmp_path: Path) -> None:
    options = dict(SERVERS[server])
    if options.pop("tokens", False):
        options["file"] = written(tmp_path / "tokens.toml", *TOKENS)
    wrong = []
    async with open_to(**options) as service:
        url = re.sub(r"//0\.0\.0\.0:", "//127.0.0.1:", service.addresses[0])
        for case in (case for case in CASES if case.server == server):
            answer = await attempt(
                url, case.headers, path=case.path, agent=case.agent, upgrade=case.upgrade
            )
            if (got := _outcome(answer, case)) != case.expected:
                wrong.append((case.about, case.expected, got))
    assert wrong == []


def _outcome(answer: Answer, case: Case) -> str:
    if answer.status != 101:
        return str(answer.status)
    if answer.replies == (started(case.agent), nothing_done(case.agent)):
        return "yes"
    missing = failed(case.agent, NOT_FOUND.format(case.agent))
    return "no agent" if answer.replies == (started(case.agent), missing) else repr(answer.replies)


# --- refusals tell nothing -----------------------------------------------------------------------


async def test_every_wrong_credential_gets_the_same_answer(tmp_path: Path) -> None:
    file = written(tmp_path / "tokens.toml", *TOKENS)
    async with open_to(file=file) as service:
        answers = [
            await attempt(service.addresses[0], case.headers, path=case.path)
            for case in _credentials()
            if case.server == "tokens" and case.expected == "401"
        ]
    seen = {(re.sub("Date: .*", "", answer.head), answer.body) for answer in answers}
    assert len(seen) == 1
    assert 'WWW-Authenticate: Bearer realm="zephyrus_exec"' in seen.pop()[0]


async def test_the_v1_subprotocol_is_selected_and_a_credential_never(tmp_path: Path) -> None:
    file = written(tmp_path / "tokens.toml", *TOKENS)
    async with open_to(file=file) as service:
        for offered, selected in (
            ([as_subprotocol(ANA), V1], V1),
            ([V1, as_subprotocol(ANA)], V1),
            ([as_subprotocol(ANA)], None),
        ):
            channel = await connect_websocket(service.addresses[0], subprotocols=offered)
            assert channel.handshake.subprotocol == selected
            assert ANA not in str(channel.handshake.headers)
            assert as_subprotocol(ANA) not in str(channel.handshake.headers)
            await channel.aclose()


class Counting(MemoryStore):
    """Counts what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    async def get(self, kind: str, key: str) -> Any:
        self.calls.append(f"get {kind}")
        return await super().get(kind, key)

    async def read(self, stream: str, *, after: int = 0, limit: int = 1000) -> Any:
        self.calls.append("read")
        return await super().read(stream, after=after, limit=limit)

    async def commit(self, *arguments: Any, **named: Any) -> int:
        self.calls.append("commit")
        return await super().commit(*arguments, **named)


async def _watch(engine: ExecutionEngine, execution_id: str, principal: Principal) -> None:
    async for _ in engine.watch(execution_id, principal=principal):
        pass


ASKING: dict[str, Callable[[ExecutionEngine, str, Principal], Any]] = {
    "watch": _watch,
    "result": lambda engine, key, who: engine.result(key, principal=who),
    "cancel": lambda engine, key, who: engine.cancel(key, principal=who),
    "get": lambda engine, key, who: engine.get_execution(key, principal=who),
}


@pytest.mark.parametrize("ended", [False, True], ids=["running", "ended"])
@pytest.mark.parametrize("ask", ASKING.values(), ids=ASKING)
async def test_another_ones_execution_and_none_look_and_cost_the_same(
    ask: Callable[..., Any], ended: bool
) -> None:
    store, held = Counting(), Held()
    async with engine_of({"held": held}, store=store) as engine:
        theirs = await engine.submit("held", principal=Principal("ana"))
        await soon(held.began.wait())
        if ended:
            held.release.set()
            await engine.result(theirs, principal=Principal("ana"))
        answers = []
        for key in (theirs, "0" * len(theirs)):
            store.calls.clear()
            with pytest.raises(ExecutionNotFound) as refusal:
                await ask(engine, key, Principal("bob"))
            told = str(refusal.value).replace(key, "ID")
            answers.append((told, refusal.value.__cause__, list(store.calls)))
        held.release.set()
    assert answers[0] == answers[1]
    assert answers[0][2] == ["get execution"]


async def test_another_ones_agent_and_none_look_and_cost_the_same() -> None:
    store = Counting()
    async with engine_of({"noop": noop}, agents=AGENTS, store=store) as engine:
        answers = []
        for agent in ("anas", "none"):
            store.calls.clear()
            with pytest.raises(AgentNotFound) as refusal:
                await engine.submit(agent, principal=Principal("bob"))
            error = refusal.value
            told = str(error).replace(agent, "ID")
            answers.append((told, error.__cause__, error.__context__, list(store.calls)))
    assert answers[0] == answers[1]
    assert answers[0][3] == []


async def test_another_ones_agent_and_none_take_the_same_time() -> None:
    logging.getLogger("zephyrus_exec.engine.access").setLevel(logging.WARNING)
    async with engine_of({"noop": noop}, agents=AGENTS) as engine:
        times: dict[str, list[float]] = {"anas": [], "none": []}
        for _ in range(1000):
            for agent, spent in times.items():
                began = time.perf_counter()
                with pytest.raises(AgentNotFound):
                    await engine.submit(agent, principal=Principal("bob"))
                spent.append(time.perf_counter() - began)
    first, second = (statistics.median(spent) for spent in times.values())
    assert abs(first - second) < 20e-6 + 0.5 * min(first, second)


# --- what changes while somebody is here ---------------------------------------------------------


async def test_a_replaced_token_file_counts_at_once_also_for_who_is_here(tmp_path: Path) -> None:
    file = written(tmp_path / "tokens.toml", *TOKENS)
    async with open_to(file=file) as service:
        url = service.addresses[0]
        here = await connect_websocket(url, headers=bearer(BOB))
        await here.send([execute("ours")])
        await soon(here.receive())
        written(file, TOKENS[0])
        assert (await attempt(url, bearer(ANA))).status == 101
        assert (await attempt(url, bearer(BOB))).status == 401
        await here.send([execute("ours")])
        end = await end_of(here)
    assert isinstance(end, TransportClosedByPeer)
    assert end.details["close_code"] == 1008


async def test_a_bad_version_of_the_file_is_told_once_and_the_last_good_one_counts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = written(tmp_path / "tokens.toml", *TOKENS)
    async with open_to(file=file) as service:
        file.write_text(f'[[tokens]]\nname = "x"\nhash = "{ANA}"\n')
        for _ in range(3):
            assert (await attempt(service.addresses[0], bearer(ANA))).status == 101
        file.unlink()
        assert (await attempt(service.addresses[0], bearer(ANA))).status == 101
    complaints = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(complaints) == 2
    assert ANA not in caplog.text


async def test_a_host_that_hands_in_a_peer_without_saying_who_has_it_authenticated() -> None:
    async with engine_of({"noop": noop}) as engine:
        service = Service(engine, authenticator=TokenAuthenticator(engine.clock))
        server, client = memory_pair(handshake=Handshake(peer="far"))
        await soon(service.run(server))
        end = await end_of(client)
    assert isinstance(end, TransportClosedByPeer)
    assert end.details["close_code"] == 1008


# --- who can sign is not offered to everybody ----------------------------------------------------


@pytest.mark.parametrize("host", ["0.0.0.0", None])
async def test_beyond_loopback_nothing_that_signs_starts_without_access_control(
    host: str | None,
) -> None:
    engine = engine_of({"noop": noop}, signers={"main": ModelSigner()})
    with pytest.raises(ConfigurationError, match="--allow-anonymous"):
        async with serve(engine, host=host, port=0):
            raise AssertionError("it started")
    assert not engine.running


async def test_it_starts_where_somebody_decided_who_may_come() -> None:
    engine = engine_of({"noop": noop}, signers={"main": ModelSigner()})
    allowed = TokenAuthenticator(engine.clock, anonymous=Anonymous.ANYBODY)
    async with serve(engine, host="0.0.0.0", port=0, authenticator=allowed):
        pass
    async with serve(engine, host="127.0.0.1", port=0):
        pass


# --- limits --------------------------------------------------------------------------------------


async def test_who_asks_too_fast_is_told_when_to_ask_again() -> None:
    clock = ManualClock()
    async with engine_of({"noop": noop}, clock=clock, quota=Quota(rate=2)) as engine:
        for _ in range(2):
            await engine.submit("noop", principal=Principal("ana"))
        with pytest.raises(RateLimited) as refusal:
            await engine.submit("noop", principal=Principal("ana"))
        assert refusal.value.details["retry_after"] == 1
        await engine.submit("noop", principal=Principal("bob"))
        await clock.advance(0.5)
        await engine.submit("noop", principal=Principal("ana"))
        await clock.advance(120)
        await engine.submit("noop", principal=Principal("bob"))


async def test_a_connection_that_asks_too_fast_gets_failed_replies() -> None:
    from zephyrus_exec.session import SessionLimits

    limits = SessionLimits(rate=1)
    async with (
        engine_of({"noop": noop}, clock=ManualClock()) as engine,
        peer_of(engine, limits=limits) as peer,
    ):
        await peer.send(execute("noop"), execute("noop"))
        text = "Demasiadas solicitudes: no se ejecutó nada; inténtelo de nuevo en 1 s"
        assert await peer.replies(4) == [
            started("noop"),
            nothing_done("noop"),
            started("noop"),
            failed("noop", text),
        ]


@pytest.mark.parametrize(
    ("quota", "most"), [(Quota(running=2), 2), (Quota(queued=3), 4), (Quota(1e6, 9, 1), 2)]
)
async def test_a_principal_has_only_so_many_executions(quota: Quota, most: int) -> None:
    held = Held()
    agent = Agent("one", runner=Component("held"), max_concurrent=9 if quota.queued == 0 else 1)
    async with engine_of({"held": held}, agents=[agent], quota=quota) as engine:
        for _ in range(most):
            await engine.submit("one", principal=Principal("ana"))
        with pytest.raises(Overloaded, match="of this principal"):
            await engine.submit("one", principal=Principal("ana"))
        await engine.submit("one", principal=Principal("bob"))
        held.release.set()


# --- Unix sockets --------------------------------------------------------------------------------


async def test_a_unix_socket_is_its_owners_and_is_gone_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    async with open_to(unix=path) as service:
        assert service.addresses == (f"unix:{path}",)
        assert path.stat().st_mode & 0o777 == 0o600
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        assert b" 101 " in await soon(reader.readuntil(b"\r\n\r\n"))
        writer.transport.abort()
        writer.close()
        with pytest.raises(ConfigurationError, match="somebody listens"):
            async with open_to(unix=path):
                pass
    assert not path.exists()


async def test_an_abandoned_unix_socket_is_replaced_and_a_file_is_not(tmp_path: Path) -> None:
    import socket

    path, other = tmp_path / "socket", tmp_path / "file"
    with socket.socket(socket.AF_UNIX) as abandoned:
        abandoned.bind(str(path))
    async with open_to(unix=path):
        pass
    other.write_text("precious")
    with pytest.raises(ConfigurationError, match="something else"):
        async with open_to(unix=other):
            pass
    assert other.read_text() == "precious"


# --- secrets stay secret -------------------------------------------------------------------------


def test_no_handshake_shows_a_credential() -> None:
    headers = {
        "authorization": f"Bearer {ANA}",
        "cookie": f"session={ANA}",
        "sec-websocket-protocol": f"{V1}, {as_subprotocol(ANA)}",
    }
    shown = repr(Handshake(path=f"/x?token={ANA}", headers=headers))
    assert ANA not in shown
    assert as_subprotocol(ANA) not in shown
    assert V1 in shown


@pytest.mark.parametrize(
    "pattern",
    [
        "*",
        "https://*",
        "https://*.org",
        "app.example.org",
        "https://app.example.org/",
        "https://a.*.org",
        "ftp://x",
    ],
)
def test_what_is_no_origin_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigurationError, match="is no origin"):
        OriginRule([pattern])


async def test_a_refused_origin_is_told_with_the_flag_that_allows_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with open_to() as service:
        await attempt(service.addresses[0], {"Origin": "https://app.example.org"})
        await attempt(service.addresses[0], {"Origin": "https://x --allow-anonymous"})
    first, second = (record.getMessage() for record in caplog.records)
    assert first.endswith("; to allow it: --origin https://app.example.org")
    assert "--origin" not in second


async def test_only_who_operates_sees_lanes() -> None:
    async with engine_of({"noop": noop}) as engine:
        for who in (OPERATOR, Principal("ana")):
            with pytest.raises(Exception, match="there is no lane"):
                await engine.lanes.open("1:0x", principal=who, reason="")


async def test_only_who_operates_sees_effects_in_doubt() -> None:
    async with engine_of({"noop": noop}) as engine:
        for who in (OPERATOR, Principal("ana")):
            with pytest.raises(OperationRefused, match="effect e is not there"):
                await engine.lanes.resolve("e", Verdict.HAPPENED, {}, principal=who)


async def test_a_peer_that_has_gone_is_none_of_this_machine() -> None:
    class Gone(asyncio.Transport):
        pass

    asked = HttpRequest("GET", "/", headers={"host": "localhost"})
    handshake = handshake_of(asked, Gone(), TrustedProxies())
    assert (handshake.peer, handshake.local) == ("unknown", False)


async def test_a_listener_that_closes_while_somebody_is_asked_lets_nobody_in() -> None:
    asked, answer = asyncio.Event(), asyncio.Event()

    async def slow(_: Handshake) -> Principal:
        asked.set()
        await answer.wait()
        return Principal("ana")

    async def nobody(_: Transport) -> None:
        raise AssertionError("it was let in")

    listener = WebSocketListener("127.0.0.1", 0, authenticate=slow)
    await listener.start(nobody)
    dialing = asyncio.create_task(attempt(listener.addresses[0], {}))
    await soon(asked.wait())
    await listener.stop_accepting()
    answer.set()
    assert (await soon(dialing)).status == 503
    await listener.aclose()


async def test_an_authenticator_with_a_bug_is_a_500_that_tells_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def broken(_: Handshake) -> Principal:
        raise KeyError("secret")

    async def nobody(_: Transport) -> None:
        raise AssertionError("it was let in")

    listener = WebSocketListener("127.0.0.1", 0, authenticate=broken)
    await listener.start(nobody)
    answer = await attempt(listener.addresses[0], {})
    await listener.aclose()
    assert (answer.status, "secret" in answer.body) == (500, False)
    assert "secret" in caplog.text


async def test_operators_list_everything_and_others_what_is_theirs() -> None:
    async with engine_of({"noop": noop}, agents=AGENTS) as engine:
        ana, bob = Principal("ana"), Principal("bob")
        hers = [await engine.submit("ours", principal=ana) for _ in range(120)]
        his = [await engine.submit("ours", principal=bob)]
        his.append(await engine.submit("anas", principal=OPERATOR))
        for who, limit, expected in (
            (ana, 3, [his[1], *hers[:-3:-1]]),
            (bob, 100, [his[0]]),
            (OPERATOR, 2, his[::-1]),
            (Principal("eve"), 100, []),
        ):
            listed = await engine.list_executions(principal=who, limit=limit)
            assert [one.id for one in listed] == expected
