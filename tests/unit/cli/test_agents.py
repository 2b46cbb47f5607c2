"""`agents` on every source that can be named."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from attrs import frozen

from zephyrus_exec import Agent, Contract, FilesRepository, SqliteRepository
from zephyrus_exec.cli import main

CONTRACT = Contract("token", "0x" + "0" * 40, 1, abi=({"type": "fallback"},))
IDLE = '{"agents":[{"id":"idle","planner":{"name":"steps","settings":{"steps":[]}}}]}'


@frozen
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


class Here:
    """The command line in a folder of the test's own."""

    def __init__(self, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        self._capsys = capsys
        self.folder = folder

    def __call__(self, *arguments: str) -> Said:
        code = main(arguments)
        return Said(code, *self._capsys.readouterr())

    def write(self, name: str, text: str) -> Path:
        file = self.folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file


@pytest.fixture
def here(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Here:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ZEPHYRUS_AGENTS", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    return Here(capsys, tmp_path)


def database(file: Path, *values: Agent | Contract) -> Path:
    async def fill() -> None:
        repository = await SqliteRepository.open(file)
        await repository.put(values)
        await repository.aclose()

    asyncio.run(fill())
    return file


# --- where agents come from


def test_a_folder_a_file_and_a_database_are_told_apart_by_what_they_are(here: Here) -> None:
    here.write("agents/one.json", IDLE)
    file = here.write("other.TOML", '[[agents]]\nid = "toml"\n')
    database(here.folder / "agents.json.db", Agent("rows"))
    for path, found in (("agents", "idle"), (file.name, "toml"), ("agents.json.db", "rows")):
        assert here("agents", "show", found, "--agents", path).code == 0


def test_the_flag_beats_the_environment_which_beats_the_file(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("flag", "variable", "key"):
        here.write(f"{name}.json", IDLE.replace("idle", name))
    config = here.write("zephyrus.toml", 'agents_from = "key.json"\n')
    assert here("agents", "show", "key", "--config", str(config)).code == 0
    monkeypatch.setenv("ZEPHYRUS_AGENTS", "variable.json")
    assert here("agents", "show", "variable", "--config", str(config)).code == 0
    assert here("agents", "show", "flag", "--agents", "flag.json").code == 0


def test_a_path_in_the_file_starts_from_its_folder(here: Here) -> None:
    here.write("etc/agents.json", IDLE)
    config = here.write("etc/zephyrus.toml", 'agents_from = "agents.json"\n')
    assert here("agents", "show", "idle", "--config", str(config)).code == 0


def test_agents_of_the_settings_file_are_there_too(here: Here) -> None:
    here.write("agents/one.json", IDLE)
    config = here.write("zephyrus.toml", '[[agents]]\nid = "own"\n')
    said = here("agents", "list", "--config", str(config), "--agents", "agents")
    assert (said.code, said.err) == (0, "")
    assert said.out.index(" own ") < said.out.index(" idle ")


def test_what_the_settings_file_and_another_source_describe_is_refused(here: Here) -> None:
    here.write("agents/one.json", IDLE)
    config = here.write("zephyrus.toml", '[[agents]]\nid = "idle"\n')
    options = ("--config", str(config), "--agents", "agents")
    said = here("agents", "show", "idle", *options)
    assert (said.code, said.out) == (2, "")
    assert "the settings file and files of agents: agent 'idle'" in said.err
    assert "described in more than one" in here("agents", "list", *options).err
    assert here("agents", "check", *options).code == 1


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("missing", "--agents: there is no 'missing'; name a folder, a JSON or TOML file, or a"),
        ("missing.json", "--agents: there is no 'missing.json'"),
        ("other.db", "--agents: other.db holds no agents of zephyrus-exec"),
        ("text.db", "--agents: text.db is not available (file is not a database)"),
        ("ftp://example.org/agents", "--agents: 'ftp://example.org/…' is no path"),
        (" ", "--agents: '…' is no path; write the path of a folder"),
    ],
)
def test_a_source_that_is_none_is_refused_in_one_line(here: Here, path: str, said: str) -> None:
    here.write("other.db", "")
    here.write("text.db", "text")
    ended = here("agents", "list", "--agents", path)
    assert (ended.code, ended.out) == (2, "")
    (line,) = ended.err.splitlines()
    assert line.startswith(f"zephyrus-exec: {said}")
    assert not (here.folder / "missing").exists()


# --- list and check


@pytest.mark.shows("agents list --agents")
def test_what_is_not_usable_is_told_beside_the_list(here: Here) -> None:
    here.write("agents/bad.json", "{")
    here.write("agents/good.json", IDLE)
    said = here("agents", "list", "--agents", "agents")
    assert said.code == 0
    assert " idle " in said.out
    (line,) = said.err.splitlines()
    assert line.startswith("not usable: bad.json: is no JSON")


@pytest.mark.shows("agents check --agents")
def test_what_is_not_usable_fails_the_check(here: Here) -> None:
    here.write("agents/good.json", IDLE)
    assert here("agents", "check", "--agents", "agents").code == 0
    here.write("agents/bad.json", '{"agents":[{"id":"w","status":"asleep"}]}')
    said = here("agents", "check", "--agents", "agents")
    assert (said.code, said.err) == (1, "")
    assert "│ w " in said.out
    assert "'asleep' is not allowed @ $.agents[0].status" in said.out


# --- export


@pytest.mark.shows("agents export --agents", "agents export --to")
def test_an_export_is_read_back_equal(here: Here) -> None:
    agents = [Agent("b", name="Ñandú"), Agent("../a\x00", gas_limit=2**256 - 1)]
    database(here.folder / "agents.db", *agents, CONTRACT)
    said = here("agents", "export", "--agents", "agents.db", "--to", "out")
    assert (said.code, said.out) == (0, "")
    file = here.folder / "out" / "agents.json"
    assert said.err == f"{Path('out', 'agents.json')}: 2 agents, 1 contracts\n"

    async def read() -> list[Agent | Contract]:
        repository = FilesRepository(file, settle=0)
        found: list[Agent | Contract] = [agent async for agent in repository.list_agents()]
        return found + [contract async for contract in repository.list_contracts()]

    assert asyncio.run(read()) == [*agents, CONTRACT]
    again = here("agents", "export", "--agents", "out", "--to", "copy.json")
    assert again.code == 0
    assert (here.folder / "copy.json").read_bytes() == file.read_bytes()


@pytest.mark.shows("agents export --demo")
def test_the_demos_agents_may_be_exported_too(here: Here) -> None:
    said = here("agents", "export", "--demo")
    assert (said.code, said.err) == (0, "")
    agents = {agent["id"]: agent for agent in json.loads(said.out)["agents"]}
    assert agents["8191feef-546d-46a8-a26f-b92073882f5c"]["planner"]["name"] == "steps"


def test_an_export_to_nowhere_is_printed(here: Here) -> None:
    here.write("agents/one.json", IDLE)
    said = here("agents", "export", "--agents", "agents")
    assert (said.code, said.err) == (0, "")
    assert [agent["id"] for agent in json.loads(said.out)["agents"]] == ["idle"]


@pytest.mark.shows("agents export --force")
def test_an_export_overwrites_only_where_it_is_told_to(here: Here) -> None:
    here.write("agents/one.json", IDLE)
    file = here.write("out.json", "precious")
    said = here("agents", "export", "--agents", "agents", "--to", "out.json")
    assert (said.code, said.out) == (2, "")
    assert "'out.json' cannot be written (File exists); replace it with --force" in said.err
    assert file.read_text() == "precious"
    assert here("agents", "export", "--agents", "agents", "--to", "out.json", "--force").code == 0
    assert json.loads(file.read_text())["agents"][0]["id"] == "idle"


def test_an_export_into_its_own_folder_is_refused(here: Here) -> None:
    here.write("agents/one.json", IDLE)
    for to in ("agents", "agents/two.json", "../" + here.folder.name + "/agents"):
        said = here("agents", "export", "--agents", "agents", "--to", to, "--force")
        assert said.code == 2
        assert "would describe every agent of its folder twice" in said.err
    assert [file.name for file in (here.folder / "agents").iterdir()] == ["one.json"]


@pytest.mark.parametrize("to", ["missing/deeper/out.json", "file/out.json", "file"])
def test_an_export_that_cannot_be_written_is_one_line(here: Here, to: str) -> None:
    here.write("agents/one.json", IDLE)
    here.write("file", "")
    said = here("agents", "export", "--agents", "agents", "--to", to)
    assert (said.code, said.out) == (2, "")
    assert len(said.err.splitlines()) == 1
    assert "name another place" in said.err


def test_an_export_that_lacks_something_says_so_and_fails(here: Here) -> None:
    here.write("agents/good.json", IDLE)
    here.write("agents/bad.json", '{"agents":[{"id":"w","status":"asleep"}]}')
    said = here("agents", "export", "--agents", "agents", "--to", "out.json")
    assert said.code == 1
    assert "out.json: 1 agents, 0 contracts" in said.err
    assert "not usable: bad.json: agent 'w'" in said.err
