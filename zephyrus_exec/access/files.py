"""Tokens in a file, which may change at any time."""

from __future__ import annotations

import logging
import os
import re
import time
import tomllib
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from ..conversion import dumps
from ..errors import ConfigurationError
from .tokens import SCOPES, Token

_log = logging.getLogger(__name__)

_FIELDS: Final = ("name", "principal", "scopes", "hash", "expires")
_HASH: Final = re.compile("sha256:[0-9a-f]{64}")
_LONGEST: Final = 256
_MAX_BYTES: Final = 4 << 20
_SETTLED: Final = 2.0
"""Seconds after which a changed file has another time stamp, on any file system."""


@frozen
class _Version:
    """What tells one version of a file from another."""

    stamp: tuple[int, int, int] | None
    """Null: there was none to read."""
    settled: bool
    """Whether a later change must show in the stamp."""


class TokenFile:
    """The entries of a TOML file, as they are now.

    It is looked at whenever the entries are asked for. A version that cannot be read is told once,
    and the last good one counts until there is another.

    Args:
        path: The file.

    Raises:
        ConfigurationError: It cannot be read now.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._version = _version(path)
        self._tokens = read_tokens(path)

    @property
    def tokens(self) -> tuple[Token, ...]:
        """Every entry, expired ones included."""
        version = _version(self._path)
        if version != self._version or not version.settled:
            self._reload(version)
        return self._tokens

    def _reload(self, version: _Version) -> None:
        told = version.stamp == self._version.stamp
        self._version = version
        try:
            tokens = read_tokens(self._path)
        except ConfigurationError as error:
            if not told:
                _log.error("%s; the tokens that were there before still count", error)
            return
        if tokens != self._tokens:
            _log.warning("%s was changed: it has %d tokens now", self._path.name, len(tokens))
        self._tokens = tokens


def _version(path: Path) -> _Version:
    try:
        found = path.stat()
    except OSError:
        return _Version(None, settled=True)
    age = time.time() - found.st_mtime
    return _Version((found.st_mtime_ns, found.st_size, found.st_ino), settled=age > _SETTLED)


def read_tokens(path: Path) -> tuple[Token, ...]:
    """Return the entries of a file.

    Raises:
        ConfigurationError: It cannot be read, or an entry is wrong; no hash is shown.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise _wrong(path, "it is too large")
        content = tomllib.loads(data.decode())
    except OSError as error:
        raise _wrong(path, f"it cannot be read ({error.strerror})") from None
    except ValueError:  # its message may repeat what stands there
        raise _wrong(path, "it is no TOML") from None
    entries = content.pop("tokens", [])
    if content or not isinstance(entries, list):
        raise _wrong(path, "it must hold [[tokens]] and nothing else")
    tokens = tuple(_token(path, number, entry) for number, entry in enumerate(entries, 1))
    for field in ("name", "hash"):
        values = [getattr(token, field) for token in tokens]
        if len(set(values)) < len(values):
            raise _wrong(path, f"two tokens have the same {field}")
    return tokens


def _token(path: Path, number: int, entry: object) -> Token:
    where = f"token {number}"
    if not isinstance(entry, Mapping):
        raise _wrong(path, f"{where} is no table")
    unknown = sorted(set(entry) - set(_FIELDS))
    if unknown:
        raise _wrong(path, f"{where} has something unknown: {unknown[0]!r}")
    name = _text(path, where, entry, "name")
    where = f"token {name!r}"
    return Token(
        name,
        _hash(path, where, entry),
        _text(path, where, entry, "principal"),
        _scopes(path, where, entry),
        _expires(path, where, entry),
    )


def _text(path: Path, where: str, entry: Mapping[str, Any], field: str) -> str:
    value = entry.get(field)
    if not isinstance(value, str) or not 1 <= len(value) <= _LONGEST or not value.isprintable():
        raise _wrong(path, f"{where} needs a {field}, a string of 1 to {_LONGEST} characters")
    return value


def _hash(path: Path, where: str, entry: Mapping[str, Any]) -> str:
    value = entry.get("hash")
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        raise _wrong(path, f"{where} needs a hash, sha256: and 64 hex digits; see `tokens new`")
    return value


def _scopes(path: Path, where: str, entry: Mapping[str, Any]) -> frozenset[str]:
    value = entry.get("scopes")
    if not isinstance(value, list) or not value or any(each not in SCOPES for each in value):
        raise _wrong(path, f"{where} needs scopes, a list of {', '.join(SCOPES)}")
    return frozenset(value)


def _expires(path: Path, where: str, entry: Mapping[str, Any]) -> datetime | None:
    value = entry.get("expires")
    if value is not None and (not isinstance(value, datetime) or value.tzinfo is None):
        raise _wrong(path, f"{where}: expires needs a date, a time and a zone: {_EXAMPLE}")
    return value


_EXAMPLE: Final = "2030-01-31T00:00:00Z"


def _wrong(path: Path, problem: str) -> ConfigurationError:
    return ConfigurationError(f"token file {path.name!r}: {problem}", problem=problem)


def append_token(path: Path, token: Token) -> None:
    """Add an entry to a file, which is made, for its owner alone, where there is none.

    Raises:
        ConfigurationError: It cannot be written, is none of ours, or has that name already.
    """
    known = read_tokens(path) if path.exists() else ()
    if token.name in [each.name for each in known]:
        raise _wrong(path, f"there is a token {token.name!r} already; choose another name")
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "a", encoding="utf-8", newline="\n") as file:
            file.write(_entry(token))  # in one piece: who reads meanwhile sees all of it or nothing
    except OSError as error:
        raise _wrong(path, f"it cannot be written ({error.strerror})") from None


def _entry(token: Token) -> str:
    """Return an entry as TOML, whose strings are those of JSON here."""
    scopes: Sequence[str] = [scope for scope in SCOPES if scope in token.scopes]
    lines = [
        "",
        "[[tokens]]",
        f"name = {dumps(token.name)}",
        f"principal = {dumps(token.principal)}",
        f"scopes = {dumps(scopes)}",
        f"hash = {dumps(token.hash)}",
    ]
    if token.expires is not None:
        lines.append(f"expires = {token.expires.isoformat()}")
    return "\n".join([*lines, ""])
