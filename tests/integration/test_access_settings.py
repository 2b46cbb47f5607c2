"""The settings of access, each on a server process; and nothing secret in anything it says."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import ssl
from pathlib import Path

import pytest

from zephyrus_exec.access import Token, append_token, digest, new_token
from zephyrus_exec.errors import TransportRefused
from zephyrus_exec.transports.websocket import connect_websocket

from .commands import PATIENCE, Serving, run, serving
from .test_access import attempt

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="stops servers by POSIX signals"),
]

CERTIFICATE = Path(__file__).parent / "certificates" / "localhost.pem"
LOOPBACK = ("--host", "127.0.0.1", "--port", "0", "--store", "memory:")
ANA = new_token()
ENTRY = Token("ana", digest(ANA), "ana", frozenset({"execute", "watch"}))
BEARER = {"Authorization": f"Bearer {ANA}"}
SAID = {
    "tokens": "tokens.toml",
    "origins": "https://*.example.org",
    "allowed_hosts": "agents.example.org",
    "trusted_proxies": "127.0.0.0/8",
}
FLAGS = {
    "tokens": "--tokens",
    "origins": "--origin",
    "allowed_hosts": "--allowed-host",
    "trusted_proxies": "--trusted-proxy",
}
VARIABLES = {
    "tokens": "ZEPHYRUS_TOKENS",
    "origins": "WS_ORIGINS",
    "allowed_hosts": "ZEPHYRUS_ALLOWED_HOSTS",
    "trusted_proxies": "ZEPHYRUS_TRUSTED_PROXIES",
}


def settings(way: str, folder: Path) -> tuple[list[str], dict[str, str]]:
    """Return flags and environment that say the same in this way."""
    if way == "flags":
        return [word for name, value in SAID.items() for word in (FLAGS[name], value)], {}
    if way == "environment":
        return [], {VARIABLES[name]: value for name, value in SAID.items()}
    lists = {name: json.dumps([value]) for name, value in SAID.items() if name != "tokens"}
    lines = [f"{name} = {value}\n" for name, value in lists.items()]
    text = "".join(["[access]\n", 'tokens = "tokens.toml"\n', *lines])
    (folder / "z.toml").write_text(text, encoding="utf-8")
    return ["--config", "z.toml"], {}


@pytest.mark.shows(
    "ZEPHYRUS_TOKENS", "WS_ORIGINS", "ZEPHYRUS_ALLOWED_HOSTS", "ZEPHYRUS_TRUSTED_PROXIES",
    "serve --tokens", "serve --origin", "serve --allowed-host", "serve --trusted-proxy",
)  # fmt: skip
@pytest.mark.parametrize("way", ["flags", "environment", "file"])
async def test_who_may_come_is_what_the_settings_say(tmp_path: Path, way: str) -> None:
    append_token(tmp_path / "tokens.toml", ENTRY)
    flags, env = settings(way, tmp_path)
    env = {**env, "LOG_LEVEL": "info"}
    async with serving(*LOOPBACK, *flags, env=env, cwd=tmp_path) as server:
        url = server.urls[0]
        statuses = [
            (await attempt(url, headers)).status
            for headers in (
                {},
                BEARER,
                {**BEARER, "Origin": "https://app.example.org"},
                {**BEARER, "Origin": "https://evil.test"},
                {**BEARER, "Host": "agents.example.org"},
                {**BEARER, "Host": "evil.test"},
                {"X-Forwarded-For": "203.0.113.9"},
            )
        ]
        ended = await server.stop()
    assert statuses == [401, 101, 101, 403, 101, 403, 401]
    assert "203.0.113.9 by 127.0.0.1:" in ended.err
    assert "--origin https://evil.test" in ended.err
    assert "--allowed-host evil.test" in ended.err


@pytest.mark.shows("ZEPHYRUS_ALLOW_ANONYMOUS", "serve --allow-anonymous")
@pytest.mark.parametrize("way", ["flag", "environment"])
async def test_everybody_may_come_where_that_is_said(tmp_path: Path, way: str) -> None:
    key = {"ZEPHYRUS_KEY_MAIN": "11" * 32}
    wide = ("--host", "0.0.0.0", "--port", "0", "--store", "memory:")
    refused = await asyncio.to_thread(run, "serve", *wide, env=key, cwd=tmp_path)
    assert (refused.code, "--allow-anonymous" in refused.err) == (2, True)
    flags = ("--allow-anonymous",) if way == "flag" else ()
    env = {} if way == "flag" else {"ZEPHYRUS_ALLOW_ANONYMOUS": "true"}
    async with serving(*wide, *flags, env={**key, **env}, cwd=tmp_path) as server:
        url = server.urls[0].replace("0.0.0.0", "127.0.0.1")
        assert (await attempt(url, {"X-Forwarded-For": "203.0.113.9"})).status == 101


@pytest.mark.shows("ZEPHYRUS_OPERATOR_TOKEN")
async def test_the_operators_token_is_made_and_shown_once_or_set_and_not_shown(
    tmp_path: Path,
) -> None:
    seen = set()
    for _ in range(2):
        async with serving(*LOOPBACK, cwd=tmp_path) as server:
            (token,) = re.findall(r"zx_[\w-]{43}", "\n".join(server.banner))
            answer = await attempt(server.urls[0], {"Authorization": f"Bearer {token}"})
            assert answer.status == 101
            ended = await server.stop()
        assert token not in ended.err
        seen.add(token)
    assert len(seen) == 2
    env = {"ZEPHYRUS_OPERATOR_TOKEN": ANA}
    async with serving(*LOOPBACK, env=env, cwd=tmp_path) as server:
        assert (await attempt(server.urls[0], BEARER)).status == 101
        ended = await server.stop()
    assert "zx_" not in "\n".join(server.banner) + ended.err
    short = await asyncio.to_thread(run, "serve", env={"ZEPHYRUS_OPERATOR_TOKEN": "x" * 31})
    assert (short.code, "too short" in short.err) == (2, True)


async def test_no_made_token_goes_into_logs_that_are_kept(tmp_path: Path) -> None:
    async with serving(*LOOPBACK, "--log-format", "json", cwd=tmp_path) as server:
        ended = await server.stop()
    assert "zx_" not in "\n".join(server.banner) + ended.err


@pytest.mark.shows("ZEPHYRUS_TLS_CERT", "ZEPHYRUS_TLS_KEY", "serve --tls-cert", "serve --tls-key")
@pytest.mark.parametrize("way", ["flags", "environment"])
async def test_a_certificate_makes_it_tls(tmp_path: Path, way: str) -> None:
    file = str(CERTIFICATE)
    flags = ("--tls-cert", file, "--tls-key", file) if way == "flags" else ()
    env = {} if flags else {"ZEPHYRUS_TLS_CERT": file, "ZEPHYRUS_TLS_KEY": file}
    trusting = ssl.create_default_context(cafile=file)
    async with serving(*LOOPBACK, *flags, env=env, cwd=tmp_path) as server:
        (url,) = re.findall(r"wss://\S+", "\n".join(server.banner))
        channel = await connect_websocket(
            url.replace("127.0.0.1", "localhost"), ssl_context=trusting
        )
        await channel.aclose()
    alone = await asyncio.to_thread(run, "serve", *LOOPBACK, "--tls-cert", file, cwd=tmp_path)
    assert (alone.code, "one of the two is missing" in alone.err) == (2, True)
    wrong = ("--tls-cert", __file__, "--tls-key", __file__)
    other = await asyncio.to_thread(run, "serve", *LOOPBACK, *wrong, cwd=tmp_path)
    assert (other.code, "PEM" in other.err) == (2, True)


@pytest.mark.shows("ZEPHYRUS_UNIX", "ZEPHYRUS_UNIX_MODE", "serve --unix", "serve --unix-mode")
@pytest.mark.parametrize("way", ["flags", "environment"])
async def test_a_unix_socket_replaces_the_port(tmp_path: Path, way: str) -> None:
    flags = ("--unix", "here", "--unix-mode", "660") if way == "flags" else ()
    env = {} if flags else {"ZEPHYRUS_UNIX": "here", "ZEPHYRUS_UNIX_MODE": "660"}
    async with serving("--store", "memory:", *flags, env=env, cwd=tmp_path) as server:
        assert server.urls == []
        assert (tmp_path / "here").stat().st_mode & 0o777 == 0o660
        reader, writer = await asyncio.open_unix_connection(tmp_path / "here")
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 200 OK" in await reader.read()
        writer.close()
        await writer.wait_closed()
        assert (await server.stop()).code == 0
    assert not (tmp_path / "here").exists()


@pytest.mark.shows(
    "tokens new --scope", "tokens new --principal", "tokens new --expires", "tokens new --tokens",
    "tokens list --tokens",
)  # fmt: skip
async def test_a_made_token_lets_its_bearer_in_at_a_running_server(tmp_path: Path) -> None:
    file = ("--tokens", "t.toml")

    def tokens(*words: str) -> str:
        done = run("tokens", *words, *file, cwd=tmp_path)
        assert done.code == 0, done.err
        return done.out

    first = tokens("new", "one").strip()
    assert (tmp_path / "t.toml").stat().st_mode & 0o777 == 0o600
    async with serving(*LOOPBACK, *file, cwd=tmp_path) as server:
        words = ("--scope", "watch", "--principal", "ana", "--expires", "2030-01-31T00:00:00Z")
        second = (await asyncio.to_thread(tokens, "new", "two", *words)).strip()
        for token in (first, second):
            bearer = {"Authorization": f"Bearer {token}"}
            assert (await attempt(server.urls[0], bearer)).status == 101
    listed = tokens("list")
    assert re.search(r"two\W+ana\W+watch\W+2030-01-31", listed)
    assert re.search(r"one\W+one\W+execute, watch\W+never", listed)
    held = (tmp_path / "t.toml").read_text(encoding="utf-8")
    assert first not in held + listed
    again = run("tokens", "new", "one", *file, cwd=tmp_path)
    assert (again.code, "already" in again.err) == (2, True)
    nowhere = run("tokens", "list", cwd=tmp_path)
    assert (nowhere.code, "--tokens FILE" in nowhere.err) == (2, True)
    for when in ("tomorrow", "2030-01-31", "d", ""):
        assert run("tokens", "new", "x", "--expires", when, *file, cwd=tmp_path).code == 2


async def test_no_credential_is_in_anything_a_server_says(tmp_path: Path) -> None:
    wrong = new_token()
    append_token(tmp_path / "t.toml", ENTRY)
    said: list[str] = []
    flags = ("--tokens", "t.toml", "--log-level", "debug")
    env = {"ZEPHYRUS_OPERATOR_TOKEN": (operator := new_token())}
    async with serving(*LOOPBACK, *flags, env=env, cwd=tmp_path) as server:
        for token in (ANA, wrong, operator):
            encoded = base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")
            for headers, path in (
                ({"Authorization": f"Bearer {token}"}, "/"),
                ({"Authorization": token}, "/"),
                ({"Sec-WebSocket-Protocol": f"zephyrus.auth.bearer.{encoded}"}, "/"),
                ({"Origin": f"https://evil.test/{token}"}, f"/?token={token}"),
                ({}, f"/?token={token}"),
            ):
                answer = await attempt(server.urls[0], headers, path=path)
                said += [answer.head, answer.body, *answer.replies]
        said += server.banner
        said.append(await _stopped(server))
    text = "\n".join(said)
    for token in (ANA, wrong, operator):
        encoded = base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")
        shown = text.replace(f"https://evil.test/{token}", "")  # what a page calls itself
        assert token not in shown
        assert encoded not in text
        assert digest(token).removeprefix("sha256:") not in text


async def _stopped(server: Serving) -> str:
    async with asyncio.timeout(PATIENCE):
        ended = await server.stop()
    assert ended.code == 0
    return ended.out + ended.err


async def test_the_demo_lets_pages_opened_from_disk_in_and_nothing_else_does(
    tmp_path: Path,
) -> None:
    demo = ("--demo", "--host", "127.0.0.1", "--port", "0")
    async with serving(*demo, cwd=tmp_path) as server:
        channel = await connect_websocket(server.urls[0], origin="null")
        await channel.aclose()
    async with serving(*LOOPBACK, cwd=tmp_path) as server:
        with pytest.raises(TransportRefused):
            await connect_websocket(server.urls[0], origin="null")
