"""The generated part of the page about performance: what `python -m benchmarks` recorded."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

_DOCS: Final = Path(__file__).parent
sys.path.insert(0, str(_DOCS.parent))  # a script finds only what is beside it

from benchmarks import BENCHMARKS, page  # noqa: E402

_FOLDER: Final = "benchmarks"


def markdown() -> str:
    """Return the goals, the pictures and the tables."""
    return page.markdown(_records(), _FOLDER) or "Nothing is recorded yet."


def pictures() -> dict[str, str]:
    """Return each picture by its place in this folder."""
    return {f"{_FOLDER}/{name}": text for name, text in page.pictures(_records()).items()}


def _records() -> list[page.Record]:
    return page.read_records(_DOCS / _FOLDER, BENCHMARKS)
