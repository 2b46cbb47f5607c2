"""JavaScript for tests: Node, and the tools that `npm install` puts into tests/node."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from .anvil import ROOT, skip_or_fail

MODULES = ROOT / "node" / "node_modules"


def node_command() -> Sequence[str]:
    """Return how to run a script with the WebSocket that browsers have: Node 20.10 or newer."""
    command = (shutil.which("node") or "node", "--experimental-websocket", "--no-warnings")
    try:
        subprocess.run([*command, "-e", "new WebSocket('ws://x').onerror = () => 0"], check=True)
    except (OSError, subprocess.CalledProcessError):
        skip_or_fail("a JavaScript engine is missing: install Node 20.10 or newer")
    return command


def bundle(entry: Path, output: Path) -> None:
    """Make one script of a module and all it imports, as esbuild does it with its defaults."""
    esbuild = MODULES / ".bin" / "esbuild"
    if not esbuild.exists():
        skip_or_fail("esbuild is missing: run `npm install` in tests/node")
    command = [esbuild, entry, "--bundle", "--jsx=automatic", f"--outfile={output}"]
    subprocess.run(
        [*command, "--log-level=warning"], env={"NODE_PATH": str(MODULES)}, check=True, timeout=60
    )
