"""The examples run as their user would run them, and the README's outputs are what comes out."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from attrs import frozen

from tests.anvil import KEYS, running_anvil
from tests.integration.processes import PATIENCE, ServerProcess, server
from tests.javascript import node_command
from zephyrus_exec import (
    Agent,
    Component,
    ExecutionEngine,
    MemoryRepository,
    MemoryStore,
    RunContext,
    Service,
    serve,
)
from zephyrus_exec.demo import MINTING_AGENT
from zephyrus_exec.demo.deploy import token_artifact
from zephyrus_exec.protocol.messages import Completed, Reply
from zephyrus_exec.testing.v1 import connect_v1

from .markdown import ROOT, Block, blocks, output_of

EXAMPLES = ROOT / "examples"
DEMO = ("-m", "zephyrus_exec", "serve", "--demo", "--host", "127.0.0.1", "--port", "0")
CLIENT = str(EXAMPLES / "websocket_execution_client.py")


@frozen
class Done:
    """What became of a command."""

    code: int
    stdout: str
    stderr: str


async def run(*command: str, **environ: str) -> Done:
    """Run a command to its end."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONUTF8": "1", **environ},
    )
    try:
        async with asyncio.timeout(PATIENCE):
            stdout, stderr = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Done(process.returncode or 0, stdout.decode(), stderr.decode())


async def client(url: str, *arguments: str) -> Done:
    """Run the example client against a server."""
    return await run(sys.executable, "-W", "error", CLIENT, *arguments, WS_URL=url)


@asynccontextmanager
async def demo(*options: str) -> AsyncIterator[ServerProcess]:
    """Run the demo's server in a process of its own."""
    async with server(*DEMO, *options, env=_environ()) as running:
        yield running


@pytest.fixture(scope="module")
def shared_demo() -> Iterator[str]:
    """The URL of one demo's server for all tests that do not mind what was executed before."""
    process = subprocess.Popen(
        [sys.executable, *DEMO],
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env=_environ(),
    )
    try:
        assert process.stderr is not None
        yield next(line.split()[1] for line in process.stderr if "ws://" in line)
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


def _environ() -> dict[str, str]:
    """Return our environment without what would set the server up differently."""
    ours = ("WS_", "ZEPHYRUS_")
    kept = {n: text for n, text in os.environ.items() if n != "PORT" and not n.startswith(ours)}
    return {**kept, "PYTHONUTF8": "1"}


async def execute(url: str, agent_id: str) -> list[Reply]:
    """Return every reply to one request."""
    async with connect_v1(url) as connection:
        return [reply async for reply in connection.execute(agent_id)]


# --- the client ----------------------------------------------------------------------------------


async def fail(context: RunContext) -> None:
    raise ValueError("a bug")


async def short(context: RunContext) -> str:
    return "hecho"


async def nothing(context: RunContext) -> None:
    return None


@asynccontextmanager
async def service() -> AsyncIterator[Service]:
    """Serve three coroutine agents from this process."""
    runners = {"fail": fail, "short": short, "nothing": nothing}
    agents = MemoryRepository(Agent(name, runner=Component(name)) for name in runners)
    engine = ExecutionEngine(agents=agents, contracts=agents, store=MemoryStore(), runners=runners)
    async with serve(engine, host="127.0.0.1", port=0) as running:
        yield running


async def test_the_client_without_an_argument_executes_the_seeds_agent(shared_demo: str) -> None:
    done = await client(shared_demo)
    assert (done.code, done.stderr) == (0, "")
    assert f"Iniciando ejecución del agente {MINTING_AGENT}" in done.stdout
    assert "Ejecución completada: 2 acciones" in done.stdout
    assert "1. balanceOf: Saldo antes de acuñar" in done.stdout
    assert "transacción en el bloque " in done.stdout


@pytest.mark.parametrize(
    ("agent_id", "code", "said"),
    [
        ("short", 0, "Ejecución completada: 1 acción"),
        ("nothing", 0, "No se ejecutó ninguna acción durante el ciclo"),
        ("fail", 1, "La ejecución falló: El agente falló por un error interno"),
        ("nobody", 1, "La ejecución falló: Agente no encontrado: nobody"),
        ("x" * 257, 1, "Solicitud rechazada: Se requiere agent_id para la ejecución"),
    ],
)
async def test_the_client_tells_each_end_by_text_and_exit_code(
    agent_id: str, code: int, said: str
) -> None:
    async with service() as running:
        done = await client(running.addresses[0], agent_id)
    assert (done.code, done.stderr) == (code, "")
    assert said in done.stdout


@pytest.mark.parametrize(
    ("url", "arguments", "said"),
    [
        ("ws://127.0.0.1:1", (), "no se pudo conectar a ws://127.0.0.1:1"),
        ("http://localhost", (), "http://localhost no es una dirección WebSocket"),
        ("ws://127.0.0.1:1", ("one", "two"), "uso: websocket_execution_client.py [AGENT_ID]"),
    ],
)
async def test_the_client_explains_why_there_is_no_connection(
    url: str, arguments: Sequence[str], said: str
) -> None:
    done = await client(url, *arguments)
    assert done.code == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_the_client_knows_nothing_of_this_library() -> None:
    assert "zephyrus_exec" not in Path(CLIENT).read_text(encoding="utf-8")


# --- the host ------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="stops the host by SIGINT")
async def test_the_host_serves_its_agents_and_keeps_their_journal(tmp_path: Path) -> None:
    journal = str(tmp_path / "journal.db")
    environ = {**os.environ, "WS_PORT": "0"}
    async with server(str(EXAMPLES / "embed.py"), journal, env=environ) as host:
        _, first = await execute(host.url, "restock")
        _, second = await execute(host.url, "report")
        host.process.send_signal(signal.SIGINT)
        assert await host.exit_code() == 0
    assert isinstance(first, Completed)
    assert [item["parameters"] for item in first.results] == [
        {"item": "nuts"},
        {"item": "washers"},
    ]
    assert isinstance(second, Completed)
    assert host.stderr[-1] == "stopped\n"
    listing = await run(
        sys.executable, "-m", "zephyrus_exec", "executions", "list", "--store", journal, "--json"
    )
    assert [line.count('"succeeded"') for line in listing.stdout.splitlines()] == [1, 1, 1]


# --- the file ------------------------------------------------------------------------------------


async def test_the_files_agents_run_beside_those_of_the_demo() -> None:
    async with demo("--config", str(EXAMPLES / "agents.toml")) as running:
        replies = [await execute(running.url, agent) for agent in ("treasurer", "auditor")]
    treasurer, auditor = (every[-1] for every in replies)
    assert isinstance(treasurer, Completed)
    assert [item["function_name"] for item in treasurer.results] == ["mint", "balanceOf", "approve"]
    approved = treasurer.results[2]["parameters"]
    assert isinstance(approved, dict)
    assert approved["amount"] == "1000000000000000000"
    assert isinstance(auditor, Completed)
    assert auditor.results[0]["result"] == "1000000000000000000"


async def test_the_tutorials_file_runs_on_the_demo(tmp_path: Path) -> None:
    text = next(one.text for one in blocks(ROOT / "docs" / "tutorial.md", "toml"))
    file = tmp_path / "my-agents.toml"
    file.write_text(text, encoding="utf-8")
    async with demo("--config", str(file)) as running:
        last = (await execute(running.url, "my-first"))[-1]
    assert isinstance(last, Completed)
    assert [item["result"] for item in last.results][1] == "7"


async def test_the_tutorials_file_runs_on_a_real_node(tmp_path: Path) -> None:
    agents, chain = (one.text for one in blocks(ROOT / "docs" / "tutorial.md", "toml"))
    file = tmp_path / "my-agents.toml"
    file.write_text(chain + agents, encoding="utf-8")
    command = ("serve", "--host", "127.0.0.1", "--port", "0", "--store", "memory:")
    with running_anvil() as node:
        await asyncio.to_thread(_deploy_token, node.url)
        environ = {"ZEPHYRUS_RPC_31337": node.url, "ZEPHYRUS_KEY_DEMO": KEYS[0]}
        async with server(
            *("-m", "zephyrus_exec", *command, "--config", str(file)), env=_environ() | environ
        ) as running:
            last = (await execute(running.url, "my-first"))[-1]
    assert isinstance(last, Completed)
    assert [item["result"] for item in last.results][1] == "7"


def _deploy_token(url: str) -> None:
    """Put the token where the node's first account puts its first contract."""
    creation = {
        "from": "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
        "data": token_artifact()["bytecode"],
        "gas": hex(3_000_000),
    }
    body = {"jsonrpc": "2.0", "id": 1, "method": "eth_sendTransaction", "params": [creation]}
    request = Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urlopen(request) as response:
        assert "error" not in json.load(response)


# --- JavaScript ----------------------------------------------------------------------------------


async def test_the_readmes_javascript_gets_the_results(shared_demo: str, tmp_path: Path) -> None:
    shown, _ = blocks(ROOT / "README.md", "javascript")
    script = tmp_path / "page.js"
    text = shown.text.replace("ws://localhost:8765", shared_demo)
    script.write_text(text, encoding="utf-8")
    done = await run(*node_command(), str(script))
    assert (done.code, done.stderr) == (0, "")
    assert f"Iniciando ejecución del agente {MINTING_AGENT}" in done.stdout
    assert "2 actions:" in done.stdout


async def test_the_readmes_client_shows_every_step(shared_demo: str, tmp_path: Path) -> None:
    _, shown = blocks(ROOT / "README.md", "javascript")
    done = await _run_module(shown, shared_demo, tmp_path)
    assert (done.code, done.stderr) == (0, "")
    *steps, end = done.stdout.splitlines()
    assert [step.split()[0] for step in steps] == [str(n + 1) for n in range(len(steps))]
    assert steps[0] == "1 accepted"
    assert steps[-1].endswith("completed")
    assert end.endswith("succeeded")


async def _run_module(shown: Block, url: str, folder: Path) -> Done:
    for name in ("zephyrus-exec.js", "package.json"):
        shutil.copy(ROOT / "zephyrus_exec" / "static" / name, folder)
    script = folder / "page.js"
    script.write_text(shown.text.replace("ws://localhost:8765", url), encoding="utf-8")
    return await run(*node_command(), str(script))


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param(one, id=one.id)
        for one in blocks(ROOT / "docs" / "javascript.md", "javascript")
        if one.run
    ],
)
async def test_javascript_of_the_page_prints_what_it_says(
    shown: Block, shared_demo: str, tmp_path: Path
) -> None:
    done = await _run_module(shown, shared_demo, tmp_path)
    assert (done.code, done.stderr) == (0, "")
    assert done.stdout == output_of(shown)


def test_the_react_example_asks_for_the_packages_it_is_tested_with() -> None:
    example, tests = (
        json.loads((ROOT / folder / "package.json").read_text(encoding="utf-8"))
        for folder in ("examples/react", "tests/node")
    )
    asked = {**example["dependencies"], **example["devDependencies"]}
    assert asked.items() <= tests["devDependencies"].items()


# --- outputs -------------------------------------------------------------------------------------


def _comparable(text: str) -> list[str]:
    """Return the lines without what differs from run to run."""
    text = re.sub(r"ws://127\.0\.0\.1:\d+", "ws://ADDRESS", text)
    text = re.sub(r"\bzx_[\w-]{43}", "TOKEN", text)
    text = re.sub(r"transaction 0x[0-9a-f]{64}", "transaction HASH", text)
    return [line.rstrip() for line in text.splitlines()]


async def test_the_demo_prints_what_the_readme_shows() -> None:
    shown = _comparable(blocks(ROOT / "README.md", "text")[0].text)
    done = await run(sys.executable, "-m", "zephyrus_exec", "demo", COLUMNS="100", TERM="dumb")
    notes, tables = _comparable(done.stderr), _comparable(done.stdout)
    assert done.code == 0
    assert shown == [*notes[:-1], *tables, notes[-1]]


@pytest.mark.skipif(os.name == "nt", reason="stops the server by SIGTERM")
async def test_the_banner_is_what_the_tutorial_shows() -> None:
    shown = _comparable(blocks(ROOT / "docs" / "tutorial.md", "text")[0].text)
    async with demo() as running:
        running.terminate()
        assert await running.exit_code() == 0
    said = _comparable("".join(running.stderr))
    assert said[:-2] == shown
    assert said[-1] == "stopped"
