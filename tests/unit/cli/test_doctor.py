"""`doctor`: what it says of settings, journals, chains, signers, agents and the port."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.integration.commands import environment
from tests.unit.cli.test_operating import write
from zephyrus_exec import ExecutionEngine, MemoryRepository, MemoryStore
from zephyrus_exec.cli import checks, main
from zephyrus_exec.cli.composition import open_sqlite
from zephyrus_exec.cli.findings import Status
from zephyrus_exec.engine.records import EffectState, LaneStatus
from zephyrus_exec.service import serve
from zephyrus_exec.testing.chain import ModelChain, ModelSigner

KEY = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
AGENTS = """
[[contracts]]
id = "token"
address = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
chain_id = 57054

[[agents]]
id = "idle"
planner = { name = "steps", settings = { steps = [] } }

[[agents]]
id = "lost"
contract_id = "nowhere"
planner = { name = "steps", settings = { steps = [] } }

[[agents]]
id = "resting"
status = "stopped"
"""

Ask = Callable[..., tuple[int, dict[str, list[dict[str, Any]]]]]


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Return the doctor, in a folder of its own: its exit code, and the findings by check."""
    monkeypatch.chdir(tmp_path)
    for name in set(os.environ) - set(environment()):
        monkeypatch.delenv(name)

    def doctor(*arguments: str) -> tuple[int, dict[str, list[dict[str, Any]]]]:
        code = main(["doctor", "--json", "--port", "0", *arguments])
        found: dict[str, list[dict[str, Any]]] = {}
        said = capsys.readouterr()
        assert said.err == ""
        for line in said.out.splitlines():
            one = json.loads(line)
            assert (one["status"] == "green") == (one["remedy"] == "")
            found.setdefault(one["check"], []).append(one)
        return code, found

    return doctor


def statuses(found: list[dict[str, Any]]) -> list[str]:
    return [one["status"] for one in found]


def test_with_nothing_configured_only_agents_are_missing(ask: Ask, tmp_path: Path) -> None:
    code, found = ask()
    assert code == 0
    assert {check: statuses(of) for check, of in found.items()} == {
        "settings": ["green"],
        "store": ["green", "green"],
        "agents": ["yellow"],
        "access": ["green"],
        "port": ["green"],
    }
    assert list(tmp_path.iterdir()) == [], "looking leaves nothing behind"


def test_a_wrong_setting_is_red_and_nothing_else_is_looked_at(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WS_PORT", "no")
    code, found = ask("--port", "")
    assert (code, list(found)) == (1, ["settings"])


def test_variables_that_mean_nothing_are_told(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZEPHYRUS_STROE", "x")
    Path(".env").write_text("OPENAI_API_KEY=sk-secret\n", encoding="utf-8")
    code, found = ask()
    told = [one["found"] for one in found["settings"]]
    assert code == 0
    assert any("ZEPHYRUS_STORE" in sentence for sentence in told)
    assert any("OPENAI_API_KEY" in sentence for sentence in told)
    assert not any("sk-secret" in sentence for sentence in told)


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
@pytest.mark.parametrize(("mode", "told"), [(0o644, ["green", "yellow"]), (0o600, ["green"])])
def test_a_dotenv_with_keys_in_it_is_for_its_owner_only(
    ask: Ask, mode: int, told: list[str]
) -> None:
    file = Path(".env")
    file.write_text(f"ZEPHYRUS_KEY_MAIN={KEY}\n", encoding="utf-8")
    file.chmod(mode)
    _, found = ask()
    assert statuses(found["settings"]) == told
    assert KEY not in str(found)


def test_agents_are_checked_as_agents_check_does(ask: Ask) -> None:
    Path("z.toml").write_text(AGENTS, encoding="utf-8")
    code, found = ask("--config", "z.toml")
    assert code == 1
    assert statuses(found["agent idle"]) == ["green"]
    assert statuses(found["agent lost"]) == ["red"]
    assert statuses(found["agent resting"]) == ["yellow"]
    assert statuses(found["chains"]) == ["red"]


def test_a_key_given_openly_is_yellow_and_its_account_is_told(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZEPHYRUS_KEY_MAIN", KEY)
    code, found = ask("--rpc", "57054=http://127.0.0.1:1/secret-path")
    assert code == 1
    assert statuses(found["chain 57054"]) == ["red"]
    assert statuses(found["signer main"]) == ["yellow", "yellow"]
    assert "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266" in found["signer main"][0]["found"]
    assert "secret-path" not in str(found)
    assert KEY not in str(found)


def test_a_keystore_that_does_not_open_is_red(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("k.json").write_text("{}", encoding="utf-8")
    monkeypatch.setenv("ZEPHYRUS_KEYSTORE_MAIN", "k.json")
    monkeypatch.setenv("ZEPHYRUS_KEYSTORE_PASSWORD_MAIN", "pass-word")
    code, found = ask()
    assert (code, statuses(found["signer main"])) == (1, ["red"])
    assert "pass-word" not in str(found)


# --- the journal


@pytest.mark.parametrize(
    ("store", "code", "told"),
    [
        ("memory:", 0, ["yellow"]),
        ("nowhere/z.db", 1, ["red"]),
        ("made.db", 0, ["green", "green"]),
    ],
)
def test_the_place_of_the_journal_is_looked_at(
    ask: Ask, store: str, code: int, told: list[str]
) -> None:
    given, found = ask("--store", store)
    assert (given, statuses(found["store"])) == (code, told)


def test_a_file_of_another_program_is_red_and_not_touched(ask: Ask) -> None:
    with closing(sqlite3.connect("other.db")) as other:
        other.execute("CREATE TABLE agents (id)")
        other.commit()
    before = Path("other.db").read_bytes()
    code, found = ask("--store", "other.db")
    assert (code, statuses(found["store"])) == (1, ["green", "red"])
    assert Path("other.db").read_bytes() == before


@pytest.mark.parametrize(
    ("free", "status"), [(10 << 20, "red"), (500 << 20, "yellow"), (5000 << 20, "green")]
)
def test_little_room_on_the_disk_is_told(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, free: int, status: str
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    _, found = ask()
    assert found["store"][0]["status"] == status


def test_a_journal_that_cannot_be_read_hides_nothing_else(ask: Ask) -> None:
    asyncio.run(write(Path("z.db"), EffectState.FINAL_OK, LaneStatus.OPEN))
    with closing(sqlite3.connect("z.db")) as connection:
        connection.execute("UPDATE zx_record SET body = '{}' WHERE kind = 'lane'")
        connection.commit()
    code, found = ask("--store", "z.db")
    assert (code, statuses(found["store"])) == (1, ["green", "green", "red"])
    assert statuses(found["port"]) == ["green"]


# --- chains and accounts


@pytest.mark.parametrize(
    ("age", "status"), [(10.0, Status.GREEN), (900.0, Status.YELLOW), (-300.0, Status.YELLOW)]
)
async def test_a_node_that_is_behind_or_ahead_of_the_clock_is_yellow(
    age: float, status: Status
) -> None:
    chain = ModelChain(1337)
    head = await chain.head()
    url = "https://user:pw@rpc.example/secret"
    found = await checks.endpoint_found(chain, url, now=lambda: head.timestamp + age)
    assert found.status is status, found
    assert "secret" not in found.found
    assert "pw" not in found.found


async def test_an_account_that_is_empty_or_a_contract_s_is_told() -> None:
    chain, signer = ModelChain(1337), ModelSigner()
    empty = await checks.account_found("main", signer, chain)
    chain.fund(signer.address, 10**18)
    rich = await checks.account_found("main", signer, chain)
    chain.deploy(signer.address, {})
    contract = await checks.account_found("main", signer, chain)
    statuses = [one.status for one in (empty, rich, contract)]
    assert statuses == [Status.YELLOW, Status.GREEN, Status.RED]


async def test_a_node_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(_method: str) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(checks, "_PATIENCE", 0.01)
    chain, signer = ModelChain(1337), ModelSigner()
    chain.before = never
    assert (await checks.endpoint_found(chain, "http://node")).status is Status.RED
    assert (await checks.account_found("main", signer, chain)).status is Status.YELLOW


# --- accounts that wait for somebody


@pytest.mark.parametrize(
    ("state", "status", "lines"),
    [
        (EffectState.FINAL_OK, LaneStatus.OPEN, 0),
        (EffectState.FINAL_OK, LaneStatus.HALTED, 1),
        (EffectState.IN_DOUBT, LaneStatus.OPEN, 1),
    ],
)
async def test_lanes_that_wait_for_somebody_are_yellow(
    tmp_path: Path, state: EffectState, status: LaneStatus, lines: int
) -> None:
    await write(tmp_path / "z.db", state, status)
    async with open_sqlite(tmp_path / "z.db") as store:
        found = await checks.lanes_found(store)
    assert [one.status for one in found] == [Status.YELLOW] * lines
    assert all(one.remedy.startswith("lanes show 1337:0x") for one in found)


# --- the port


def test_a_port_that_is_taken_by_another_program_is_red(ask: Ask) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        code, found = ask("--host", "127.0.0.1", "--port", str(other.getsockname()[1]))
    assert (code, statuses(found["port"])) == (1, ["red"])


async def test_a_server_of_ours_on_the_port_is_told_as_such(ask: Ask) -> None:
    nothing = MemoryRepository()
    engine = ExecutionEngine(agents=nothing, contracts=nothing, store=MemoryStore())
    async with serve(engine, host="127.0.0.1", port=0) as service:
        port = service.addresses[0].rpartition(":")[2]
        code, found = await asyncio.to_thread(ask, "--host", "127.0.0.1", "--port", port)
    assert (code, statuses(found["port"])) == (0, ["yellow"])


def test_findings_are_a_table_for_people(ask: Ask, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--port", "0"]) == 0
    said = capsys.readouterr().out
    assert "→ describe some in a file" in said
    assert said.endswith("5 ok, 1 to look at, 0 to mend\n")
