"""Who may come, and how: from flags, environment and file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from attrs import asdict, field, frozen

from .refusal import refuse


@frozen
class AccessTable:
    """What the file says of access; paths start from its folder."""

    tokens: str | None = None
    """Token file, see `tokens new`."""
    origins: tuple[str, ...] | None = None
    """Web pages that may connect, besides those of this machine."""
    allowed_hosts: tuple[str, ...] | None = None
    """Further names of this machine, for a server that only this machine can reach."""
    trusted_proxies: tuple[str, ...] | None = None
    """Addresses, networks or `unix`: who is believed about its clients."""
    allow_anonymous: bool | None = None
    """Whether everybody may come without a token."""
    tls_cert: str | None = None
    """Certificate chain, PEM; with `tls_key`."""
    tls_key: str | None = None
    """Its private key, PEM."""
    unix: str | None = None
    """Unix socket to listen on instead of a port."""
    unix_mode: str | None = None
    """Its permissions, octal."""


@frozen
class AccessSettings:
    """Who may come, and how."""

    tokens: Path | None = None
    """Token file; null: there is none."""
    operator_token: str | None = field(default=None, repr=False)
    """A token that allows everything; null: a new one at each start where there is no file."""
    origins: tuple[str, ...] = ()
    """Web pages that may connect, besides those of this machine."""
    allowed_hosts: tuple[str, ...] = ()
    """Further names of this machine."""
    trusted_proxies: tuple[str, ...] = ()
    """Who is believed about its clients."""
    allow_anonymous: bool = False
    """Whether everybody may come without a token."""
    tls_cert: Path | None = None
    """Certificate chain; null: no TLS."""
    tls_key: Path | None = None
    """Its private key."""
    unix: Path | None = None
    """Unix socket to listen on; null: a port."""
    unix_mode: int = 0o600
    """Its permissions."""


def _path(source: str, value: object) -> Path:
    if not str(value).strip():
        refuse(source, "is no path", "write the path of a file")
    return Path(str(value)).expanduser()


def _words(source: str, value: object) -> tuple[str, ...]:
    """Return what stands between commas and blanks, or the items of a list."""
    given = [value] if isinstance(value, str) else value
    assert isinstance(given, Iterable)
    return tuple(word for item in given for word in re.split(r"[\s,]+", str(item)) if word)


def _switch(source: str, value: object) -> bool:
    known = {"1": True, "true": True, "0": False, "false": False}
    if str(value).lower() not in known:
        refuse(source, f"{value!r} is neither yes nor no", "write true or false")
    return known[str(value).lower()]


def _mode(source: str, value: object) -> int:
    if not re.fullmatch("0?[0-7]{3}", str(value)):
        refuse(source, f"{value!r} is no mode", "write three octal digits, such as 660")
    return int(str(value), 8)


ACCESS: Final[Mapping[str, tuple[str, str, Any]]] = {
    "tokens": ("--tokens", "ZEPHYRUS_TOKENS", _path),
    "origins": ("--origin", "WS_ORIGINS", _words),
    "allowed_hosts": ("--allowed-host", "ZEPHYRUS_ALLOWED_HOSTS", _words),
    "trusted_proxies": ("--trusted-proxy", "ZEPHYRUS_TRUSTED_PROXIES", _words),
    "allow_anonymous": ("--allow-anonymous", "ZEPHYRUS_ALLOW_ANONYMOUS", _switch),
    "tls_cert": ("--tls-cert", "ZEPHYRUS_TLS_CERT", _path),
    "tls_key": ("--tls-key", "ZEPHYRUS_TLS_KEY", _path),
    "unix": ("--unix", "ZEPHYRUS_UNIX", _path),
    "unix_mode": ("--unix-mode", "ZEPHYRUS_UNIX_MODE", _mode),
}
"""Setting → its flag, its variable, and how its text is read."""
OPERATOR_TOKEN: Final = "ZEPHYRUS_OPERATOR_TOKEN"  # noqa: S105 - the name of a variable
_PATHS: Final = ("tokens", "tls_cert", "tls_key", "unix")


def read_access(
    flags: Mapping[str, object], environ: Mapping[str, str], file: Path | None, table: AccessTable
) -> AccessSettings:
    """Return who may come; a flag beats the environment, which beats the file.

    Args:
        flags: By setting; null: not given.
        environ: Variables that are set to something.
        file: Where the table stands; null: nowhere.
        table: What the file says.

    Raises:
        ConfigurationError: A value is wrong, or TLS lacks its certificate or its key.
    """
    values: dict[str, Any] = {}
    in_file = asdict(table)
    for setting, (flag, variable, parse) in ACCESS.items():
        said = in_file[setting]
        if file is not None and said is not None and setting in _PATHS:
            said = file.parent / Path(said).expanduser()
        name = "" if file is None else f"{file.name}: access.{setting}"
        candidates = ((flag, flags.get(setting)), (variable, environ.get(variable)), (name, said))
        for source, value in candidates:
            if value is not None:
                values[setting] = parse(source, value)
                break
    if ("tls_cert" in values) is not ("tls_key" in values):
        refuse("--tls-cert, --tls-key", "one of the two is missing", "name both files")
    return AccessSettings(operator_token=environ.get(OPERATOR_TOKEN), **values)
