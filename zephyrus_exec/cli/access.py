"""From settings to who may come; and `tokens`."""

from __future__ import annotations

import argparse
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from ..access import (
    SCOPES,
    Anonymous,
    Token,
    TokenAuthenticator,
    TokenFile,
    append_token,
    digest,
    new_token,
    read_tokens,
)
from ..config import AccessSettings
from ..config.access import OPERATOR_TOKEN
from ..engine.clock import SystemClock
from ..errors import ConfigurationError
from .environment import read_settings
from .output import note, print_table

_UNITS: Final = {"h": timedelta(hours=1), "d": timedelta(days=1)}


def make_authenticator(
    settings: AccessSettings, *, may_show: bool
) -> tuple[TokenAuthenticator, str | None]:
    """Return what finds out who clients are, and a token to show to the operator once.

    Args:
        settings: Who may come.
        may_show: Whether what is shown is not kept; else no token is made.

    Raises:
        ConfigurationError: The token file cannot be read, or the operator's token is too short.
    """
    file = None if settings.tokens is None else TokenFile(settings.tokens)
    unknown = file is None and settings.operator_token is None
    made = new_token() if unknown and may_show else None
    authenticator = TokenAuthenticator(
        SystemClock(),
        file=file,
        operator_token=settings.operator_token or made,
        anonymous=Anonymous.ANYBODY if settings.allow_anonymous else None,
    )
    return authenticator, made


def print_access(settings: AccessSettings, origins: Sequence[str], made: str | None) -> None:
    """Tell who may come, and from where; a token that was made is shown nowhere else."""
    if settings.allow_anonymous:
        who = "everybody may execute and watch (--allow-anonymous)"
    elif settings.tokens is not None:
        who = f"the tokens of {settings.tokens.name}"
    else:
        who = "programs of this machine; --tokens FILE for others"
    note(f"  access     {who}")
    if origins:
        note(f"  origins    this machine's, {', '.join(origins)}")
    if made is not None:
        note(f"  operator   {made}")
        note(f"             (new at each start; {OPERATOR_TOKEN} sets one)")


def make_tls(settings: AccessSettings) -> ssl.SSLContext | None:
    """Return the context of TLS; null: none is wanted.

    Raises:
        ConfigurationError: The files hold no certificate and its key.
    """
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key, password=_no_password)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"--tls-cert, --tls-key: {settings.tls_cert.name!r} and {settings.tls_key.name!r} are "
            f"no certificate and its key ({type(error).__name__}); name PEM files without password"
        ) from None
    return context


def _no_password() -> str:
    raise ValueError("the key is encrypted")


async def new_command(options: argparse.Namespace) -> int:
    """Add a token to a file and print it, once."""
    token = new_token()
    entry = Token(
        options.name,
        digest(token),
        options.principal or options.name,
        frozenset(options.scope or ("execute", "watch")),
        options.expires,
    )
    append_token(_file(options), entry)
    note(f"{entry.name}: {', '.join(sorted(entry.scopes))}; only its hash is kept, so copy it now")
    print(token)
    return 0


async def list_command(options: argparse.Namespace) -> int:
    """Print what each token of a file allows."""
    now = datetime.now(UTC)
    rows = [
        (
            token.name,
            token.principal,
            ", ".join(scope for scope in SCOPES if scope in token.scopes),
            "never" if token.expires is None else _shown(token.expires, now),
        )
        for token in read_tokens(_file(options))
    ]
    print_table("", ("name", "principal", "scopes", "expires"), rows)
    return 0


def _file(options: argparse.Namespace) -> Path:
    settings = read_settings(options)
    if settings.access.tokens is None:
        raise ConfigurationError("there is no token file; name one with --tokens FILE")
    return settings.access.tokens


def _shown(expires: datetime, now: datetime) -> str:
    return expires.isoformat() + (" (expired)" if expires <= now else "")


def expiry(text: str) -> datetime:
    """Return when a token expires: `90d`, `12h`, or a time with its zone.

    Raises:
        argparse.ArgumentTypeError: It is neither.
    """
    if text[:-1].isdecimal() and text[-1:] in _UNITS and len(text) < 8:
        return (datetime.now(UTC) + int(text[:-1]) * _UNITS[text[-1]]).replace(microsecond=0)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = datetime.min
    if found.tzinfo is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time; write 90d, 12h, or 2030-01-31T00:00:00Z"
        )
    return found
