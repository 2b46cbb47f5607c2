"""What a log line is about, known to whoever logs without being told."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Final

FIELDS: Final = ("connection", "principal", "agent", "execution", "effect", "lane", "transaction")
"""What a line may be about, from the widest to the narrowest."""

_NOTHING: Final[Mapping[str, str]] = {}
_about: ContextVar[Mapping[str, str]] = ContextVar("zephyrus_log_about", default=_NOTHING)


def about(**known: str) -> None:
    """Let every line of this task from now on, and of tasks it starts, be about this.

    Args:
        **known: Some of `FIELDS`, with their ids; the others stay what they were.
    """
    _about.set({**_about.get(), **known})


class AboutFilter(logging.Filter):
    """Puts onto a record, as attributes, what it is about; for a handler of any kind.

    What the line itself says by `extra` beats what the task says. Nothing known: no attribute.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Return true, always."""
        for name, value in _about.get().items():
            if not hasattr(record, name):
                setattr(record, name, value)
        return True
