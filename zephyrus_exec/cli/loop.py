"""Which event loop `serve` runs on."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable
from typing import TypeAlias

from ..errors import MissingExtra
from .environment import read_settings

MakeLoop: TypeAlias = Callable[[], asyncio.AbstractEventLoop]


def choose_loop(options: argparse.Namespace) -> MakeLoop | None:
    """Return what makes the loop that the settings ask for; null: asyncio's own.

    Raises:
        ConfigurationError: A setting is wrong.
        MissingExtra: They ask for uvloop, which is not installed.
    """
    asked = read_settings(options).loop
    if asked == "asyncio":
        return None
    try:
        import uvloop
    except ImportError:
        if asked == "auto":
            return None
        raise MissingExtra(
            'the loop uvloop needs the fast extra: pip install "zephyrus-exec[fast]"; there is '
            "none for Windows"
        ) from None
    return uvloop.new_event_loop
