"""`agents import`, run as its user runs it."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.zephyrus import ROWS, TOKEN, make_database

from .commands import run

GOLDEN = Path(__file__).parents[1] / "golden" / "import" / "report.txt"
CHAIN = ("--chain-id", "57054")


def digests(folder: Path) -> dict[str, str]:
    """Return what every file of a folder holds, as a digest, by its path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def lines_of(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def text_of(line: dict[str, Any]) -> str:
    refusal = f"{line['problem']}; {line['remedy']}" if line["problem"] else ""
    todo = [f"to do: {one}" for one in line["todo"]]
    said = "; ".join(filter(None, (refusal, *line["repairs"], *line["notes"], *todo)))
    return " | ".join((line["table"], line["id"], line["verdict"], said)).rstrip()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "old").mkdir()
    return make_database(tmp_path / "old" / "zephyrus.db")


@pytest.mark.shows("agents import --to", "agents import --chain-id", "agents import --json")
def test_every_row_is_taken_repaired_or_refused_as_expected(source: Path, tmp_path: Path) -> None:
    ended = run("agents", "import", str(source), "--to", str(tmp_path / "new.db"), *CHAIN, "--json")
    told = [text_of(line) for line in lines_of(ended.out)]
    assert told == GOLDEN.read_text(encoding="utf-8").splitlines()
    assert len(told) == sum(map(len, ROWS.values())) + 2, "and two contracts without a row"
    assert (ended.code, ended.err) == (1, "8 taken, 11 repaired, 19 refused\n")


@pytest.mark.parametrize("journal", ["delete", "wal"])
@pytest.mark.parametrize("target", ["new.db", "new", "new.json"])
def test_nothing_of_the_source_changes_and_a_second_import_changes_nothing(
    tmp_path: Path, target: str, journal: str
) -> None:
    (tmp_path / "old").mkdir()
    source = make_database(tmp_path / "old" / "zephyrus.db", journal=journal)
    before = digests(tmp_path / "old")
    to = tmp_path / "to"
    to.mkdir()
    if target == "new":
        (to / target).mkdir()
    command = ("agents", "import", str(source), "--to", str(to / target), *CHAIN, "--json")
    first = run(*command)
    written = digests(to)
    second = run(*command)
    assert (first.code, second.code) == (1, 1)
    assert digests(tmp_path / "old") == before
    assert digests(to) == written
    stored = [[line.pop("stored") for line in lines_of(each.out)] for each in (first, second)]
    assert set(stored[0]) == {None, "new"}
    assert stored[1] == [one and "unchanged" for one in stored[0]]
    assert first.err == second.err


@pytest.mark.shows("agents show --agents")
def test_what_was_imported_is_there_and_checked(source: Path, tmp_path: Path) -> None:
    to = str(tmp_path / "new.db")
    run("agents", "import", str(source), "--to", to, *CHAIN)
    shown = json.loads(run("agents", "show", "good", "--agents", to).out)
    assert (shown["gas_limit"], shown["max_priority_fee_gwei"]) == (300000, "1.5")
    assert [one["name"] for one in shown["functions"]] == ["allowance", "sum", "transfer"]
    assert shown["schedules"][0]["cron_expression"] == "0 0 * * *"
    checked = run("agents", "check", "--agents", to)
    assert checked.code == 1
    assert "names no planner" in " ".join(checked.out.split())


@pytest.mark.shows("agents import --dry-run")
def test_a_dry_run_tells_the_same_and_writes_nothing(source: Path, tmp_path: Path) -> None:
    to = tmp_path / "new.db"
    command = ("agents", "import", str(source), "--to", str(to), *CHAIN, "--json")
    dry = run(*command, "--dry-run")
    assert not to.exists()
    assert run(*command).out == dry.out
    assert dry.err == "nothing was written: 8 taken, 11 repaired, 19 refused\n"
    written = digests(tmp_path)
    assert '"stored":"unchanged"' in run(*command, "--dry-run").out
    assert digests(tmp_path) == written


def test_what_the_operator_said_of_an_agent_survives_the_next_import(
    source: Path, tmp_path: Path
) -> None:
    to = tmp_path / "agents.json"
    command = ("agents", "import", str(source), "--to", str(to), *CHAIN)
    run(*command)
    said = json.loads(to.read_text())
    (good,) = [agent for agent in said["agents"] if agent["id"] == "good"]
    good |= {"signer": "main", "planner": {"name": "steps", "settings": {"steps": []}}}
    to.write_text(json.dumps(said))
    with closing(sqlite3.connect(source)) as connection, connection:
        connection.execute("UPDATE agents SET name = 'Better' WHERE agent_id = 'good'")
    lines = lines_of(run(*command, "--json").out)
    (line,) = [line for line in lines if line["id"] == "good"]
    assert (line["stored"], line["todo"]) == ("changed", [])
    shown = json.loads(run("agents", "show", "good", "--agents", str(to)).out)
    assert (shown["name"], shown["signer"], shown["planner"]["name"]) == ("Better", "main", "steps")


def test_rows_that_are_all_right_are_exit_code_0_and_a_table_for_people(tmp_path: Path) -> None:
    rows = {"agents": [{"agentId": "a", "status": "active"}]}
    (tmp_path / "dump.json").write_text(json.dumps(rows))
    ended = run("agents", "import", str(tmp_path / "dump.json"), "--to", str(tmp_path / "new.db"))
    assert (ended.code, ended.err) == (0, "1 taken, 0 repaired, 0 refused\n")
    assert "taken, new" in ended.out
    assert "give it a planner" in " ".join(ended.out.split())


@pytest.mark.shows("ZEPHYRUS_AGENTS")
def test_the_target_may_be_named_by_the_environment(tmp_path: Path) -> None:
    (tmp_path / "dump.json").write_text('{"agents": [{"agentId": "a", "status": "active"}]}')
    to = {"ZEPHYRUS_AGENTS": str(tmp_path / "new.db")}
    ended = run("agents", "import", str(tmp_path / "dump.json"), env=to)
    assert ended.code == 0
    assert (tmp_path / "new.db").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "name a SOURCE, or set DB_API_URL"),
        (("old",), "name a SQLite file or a folder with --to"),
        (("nowhere", "--to", "new.db"), "nowhere cannot be read: No such file"),
        (("empty", "--to", "new.db"), "empty holds no rows of agents"),
        (("text", "--to", "new.db"), "text is no JSON"),
        (("other.db", "--to", "new.db"), "other.db holds no rows of agents"),
        (("old", "--to", "new.db", "--agent", "a"), "a file is imported whole"),
        (("old", "--to", "new.db", "--chain-id", "x"), "'x' is no count"),
        (("http://127.0.0.1:1", "--to", "new.db"), "name them with --agent ID"),
        (("http://127.0.0.1:1", "--to", "new.db", "--agent", "a"), "cannot be reached"),
    ],
)
def test_what_cannot_be_imported_is_exit_code_2_and_one_line(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    make_database(tmp_path / "old")
    make_database(tmp_path / "other.db", {})
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").write_text("no JSON")
    ended = run("agents", "import", *arguments, cwd=tmp_path)
    assert ended.code == 2
    assert said in ended.err
    assert not (tmp_path / "new.db").exists()


def test_the_deployed_sample_is_taken_whole(tmp_path: Path) -> None:
    """What the original system's own scripts insert has nothing in it to be repaired."""
    good = {"contracts": [ROWS["contracts"][0] | {"abi": "[]"}], "agents": [ROWS["agents"][0]]}
    allowance = ROWS["agent_functions"][1] | {"abi": json.loads(ROWS["contracts"][0]["abi"])[2]}
    document = good | {
        "agent_functions": [allowance],
        "agent_schedules": [ROWS["agent_schedules"][0]],
    }
    (tmp_path / "agents.json").write_text(json.dumps(document))
    ended = run("agents", "import", str(tmp_path / "agents.json"), "--to", str(tmp_path / "new.db"))
    assert (ended.code, ended.err) == (0, "4 taken, 0 repaired, 0 refused\n")
    listed = run("agents", "list", "--agents", str(tmp_path / "new.db"), env={"COLUMNS": "200"})
    assert TOKEN in listed.out
