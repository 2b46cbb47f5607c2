"""`execute`, `watch` and `executions`, asking a server of this process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websocket

from zephyrus_exec import (
    Agent,
    Component,
    ExecutionEngine,
    Json,
    MemoryRepository,
    MemoryStore,
    RunContext,
    serve,
)
from zephyrus_exec.cli.main import build_parser
from zephyrus_exec.errors import ConfigurationError

HASH = "0x" + "ab" * 32
OLD_KEY = "01000000-0000-7000-8000-000000000000"
"""A UUIDv7 of another century."""

Command: TypeAlias = Callable[..., Awaitable[int]]


async def greet(context: RunContext) -> Json:
    async def work() -> Json:
        return context.input

    return await context.action("greet", work)


async def wait(context: RunContext) -> Json:
    await context.emit({"waits": True})
    await asyncio.Event().wait()
    return None


@pytest.fixture
async def url() -> AsyncIterator[str]:
    runners = {"greet": greet, "wait": wait}
    agents = MemoryRepository(Agent(name, runner=Component(name)) for name in runners)
    engine = ExecutionEngine(agents=agents, contracts=agents, store=MemoryStore(), runners=runners)
    async with serve(engine, host="127.0.0.1", port=0, drain_timeout=0.1) as service:
        yield service.addresses[0]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Return the command line, inside the loop of the test."""
    monkeypatch.chdir(tmp_path)
    for name in ("ZEPHYRUS_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG", "ZEPHYRUS_TOKEN", "WS_URL"):
        monkeypatch.delenv(name, raising=False)

    async def command(*words: str) -> int:
        options = build_parser().parse_args(words)
        code: int = await options.command(options)
        return code

    return command


@pytest.fixture
def given(tmp_path: Path) -> Path:
    file = tmp_path / "given.json"
    file.write_text("[7]", encoding="utf-8")
    return file


def frames(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


async def test_an_execution_is_shown_to_its_end(
    url: str, run: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run("execute", "greet", "--input", '"hola"', "--url", url) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [int(line[:4]) for line in lines] == list(range(1, 6))
    assert "1 greet: hola (" in lines[3]


async def test_input_may_be_in_a_file(
    url: str, run: Command, capsys: pytest.CaptureFixture[str], given: Path
) -> None:
    assert await run("execute", "greet", "--input", f"@{given}", "--url", url, "--json") == 0
    assert frames(capsys.readouterr().out)[-1]["data"]["results"][0]["result"] == [7]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("{", "--input: is no JSON"),
        ("[" * 100_000, "--input: is no JSON"),
        ("NaN", "--input: "),
        ("@missing.json", "--input: 'missing.json' cannot be read"),
    ],
    ids=["cut", "deep", "nan", "missing"],
)
async def test_input_that_is_no_json_is_refused_before_anything_is_asked(
    given: str, said: str, run: Command
) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        await run("execute", "greet", "--input", given, "--url", "ws://127.0.0.1:1")
    assert refusal.value.message.startswith(said)


async def test_a_refusal_is_told_in_our_language_and_is_exit_code_1(
    url: str, run: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run("execute", "nobody", "--url", url) == 1
    assert capsys.readouterr() == ("", "Agent not found: nobody\n")
    assert await run("watch", "nothing", "--url", url, "--language", "es", "--json") == 1
    (frame,) = frames(capsys.readouterr().out)
    assert (frame["type"], frame["data"]["code"]) == ("error", "execution_not_found")
    assert frame["data"]["message"] == "Ejecución no encontrada: nothing"


async def test_what_nobody_knows_is_exit_code_3(
    url: str, run: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run("execute", "greet", "--idempotency-key", OLD_KEY, "--url", url) == 3
    assert "can no longer be known" in capsys.readouterr().err


async def left(run: Command, *words: str, once: Callable[[], bool]) -> None:
    """Start a command, and leave it as Ctrl-C does once something is the case."""
    task = asyncio.ensure_future(run(*words))
    async with asyncio.timeout(10):
        while not once():
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_who_leaves_is_told_how_to_come_back_and_how_to_end_it(
    url: str, run: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    written = ""

    def begun() -> bool:
        nonlocal written
        written += capsys.readouterr().out
        return '"progress"' in written

    await left(run, "execute", "wait", "--url", url, "--json", once=begun)
    said, execution = capsys.readouterr().err, frames(written)[0]["execution_id"]
    assert f"zephyrus-exec watch {execution} --from 3 --url {url}" in said
    assert f"zephyrus-exec executions cancel {execution} --url {url}" in said
    assert await run("executions", "cancel", execution, "--url", url) == 0
    assert await run("watch", execution, "--from", "3", "--url", url) == 1


# --- servers that a test plays -------------------------------------------------------------------

Plays: TypeAlias = Callable[[ServerConnection, dict[str, Any]], Awaitable[None]]


@asynccontextmanager
async def played(answer: Plays) -> AsyncIterator[str]:
    """Serve as told; give the URL."""

    async def handle(connection: ServerConnection) -> None:
        async for frame in connection:
            await answer(connection, json.loads(frame))

    async with serve_websocket(handle, "127.0.0.1", 0) as server:
        yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"


def response(**data: Json) -> str:
    return json.dumps({"type": "execution_response", "data": data})


async def old(connection: ServerConnection, message: dict[str, Any]) -> None:
    """Answer as a server that speaks v1 only."""
    if message["type"] == "hello":
        problem = {"message": f"Tipo de mensaje no reconocido: {message['type']}"}
        await connection.send(json.dumps({"type": "error", "data": problem}))
        return
    agent = message["agent_id"]
    await connection.send(response(success=True, message=f"… {agent}", status="started"))
    if agent == "dies":
        await connection.close(1011)
    elif agent == "fails":
        await connection.send(
            response(success=False, error="se rompió", agent_id=agent, status="completed")
        )
    elif agent == "pays":
        paid: dict[str, Json] = {
            "function_name": "pay",
            "parameters": {},
            "result": HASH,
            "success": True,
        }
        sent: dict[str, Json] = {
            **paid,
            "transaction_hash": HASH,
            "block_number": 7,
            "gas_used": 21000,
        }
        done: dict[str, Json] = {"agent_id": agent, "execution_count": 1, "status": "completed"}
        await connection.send(response(success=True, results=[sent], **done))


async def test_an_old_server_is_shown_as_far_as_it_tells(
    run: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    async with played(old) as url:
        assert await run("execute", "pays", "--url", url) == 0
        *_, ended, step, effect = capsys.readouterr().out.splitlines()
        assert ended.endswith("succeeded: agent pays, 1 action done")
        assert step == "1 pay: done (block 7, gas 21000)"
        assert effect == f"1 pay: transaction {HASH}: in block 7"
        assert await run("execute", "fails", "--url", url) == 1
        assert capsys.readouterr().out.endswith(
            "failed: agent fails, nothing was done: se rompió\n"
        )


async def test_an_old_server_that_dies_meanwhile_leaves_it_open(
    run: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    async with played(old) as url:
        assert await run("execute", "dies", "--url", url) == 3


@pytest.mark.parametrize(
    "words", [("watch", "x"), ("execute", "pays", "--idempotency-key", "k"), ("executions", "list")]
)
async def test_what_an_old_server_lacks_is_said_with_what_to_do(
    words: tuple[str, ...], run: Command
) -> None:
    async with played(old) as url:
        with pytest.raises(ConfigurationError, match=r"speaks v1 only.*ask a newer server"):
            await run(*words, "--url", url)


async def test_who_leaves_an_old_server_is_not_promised_to_find_it_again(
    run: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    async with played(old) as url:
        await left(
            run,
            *("execute", "waits", "--url", url),
            once=lambda: "started" in capsys.readouterr().out,
        )
    assert "look at executions list there" in capsys.readouterr().err


async def test_who_leaves_before_any_answer_is_told_the_key(
    run: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[dict[str, Any]] = []
    ack = {"type": "hello_ack", "version": 2, "server": "t/1", "connection_id": "c"}
    ack |= {"store_epoch": "e", "principal": {"id": "a", "scopes": [], "expires_at": None}}
    limits = dict.fromkeys(
        ("max_message_bytes", "max_message_depth", "max_requests", "max_subscriptions"), 1 << 20
    )
    more = ("max_idempotency_key", "max_agent_id", "executions_kept")
    times = ("max_request_rate", "hello_timeout", "stall_timeout", "max_duration")
    limits |= dict.fromkeys(more, 256)
    ack["limits"] = {
        **limits,
        **dict.fromkeys((*times, "idempotency_key_retention"), 60.0),
    }
    ack["heartbeat"] = {"ping_after": 25.0, "lost_after": 60.0}

    async def silent(connection: ServerConnection, message: dict[str, Any]) -> None:
        if message["type"] == "hello":
            await connection.send(json.dumps({**ack, "request_id": message["request_id"]}))
        else:
            asked.append(message)

    async with played(silent) as url:
        await left(run, "execute", "it", "--url", url, once=lambda: bool(asked))
    key = asked[0]["idempotency_key"]
    again = f"zephyrus-exec execute it --idempotency-key {key} --url {url}"
    assert again in capsys.readouterr().err


async def test_a_token_that_is_not_known_is_refused_with_where_to_write_another(
    run: Command,
) -> None:
    async def nobody(connection: ServerConnection, _: dict[str, Any]) -> None:
        await connection.close(4401)

    async with played(nobody) as url:
        with pytest.raises(ConfigurationError, match="ZEPHYRUS_TOKEN"):
            await run("execute", "x", "--url", url)


async def test_lists_go_on_page_after_page(
    url: str, run: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(3):
        await run("execute", "greet", "--url", url)
    capsys.readouterr()
    assert await run("executions", "list", "--limit", "1500", "--url", url, "--json") == 0
    views = frames(capsys.readouterr().out)
    assert len(views) == 3
    place = ("--before", views[0]["execution_id"], "--limit", "1", "--url", url, "--json")
    assert await run("executions", "list", *place) == 0
    assert frames(capsys.readouterr().out) == views[1:2]
    assert await run("executions", "show", views[2]["execution_id"], "--url", url) == 0
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == f"{views[2]['execution_id']}: succeeded"
    assert len(lines) == 5
