"""JavaScript for tests: Node, and the tools that `npm install` puts into tests/node."""

from __future__ import annotations

import json
import os
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
    """Make one script of a module and of all that it imports."""
    esbuild = shutil.which("esbuild", path=MODULES / ".bin")
    if esbuild is None:
        skip_or_fail("esbuild is missing: run `npm install` in tests/node")
    options = ("--bundle", "--jsx=automatic", f"--outfile={output}", "--log-level=warning")
    _run([esbuild, str(entry), *options], entry.parent)


def build(package: Path) -> None:
    """Run the build of an npm package whose dependencies are among the tests' own."""
    npm = shutil.which("npm")
    if npm is None:
        skip_or_fail("npm is missing: install Node 20.10 or newer")
    needed = json.loads((package / "package.json").read_text(encoding="utf-8"))
    need(*needed["dependencies"], *needed["devDependencies"])
    _run([npm, "run", "build", "--silent"], package)


def need(*names: str) -> None:
    """Return if these packages are there."""
    for name in names:
        if not (MODULES / name).is_dir():
            skip_or_fail(f"{name} is missing: run `npm install` in tests/node")


def _run(command: Sequence[str], folder: Path) -> None:
    path = os.pathsep.join([str(MODULES / ".bin"), os.environ["PATH"]])
    environ = {**os.environ, "NODE_PATH": str(MODULES), "PATH": path}
    done = subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, encoding="utf-8", timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
