"""What the figures were measured on, as far as it explains them: no names of hosts."""

from __future__ import annotations

import os
import platform
import re
import sqlite3
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from attrs import frozen

LIBRARIES: Final = (
    *("websockets", "uvloop", "fastapi", "uvicorn", "pydantic", "picows", "msgspec", "web3"),
)
"""Those whose versions say what was compared."""
_MODEL: Final = re.compile(r"^model name\s*: (.+)$", re.MULTILINE)


@frozen
class Machine:
    """The class of a machine, and what was installed there."""

    cores: int
    cpu: str
    """Its model, or as much as the system tells."""
    system: str
    python: str
    libraries: tuple[str, ...]
    """Name and version of each that is there."""

    @property
    def lines(self) -> tuple[str, str]:
        """The hardware and what runs on it, for people."""
        what = ", ".join((self.python, *self.libraries))
        return f"{self.cores} cores, {self.cpu}, {self.system}", what


def this_machine() -> Machine:
    """Return what this process runs on."""
    return Machine(
        os.cpu_count() or 1,
        _cpu(),
        f"{platform.system()} {platform.machine()}",
        f"{platform.python_implementation()} {platform.python_version()}",
        (*filter(None, map(_installed, LIBRARIES)), f"SQLite {sqlite3.sqlite_version}"),
    )


def _cpu() -> str:
    file = Path("/proc/cpuinfo")
    found = _MODEL.search(file.read_text(encoding="utf-8")) if file.exists() else None
    return found[1] if found else platform.processor() or platform.machine()


def _installed(name: str) -> str | None:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return None
