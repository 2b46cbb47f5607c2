"""Opening a journal that a server has written, or is writing."""

from __future__ import annotations

import argparse
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ..config import load_settings
from ..interfaces.store import ExecutionStore
from .composition import journal_of, open_sqlite


@asynccontextmanager
async def open_journal(options: argparse.Namespace) -> AsyncIterator[ExecutionStore]:
    """Open the journal the options name, and close it on leaving.

    A server may use the same file at the same time.

    Raises:
        ConfigurationError: There is none.
    """
    path = journal_of(load_settings(vars(options), os.environ, options.config))
    async with open_sqlite(path) as store:
        yield store
