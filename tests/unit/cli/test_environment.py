"""The environment of a command: the process's, and what a `.env` adds to it."""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path

import pytest

from tests.integration.commands import run, serving
from zephyrus_exec.cli.environment import environment_of

NOWHERE = Namespace(env_file=None)


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("A", "B", "C"):
        monkeypatch.delenv(name, raising=False)


def test_the_process_s_own_variables_beat_the_file_unless_they_are_set_to_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path(".env").write_text("A=file\nB=file\nC=file\n", encoding="utf-8")
    monkeypatch.setenv("A", "own")
    monkeypatch.setenv("B", "")
    found = environment_of(NOWHERE)
    assert (found["A"], found["B"], found["C"]) == ("own", "file", "file")
    assert "C" not in os.environ, "what the file sets is for us, and for no process we start"


def test_without_a_file_there_is_only_the_process_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A", "own")
    assert environment_of(NOWHERE)["A"] == "own"


def test_a_file_that_is_named_has_to_be_there(tmp_path: Path) -> None:
    ended = run("agents", "list", "--env-file", "gone.env", cwd=tmp_path)
    assert (ended.code, ended.out) == (2, "")
    assert "gone.env: cannot be read" in ended.complaint


def test_a_file_without_its_reader_is_told_and_not_passed_over(tmp_path: Path) -> None:
    assert run("agents", "list", cwd=tmp_path, hidden=["dotenv"]).code == 0
    Path(".env").write_text("A=1\n", encoding="utf-8")
    ended = run("agents", "list", cwd=tmp_path, hidden=["dotenv"])
    assert (ended.code, ended.out) == (2, "")
    assert 'pip install "zephyrus-exec[cli]"' in ended.complaint
    without = ("agents", "list", "--env-file", os.devnull)
    assert run(*without, cwd=tmp_path, hidden=["dotenv"]).code == 0


@pytest.mark.skipif(os.name == "nt", reason="stops servers by POSIX signals")
async def test_serve_warns_of_names_that_mean_nothing(tmp_path: Path) -> None:
    env = {"ZEPHYRUS_STROE": "x.db", "SONIC_RPC_URL": "http://user:pw@node"}
    options = ("--host", "127.0.0.1", "--port", "0", "--store", "memory:")
    async with serving(*options, env=env, cwd=tmp_path) as server:
        warned = [line for line in server.banner if line.startswith("warning: ")]
    assert len(warned) == 2
    assert "did you mean ZEPHYRUS_STORE?" in warned[1]
    assert "ZEPHYRUS_RPC_57054" in warned[0]
    assert "pw" not in str(warned)
