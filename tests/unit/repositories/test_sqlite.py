"""Agents in a SQLite database, among whatever else it holds."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from zephyrus_exec import SqliteStore
from zephyrus_exec.errors import (
    AgentNotFound,
    ConfigurationError,
    ContractNotFound,
    InvalidDefinition,
    RepositoryUnavailable,
)
from zephyrus_exec.model import Agent, Contract
from zephyrus_exec.repositories import SqliteRepository
from zephyrus_exec.testing.repositories import WritableConformance

CONTRACT = Contract("c", "0x" + "0" * 40, 1)

# What a deployed system has: names we would have liked, and everything a schema can have.
FOREIGN = """
BEGIN;
CREATE TABLE contracts (contract_id TEXT PRIMARY KEY, abi TEXT);
CREATE TABLE agents (agent_id TEXT PRIMARY KEY, contract_id TEXT REFERENCES contracts, name TEXT);
CREATE TABLE agent_functions (id INTEGER PRIMARY KEY AUTOINCREMENT, agent_id TEXT, name TEXT);
CREATE INDEX by_agent ON agent_functions (agent_id);
CREATE VIEW active AS SELECT * FROM agents;
CREATE TRIGGER follow AFTER DELETE ON agents BEGIN
    DELETE FROM agent_functions WHERE agent_id = OLD.agent_id;
END;
INSERT INTO contracts VALUES ('c', '[]');
INSERT INTO agents VALUES ('a', 'c', 'theirs'), ('b', NULL, x'00ff');
INSERT INTO agent_functions (agent_id, name) VALUES ('a', 'f'), ('a', 'g');
PRAGMA user_version = 7;
PRAGMA application_id = 1234;
COMMIT;
"""


class TestSqliteRepository(WritableConformance):
    persistent = True

    async def open(self, place: Path) -> SqliteRepository:
        return await SqliteRepository.open(place / "agents.db")


class TestAmongOtherTables(WritableConformance):
    persistent = True

    async def open(self, place: Path) -> SqliteRepository:
        file = place / "theirs.db"
        if not file.exists():
            run(file, FOREIGN)
        return await SqliteRepository.open(file)


@contextmanager
def opened(file: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        yield connection


def run(file: Path, script: str, *parameters: object) -> None:
    with opened(file) as connection:
        if parameters:
            connection.execute(script, parameters)
        else:
            connection.executescript(script)


def names_in(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def theirs(file: Path) -> list[object]:
    """Everything in the database that is not ours: schema, rows, and what its header says."""
    with opened(file) as connection:
        schema = connection.execute(
            "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE tbl_name NOT LIKE 'zx_%'"
        ).fetchall()
        rows = [
            connection.execute(f"SELECT rowid, * FROM {name}").fetchall()
            for kind, name, *_ in schema
            if kind == "table"
        ]
        pragmas = ("user_version", "application_id", "journal_mode", "auto_vacuum", "encoding")
        header = [connection.execute(f"PRAGMA {name}").fetchone() for name in pragmas]
    return [schema, rows, header]


async def filled(file: Path, *values: Agent | Contract) -> SqliteRepository:
    repository = await SqliteRepository.open(file)
    await repository.put(values)
    return repository


# --- other people's databases


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
async def test_what_we_did_not_create_is_never_touched(tmp_path: Path, mode: str) -> None:
    file = tmp_path / "theirs.db"
    run(file, FOREIGN)
    run(file, f"PRAGMA journal_mode = {mode}")
    before = theirs(file)
    repository = await filled(file, Agent("a", name="ours"), CONTRACT)
    await repository.remove(agents=["a"], contracts=["c"])
    await repository.put([Agent("z")])
    assert [agent.id async for agent in repository.list_agents()] == ["z"]
    with pytest.raises(AgentNotFound):
        await repository.get_agent("a")
    await repository.aclose()
    assert theirs(file) == before


async def test_a_foreign_database_is_only_read_where_nothing_may_be_created(tmp_path: Path) -> None:
    file = tmp_path / "theirs.db"
    run(file, FOREIGN)
    content = file.read_bytes()
    with pytest.raises(ConfigurationError, match="holds no agents of zephyrus-exec"):
        await SqliteRepository.open(file, create=False)
    assert file.read_bytes() == content


async def test_no_file_is_made_where_nothing_may_be_created(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"there is no database agents\.db"):
        await SqliteRepository.open(tmp_path / "agents.db", create=False)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("table", ["zx_agent", "ZX_Contract", "zx_repository"])
async def test_a_table_of_our_name_that_is_not_ours_is_refused(tmp_path: Path, table: str) -> None:
    file = tmp_path / "theirs.db"
    run(file, f"CREATE TABLE {table} (x)")
    content = file.read_bytes()
    with pytest.raises(ConfigurationError, match=f"a table {table.lower()} that is not ours"):
        await SqliteRepository.open(file)
    assert file.read_bytes() == content


async def test_a_journal_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "journal.db"
    await (await SqliteStore.open(file)).aclose()
    content = file.read_bytes()
    with pytest.raises(ConfigurationError, match="is a journal of executions"):
        await SqliteRepository.open(file)
    assert file.read_bytes() == content


async def test_a_journal_refuses_our_file_too(tmp_path: Path) -> None:
    await (await filled(tmp_path / "agents.db", Agent("a"))).aclose()
    with pytest.raises(ConfigurationError, match="choose another file for the journal"):
        await SqliteStore.open(tmp_path / "agents.db")


# --- versions


@pytest.mark.parametrize("version", [2, 0, "one"])
async def test_another_schema_is_refused_with_a_remedy(tmp_path: Path, version: object) -> None:
    file = tmp_path / "agents.db"
    await (await filled(file, Agent("a"))).aclose()
    run(file, "UPDATE zx_repository SET value = ?", version)
    content = file.read_bytes()
    with pytest.raises(ConfigurationError) as caught:
        await SqliteRepository.open(file)
    assert f"schema {version}, this release knows 1: upgrade zephyrus-exec" in caught.value.message
    assert file.read_bytes() == content


async def test_a_file_without_a_version_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "agents.db"
    await (await filled(file, Agent("a"))).aclose()
    run(file, "DELETE FROM zx_repository")
    with pytest.raises(ConfigurationError, match="schema none"):
        await SqliteRepository.open(file)


# --- rows written by hand


@pytest.mark.parametrize(
    ("body", "field", "problem"),
    [
        ('{"id":"bad","status":"asleep"}', "$.status", "'asleep' is not allowed"),
        ('{"id":"bad","max_cycles":"1"}', "$.max_cycles", "must be an integer, not a string"),
        ('{"id":"bad","functions":[{"name":null}]}', "$.functions[0].name", "not null"),
        ('{"id":"bad","colour":1}', "$", "there is no field 'colour'"),
        ('{"id":"bad","id":"bad"}', "$", "an object has the key 'id' twice"),
        ('{"id":"other"}', "$.id", "is 'other'"),
        ('{"id":"bad","max_cycles":NaN}', "$", "it holds NaN"),
        ("{", "$", "is no JSON"),
        ("[" * 100_000, "$", "too deep"),
        ("", "$", "is no JSON"),
        (b"\xff", "$", "is no JSON"),
        (7, "$", "must be an object, not a number"),
    ],
)
async def test_a_bad_row_names_its_agent_and_field_and_leaves_the_others_alone(
    tmp_path: Path, body: object, field: str, problem: str
) -> None:
    file = tmp_path / "agents.db"
    repository = await filled(file, Agent("first"), Agent("bad"), Agent("last"))
    run(file, "UPDATE zx_agent SET body = ? WHERE id = 'bad'", body)
    with pytest.raises(InvalidDefinition) as caught:
        await repository.get_agent("bad")
    details = caught.value.details
    assert (details["agent_id"], details["field"]) == ("bad", field)
    assert problem in str(details["problem"])
    assert "agents.db: agent 'bad':" in caught.value.message
    assert await repository.get_agent("last") == Agent("last")
    assert [agent.id async for agent in repository.list_agents()] == ["first", "last"]
    assert [one.details for one in await repository.find_problems()] == [details]
    await repository.aclose()


async def test_a_bad_contract_is_named_as_one(tmp_path: Path) -> None:
    repository = await filled(tmp_path / "agents.db", CONTRACT)
    run(tmp_path / "agents.db", "UPDATE zx_contract SET body = '{}'")
    with pytest.raises(InvalidDefinition) as caught:
        await repository.get_contract("c")
    assert caught.value.details["contract_id"] == "c"
    assert [one.details["contract_id"] for one in await repository.find_problems()] == ["c"]
    assert [contract async for contract in repository.list_contracts()] == []
    await repository.aclose()


async def test_an_id_that_is_no_utf8_is_reported_and_not_found(tmp_path: Path) -> None:
    file = tmp_path / "agents.db"
    repository = await filled(file, Agent("a"))
    run(file, "INSERT INTO zx_agent (number, id, body) VALUES (-5, x'ff', '{\"id\":\"x\"}')")
    assert [agent.id async for agent in repository.list_agents()] == ["a"]
    assert len(await repository.find_problems()) == 1
    await repository.aclose()


async def test_a_row_changed_by_hand_is_what_is_got_next(tmp_path: Path) -> None:
    file = tmp_path / "agents.db"
    repository = await filled(file, Agent("a"))
    before = await repository.get_agent("a")
    run(file, "UPDATE zx_agent SET body = json_set(body, '$.status', 'stopped')")
    after = await repository.get_agent("a")
    assert (before.status, after.status) == ("active", "stopped")
    await repository.aclose()


async def test_more_agents_than_are_remembered_are_right_all_the_same(tmp_path: Path) -> None:
    agents = [Agent(str(number)) for number in range(1100)]
    repository = await filled(tmp_path / "agents.db", *agents)
    for _ in range(2):
        assert [agent async for agent in repository.list_agents()] == agents
    assert await repository.get_agent("0") == agents[0]
    await repository.aclose()


# --- locks, and files that go


async def test_a_lookup_waits_for_a_writer_and_does_not_hold_up_the_loop(tmp_path: Path) -> None:
    file = tmp_path / "agents.db"
    repository = await filled(file, Agent("a"))
    with opened(file) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        lookup = asyncio.ensure_future(repository.get_agent("a"))
        await asyncio.sleep(0.05)  # the loop goes on meanwhile
        assert not lookup.done()
        writer.execute("ROLLBACK")
        assert await lookup == Agent("a")
    await repository.aclose()


async def test_a_lock_that_stays_is_an_error_that_may_pass(tmp_path: Path) -> None:
    file = tmp_path / "agents.db"
    repository = await filled(file, Agent("a"))
    impatient = await SqliteRepository.open(file, busy_timeout=0)
    with opened(file) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        for work in (impatient.get_agent("a"), impatient.put([Agent("b")])):
            with pytest.raises(RepositoryUnavailable, match="another process holds its lock"):
                await work
        with pytest.raises(RepositoryUnavailable):
            await SqliteRepository.open(file, busy_timeout=0)
    assert await impatient.get_agent("a") == Agent("a")
    for one in (repository, impatient):
        await one.aclose()


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be replaced on Windows")
async def test_a_file_put_in_its_place_is_read(tmp_path: Path) -> None:
    repository = await filled(tmp_path / "agents.db", Agent("a", name="old"))
    await (await filled(tmp_path / "new.db", Agent("a", name="new"))).aclose()
    (tmp_path / "new.db").replace(tmp_path / "agents.db")
    assert (await repository.get_agent("a")).name == "new"
    await repository.put([Agent("b")])
    assert [agent.id async for agent in repository.list_agents()] == ["a", "b"]
    await repository.aclose()


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be removed on Windows")
async def test_a_file_that_is_gone_is_not_an_empty_one(tmp_path: Path) -> None:
    repository = await filled(tmp_path / "agents.db", Agent("a"))
    (tmp_path / "agents.db").unlink()
    for work in (repository.get_agent("a"), repository.put([Agent("b")])):
        with pytest.raises(RepositoryUnavailable, match=r"agents\.db cannot be reached"):
            await work
    assert names_in(tmp_path) == []
    await repository.aclose()


async def test_tables_that_are_gone_are_told(tmp_path: Path) -> None:
    repository = await filled(tmp_path / "agents.db", Agent("a"))
    run(tmp_path / "agents.db", "DROP TABLE zx_contract")
    with pytest.raises(RepositoryUnavailable, match="no such table"):
        await repository.get_contract("c")
    assert await repository.get_agent("a") == Agent("a")
    await repository.aclose()


async def test_a_closed_one_says_so(tmp_path: Path) -> None:
    repository = await filled(tmp_path / "agents.db", CONTRACT)
    await repository.aclose()
    with pytest.raises(RepositoryUnavailable, match="was closed"):
        await repository.get_contract("c")


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\x00" + b"x" * 4096])
async def test_what_is_no_database_is_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "agents.db"
    file.write_bytes(content)
    with pytest.raises(RepositoryUnavailable, match=r"agents\.db is not available"):
        await SqliteRepository.open(file)
    assert file.read_bytes() == content


async def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(RepositoryUnavailable, match="make sure that the file and its folder exist"):
        await SqliteRepository.open(tmp_path / "missing" / "agents.db")


async def test_two_that_create_at_once_agree(tmp_path: Path) -> None:
    opening = [SqliteRepository.open(tmp_path / "agents.db") for _ in range(4)]
    repositories = await asyncio.gather(*opening)
    await repositories[0].put([CONTRACT])
    for one in repositories:
        assert await one.get_contract("c") == CONTRACT
        with pytest.raises(ContractNotFound):
            await one.get_contract("d")
        await one.aclose()


async def test_the_path_means_the_folder_it_was_opened_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    repository = await filled(Path("agents.db"), Agent("a"))
    monkeypatch.chdir("/")
    await repository.put([Agent("b")])
    assert await repository.get_agent("b") == Agent("b")
    assert repository.description == "sqlite agents.db"
    await repository.aclose()
