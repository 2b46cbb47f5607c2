"""The Dockerfile that the documentation ships: linted, and what it says done without an engine."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import frozen

from tests.anvil import skip_or_fail
from tests.docs.markdown import ROOT

from .nginx import free_port

DOCKERFILE = ROOT / "docs" / "deploy" / "Dockerfile"
HOME = "/var/lib/zephyrus-exec"
VENV = "/opt/zephyrus-exec"


@frozen
class Instruction:
    """One line of a Dockerfile, those that continue it joined."""

    stage: int
    name: str
    value: str

    @property
    def words(self) -> list[str]:
        """The value as the exec form has it."""
        words: list[str] = json.loads(self.value)
        return words


def instructions() -> list[Instruction]:
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return list(_instructions(re.sub(r"\\\n\s*", "", text).splitlines()))


def _instructions(lines: list[str]) -> Iterator[Instruction]:
    stage = 0
    for line in filter(None, lines):
        name, _, value = line.partition(" ")
        stage += name == "FROM"
        yield Instruction(stage, name, value)


def one(name: str) -> Instruction:
    """Return the only instruction of this name in the stage that is shipped."""
    last = instructions()[-1].stage
    (found,) = (each for each in instructions() if (each.stage, each.name) == (last, name))
    return found


def environment() -> dict[str, str]:
    pairs = (word.partition("=") for word in shlex.split(one("ENV").value))
    return {name: value for name, _, value in pairs}


@pytest.mark.slow
def test_a_linter_has_nothing_to_say() -> None:
    program = shutil.which("hadolint") or shutil.which(
        "hadolint", path=str(Path(sys.executable).parent)
    )
    if program is None:
        skip_or_fail("hadolint is missing: it comes with the extra dev")
    done = subprocess.run(
        [program, "--failure-threshold", "style", str(DOCKERFILE)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_it_runs_as_somebody_without_rights_and_signals_reach_the_server() -> None:
    assert int(one("USER").value) > 0
    assert one("ENTRYPOINT").words == ["zephyrus-exec"]
    assert one("CMD").words == ["serve"]
    assert one("STOPSIGNAL").value == "SIGTERM"


def test_the_journal_is_in_the_volume() -> None:
    assert one("VOLUME").words == [HOME] == [one("WORKDIR").value]
    assert Path(environment()["ZEPHYRUS_STORE"]).parent == Path(HOME)


def test_what_is_copied_from_the_source_is_there_and_not_ignored() -> None:
    ignored = DOCKERFILE.with_name("Dockerfile.dockerignore").read_text(encoding="utf-8")
    for each in instructions():
        if each.name == "COPY" and not each.value.startswith("--from"):
            *sources, _ = each.value.split()
            for source in sources:
                assert (ROOT / source).exists()
                assert f"!{source}" in ignored.splitlines()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="a Dockerfile for Linux")
async def test_what_it_installs_serves_is_healthy_and_stops(tmp_path: Path) -> None:
    """RUN, ENV, ENTRYPOINT, CMD, HEALTHCHECK and STOPSIGNAL, in folders of this test."""
    build = next(each for each in instructions() if each.name == "RUN")
    venv, home, source = tmp_path / "venv", tmp_path / "home", tmp_path / "src"
    home.mkdir()
    source.mkdir()
    _copy(source)
    command = build.value.replace(VENV, str(venv)).replace("python -m", f"{sys.executable} -m")
    installing = await asyncio.create_subprocess_shell(command, cwd=source)
    assert await installing.wait() == 0
    port = free_port()
    env = {name: text.replace(HOME, str(home)) for name, text in environment().items()}
    env |= {"PATH": f"{venv}/bin:{os.environ['PATH']}", "WS_PORT": str(port)}
    start = [*one("ENTRYPOINT").words, *one("CMD").words]
    start[0] = shutil.which(start[0], path=env["PATH"]) or start[0]
    server = await asyncio.create_subprocess_exec(
        *start, env=env, cwd=home, stderr=asyncio.subprocess.PIPE
    )
    assert server.stderr is not None
    async with asyncio.timeout(60):
        while b"Ctrl-C" not in (said := await server.stderr.readline()):
            assert said, "it ended before it was up"
    assert await _healthy(env) == 0
    server.send_signal(getattr(signal, one("STOPSIGNAL").value))
    assert await asyncio.wait_for(server.wait(), 10) == 0
    assert await _healthy(env) != 0
    assert os.stat(env["ZEPHYRUS_STORE"]).st_size > 0


def _copy(folder: Path) -> None:
    for each in instructions():
        if each.name == "COPY" and not each.value.startswith("--from"):
            *sources, target = each.value.split()
            for name in sources:
                if (ROOT / name).is_dir():
                    shutil.copytree(ROOT / name, folder / target)
                else:
                    shutil.copy(ROOT / name, folder / target)


async def _healthy(env: dict[str, str]) -> int:
    words = json.loads(one("HEALTHCHECK").value.partition("CMD ")[2])
    asked = await asyncio.create_subprocess_exec(*words, env=env, stderr=asyncio.subprocess.DEVNULL)
    return await asyncio.wait_for(asked.wait(), 10)
