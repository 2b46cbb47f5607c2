"""The committed test contract is what its source compiles to."""

from __future__ import annotations

import os
import shutil
import subprocess

from tests.anvil import ROOT, skip_or_fail
from tests.kitchen import CONTRACTS


def test_the_artifact_is_what_the_source_compiles_to() -> None:
    node = shutil.which("node")
    tools = os.environ.get("ZEPHYRUS_TEST_NODE", str(ROOT / "node"))
    if node is None or not os.path.isdir(os.path.join(tools, "node_modules", "solc")):
        skip_or_fail("node or solc is missing: run `npm install` in tests/node")
    built = subprocess.run(
        [str(node), "build.mjs", "Kitchen.sol", "-"],
        cwd=CONTRACTS,
        capture_output=True,
        check=True,
    )
    assert built.stderr == b""
    assert built.stdout == (CONTRACTS / "Kitchen.json").read_bytes()
