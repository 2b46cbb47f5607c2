"""The committed test contracts are what their sources compile to."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from tests.anvil import ROOT, skip_or_fail
from tests.kitchen import CONTRACTS


@pytest.mark.parametrize("name", ["Counter", "Kitchen"])
def test_the_artifact_is_what_the_source_compiles_to(name: str) -> None:
    node = shutil.which("node")
    tools = os.environ.get("ZEPHYRUS_TEST_NODE", str(ROOT / "node"))
    if node is None or not os.path.isdir(os.path.join(tools, "node_modules", "solc")):
        skip_or_fail("node or solc is missing: run `npm install` in tests/node")
    built = subprocess.run(
        [str(node), "build.mjs", f"{name}.sol", "-"],
        cwd=CONTRACTS,
        capture_output=True,
        check=True,
    )
    assert built.stderr == b""
    assert built.stdout == (CONTRACTS / f"{name}.json").read_bytes()
