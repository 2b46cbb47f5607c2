"""Where log lines go."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final, TextIO

from .about import AboutFilter
from .lines import JsonLines, TextLines
from .redaction import Redaction

LEVELS: Final = ("debug", "info", "warning", "error", "critical")
"""From the most to the least that is told."""

FORMATS: Final[Mapping[str, type[TextLines] | type[JsonLines]]] = {
    "text": TextLines,
    "json": JsonLines,
}

_OTHERS: Final = logging.WARNING
"""What other libraries have to say is of interest from here on, unless less is asked for."""


def write_to(
    stream: TextIO, *, level: str = "warning", form: str = "text", redact: Redaction | None = None
) -> logging.Handler:
    """Write the log of this process to a stream from now on, in place of where it went.

    Args:
        stream: Where.
        level: One of `LEVELS`: the least that is told of this package; of others no less than
            warnings.
        form: One of `FORMATS`.
        redact: What takes secrets out; default: what looks like one.

    Returns:
        The handler, the only one of the root logger.
    """
    handler = logging.StreamHandler(stream)
    handler.addFilter(AboutFilter())
    handler.setFormatter(FORMATS[form](redact))
    threshold = logging.getLevelNamesMapping()[level.upper()]
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(threshold, _OTHERS))
    logging.getLogger("zephyrus_exec").setLevel(threshold)
    return handler
