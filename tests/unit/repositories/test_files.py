"""Agents in files that people edit while they are read."""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zephyrus_exec.errors import (
    AgentNotFound,
    ConfigurationError,
    ContractNotFound,
    InvalidDefinition,
    RepositoryError,
    RepositoryUnavailable,
)
from zephyrus_exec.model import Agent, Contract
from zephyrus_exec.repositories import FilesRepository
from zephyrus_exec.repositories.files_format import render, write_file
from zephyrus_exec.testing.repositories import WritableConformance
from zephyrus_exec.testing.strategies import agents, contracts

TOML = """
[[agents]]
id = "t"
max_priority_fee_gwei = 1.5

[[contracts]]
id = "c"
address = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
chain_id = 1
"""


class TestFilesRepository(WritableConformance):
    persistent = True

    async def open(self, place: Path) -> FilesRepository:
        return FilesRepository(place, settle=0)


class TestOneFile(WritableConformance):
    persistent = True

    async def open(self, place: Path) -> FilesRepository:
        file = place / "all.json"
        if not os.path.exists(file):  # noqa: ASYNC240
            write_file(file, "{}", overwrite=False)
        return FilesRepository(file, settle=0)


class Folder:
    """A folder, a repository of it that looks at every lookup, and what people do to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = 0.0
        self.pauses: list[float] = []
        self.while_pausing: list[Callable[[], object]] = []
        self.repository = self.reader(interval=0.0, settle=0.0)

    def reader(
        self, *, interval: float = 0.0, settle: float = 0.0, max_file_bytes: int = 1 << 20
    ) -> FilesRepository:
        return FilesRepository(
            self.path,
            interval=interval,
            settle=settle,
            max_file_bytes=max_file_bytes,
            clock=lambda: self.now,
            pause=self.pause,
        )

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        if self.while_pausing:
            self.while_pausing.pop(0)()

    def write(self, name: str, text: str | bytes, *, at: float = -1000.0) -> Path:
        """Write a file as it was changed at that time of our clock."""
        file = self.path / name
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        os.utime(file, (at, at))
        return file

    async def ids(self) -> list[str]:
        return [agent.id async for agent in self.repository.list_agents()]

    async def problems(self) -> list[str]:
        return [problem.message for problem in await self.repository.find_problems()]

    async def refusal(self, agent_id: str) -> RepositoryError:
        with pytest.raises(RepositoryError) as caught:
            await self.repository.get_agent(agent_id)
        return caught.value


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def agents_of(*ids: str, **more: str) -> str:
    return render([Agent(one, **more) for one in ids])  # type: ignore[arg-type]


# --- what is read


async def test_json_and_toml_are_read_in_the_order_of_their_names(folder: Folder) -> None:
    folder.write("z.json", agents_of("first-written", "second"))
    folder.write("a.TOML", TOML)
    assert await folder.ids() == ["t", "first-written", "second"]
    assert str((await folder.repository.get_agent("t")).max_priority_fee_gwei) == "1.5"
    assert (await folder.repository.get_contract("c")).chain_id == 1
    assert await folder.problems() == []
    assert folder.repository.description == f"files of {folder.path.name}"


async def test_other_files_are_left_alone(folder: Folder) -> None:
    for name in (".hidden.json", "agents.json~", "readme.md", "agents.yaml", "json", "x.json.swp"):
        folder.write(name, agents_of("a"))
    (folder.path / "sub").mkdir()
    folder.write("sub/b.json", agents_of("b"))
    assert await folder.ids() == []
    assert await folder.problems() == []


@pytest.mark.parametrize("text", ['\ufeff{"agents":[{"id":"a"}]}', '{"agents":[{"id":"a"}]}\r\n'])
async def test_files_of_windows_editors_are_read(folder: Folder, text: str) -> None:
    folder.write("a.json", text)
    assert await folder.ids() == ["a"]


async def test_an_empty_toml_file_is_no_problem(folder: Folder) -> None:
    folder.write("a.toml", "# nothing yet\n")
    assert (await folder.ids(), await folder.problems()) == ([], [])


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
async def test_links_are_followed_as_mounted_settings_need_it(folder: Folder) -> None:
    """Kubernetes mounts a ConfigMap as links through a hidden folder, and replaces that link."""
    for version in ("one", "two"):
        (folder.path / f"..{version}").mkdir()
        folder.write(f"..{version}/a.json", agents_of(version))
    (folder.path / "..data").symlink_to("..one")
    (folder.path / "a.json").symlink_to("..data/a.json")
    assert await folder.ids() == ["one"]
    (folder.path / "..new").symlink_to("..two")
    (folder.path / "..new").replace(folder.path / "..data")
    assert await folder.ids() == ["two"]


# --- what cannot be used


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("b.json", "", "is no JSON: Expecting value"),
        ("b.json", '{"agents": [', "is no JSON"),
        ("b.json", "[]", "is no object @ $; write `agents` and `contracts`, each a list"),
        ("b.json", '{"id": "b"}', "there is no field 'id' @ $; write `agents` and `contracts`"),
        ("b.json", '{"agents": {"id": "b"}}', "is no list @ $.agents"),
        ("b.json", '{"agents": [{"id": "b", "id": "c"}]}', "has the key 'id' twice"),
        ("b.json", '{"agents": [{"id": ""}]}', "is empty or too long @ $.agents[0].id"),
        ("b.json", '{"agents": [{"name": "b"}]}', "is missing @ $.agents[0].id"),
        ("b.json", '{"agents": ["b"]}', "must be an object, not a string @ $.agents[0]"),
        ("b.json", '{"agents": [{"id": "\\ud800"}]}', "holds a lone surrogate @ $.agents[0].id"),
        ("b.json", "[" * 100_000, "is no JSON: too deep"),
        ("b.json", b'{"agents": "\xff"}', "is no UTF-8"),
        ("b.json", "x" * (1 << 20), "is no JSON"),
        ("b.json", " " * ((1 << 20) + 1), "is longer than 1048576 bytes @ $; make several of it"),
        ("b.toml", "agents = [", "is no TOML"),
        ("b.toml", "x = " + "[" * 100_000, "is nested too deeply"),
        ("b.toml", "agents = [{ id = 2026-01-01 }]", "must be a string"),
        ("b.toml", b"# \xff", "is no UTF-8"),
    ],
)
async def test_a_bad_file_is_reported_and_does_not_take_the_others_down(
    folder: Folder, name: str, text: str | bytes, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder.write("a.json", agents_of("a"))
    folder.write(name, text)
    folder.write("c.json", agents_of("c"))
    assert await folder.ids() == ["a", "c"]
    (problem,) = await folder.problems()
    assert problem.startswith(f"{name}: ")
    assert said in problem
    assert [record.message for record in caplog.records] == [problem]
    assert list(folder.repository.problems) == list(await folder.repository.find_problems())


async def test_an_agent_that_breaks_its_schema_is_refused_alone(folder: Folder) -> None:
    folder.write("a.json", '{"agents":[{"id":"a"},{"id":"b","status":"asleep"},{"id":"c"}]}')
    assert await folder.ids() == ["a", "c"]
    error = await folder.refusal("b")
    assert isinstance(error, InvalidDefinition)
    assert error.details["agent_id"] == "b"
    assert error.details["field"] == "$.agents[1].status"
    assert await folder.problems() == [error.message]


async def test_a_contract_that_breaks_its_schema_is_named_as_one(folder: Folder) -> None:
    folder.write("a.toml", TOML.replace("0x5F", "0x"))
    with pytest.raises(InvalidDefinition) as caught:
        await folder.repository.get_contract("c")
    assert caught.value.details["contract_id"] == "c"
    assert caught.value.details["field"] == "$.contracts[0].address"
    assert [c async for c in folder.repository.list_contracts()] == []


async def test_the_same_id_in_two_files_is_refused_in_both(folder: Folder) -> None:
    folder.write("a.json", agents_of("x", "y"))
    folder.write("b.json", agents_of("x", "z"))
    error = await folder.refusal("x")
    assert "it is described in a.json and in b.json" in error.message
    assert await folder.ids() == ["y", "z"]
    assert await folder.problems() == [error.message]


async def test_the_same_id_twice_in_a_file_is_refused(folder: Folder) -> None:
    folder.write("a.json", '{"agents":[{"id":"x"},{"id":"x"},{"id":"y"}]}')
    assert "it is described twice in a.json" in (await folder.refusal("x")).message
    assert await folder.ids() == ["y"]


async def test_an_agent_and_a_contract_may_have_one_id(folder: Folder) -> None:
    folder.write("a.json", render([Agent("x"), Contract("x", "0x" + "0" * 40, 1)]))
    assert await folder.problems() == []


async def test_each_error_is_another_one(folder: Folder) -> None:
    """Errors that are raised again gather the tracebacks of strangers."""
    folder.write("a.json", '{"agents":[{"id":"a","x":1}]}')
    assert await folder.refusal("a") is not await folder.refusal("a")


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
async def test_a_link_that_leads_nowhere_is_reported_until_it_leads_somewhere(
    folder: Folder,
) -> None:
    (folder.path / "a.json").symlink_to(".elsewhere")
    (problem,) = await folder.problems()
    assert problem == (
        "a.json: cannot be read (No such file or directory); make it readable, or remove it"
    )
    folder.write(".elsewhere", agents_of("a"))
    assert (await folder.problems(), await folder.ids()) == ([], ["a"])


async def test_a_folder_with_the_name_of_a_file_is_reported(folder: Folder) -> None:
    (folder.path / "a.json").mkdir()
    (problem,) = await folder.problems()
    assert problem.startswith("a.json: cannot be read (it is no file)")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
async def test_a_pipe_is_reported_and_not_waited_for(folder: Folder) -> None:
    os.mkfifo(folder.path / "a.json")
    async with asyncio.timeout(5):
        (problem,) = await folder.problems()
    assert "it is no file" in problem


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="needs a file that fails")
async def test_a_file_whose_reading_fails_is_reported(folder: Folder) -> None:
    (folder.path / "a.json").symlink_to("/proc/self/mem")
    (problem,) = await folder.problems()
    assert problem.startswith("a.json: cannot be read (Input/output error)")


# --- what changes


async def test_a_changed_file_is_read_again_and_a_new_one_found(folder: Folder) -> None:
    folder.write("a.json", agents_of("a"))
    assert await folder.ids() == ["a"]
    folder.write("a.json", agents_of("a2"))
    folder.write("b.json", agents_of("b"))
    assert await folder.ids() == ["a2", "b"]
    with pytest.raises(AgentNotFound):
        await folder.repository.get_agent("a")


async def test_a_deleted_file_takes_its_agents_with_it(folder: Folder) -> None:
    folder.write("a.json", agents_of("a"))
    file = folder.write("b.toml", TOML)
    assert await folder.ids() == ["a", "t"]
    file.unlink()
    assert await folder.ids() == ["a"]
    with pytest.raises(ContractNotFound):
        await folder.repository.get_contract("c")


async def test_an_unchanged_file_gives_the_same_values_whatever_changes_beside_it(
    folder: Folder,
) -> None:
    folder.write("a.json", agents_of("a"))
    before = await folder.repository.get_agent("a")
    folder.write("b.json", agents_of("b"))
    assert await folder.repository.get_agent("b") == Agent("b")
    assert await folder.repository.get_agent("a") is before


async def test_a_file_that_becomes_bad_has_its_agents_refused_with_the_reason(
    folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever changed it wanted something else than what it said; so that is never used."""
    folder.write("a.toml", TOML)
    folder.write("b.json", agents_of("b"))
    assert await folder.ids() == ["t", "b"]
    folder.write("a.toml", TOML + 'status = "stopp')
    error = await folder.refusal("t")
    assert isinstance(error, InvalidDefinition)
    assert error.details["agent_id"] == "t"
    assert error.message.startswith("a.toml: is no TOML")
    with pytest.raises(InvalidDefinition):
        await folder.repository.get_contract("c")
    assert await folder.ids() == ["b"]
    folder.write("a.toml", "still not")
    assert (await folder.refusal("t")).message.startswith("a.toml: is no TOML")
    assert len(caplog.records) == 2
    folder.write("a.toml", TOML)
    assert await folder.ids() == ["t", "b"]
    assert await folder.problems() == []


async def test_a_problem_is_logged_once(folder: Folder, caplog: pytest.LogCaptureFixture) -> None:
    folder.write("a.json", "{")
    for _ in range(3):
        await folder.problems()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


async def test_a_folder_that_is_gone_is_not_an_empty_one(folder: Folder) -> None:
    folder.write("a.json", agents_of("a"))
    assert await folder.ids() == ["a"]
    away = folder.path.rename(folder.path.with_name("away"))
    for work in (folder.ids(), folder.problems(), folder.repository.put([Agent("b")])):
        with pytest.raises(RepositoryUnavailable, match="put the folder back"):
            await work
    away.rename(folder.path)
    assert await folder.ids() == ["a"]


# --- when it looks


async def test_it_looks_again_only_after_the_interval(folder: Folder) -> None:
    repository = folder.reader(interval=1.0)
    folder.write("a.json", agents_of("a"))
    assert await repository.get_agent("a") == Agent("a")
    folder.write("a.json", agents_of("a", name="new"))
    folder.now += 0.9
    assert (await repository.get_agent("a")).name == ""
    folder.now += 0.1
    assert (await repository.get_agent("a")).name == "new"


async def test_it_looks_again_where_the_clock_was_set_back(folder: Folder) -> None:
    repository = folder.reader(interval=1.0)
    folder.write("a.json", agents_of("a"))
    assert await repository.get_agent("a") == Agent("a")
    folder.write("a.json", agents_of("a", name="new"))
    folder.now -= 1000
    assert (await repository.get_agent("a")).name == "new"


async def test_a_look_does_not_hold_up_the_loop(folder: Folder) -> None:
    """It happens in a thread, and others that look meanwhile wait for the same look."""
    folder.now = 10.0
    repository = folder.reader(interval=1.0, settle=5.0)
    beginning, going_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def hold() -> None:
        loop.call_soon_threadsafe(beginning.set)
        asyncio.run_coroutine_threadsafe(going_on.wait(), loop).result(5)

    folder.while_pausing.append(hold)
    now_ahead(folder, folder.write("a.json", agents_of("a")))
    lookups = [asyncio.ensure_future(repository.get_agent("a")) for _ in range(3)]
    await beginning.wait()
    assert not any(lookup.done() for lookup in lookups)
    folder.now += 100
    going_on.set()
    await asyncio.gather(*lookups)
    assert folder.pauses == [5.0]


def now_ahead(folder: Folder, file: Path, seconds: float = 0.1) -> None:
    """Set the clock to shortly after the file was changed."""
    status = file.stat()
    folder.now = max(status.st_mtime, status.st_ctime) + seconds


async def test_a_file_changed_just_now_is_waited_for_once(folder: Folder) -> None:
    """Half a TOML file may be a whole agent without its limits."""
    whole = TOML + "\n[[agents]]\nid = 'u'\nmax_cycles = 1\n"
    file = folder.write("a.toml", whole[: whole.index("max_cycles")])
    now_ahead(folder, file)
    folder.repository = folder.reader(settle=1.0)

    def finish() -> None:
        folder.write("a.toml", whole)
        folder.now += 100

    folder.while_pausing.append(finish)
    assert (await folder.repository.get_agent("u")).max_cycles == 1
    assert folder.pauses == [1.0]
    await folder.repository.get_agent("u")
    assert folder.pauses == [1.0], "an old file is not waited for"


async def test_a_file_that_is_written_all_the_time_is_reported_and_not_read(
    folder: Folder,
) -> None:
    folder.write("b.json", agents_of("b"))
    file = folder.write("a.json", agents_of("a"))
    folder.now = file.stat().st_ctime + 100
    folder.repository = folder.reader(settle=1.0)
    assert await folder.ids() == ["a", "b"]
    file = folder.write("a.json", agents_of("a", "a2"))
    now_ahead(folder, file)
    assert await folder.ids() == ["b"]
    error = await folder.refusal("a")
    assert isinstance(error, RepositoryUnavailable)
    assert error.retryable
    assert error.message == "a.json: is still being written; wait"
    folder.now += 1.0
    assert await folder.ids() == ["a", "a2", "b"]


async def test_a_file_from_the_future_is_not_waited_for(folder: Folder) -> None:
    file = folder.write("a.json", agents_of("a"))
    folder.now = file.stat().st_ctime - 3600
    folder.repository = folder.reader(settle=1.0)
    assert await folder.ids() == ["a"]
    assert folder.pauses == []


async def test_a_file_that_changes_while_it_is_read_is_read_again(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = folder.write("a.json", agents_of("a"))
    real = Path.open
    changes = [agents_of("a", "b")]

    def open_and_change(self: Path, *arguments: str, **more: str) -> object:
        stream = real(self, *arguments, **more)  # type: ignore[call-overload]
        if self == file and changes:
            folder.write("a.json", changes.pop())
        return stream

    monkeypatch.setattr(Path, "open", open_and_change)
    assert await folder.ids() == []
    assert await folder.ids() == ["a", "b"]


async def test_whoever_lists_is_not_disturbed_by_changes(folder: Folder) -> None:
    folder.write("a.json", agents_of("a", "b"))
    seen = []
    async for agent in folder.repository.list_agents():
        seen.append(agent.id)
        folder.write("a.json", agents_of("c"))
        await folder.ids()
    assert seen == ["a", "b"]


# --- what is written


async def test_only_agents_json_is_written(folder: Folder) -> None:
    folder.write("a.toml", TOML)
    await folder.repository.put([Agent("n")])
    assert sorted(os.listdir(folder.path)) == ["a.toml", "agents.json"]
    assert await folder.ids() == ["t", "n"]


async def test_what_another_file_describes_is_changed_there(folder: Folder) -> None:
    folder.write("a.toml", TOML)
    for work in (
        folder.repository.put([Agent("n"), Agent("t")]),
        folder.repository.remove(agents=["t"]),
        folder.repository.remove(contracts=["c"]),
    ):
        with pytest.raises(InvalidDefinition, match=r"described in a\.toml.* change it there"):
            await work
    assert await folder.ids() == ["t"]


@pytest.mark.parametrize(
    "text",
    ["{", '{"agents":[{"id":"a","x":1}]}', '{"agents":[{"id":"a"},{"id":"a"}]}'],
    ids=["bad file", "bad agent", "twice"],
)
async def test_nothing_is_written_over_what_cannot_be_read(folder: Folder, text: str) -> None:
    file = folder.write("agents.json", text)
    with pytest.raises(InvalidDefinition):
        await folder.repository.put([Agent("n")])
    assert file.read_text() == text


async def test_a_toml_file_is_only_read(folder: Folder) -> None:
    repository = FilesRepository(folder.write("a.toml", TOML), settle=0)
    assert (await repository.get_agent("t")).id == "t"
    with pytest.raises(ConfigurationError, match=r"ends in \.json"):
        await repository.put([Agent("n")])


async def test_a_single_file_is_made_where_there_is_none(folder: Folder) -> None:
    repository = FilesRepository(folder.path / "new.json", settle=0)
    (problem,) = await repository.find_problems()
    assert problem.message.startswith("new.json: cannot be read (No such file")
    await repository.put([Agent("n")])
    assert await repository.get_agent("n") == Agent("n")


async def test_what_cannot_be_written_is_told_and_leaves_nothing(folder: Folder) -> None:
    repository = FilesRepository(folder.path / "missing" / "new.json", settle=0)
    with pytest.raises(RepositoryUnavailable, match=r"new\.json cannot be written"):
        await repository.put([Agent("n")])
    assert os.listdir(folder.path) == []


def test_a_file_that_is_there_is_not_overwritten_unless_told(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    write_file(file, "one", overwrite=False)
    with pytest.raises(FileExistsError):
        write_file(file, "two", overwrite=False)
    assert file.read_text() == "one"
    write_file(file, "two", overwrite=True)
    assert (file.read_text(), os.listdir(tmp_path)) == ("two", ["a.json"])


@settings(max_examples=30, deadline=None)
@given(values=st.lists(agents() | contracts(), max_size=5, unique_by=lambda v: (type(v), v.id)))
def test_what_is_written_is_read_back_equal(values: list[Agent | Contract]) -> None:
    with tempfile.TemporaryDirectory() as place:
        write_file(Path(place, "a.json"), render(values), overwrite=False)
        repository = FilesRepository(place, settle=0)

        async def read() -> list[Agent | Contract]:
            found: list[Agent | Contract] = [one async for one in repository.list_agents()]
            return found + [one async for one in repository.list_contracts()]

        assert asyncio.run(read()) == sorted(values, key=lambda value: isinstance(value, Contract))
