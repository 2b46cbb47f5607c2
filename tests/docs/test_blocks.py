"""What the pages show is what happens: their blocks of code are run."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from zephyrus_exec import ExecutionEngine, MemoryRepository, MemoryStore
from zephyrus_exec.cli.main import build_parser
from zephyrus_exec.config import load_settings
from zephyrus_exec.protocol import (
    ExecuteRequest,
    Rejected,
    Started,
    encode_reply,
    parse_reply,
    parse_request,
)
from zephyrus_exec.protocol.texts_es import SPANISH
from zephyrus_exec.service import Service
from zephyrus_exec.testing.chain import ModelChain
from zephyrus_exec.testing.conformance.__main__ import build_parser as conformance_parser
from zephyrus_exec.transports.http import HttpRequest

from .markdown import EXAMPLES, PAGES, ROOT, TRANSLATIONS, Block, blocks, output_of

_PYTEST = (
    *("-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto"),
    *("-o", "asyncio_default_fixture_loop_scope=function"),
)
_SHELL = ("bash", "powershell")
_COMMAND = re.compile(r"(?:-m zephyrus_exec(?!\.)|^zephyrus-exec)\b([^&;|\n]*)", re.MULTILINE)
_SEED = "8191feef-546d-46a8-a26f-b92073882f5c"


def _all(*languages: str, pages: tuple[Path, ...] = PAGES) -> list[object]:
    # A translation has the blocks of its original, which another test holds.
    chosen = [page for page in pages if page not in TRANSLATIONS]
    found = [one for page in chosen for one in blocks(page, *languages) if one.run]
    return [pytest.param(one, id=one.id) for one in found]


@pytest.mark.parametrize("block", _all("python"))
def test_a_python_block_runs_and_prints_what_the_page_says(block: Block, tmp_path: Path) -> None:
    script = tmp_path / "test_block.py"
    script.write_text(block.text, encoding="utf-8")
    is_test = re.search(r"^(?:class Test|(?:async )?def test_)", block.text, re.MULTILINE)
    done = subprocess.run(
        [sys.executable, "-W", "error", *(_PYTEST if is_test else ()), script.name],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    if not is_test:
        assert done.stdout == (output_of(block) or "")
        assert done.stderr == ""


@pytest.mark.parametrize("block", _all("toml"))
def test_a_toml_block_is_a_valid_settings_file(block: Block, tmp_path: Path) -> None:
    for signer in tomllib.loads(block.text).get("signers", {}).values():
        for name in signer.values():
            (tmp_path / name).write_text("x", encoding="utf-8")
    file = tmp_path / "agents.toml"
    file.write_text(block.text, encoding="utf-8")
    settings = load_settings({}, {}, file)
    assert settings.agents or settings.contracts


@pytest.mark.parametrize("block", _all(*_SHELL))
def test_a_command_is_one_the_command_line_takes(block: Block) -> None:
    for found in _COMMAND.finditer(block.text):
        options = build_parser().parse_args(shlex.split(found[1], comments=True))
        assert callable(options.command)
    for path in re.findall(r"examples/[\w.]+", block.text):
        assert (ROOT / path).is_file()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda p: p.name)
def test_the_commands_an_example_tells_are_ones_the_command_line_takes(example: Path) -> None:
    for found in _COMMAND.finditer(example.read_text(encoding="utf-8")):
        assert callable(build_parser().parse_args(shlex.split(found[1])).command)


def test_the_conformance_command_of_the_pages_takes_its_arguments() -> None:
    lines = [
        line
        for block in blocks(ROOT / "docs" / "testing.md", "bash")
        for line in block.text.splitlines()
        if "zephyrus_exec.testing.conformance" in line
    ]
    assert lines
    for line in lines:
        _, _, arguments = line.partition("testing.conformance")
        assert conformance_parser().parse_args(shlex.split(arguments)).agent


def _protocol(*kinds: str) -> list[object]:
    """Return the protocol page's messages of these types, each as its bytes."""
    page = ROOT / "docs" / "protocol-v1.md"
    found = [one for one in blocks(page, "json") if json.loads(one.text).get("type", "") in kinds]
    assert found
    return [pytest.param(one.text.removesuffix("\n"), id=one.id) for one in found]


@pytest.mark.parametrize("frame", _protocol("execute", "websocket_execution"))
def test_a_request_of_the_reference_is_understood(frame: str) -> None:
    assert parse_request(frame, "es") == ExecuteRequest(_SEED)


@pytest.mark.parametrize("frame", _protocol("execution_response", "error"))
def test_a_reply_of_the_reference_is_ours_byte_for_byte(frame: str) -> None:
    message = json.loads(frame)
    text = message["data"].get("message", "")
    reply = parse_reply(message, text.removeprefix(SPANISH.started))
    assert encode_reply(reply, "es") == frame
    if isinstance(reply, Started):
        assert text.startswith(SPANISH.started)
    if isinstance(reply, Rejected):
        assert reply.message == SPANISH.agent_id_required


async def test_the_health_of_the_reference_is_ours_byte_for_byte() -> None:
    page = ROOT / "docs" / "protocol-v1.md"
    (shown,) = (one.text for one in blocks(page, "json") if "halted_lanes" in one.text)
    nothing = MemoryRepository()
    engine = ExecutionEngine(
        agents=nothing, contracts=nothing, store=MemoryStore(), chains={1337: ModelChain(1337)}
    )
    async with engine:
        response = await Service(engine).respond(HttpRequest("GET", "/readyz"))
    assert (response.status, response.body.decode() + "\n") == (200, shown)
