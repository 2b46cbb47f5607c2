"""Settings that are one value each."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from ..logs import FORMATS, LEVELS
from .chains import shown
from .refusal import refuse

MEMORY_STORE: Final = "memory:"
"""The store that is gone when the process ends."""

LANGUAGES: Final = ("es", "en")
"""Languages the server's texts exist in."""

LOOPS: Final = ("auto", "asyncio", "uvloop")
"""Event loops; `auto` is uvloop where that is installed."""


def _host(source: str, value: object) -> str | None:
    text = str(value).strip()
    if not text or re.search(r"[\s/]", text):
        refuse(source, f"{value!r} is no host", "write a name or an address such as localhost")
    return None if text == "*" else text


def _port(source: str, value: object) -> int:
    text = str(value).strip()
    if not re.fullmatch("[0-9]{1,5}", text) or int(text) > 65535:
        remedy = "write a number from 1 to 65535, or 0 for a free one"
        refuse(source, f"{value!r} is no port", remedy)
    return int(text)


def _store(source: str, value: object) -> str:
    text = str(value)
    remedy = f"write {MEMORY_STORE} or the path of a file"
    if text in ("memory", ":memory:"):
        refuse(source, f"{text!r} is ambiguous", f"did you mean {MEMORY_STORE}? {remedy}")
    if text != MEMORY_STORE and (not text.strip() or has_scheme(text)):
        refuse(source, f"{shown(text)!r} is no store", remedy)
    return text


def _path(source: str, value: object) -> str:
    text = str(value)
    if not text.strip() or (has_scheme(text) and not is_url(text)):
        remedy = (
            "write the path of a folder, a JSON or TOML file, or a SQLite database, "
            "or the URL of a Zephyrus API"
        )
        refuse(source, f"{shown(text)!r} is no path", remedy)
    return text


def is_url(text: str) -> bool:
    """Return whether agents named by this text come from a Zephyrus API."""
    return text.lower().startswith(("http://", "https://"))


def has_scheme(text: str) -> bool:
    """Return whether it looks like a URL; one letter and a colon is a drive of Windows."""
    return re.match("[A-Za-z][A-Za-z0-9+.-]+:", text) is not None


def _chain_id(source: str, value: object) -> int:
    text = str(value).strip()
    if not re.fullmatch("[1-9][0-9]{0,77}", text):
        refuse(source, f"{value!r} is no chain id", "write a number such as 1")
    return int(text)


def _language(source: str, value: object) -> str:
    if value not in LANGUAGES:
        refuse(source, f"{value!r} is no language here", f"write {' or '.join(LANGUAGES)}")
    return str(value)


def _seconds(source: str, value: object) -> float:
    try:
        seconds = float(str(value))
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        refuse(source, f"{value!r} is no time", "write seconds, 0 or more, such as 8 or 2.5")
    return seconds


def _count(source: str, value: object) -> int:
    text = str(value).strip()
    if not re.fullmatch("0*[1-9][0-9]{0,17}", text):
        refuse(source, f"{value!r} is no number of executions", "write 1 or more")
    return int(text)


def _age(source: str, value: object) -> float:
    """Return seconds: they are written as such, or as days, hours or minutes."""
    found = re.fullmatch(r"\s*([0-9]{1,9}(?:\.[0-9]{1,9})?)([dhms]?)\s*", str(value))
    if found is None:
        refuse(source, f"{value!r} is no time", "write 90d, 12h, 30m or seconds")
    return float(found[1]) * _UNITS[found[2]]


_UNITS: Final = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "": 1.0}


def _word(kind: str, known: Collection[str]) -> Callable[[str, object], str]:
    def parse(source: str, value: object) -> str:
        word = str(value).strip().lower()
        if word not in known:
            refuse(source, f"{value!r} is no {kind}", f"write {', '.join(known)}")
        return word

    return parse


SCALARS: Final[Mapping[str, tuple[tuple[str, ...], Callable[[str, object], Any]]]] = {
    "host": (("WS_HOST",), _host),
    "port": (("PORT", "WS_PORT"), _port),
    "store": (("ZEPHYRUS_STORE",), _store),
    "agents_from": (("ZEPHYRUS_AGENTS", "DB_API_URL"), _path),
    "agents_chain_id": (("ZEPHYRUS_AGENTS_CHAIN_ID",), _chain_id),
    "language": (("ZEPHYRUS_LANGUAGE",), _language),
    "drain_timeout": (("ZEPHYRUS_DRAIN_TIMEOUT",), _seconds),
    "keep_executions": (("ZEPHYRUS_KEEP_EXECUTIONS",), _count),
    "keep_for": (("ZEPHYRUS_KEEP_FOR",), _age),
    "log_level": (("LOG_LEVEL",), _word("log level", LEVELS)),
    "log_format": (("LOG_FORMAT",), _word("log format", FORMATS)),
    "loop": (("ZEPHYRUS_LOOP",), _word("loop", LOOPS)),
}
"""Name → the variables that set it, the strongest first, and how its text is read."""


def flag_of(setting: str) -> str:
    """Return the flag that sets it. `agents` is a list in the file, so a path has another key."""
    return "--agents" if setting == "agents_from" else "--" + setting.replace("_", "-")
