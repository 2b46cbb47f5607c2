"""The log of a command: where it goes, and what is kept out of it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ..config import KeySettings, Settings
from ..logs import Redaction, write_to
from .output import log_notes


@contextmanager
def logging_restored() -> Iterator[None]:
    """Leave the process's logging as it was, whatever a command has made of it."""
    root, ours = logging.getLogger(), logging.getLogger("zephyrus_exec")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(levels[0])
        ours.setLevel(levels[1])
        log_notes(None)


def start_logging(settings: Settings) -> None:
    """Log to stderr as the settings say; with `json`, notes for people become lines of it, too."""
    handler = write_to(
        sys.stderr,
        level=settings.log_level,
        form=settings.log_format,
        redact=redaction_of(settings),
    )
    log_notes(handler if settings.log_format == "json" else None)


def redaction_of(settings: Settings) -> Redaction:
    """Return what takes the secrets of these settings out of text."""
    secrets = [
        signer.key if isinstance(signer, KeySettings) else signer.password
        for signer in settings.signers.values()
    ]
    if settings.access.operator_token is not None:
        secrets.append(settings.access.operator_token)
    return Redaction(secrets, (url for urls in settings.chains.values() for url in urls))
