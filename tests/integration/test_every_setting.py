"""Every variable and every flag does what its line in the documentation says.

`tests/docs/test_settings.py` holds that none is missing: what a test shows is in its mark `shows`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from tests.anvil import KEYS
from tests.deploy.nginx import free_port
from tests.docs.commands import FLAGS, commands
from tests.unit.cli.test_operating import KEY as LANE
from tests.unit.cli.test_operating import write
from zephyrus_exec import __version__
from zephyrus_exec.access import new_token
from zephyrus_exec.cli import main
from zephyrus_exec.demo import IDLE_AGENT, MINTING_AGENT, PATIENT_AGENT, PLAIN_AGENT
from zephyrus_exec.engine.records import EffectState, LaneStatus
from zephyrus_exec.errors import TransportError
from zephyrus_exec.protocol.messages import Failed
from zephyrus_exec.testing.v1 import connect_v1

from .commands import Ended, Serving, environment, run, serving

pytestmark = pytest.mark.skipif(os.name == "nt", reason="stops servers by POSIX signals")

ADDRESS = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
PASSWORD = "correct horse"
LOOPBACK = ("--host", "127.0.0.1", "--port", "0")


# --- what every command has ----------------------------------------------------------------------

Here = Callable[..., Ended]


@pytest.fixture
def here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Here:
    """Return the command line in this process, in a folder of its own, with nothing configured."""
    monkeypatch.chdir(tmp_path)
    for name in set(os.environ) - set(environment()):
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "500")

    def command(*arguments: str) -> Ended:
        code = main(arguments)
        return Ended(code, *capsys.readouterr())

    return command


def least(path: str, parser: argparse.ArgumentParser) -> list[str]:
    """Return a command with as little as it takes."""
    words = path.split()
    known = {"lane": LANE, "effect": "1", "nonce": "1", "to": "copy.db"}
    for action in parser._actions:
        if not action.option_strings and action.nargs != "?":
            words.append(known.get(action.dest, "x"))
        elif action.required:
            words += [action.option_strings[0], "x"]
    groups = [group for group in parser._mutually_exclusive_groups if group.required]
    return words + [group._group_actions[0].option_strings[0] for group in groups]


def those_with(flag: str) -> list[object]:
    """Return every command that has the flag, as words."""
    return [
        pytest.param(least(path, parser), id=path)
        for path, parser in commands()
        if flag in FLAGS[path]
    ]


@pytest.mark.shows("* --config")
@pytest.mark.parametrize("words", those_with("--config"))
def test_config_names_the_file_with_settings(here: Here, words: list[str]) -> None:
    ended = here(*words, "--config", "missing.toml")
    assert ended.code in (1, 2)
    assert "missing.toml' cannot be read" in ended.out + ended.err


@pytest.mark.shows("* --env-file")
@pytest.mark.parametrize("words", those_with("--env-file"))
def test_env_file_names_the_file_with_variables_in_place_of_dotenv(
    here: Here, words: list[str]
) -> None:
    Path(".env").write_text("not looked at\n", encoding="utf-8")
    Path("other.env").write_text("A=1\nnonsense\n", encoding="utf-8")
    ended = here(*words, "--env-file", "other.env")
    assert ended.code in (1, 2)
    assert "other.env, line 2: sets no variable" in ended.out + ended.err


@pytest.mark.shows("* --rpc")
@pytest.mark.parametrize("words", those_with("--rpc"))
def test_rpc_names_a_chain_s_url(here: Here, words: list[str]) -> None:
    ended = here(*words, "--rpc", "7=ftp://user:secret@host/secret")
    assert "--rpc: 'ftp://host/…' is no http(s) URL" in ended.out + ended.err
    assert "secret" not in ended.out + ended.err


@pytest.mark.shows("* --store")
@pytest.mark.parametrize("words", those_with("--store"))
def test_store_names_the_journal(here: Here, words: list[str]) -> None:
    if words[0] == "serve":
        ended = here(*words, "--store", "postgres://x")
        assert "--store: " in ended.err
    else:
        ended = here(*words, "--store", "nowhere/other.db")
        assert "nowhere" in ended.out + ended.err
    assert ended.code in (1, 2)


@pytest.mark.shows(
    "executions list --json", "executions show --json", "effects list --json",
    "effects show --json", "effects resolve --json", "lanes list --json", "lanes show --json",
    "lanes drain --json", "lanes retire --json", "store restored --json", "store backup --json",
    "store verify --json",
)  # fmt: skip
def test_json_is_an_object_a_line(here: Here) -> None:
    effects = asyncio.run(write(Path("zephyrus.db"), EffectState.IN_DOUBT, LaneStatus.OPEN))
    execution = effects[0].partition(":")[0]
    for words in (
        ("executions", "list"),
        ("executions", "show", execution),
        ("effects", "list"),
        ("effects", "show", effects[0]),
        ("effects", "resolve", effects[0], "--happened", "--evidence", "x"),
        ("lanes", "list"),
        ("lanes", "show", LANE),
        ("lanes", "drain", LANE),
        ("store", "backup", "copy.db"),
        ("store", "verify"),
        ("store", "restored"),
    ):
        ended = here(*words, "--json")
        assert ended.code == 0, ended
        assert all(isinstance(json.loads(line), dict) for line in ended.out.splitlines()), words
        assert ended.out, words
    other = asyncio.run(write(Path("other.db"), EffectState.FINAL_OK, LaneStatus.OPEN))
    assert other
    asyncio.run(_settle_all(Path("other.db")))
    retired = here("lanes", "retire", LANE, "--store", "other.db", "--json")
    assert json.loads(retired.out)["status"] == "retired"


async def _settle_all(file: Path) -> None:
    """Let nothing of the journal be under way."""
    from attrs import evolve

    from zephyrus_exec import SqliteStore
    from zephyrus_exec.engine.records import EFFECT, Effect

    store = await SqliteStore.open(file)
    for record in await store.scan(EFFECT):
        final = evolve(Effect.of(record), state=EffectState.FINAL_OK)
        await store.commit([final.put(record.version)])
    await store.aclose()


@pytest.mark.shows("lanes drain --reason", "lanes retire --reason", "store restored --reason")
def test_a_reason_is_journaled(here: Here) -> None:
    asyncio.run(write(Path("zephyrus.db"), EffectState.FINAL_OK, LaneStatus.OPEN))
    asyncio.run(_settle_all(Path("zephyrus.db")))
    for words, reason in (
        (("lanes", "drain", LANE), "moving house"),
        (("lanes", "retire", LANE), "key was lost"),
    ):
        assert here(*words, "--reason", reason).code == 0
        assert reason in here("lanes", "show", LANE, "--json").out
    other = ("--store", "other.db")
    asyncio.run(write(Path("other.db"), EffectState.FINAL_OK, LaneStatus.OPEN))
    assert here("store", "restored", "--reason", "disk had died", *other).code == 0
    assert "disk had died" in here("lanes", "show", LANE, "--json", *other).out


@pytest.mark.shows(
    "effects list --limit", "executions list --limit", "effects list --lane",
    "effects list --open", "effects resolve --happened", "effects resolve --did-not-happen",
    "effects resolve --evidence",
)  # fmt: skip
def test_what_is_listed_and_resolved_is_what_was_asked_for(here: Here) -> None:
    for verdict in ("--happened", "--did-not-happen"):
        store = ("--store", f"{verdict[2:]}.db")
        keys = asyncio.run(write(Path(store[1]), EffectState.IN_DOUBT, LaneStatus.OPEN))
        listed = here("effects", "list", "--limit", "1", "--json", *store)
        assert [json.loads(line)["key"] for line in listed.out.splitlines()] == [keys[1]]
        assert len(here("executions", "list", "--limit", "1", "--json", *store).out) > 10
        assert here("effects", "list", "--lane", "1:0x00", *store).code == 2
        assert len(here("effects", "list", "--lane", LANE, "--json", *store).out.split("\n")) == 3
        assert keys[0] in here("effects", "list", "--open", "--json", *store).out
        here("effects", "resolve", keys[0], verdict, "--evidence", "seen on paper", *store)
        assert keys[0] not in here("effects", "list", "--open", "--json", *store).out
        shown = here("effects", "show", keys[0], "--json", *store).out
        assert "seen on paper" in shown
        assert json.loads(shown)["resolution"]["verdict"] == verdict[2:].replace("-", "_")


def test_a_limit_is_a_number(here: Here) -> None:
    for words in (("executions", "list"), ("effects", "list")):
        with pytest.raises(SystemExit):
            here(*words, "--limit", "0")


@pytest.mark.shows("--version")
def test_version_is_told(here: Here, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        here("--version")
    assert __version__ in capsys.readouterr().out


# --- where it listens, what it says, what it logs ------------------------------------------------


async def answer(server: Serving, agent: str = "nobody") -> Failed:
    async with connect_v1(server.urls[0]) as client:
        last = [reply async for reply in client.execute(agent)][-1]
    assert isinstance(last, Failed)
    return last


@pytest.mark.slow
@pytest.mark.shows(
    "WS_HOST", "WS_PORT", "ZEPHYRUS_STORE", "ZEPHYRUS_LANGUAGE", "LOG_LEVEL", "LOG_FORMAT",
    "serve --host", "serve --port", "serve --language", "serve --log-level",
    "serve --log-format",
)  # fmt: skip
@pytest.mark.parametrize("way", ["flags", "environment", "dotenv", "file"])
async def test_a_server_is_where_and_what_its_settings_say(tmp_path: Path, way: str) -> None:
    port = str(free_port())
    said = {
        "host": "127.0.0.2", "port": port, "store": "mine.db", "language": "en",
        "log_level": "info", "log_format": "json",
    }  # fmt: skip
    variables = {
        "host": "WS_HOST", "port": "WS_PORT", "store": "ZEPHYRUS_STORE",
        "language": "ZEPHYRUS_LANGUAGE", "log_level": "LOG_LEVEL", "log_format": "LOG_FORMAT",
    }  # fmt: skip
    flags: list[str] = []
    env: dict[str, str] = {}
    named = {variables[name]: value for name, value in said.items()}
    if way == "flags":
        for name, value in said.items():
            flags += ["--" + name.replace("_", "-"), value]
    elif way == "environment":
        env = named
    elif way == "dotenv":
        lines = [f"{name}={value}\n" for name, value in named.items()]
        (tmp_path / ".env").write_text("".join(lines), encoding="utf-8")
    else:
        lines = [f'{name} = "{value}"\n' for name, value in said.items() if name != "port"]
        text = "".join([*lines, f"port = {port}\n"])
        (tmp_path / "z.toml").write_text(text, encoding="utf-8")
        flags = ["--config", "z.toml"]
    async with serving(*flags, env=env, cwd=tmp_path) as server:
        assert server.urls == [f"ws://127.0.0.2:{port}"]
        assert "Agent not found" in (await answer(server)).error
        ended = await server.stop()
    logged = [json.loads(line)["message"] for line in [*server.banner, *ended.err.splitlines()]]
    assert any(message.startswith("a connection from") for message in logged)
    assert any("mine.db" in message for message in logged)
    assert (tmp_path / "mine.db").is_file()


@pytest.mark.slow
@pytest.mark.shows("ZEPHYRUS_LOOP", "serve --loop")
@pytest.mark.parametrize(
    ("flags", "env", "hidden", "loop"),
    [
        ((), {}, (), "uvloop"),
        (("--loop", "uvloop"), {"ZEPHYRUS_LOOP": "asyncio"}, (), "uvloop"),
        ((), {"ZEPHYRUS_LOOP": "asyncio"}, (), "asyncio"),
        ((), {}, ("uvloop",), "asyncio"),
    ],
)
async def test_the_server_runs_on_the_loop_it_is_told_or_the_best_there_is(
    tmp_path: Path,
    flags: tuple[str, ...],
    env: dict[str, str],
    hidden: tuple[str, ...],
    loop: str,
) -> None:
    flags = (*LOOPBACK, "--store", "memory:", "--log-level", "info", *flags)
    async with serving(*flags, env=env, cwd=tmp_path, hidden=hidden) as server:
        assert "Agente no encontrado" in (await answer(server)).error
        ended = await server.stop()
    assert ended.code == 0
    logged = [line for line in [*server.banner, *ended.err.splitlines()] if "event loop" in line]
    assert len(logged) == 1
    assert loop in logged[0]


@pytest.mark.shows("ZEPHYRUS_LOOP", "serve --loop")
def test_a_loop_that_is_not_there_is_told_with_how_to_get_it(tmp_path: Path) -> None:
    ended = run("serve", "--loop", "uvloop", cwd=tmp_path, hidden=("uvloop",))
    assert ended.code == 2
    assert 'pip install "zephyrus-exec[fast]"' in ended.complaint


@pytest.mark.slow
@pytest.mark.shows("PORT")
async def test_port_beats_ws_port(tmp_path: Path) -> None:
    port = str(free_port())
    env = {"PORT": port, "WS_PORT": "1", "WS_HOST": "127.0.0.1"}
    async with serving("--store", "memory:", env=env, cwd=tmp_path) as server:
        assert server.urls == [f"ws://127.0.0.1:{port}"]


@pytest.mark.slow
@pytest.mark.shows("serve --drain-timeout", "ZEPHYRUS_DRAIN_TIMEOUT", "serve --demo")
@pytest.mark.parametrize("way", ["flag", "environment"])
async def test_a_stop_takes_no_longer_than_it_may(way: str, tmp_path: Path) -> None:
    flags = ("--drain-timeout", "1") if way == "flag" else ()
    env = {} if way == "flag" else {"ZEPHYRUS_DRAIN_TIMEOUT": "1"}
    async with serving("--demo", *LOOPBACK, *flags, env=env, cwd=tmp_path) as server:
        async with connect_v1(server.urls[0]) as client:
            replies = client.execute(PATIENT_AGENT)
            await anext(replies)
            begun = time.monotonic()
            stopping = asyncio.create_task(server.stop())
            with pytest.raises(TransportError):
                await anext(replies)
        assert (await stopping).code == 0
    assert time.monotonic() - begun < 5, "the agent itself takes ten seconds"


# --- chains and signers --------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.shows(
    "ZEPHYRUS_RPC_<CHAINID>", "ZEPHYRUS_KEY_<NAME>", "ZEPHYRUS_KEYSTORE_<NAME>",
    "ZEPHYRUS_KEYSTORE_PASSWORD_<NAME>", "ZEPHYRUS_KEYSTORE_PASSWORD_<NAME>_FILE",
)  # fmt: skip
async def test_chains_and_signers_are_those_of_the_environment(tmp_path: Path) -> None:
    wallet = Account.encrypt(bytes.fromhex(KEYS[0][2:]), PASSWORD, kdf="scrypt", iterations=2)
    (tmp_path / "wallet.json").write_text(json.dumps(wallet), encoding="utf-8")
    (tmp_path / "password").write_text(PASSWORD + "\n", encoding="utf-8")
    env = {
        "ZEPHYRUS_RPC_57054": "http://127.0.0.1:1",
        "ZEPHYRUS_KEY_OPEN": KEYS[1],
        "ZEPHYRUS_KEYSTORE_ONE": "wallet.json",
        "ZEPHYRUS_KEYSTORE_PASSWORD_ONE": PASSWORD,
        "ZEPHYRUS_KEYSTORE_TWO": "wallet.json",
        "ZEPHYRUS_KEYSTORE_PASSWORD_TWO_FILE": "password",
    }
    async with serving(*LOOPBACK, "--store", "memory:", env=env, cwd=tmp_path) as server:
        banner = "\n".join(server.banner)
    assert "chains     57054" in banner
    assert f"one {ADDRESS}" in banner
    assert f"two {ADDRESS}" in banner
    assert "open 0x" in banner
    assert KEYS[1][2:] not in banner
    assert PASSWORD not in banner


# --- the client, the demo's agents, the doctor ---------------------------------------------------


@pytest.mark.slow
@pytest.mark.shows("WS_URL", "execute --url", "execute --json")
async def test_execute_asks_the_server_it_is_told(tmp_path: Path) -> None:
    async with serving(*LOOPBACK, "--store", "memory:", cwd=tmp_path) as server:
        (url,) = server.urls
        (tmp_path / ".env").write_text(f"WS_URL={url}\n", encoding="utf-8")
        empty = tmp_path / "empty"
        empty.mkdir()
        words = ("execute", "nobody", "--json")
        for ended in (
            await asyncio.to_thread(run, *words, "--url", url, cwd=empty),
            await asyncio.to_thread(run, *words, env={"WS_URL": url}, cwd=empty),
            await asyncio.to_thread(run, *words, cwd=tmp_path),
        ):
            assert (ended.code, json.loads(ended.out)["data"]["code"]) == (1, "agent_not_found")


@pytest.mark.slow
@pytest.mark.shows(
    "execute --input", "execute --deadline", "execute --until-final", "watch --until-final",
    "execute --language", "watch --language", "executions list --agent", "executions list --before",
)  # fmt: skip
async def test_what_is_executed_and_watched_is_what_was_asked_for(tmp_path: Path) -> None:
    (tmp_path / "given.json").write_text('{"name": "Ana"}', encoding="utf-8")
    async with serving("--demo", *LOOPBACK) as server:
        url = ("--url", server.urls[0])

        async def frames(*words: str) -> list[dict[str, Any]]:
            ended = await asyncio.to_thread(run, *words, *url, "--json", cwd=tmp_path)
            return [json.loads(line) for line in ended.out.splitlines()]

        bounded = ("--deadline", "60")
        first = await frames("execute", PLAIN_AGENT, "--input", "@given.json", *bounded)
        other = await frames("execute", PLAIN_AGENT, "--input", '{"name": "Luz"}')
        minted = await frames("execute", MINTING_AGENT, "--until-final")
        watched = await frames("watch", minted[0]["execution_id"], "--until-final")
        of_agent = await frames("executions", "list", "--agent", PLAIN_AGENT)
        spoken = [
            (await asyncio.to_thread(run, *words, *url, "--language", "es")).out
            for words in (("execute", IDLE_AGENT), ("watch", minted[0]["execution_id"]))
        ]
        older = await frames("executions", "list", "--before", minted[0]["execution_id"])
    assert all("aceptada: agente" in text for text in spoken)
    accepted = first[0]
    assert accepted["data"]["input"] == {"name": "Ana"}
    assert 50 < accepted["data"]["deadline"] - accepted["at"] < 61
    assert other[-1]["data"]["results"][0]["result"] == "Hola, Luz"
    assert [one["event"] for one in minted if one["type"] == "effect_event"][-1] == "finalized"
    assert sorted(map(str, watched)) == sorted(map(str, minted))
    both = [one[0]["execution_id"] for one in (other, first)]
    assert [one["execution_id"] for one in of_agent] == both
    assert [one["execution_id"] for one in older] == both


@pytest.mark.shows("* --token-file", "ZEPHYRUS_TOKEN_FILE")
@pytest.mark.parametrize("words", those_with("--token-file"))
def test_a_token_for_the_server_is_read_from_the_file_that_is_named(
    here: Here, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = ("--url", "ws://127.0.0.1:1")
    missing = here(*words, *url, "--token-file", "missing.txt")
    assert (missing.code, "--token-file: 'missing.txt' cannot" in missing.err) == (2, True)
    Path("empty.txt").touch()
    monkeypatch.setenv("ZEPHYRUS_TOKEN_FILE", "empty.txt")
    assert "ZEPHYRUS_TOKEN_FILE: 'empty.txt' is empty" in here(*words, *url).err
    monkeypatch.setenv("ZEPHYRUS_TOKEN", "beats the other")
    assert "is the server running?" in here(*words, *url).err


@pytest.mark.slow
@pytest.mark.shows("ZEPHYRUS_TOKEN")
async def test_a_token_is_who_asks(tmp_path: Path) -> None:
    ours, other = new_token(), new_token()
    (tmp_path / "token.txt").write_text(f"{ours}\n", encoding="utf-8")
    env = {"ZEPHYRUS_OPERATOR_TOKEN": ours}
    config = tmp_path / "agents.toml"
    config.write_text('[[agents]]\nid = "idle"\nplanner = { name = "steps" }\n', encoding="utf-8")
    options = ("--config", str(config), "--store", "memory:")
    async with serving(*LOOPBACK, *options, env=env, cwd=tmp_path) as server:
        words = ("execute", "idle", "--url", server.urls[0], "--json")
        by_file, by_variable, wrong = [
            await asyncio.to_thread(run, *words, *more, env=known, cwd=tmp_path)
            for more, known in (
                (("--token-file", "token.txt"), {"ZEPHYRUS_TOKEN": other}),
                ((), {"ZEPHYRUS_TOKEN": ours}),
                ((), {"ZEPHYRUS_TOKEN": other}),
            )
        ]
    for ended in (by_file, by_variable):
        assert json.loads(ended.out.splitlines()[0])["data"]["principal"] == "operator"
    assert (wrong.code, wrong.out, "--token-file" in wrong.err) == (2, "", True)
    assert ours not in by_file.err + wrong.err
    assert other not in wrong.err


@pytest.mark.shows("executions list --language", "executions show --language")
@pytest.mark.shows("executions cancel --language")
def test_the_terminal_speaks_the_language_that_is_asked_for(here: Here) -> None:
    effects = asyncio.run(write(Path("zephyrus.db"), EffectState.FINAL_OK, LaneStatus.OPEN))
    execution = effects[0].partition(":")[0]
    spoken = [
        here("executions", *words, "--language", "es").out
        for words in (("list",), ("show", execution), ("cancel", execution))
    ]
    assert "ejecución" in spoken[0]
    assert "en marcha" in spoken[1]
    assert "ya había terminado" in spoken[2]


@pytest.mark.slow
@pytest.mark.shows("agents list --demo", "agents show --demo", "agents check --demo")
def test_demo_means_the_demo_s_agents(here: Here) -> None:
    assert IDLE_AGENT in here("agents", "list", "--demo").out
    assert MINTING_AGENT in here("agents", "show", MINTING_AGENT, "--demo").out
    assert here("agents", "check", "--demo").code == 1


@pytest.mark.shows("doctor --host", "doctor --port", "doctor --json")
def test_the_doctor_looks_where_the_server_would_listen(here: Here) -> None:
    port = str(free_port())
    ended = here("doctor", "--host", "127.0.0.2", "--port", port, "--json")
    assert ended.code == 0
    (found,) = [one for one in map(json.loads, ended.out.splitlines()) if one["check"] == "port"]
    assert found["found"] == f"127.0.0.2, port {port} is free"
