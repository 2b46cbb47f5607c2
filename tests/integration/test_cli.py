"""The command line as a user runs it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from zephyrus_exec import __version__
from zephyrus_exec.cli import main
from zephyrus_exec.demo import (
    IDLE_AGENT,
    LOST_AGENT,
    MINTING_AGENT,
    PATIENT_AGENT,
    REVERTING_AGENT,
)
from zephyrus_exec.protocol.messages import Completed, Started
from zephyrus_exec.testing.v1 import connect_v1

from .commands import Ended, Serving, environment, run, serving

pytestmark = pytest.mark.skipif(os.name == "nt", reason="stops servers by POSIX signals")

AGENTS: Final = """
[[agents]]
id = "idle"
name = "Ocioso"
planner = { name = "steps", settings = { steps = [] } }

[[agents]]
id = "lost"
contract_id = "nowhere"
planner = { name = "steps", settings = { steps = [] } }
"""
LOOPBACK: Final = ("--host", "127.0.0.1", "--port", "0")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "zephyrus.toml"
    file.write_text(AGENTS, encoding="utf-8")
    return file


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def free_port() -> int:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        port: int = other.getsockname()[1]
    return port


class Here:
    """The command line in this process: for what is refused before anything is opened."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path
    ) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        self._folder = folder

    def __call__(self, *arguments: str, env: dict[str, str] | None = None) -> Ended:
        self._monkeypatch.chdir(self._folder)
        for name in set(os.environ) - set(environment()):
            self._monkeypatch.delenv(name)
        for name, value in (env or {}).items():
            self._monkeypatch.setenv(name, value)
        try:
            code: Any = main(arguments)
        except SystemExit as leaving:
            code = leaving.code
        return Ended(code, *self._capsys.readouterr())


@pytest.fixture
def here(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Here:
    return Here(monkeypatch, capsys, tmp_path)


def refused(ended: Ended) -> str:
    """Return the complaint of a command that was refused as it should be."""
    assert ended.code == 2
    assert ended.out == ""
    assert "Traceback" not in ended.err
    assert ended.complaint.startswith("zephyrus-exec: ")
    return ended.complaint.removeprefix("zephyrus-exec: ")


# --- help and usage ------------------------------------------------------------------------------


def test_the_version_is_told() -> None:
    assert run("--version") == Ended(0, f"zephyrus-exec {__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((), ("serve", "execute", "watch", "executions", "agents", "demo")),
        (("serve",), ("--host", "--port", "--store", "--rpc", "--demo", "--drain-timeout")),
        (("execute",), ("AGENT_ID", "--input", "--idempotency-key", "--url", "--json")),
        (("watch",), ("EXECUTION_ID", "--from", "--until-final", "--token-file")),
        (("executions", "list"), ("--store", "--limit", "--json")),
        (("agents", "check"), ("--demo", "--config")),
    ],
    ids=" ".join,
)
def test_help_names_what_there_is(arguments: tuple[str, ...], named: tuple[str, ...]) -> None:
    ended = run(*arguments, "--help")
    assert (ended.code, ended.err) == (0, "")
    assert [name for name in named if name not in ended.out] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "COMMAND"),
        (("launch",), "there is no COMMAND 'launch'; write one of serve, execute,"),
        (("sevre",), "there is no COMMAND 'sevre'; did you mean serve?"),
        (("execute",), "required: AGENT_ID; for help: zephyrus-exec execute --help"),
        (("agents",), "ACTION"),
        (("agents", "lst"), "did you mean list?; for help: zephyrus-exec agents --help"),
        (
            ("serve", "--prot", "3"),
            "there is no option --prot; did you mean --port?; for help: zephyrus-exec serve --help",
        ),
        (("serve", "--pasword=secret"), "there is no option --pasword"),
        (("serve", "8765"), "'8765' is one argument too many"),
        (("serve", "--port"), "--port: expected one argument"),
        (("executions", "list", "--limit", "many"), "--limit"),
        (("executions", "list", "--limit", "0"), "write 1 or more"),
        (("executions", "list", "--limit", "-3"), "--limit"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_usage_is_one_line_that_says_what_to_write(
    arguments: tuple[str, ...], said: str, here: Here
) -> None:
    complaint = refused(here(*arguments))
    assert said in complaint
    assert "secret" not in complaint


@pytest.mark.parametrize(
    ("arguments", "env", "said"),
    [
        (("serve", "--port", "http"), {}, "--port: 'http' is no port"),
        (("serve", "--port", "65536"), {}, "write a number from 1 to 65535"),
        (("serve",), {"PORT": "-1"}, "PORT: '-1' is no port"),
        (("serve",), {"WS_PORT": "8765x"}, "WS_PORT: '8765x' is no port"),
        (("serve",), {"WS_HOST": "ws://localhost"}, "WS_HOST: 'ws://localhost' is no host"),
        (("serve", "--store", "memory"), {}, "did you mean memory:?"),
        (("serve",), {"ZEPHYRUS_STORE": "postgres://u:secret@h/db"}, "ZEPHYRUS_STORE"),
        (("serve", "--language", "fr"), {}, "write es or en"),
        (("serve", "--drain-timeout", "soon"), {}, "--drain-timeout"),
        (("serve", "--rpc", "http://localhost"), {}, "CHAINID=URL"),
        (("serve",), {"ZEPHYRUS_RPC_1": "ftp://u:secret@h"}, "ZEPHYRUS_RPC_1"),
        (("serve", "--store", "missing/folder/a.db"), {}, "a.db"),
        (("serve", "--config", "missing.toml"), {}, "name a TOML file"),
        (("serve", "--config", "."), {}, "name a TOML file"),
        (("executions", "list"), {}, "name the server's file with --store"),
        (("executions", "list", "--store", "memory:"), {}, "there is no journal"),
        (("agents", "show", "nobody"), {}, "there is no agent 'nobody'"),
        (("agents", "list", "--agents", "missing"), {}, "--agents: there is no 'missing'"),
        (("serve",), {"ZEPHYRUS_AGENTS": "http://u:secret@h"}, "ZEPHYRUS_AGENTS"),
        (("execute", "idle", "--url", "localhost:8765"), {}, "write ws://HOST:PORT"),
        (("execute", "idle"), {"WS_URL": "ws://127.0.0.1:1"}, "is the server running?"),
        (("serve", "--demo", "--store", "demo.db"), {}, "--store memory:"),
        (("serve", "--demo"), {"ZEPHYRUS_STORE": "demo.db"}, "ZEPHYRUS_STORE"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple | dict) else "",
)
def test_a_wrong_value_is_one_line_that_says_what_to_write(
    arguments: tuple[str, ...], env: dict[str, str], said: str, tmp_path: Path, here: Here
) -> None:
    complaint = refused(here(*arguments, env=env))
    assert said in complaint
    assert "secret" not in complaint
    assert list(tmp_path.iterdir()) == [], "a refused command left something behind"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("host = [", "is no TOML"),
        ("prot = 1", "did you mean port?"),
        ("port = true", "port"),
        ('[[agents]]\nid = ""', "agents[0].id"),
        ('[[agents]]\nid = "a"\nstatus = "asleep"', "agents[0].status"),
        ('[[agents]]\nid = "a"\n[[agents]]\nid = "a"', "agents[1].id: 'a' is there already"),
        ("agents_from = 1", "agents_from"),
        ("[limits]\nmax_running = 0", "limits.max_running"),
        ("\x00", "is no TOML"),
    ],
)
def test_a_wrong_file_is_one_line_that_names_the_place(
    text: str, said: str, tmp_path: Path, here: Here
) -> None:
    file = tmp_path / "zephyrus.toml"
    file.write_text(text, encoding="utf-8")
    complaint = refused(here("serve", "--config", str(file)))
    assert complaint.startswith("zephyrus.toml")
    assert said in complaint


def test_a_process_that_was_refused_says_one_line_too(tmp_path: Path) -> None:
    complaint = refused(run("serve", env={"PORT": "http"}, cwd=tmp_path))
    assert complaint == (
        "PORT: 'http' is no port; write a number from 1 to 65535, or 0 for a free one"
    )
    usage = run("launch")
    assert (usage.code, usage.out) == (2, "")
    assert "there is no COMMAND 'launch'" in usage.err.splitlines()[-1]


def test_a_taken_port_is_one_line_that_names_it(taken_port: int, tmp_path: Path) -> None:
    complaint = refused(
        run("serve", "--host", "127.0.0.1", "--port", str(taken_port), cwd=tmp_path)
    )
    assert str(taken_port) in complaint


def test_a_file_that_is_no_journal_is_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "letter.txt"
    file.write_text("Querida Ana")
    for arguments in (("serve", *LOOPBACK), ("executions", "list")):
        assert "letter.txt" in refused(run(*arguments, "--store", str(file)))
    assert file.read_text() == "Querida Ana"
    assert list(tmp_path.iterdir()) == [file]


# --- missing extras ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hidden", "arguments", "extra"),
    [
        ("rich", ("agents", "list"), "cli"),
        ("rich", ("demo",), "cli"),
        ("web3", ("serve", "--rpc", "1=http://127.0.0.1:1", "--store", "memory:"), "evm"),
        ("eth_account", ("agents", "check", "--rpc", "1=http://127.0.0.1:1"), "evm"),
        ("web3", ("serve", "--demo"), "demo"),
        ("eth_tester", ("serve", "--demo"), "demo"),
        ("eth_tester", ("demo",), "demo"),
    ],
)
def test_a_missing_extra_is_one_line_with_what_to_install(
    hidden: str, arguments: tuple[str, ...], extra: str, tmp_path: Path
) -> None:
    complaint = refused(run(*arguments, hidden=[hidden], cwd=tmp_path))
    assert f'pip install "zephyrus-exec[{extra}]"' in complaint


def test_a_key_without_the_extra_for_keys_is_told_what_to_install(tmp_path: Path) -> None:
    env = {"ZEPHYRUS_KEY_DEV": "0x" + "01" * 32}
    complaint = refused(
        run("serve", "--store", "memory:", env=env, hidden=["eth_account"], cwd=tmp_path)
    )
    assert 'pip install "zephyrus-exec[evm]"' in complaint
    assert "0101" not in complaint


async def test_the_core_alone_serves_executes_and_lists(config: Path) -> None:
    """Without any extra: a server, an execution and its journal, in JSON."""
    bare = ["rich", "web3", "eth_account", "eth_tester", "eth", "eth_keyfile"]
    store = str(config.parent / "journal.db")
    async with serving(*LOOPBACK, "--config", str(config), "--store", store, hidden=bare) as server:
        url = server.urls[0]
        done = await asyncio.to_thread(run, "execute", "idle", "--json", "--url", url, hidden=bare)
        listed = await asyncio.to_thread(
            run, "executions", "list", "--json", "--store", store, hidden=bare
        )
    *_, last = map(json.loads, done.out.splitlines())
    assert (done.code, last["data"]["success"], done.err) == (0, True, "")
    assert (listed.code, json.loads(listed.out)["agent_id"], listed.err) == (0, "idle", "")


# --- serve ---------------------------------------------------------------------------------------


async def test_the_banner_tells_each_address_once_and_what_is_served(config: Path) -> None:
    async with serving(
        *LOOPBACK, "--config", str(config), "--store", "memory:", "--rpc", "5=http://127.0.0.1:1"
    ) as server:
        text = "\n".join(server.banner)
        (url,) = server.urls
        assert re.fullmatch(r"ws://127\.0\.0\.1:[1-9]\d*", url)
        assert len([line for line in server.banner if "ws://" in line]) == 1
        assert f"zephyrus-exec {__version__}" in text
        assert "memory (gone" in text
        assert "idle  Ocioso" in text
        assert re.search(r"chains +5\n", text)
        assert re.search(r"signers +none\n", text)
        ended = await server.stop()
    assert (ended.code, ended.out) == (0, "")


async def test_several_addresses_are_a_line_each(tmp_path: Path) -> None:
    async with serving("--host", "localhost", "--port", "0", "--store", "memory:") as server:
        lines = [line for line in server.banner if "ws://" in line]
        assert len(lines) == len(server.urls) >= 1
        assert len({url.rpartition(":")[2] for url in server.urls}) == 1


async def test_a_store_of_its_own_is_made_where_the_server_was_started(tmp_path: Path) -> None:
    async with serving(*LOOPBACK, cwd=tmp_path) as server:
        assert "sqlite zephyrus.db (durable)" in "\n".join(server.banner)
        assert (tmp_path / "zephyrus.db").is_file()
        assert str(tmp_path) not in "\n".join(server.banner)


async def test_port_beats_ws_port_and_means_every_address(tmp_path: Path) -> None:
    port = free_port()
    env = {"PORT": str(port), "WS_PORT": "1"}
    async with serving("--store", "memory:", env=env) as server:
        assert f"ws://0.0.0.0:{port}" in server.urls
        async with connect_v1(f"ws://127.0.0.1:{port}") as client:
            assert await anext(client.execute("nobody")) == Started("nobody")


async def test_ws_host_and_ws_port_are_where_it_listens(tmp_path: Path) -> None:
    port = free_port()
    env = {"WS_HOST": "127.0.0.2", "WS_PORT": str(port)}
    async with serving("--store", "memory:", env=env) as server:
        assert server.urls == [f"ws://127.0.0.2:{port}"]


async def test_ws_host_keeps_port_from_meaning_every_address() -> None:
    port = free_port()
    env = {"WS_HOST": "127.0.0.1", "PORT": str(port)}
    async with serving("--store", "memory:", env=env) as server:
        assert server.urls == [f"ws://127.0.0.1:{port}"]


async def test_flags_beat_the_environment_which_beats_the_file(tmp_path: Path) -> None:
    file = tmp_path / "zephyrus.toml"
    file.write_text('host = "127.0.0.3"\nport = 1\nstore = "memory:"\nlanguage = "en"\n')
    env = {"WS_HOST": "127.0.0.2", "ZEPHYRUS_LANGUAGE": "es"}
    async with serving("--config", str(file), "--port", "0", env=env) as server:
        (url,) = server.urls
        assert url.startswith("ws://127.0.0.2:")
        assert "  language   es" in server.banner
        assert any("memory (gone" in line for line in server.banner)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
async def test_a_stopped_server_answers_its_clients_and_exits_0(number: signal.Signals) -> None:
    async with serving(*LOOPBACK, "--store", "memory:") as server, connect_v1(server.urls[0]):
        ended = await server.stop(number)
    assert (ended.code, ended.out) == (0, "")
    first, last = ended.err.splitlines()
    assert (first[:8], last) == ("stopping", "stopped")


async def test_a_second_signal_ends_a_server_that_still_drains(tmp_path: Path) -> None:
    async with (
        serving("--demo", *LOOPBACK, "--drain-timeout", "30") as server,
        connect_v1(server.urls[0]) as client,
    ):
        assert await anext(client.execute(PATIENT_AGENT)) == Started(PATIENT_AGENT)
        os.killpg(server.process.pid, signal.SIGTERM)
        assert server.process.stderr is not None
        while not (await server.process.stderr.readline()).startswith(b"stopping"):
            pass
        ended = await server.stop(signal.SIGTERM)
    assert ended.code == -signal.SIGTERM


@pytest.mark.slow
async def test_ctrl_c_lets_the_demos_running_agent_end(tmp_path: Path) -> None:
    """A terminal's Ctrl-C reaches every process of the group; the chain must outlive the agent."""
    async with serving("--demo", *LOOPBACK, "--drain-timeout", "20") as server:
        async with connect_v1(server.urls[0]) as client:
            replies = client.execute(PATIENT_AGENT)
            assert await anext(replies) == Started(PATIENT_AGENT)
            stopping = asyncio.create_task(server.stop(signal.SIGINT))
            last = await anext(replies)
        ended = await stopping
    assert isinstance(last, Completed)
    assert len(last.results) == 10
    assert ended.code == 0


# --- execute -------------------------------------------------------------------------------------


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def demo() -> AsyncIterator[Serving]:
    async with serving("--demo", *LOOPBACK) as server:
        yield server


async def execute(server: Serving, *arguments: str) -> Ended:
    return await asyncio.to_thread(run, "execute", *arguments, "--url", server.urls[0])


@pytest.mark.asyncio(loop_scope="module")
async def test_the_demos_banner_says_what_there_is(demo: Serving) -> None:
    text = "\n".join(demo.banner)
    assert MINTING_AGENT in text
    assert re.search(r"signers +demo 0x", text)
    assert len(demo.urls) == 1


@pytest.mark.asyncio(loop_scope="module")
async def test_an_execution_that_succeeds_is_a_line_for_each_event_and_exit_code_0(
    demo: Serving,
) -> None:
    ended = await execute(demo, MINTING_AGENT)
    *lines, counts = ended.out.splitlines()
    assert (ended.code, ended.err) == (0, "")
    assert [int(line[:4]) for line in lines] == list(range(1, 10))
    assert re.search(r"1\.1 balanceOf: \d+ \(block", lines[4])
    assert re.search(r"1\.2 mint: transaction 0x[0-9a-f]{64}, chain 1337", lines[6])
    assert lines[-1].endswith(f"succeeded: agent {MINTING_AGENT}, 2 actions done")
    assert counts == "effects when it ended: 1 in a block"


@pytest.mark.asyncio(loop_scope="module")
async def test_json_is_the_protocols_frames_and_nothing_else(demo: Serving) -> None:
    ended = await execute(demo, MINTING_AGENT, "--json")
    *events, last = (json.loads(line) for line in ended.out.splitlines())
    assert (ended.code, ended.err) == (0, "")
    assert {event["type"] for event in events} == {"execution_event"}
    assert [event["seq"] for event in (*events, last)] == list(range(1, 10))
    assert (last["type"], last["data"]["outcome"]) == ("execution_response", "succeeded")
    assert [item["function_name"] for item in last["data"]["results"]] == ["balanceOf", "mint"]


@pytest.mark.asyncio(loop_scope="module")
async def test_an_execution_without_actions_says_so(demo: Serving) -> None:
    ended = await execute(demo, IDLE_AGENT)
    assert ended.code == 0
    assert ended.out.endswith(f"succeeded: agent {IDLE_AGENT}, nothing was done\n")


@pytest.mark.asyncio(loop_scope="module")
async def test_an_execution_that_fails_says_why_and_is_exit_code_1(demo: Serving) -> None:
    ended = await execute(demo, REVERTING_AGENT)
    assert (ended.code, ended.err) == (1, "")
    assert "this function always reverts" in ended.out.splitlines()[-1]
    as_json = await execute(demo, REVERTING_AGENT, "--json")
    assert (as_json.code, as_json.err) == (1, "")
    last = json.loads(as_json.out.splitlines()[-1])
    assert (last["data"]["success"], last["data"]["outcome"]) == (False, "failed")


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("agent_id", "said", "code"),
    [
        (LOST_AGENT, "Contract not found", "contract_not_found"),
        ("nobody", "Agent not found: nobody", "agent_not_found"),
    ],
    ids=["no-contract", "no-agent"],
)
async def test_an_execution_that_is_refused_says_why_and_is_exit_code_1(
    demo: Serving, agent_id: str, said: str, code: str
) -> None:
    ended = await execute(demo, agent_id)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith(said)
    as_json = await execute(demo, agent_id, "--json")
    assert (as_json.code, as_json.err) == (1, "")
    frame = json.loads(as_json.out)
    assert (frame["type"], frame["data"]["code"]) == ("error", code)


@pytest.mark.asyncio(loop_scope="module")
async def test_what_the_protocol_cannot_carry_is_wrong_usage(demo: Serving) -> None:
    assert "agent_id" in refused(await execute(demo, "a" * 257))


# --- executions ----------------------------------------------------------------------------------


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal that a server has written, and closed."""
    folder = tmp_path_factory.mktemp("written")
    (folder / "zephyrus.toml").write_text(AGENTS, encoding="utf-8")
    store = folder / "journal.db"
    options = (*LOOPBACK, "--config", str(folder / "zephyrus.toml"), "--store", str(store))
    async with serving(*options) as server:
        async with connect_v1(server.urls[0]) as client:
            for _ in range(25):
                assert [r async for r in client.execute("idle")][-1] == Completed("idle")
        assert (await server.stop()).code == 0
    return store


def listed(journal: Path, *options: str) -> list[dict[str, Any]]:
    ended = run("executions", "list", "--store", str(journal), "--json", *options)
    assert (ended.code, ended.err) == (0, "")
    return [json.loads(line) for line in ended.out.splitlines()]


def test_executions_are_listed_the_newest_first(journal: Path) -> None:
    newest = listed(journal)
    assert len(newest) == 20
    assert [e["created_at"] for e in newest] == sorted(
        (e["created_at"] for e in newest), reverse=True
    )
    assert {(e["agent_id"], e["outcome"], e["principal"]) for e in newest} == {
        ("idle", "succeeded", "anonymous")
    }
    assert len(listed(journal, "--limit", "100")) == 25
    assert listed(journal, "--limit", "3") == newest[:3]


def test_the_table_of_executions_names_each(journal: Path) -> None:
    ended = run("executions", "list", "--store", str(journal))
    assert (ended.code, ended.err) == (0, "")
    assert all(execution["execution_id"] in ended.out for execution in listed(journal))
    assert "succeeded" in ended.out


def test_an_execution_is_shown_with_every_event(journal: Path) -> None:
    newest = listed(journal, "--limit", "1")[0]
    options = (newest["execution_id"], "--store", str(journal))
    as_json = run("executions", "show", *options, "--json")
    execution, *events = (json.loads(line) for line in as_json.out.splitlines())
    assert execution == {**newest, "head_seq": len(events)}
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert (events[0]["event"], events[-1]["data"]["outcome"]) == ("accepted", "succeeded")
    shown = run("executions", "show", *options)
    first, *lines = shown.out.splitlines()
    assert (shown.code, shown.err) == (0, "")
    assert first == f"{newest['execution_id']}: succeeded"
    assert [int(line[:4]) for line in lines] == [event["seq"] for event in events]


def test_an_unknown_execution_is_one_line(journal: Path) -> None:
    complaint = refused(run("executions", "show", "nothing", "--store", str(journal)))
    assert complaint == "there is no execution nothing"


def test_looking_at_a_journal_changes_nothing(journal: Path) -> None:
    before = listed(journal, "--limit", "100")
    run("executions", "show", before[0]["execution_id"], "--store", str(journal))
    assert listed(journal, "--limit", "100") == before


def test_the_store_may_come_from_environment_or_file(journal: Path) -> None:
    by_env = run("executions", "list", "--json", env={"ZEPHYRUS_STORE": str(journal)})
    file = journal.parent / "other.toml"
    file.write_text('store = "journal.db"')
    by_file = run("executions", "list", "--json", "--config", str(file))
    assert by_env.out == by_file.out != ""


@pytest.mark.parametrize("options", [(), ("--json",)], ids=["table", "json"])
def test_a_reader_that_has_had_enough_is_no_error(journal: Path, options: tuple[str, ...]) -> None:
    """`… | head -1`: what is written after `head` has gone has nowhere to go."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = run("executions", "list", "--store", str(journal), *options, stdout=writing)
    finally:
        os.close(writing)
    assert (ended.code, ended.err) == (0, "")


# --- agents --------------------------------------------------------------------------------------


def test_agents_of_a_file_are_listed_shown_and_checked(config: Path) -> None:
    options = ("--config", str(config))
    table = run("agents", "list", *options)
    assert (table.code, table.err) == (0, "")
    assert re.search(r"idle .* Ocioso .* active", table.out)
    shown = run("agents", "show", "idle", *options)
    assert (shown.code, json.loads(shown.out)["name"]) == (0, "Ocioso")
    checked = run("agents", "check", *options)
    assert checked.code == 1, "an agent whose contract does not exist is not all right"
    assert re.search(r"idle .* ok", checked.out)
    assert re.search(r"lost .*'nowhere'", checked.out)


def test_agents_that_are_all_right_are_exit_code_0(tmp_path: Path) -> None:
    file = tmp_path / "zephyrus.toml"
    file.write_text(AGENTS.partition("\n\n")[0])
    ended = run("agents", "check", "--config", str(file))
    assert (ended.code, ended.err) == (0, "")


@pytest.mark.slow
def test_the_demos_agents_are_listed_shown_and_checked() -> None:
    table = run("agents", "list", "--demo")
    assert table.code == 0
    assert all(agent in table.out for agent in (MINTING_AGENT, IDLE_AGENT, PATIENT_AGENT))
    shown = run("agents", "show", MINTING_AGENT, "--demo")
    assert json.loads(shown.out)["signer"] == "demo"
    checked = run("agents", "check", "--demo")
    (wrong,) = [line for line in checked.out.splitlines() if "there is no contract" in line]
    assert LOST_AGENT in wrong
    assert checked.code == 1


# --- demo ----------------------------------------------------------------------------------------


def test_the_demo_mints_and_shows_the_balance_before_and_after() -> None:
    ended = run("demo")
    assert (ended.code, "Traceback" in ended.err) == (0, False)
    assert "2 actions" in ended.out
    assert re.search(r"0x[0-9a-fA-F]{40} +│ 0 ZDEMO +│ 25 ZDEMO", ended.out)
    assert re.search(r"^mint: transaction 0x[0-9a-f]{64}$", ended.out, re.MULTILINE)
    assert len(re.findall(r"ws://127\.0\.0\.1:\d+", ended.err)) == 1
