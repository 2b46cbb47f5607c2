"""What deployed Zephyrus systems hold: their tables and their REST API, read as they are.

What asks the API is loaded when it is first used, since it needs the extra `api`.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ...errors import MissingExtra
from .importing import import_into, merged_agent
from .reader import Reading, read_tables
from .report import Line, Report, Stored, Verdict
from .sources import read_source
from .tables import Tables

if TYPE_CHECKING:
    from .live import ZephyrusApiRepository
    from .rest import ZephyrusApi

__all__ = [
    "Line",
    "Reading",
    "Report",
    "Stored",
    "Tables",
    "Verdict",
    "ZephyrusApi",
    "ZephyrusApiRepository",
    "import_into",
    "merged_agent",
    "read_source",
    "read_tables",
]

_HOMES = {"ZephyrusApi": ".rest", "ZephyrusApiRepository": ".live"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if find_spec("aiohttp") is None:
        raise MissingExtra(
            'aiohttp is not installed; run: pip install "zephyrus-exec[api]"',
            extra="api",
            package="aiohttp",
        )
    return getattr(import_module(_HOMES[name], __name__), name)
