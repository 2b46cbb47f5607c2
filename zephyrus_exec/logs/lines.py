"""One line of text, or one of JSON, for each log record."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Final

from ..conversion import dumps
from ..model import Json
from .about import FIELDS
from .redaction import Redaction

_SHOWN: Final = (*FIELDS, "incident")
_CONTROLS: Final = {
    code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)
}
"""What a peer could forge further lines with, and a terminal would obey."""


def when(record: logging.LogRecord) -> str:
    """Return the time of a record: ISO 8601, UTC, milliseconds."""
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _Lines(logging.Formatter):
    def __init__(self, redact: Redaction | None = None) -> None:
        super().__init__()
        self._redact = redact or Redaction()

    def _message(self, record: logging.LogRecord) -> str:
        return self._redact(record.getMessage())

    def _known(self, record: logging.LogRecord) -> dict[str, str]:
        """Return what the record is about; nothing is left out that is known."""
        values = ((name, getattr(record, name, None)) for name in _SHOWN)
        return {name: self._redact(str(value)) for name, value in values if value}

    def _traceback(self, record: logging.LogRecord) -> str:
        text = self.formatException(record.exc_info) if record.exc_info else record.exc_text or ""
        return self._redact(text)


class TextLines(_Lines):
    """For people: time, level, logger, message, then `name=value` of what it is about.

    A traceback follows on lines of its own; the message itself is always one line.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        known = "".join(f" {name}={value}" for name, value in self._known(record).items())
        said = f"{self._message(record)}{known}".translate(_CONTROLS)
        line = f"{when(record)} {record.levelname} {record.name}: {said}"
        traceback = self._traceback(record)
        return f"{line}\n{traceback}" if traceback else line


class JsonLines(_Lines):
    """For collectors: one JSON object a line.

    Its keys are `time level logger message`, of `FIELDS` and `incident` those that are known, and
    `traceback` where there is one.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Json] = {
            "time": when(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._message(record),
            **self._known(record),
        }
        if traceback := self._traceback(record):
            line["traceback"] = traceback
        return dumps({key: _encodable(str(value)) for key, value in line.items()})


def _encodable(text: str) -> str:
    """Return the text without halves of surrogate pairs, which no encoder takes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
