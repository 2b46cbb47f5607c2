"""The terminal before servers that do as they please, and readers that hear only half of it."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from websockets.asyncio.server import ServerConnection, serve

from zephyrus_exec.protocol.v2.codec import encode, read_request
from zephyrus_exec.protocol.v2.messages import Execute, ExecutionStarted, Hello, StartedData

from ..unit.client.scripted import completed, event, hello_ack
from .commands import Ended, command, environment, run

pytestmark = pytest.mark.slow

Answer: TypeAlias = Callable[[ServerConnection, Execute], Awaitable[None]]
WILD = "x\x1b[2J\x1b]0;owned\x07\nsucceeded: agent y"


@asynccontextmanager
async def stranger(answer: Answer) -> AsyncIterator[str]:
    """Run a server that welcomes everybody, and answers `execute` as it likes; give its URL."""

    async def talk(peer: ServerConnection) -> None:
        async for frame in peer:
            match read_request(json.loads(frame)):
                case Hello() as hello:
                    await peer.send(encode(hello_ack(hello)))
                case Execute() as request:
                    await answer(peer, request)

    def select(_: ServerConnection, offered: Any) -> Any:
        return offered[0] if offered else None

    async with serve(talk, "127.0.0.1", 0, select_subprotocol=select) as server:
        (socket,) = server.sockets
        yield f"ws://127.0.0.1:{socket.getsockname()[1]}"


def accepted(request: Execute, execution_id: str) -> str:
    data = StartedData(True, "Iniciando", "started", replayed=False)
    return encode(ExecutionStarted(request.request_id, execution_id, "e1", 1, data))


async def asked(answer: Answer, *more: str, **env: str) -> Ended:
    async with stranger(answer) as url:
        return await asyncio.to_thread(run, "execute", "a", "--url", url, *more, env=env)


async def _wild(peer: ServerConnection, request: Execute) -> None:
    await peer.send(accepted(request, WILD))
    first = encode(event(1, WILD, "accepted")).replace('"at":1.0', '"at":1e300')
    await peer.send(first)
    await peer.send(encode(completed(2, WILD)))


@pytest.mark.parametrize("more", [(), ("--json",)])
async def test_a_server_can_neither_steer_the_terminal_nor_crash_it(more: tuple[str, ...]) -> None:
    ended = await asked(_wild, *more)
    assert ended.code == 0
    assert "\x1b" not in ended.out + ended.err
    assert len(ended.out.splitlines()) == 2
    assert "Traceback" not in ended.err


async def test_an_end_for_good_leaves_open_what_becomes_of_the_execution(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("zx_t\n")

    async def answer(peer: ServerConnection, request: Execute) -> None:
        await peer.send(accepted(request, "x1"))
        await peer.close(4400, "enough")

    ended = await asked(answer, "--token-file", str(token))
    assert ended.code == 3
    assert "enough" in ended.err
    assert "to come back: zephyrus-exec watch x1 --url ws://" in ended.err
    assert f"--token-file {token}" in ended.err


async def test_an_end_for_good_before_an_answer_leaves_open_whether_it_began() -> None:
    async def answer(peer: ServerConnection, _: Execute) -> None:
        await peer.close(4400)

    ended = await asked(answer, "--input", '{"amount": 7}')
    assert ended.code == 3
    assert """execute a --input '{"amount": 7}' --idempotency-key """ in ended.err


@pytest.mark.skipif(sys.platform == "win32", reason="presses Ctrl-C as POSIX has it")
async def test_who_leaves_before_an_answer_is_told_how_to_ask_for_the_same(tmp_path: Path) -> None:
    heard = asyncio.Event()

    async def answer(_: ServerConnection, __: Execute) -> None:
        heard.set()

    given = ("--input", '{"amount": 7}', "--deadline", "60")
    async with stranger(answer) as url:
        asking = await asyncio.create_subprocess_exec(
            *command("execute", "a", *given, "--url", url),
            env=environment(),
            stderr=asyncio.subprocess.PIPE,
        )
        await heard.wait()
        asking.send_signal(signal.SIGINT)
        _, err = await asking.communicate()
    assert asking.returncode == 130
    same = """execute a --input '{"amount": 7}' --deadline 60.0 --idempotency-key """
    assert same in err.decode()


@pytest.mark.parametrize("more", [(), ("--json",)])
async def test_what_the_encoding_of_a_pipe_lacks_ends_nothing(more: tuple[str, ...]) -> None:
    async def answer(peer: ServerConnection, request: Execute) -> None:
        await peer.send(accepted(request, "x1"))
        await peer.send(encode(event(1, kind="acuñado … ✓")))
        await peer.send(encode(completed(2)))

    ended = await asked(answer, *more, PYTHONUTF8="0", PYTHONIOENCODING="ascii")
    assert ended.code == 0
    assert ("acuñado … ✓" if more else r"acu\xf1ado \u2026 \u2713") in ended.out


@pytest.mark.skipif(sys.platform == "win32", reason="a pipe breaks as POSIX has it")
async def test_who_stops_reading_is_not_told_that_it_succeeded() -> None:
    async def answer(peer: ServerConnection, request: Execute) -> None:
        await peer.send(accepted(request, "x1"))
        for seq in range(1, 2000):
            await peer.send(encode(event(seq)))

    async with stranger(answer) as url:
        asking = await asyncio.create_subprocess_exec(
            *command("execute", "a", "--json", "--url", url),
            env=environment(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert asking.stdout is not None
        await asking.stdout.readline()
        asking._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]
        assert asking.stderr is not None
        assert await asking.stderr.read() == b""
        assert await asking.wait() == 141


async def test_a_password_in_the_url_is_not_repeated() -> None:
    ended = await asyncio.to_thread(run, "execute", "a", "--url", "ws://me:secret@127.0.0.1:1")
    assert ended.code == 2
    assert "127.0.0.1:1" in ended.err
    assert "secret" not in ended.err


@pytest.mark.parametrize("token", ["zx_sec\nret", "zx_secretñ"])
async def test_a_token_that_no_header_can_hold_is_told_at_once_and_not_repeated(
    token: str, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text(token, encoding="utf-8")
    ended = await asked(_wild, "--token-file", str(file))
    assert ended.code == 2
    assert ended.complaint == (
        "zephyrus-exec: the value of the request header Authorization cannot be sent; write "
        "printable ASCII"
    )
