"""The systemd unit that the documentation ships."""

from __future__ import annotations

import asyncio
import configparser
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.anvil import skip_or_fail
from tests.docs.markdown import ROOT
from zephyrus_exec.cli.main import build_parser

UNIT = ROOT / "docs" / "deploy" / "zephyrus-exec.service"
PROGRAM = "/opt/zephyrus-exec/bin/zephyrus-exec"
AGENT = '[[agents]]\nid = "idle"\nplanner = { name = "steps", settings = { steps = [] } }\n'


def service() -> dict[str, str]:
    """Return the `[Service]` section; of what stands there twice, the last."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(UNIT, encoding="utf-8")
    return dict(parser["Service"])


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        skip_or_fail("systemd-analyze is missing: it comes with systemd")
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.skipif(sys.platform != "linux", reason="systemd")
def test_systemd_takes_the_unit_without_a_word(tmp_path: Path) -> None:
    here = tmp_path / UNIT.name
    text = UNIT.read_text(encoding="utf-8")
    here.write_text(text.replace(PROGRAM, sys.executable), encoding="utf-8")
    verdict = analyze("verify", "--man=no", "--recursive-errors=no", str(here))
    assert (verdict.returncode, verdict.stdout, verdict.stderr) == (0, "", "")


@pytest.mark.skipif(sys.platform != "linux", reason="systemd")
def test_the_unit_is_hardened() -> None:
    """systemd's own score, from 0 (closed) to 10 (open); 20 here is 2.0."""
    verdict = analyze("security", "--offline=true", "--threshold=20", "--no-pager", str(UNIT))
    assert verdict.returncode == 0, verdict.stdout


def test_systemd_waits_longer_than_the_server_drains() -> None:
    section = service()
    options = build_parser().parse_args(shlex.split(section["ExecStart"])[1:])
    assert float(options.drain_timeout) + 10 <= float(section["TimeoutStopSec"])
    assert (section["Type"], section["KillSignal"]) == ("exec", "SIGTERM")
    assert Path(options.store).is_relative_to("/var/lib/" + section["StateDirectory"])


@pytest.mark.skipif(sys.platform != "linux", reason="POSIX signals")
async def test_its_command_starts_and_its_signal_stops_it(tmp_path: Path) -> None:
    (tmp_path / "zephyrus.toml").write_text(AGENT, encoding="utf-8")
    line = service()["ExecStart"]
    for there, here in (
        (PROGRAM, f"{sys.executable} -m zephyrus_exec"),
        ("/etc/zephyrus-exec", str(tmp_path)),
        ("/var/lib/zephyrus-exec", str(tmp_path)),
    ):
        assert there in line
        line = line.replace(there, here)
    process = await asyncio.create_subprocess_exec(
        *shlex.split(line),
        env={"PATH": "", "PYTHONPATH": str(ROOT), "WS_HOST": "127.0.0.1", "WS_PORT": "0"},
        cwd=tmp_path,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    async with asyncio.timeout(30):
        while b"Ctrl-C" not in (said := await process.stderr.readline()):
            assert said, "it ended before it was up"
            assert said.startswith(b'{"time":')
        process.send_signal(getattr(signal, service()["KillSignal"]))
        assert await process.wait() == 0
