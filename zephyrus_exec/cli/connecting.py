"""The server that a command talks to: where it is, who asks, and how the connection stands."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from ..client import Client, Status, connect
from ..config.refusal import refuse
from ..errors import AccessError, ConfigurationError, NotSupported, TransportError
from ..protocol.texts import cut
from .displays import Display
from .environment import environment_of
from .words import Words

DEFAULT_URL: Final = "ws://localhost:8765"
TOKEN: Final = "ZEPHYRUS_TOKEN"  # noqa: S105 - the variable's name
TOKEN_FILE: Final = "ZEPHYRUS_TOKEN_FILE"  # noqa: S105


class StatusTeller:
    """Has a display say how the connection stands, once there is one.

    Args:
        words: Of the language.
    """

    def __init__(self, words: Words) -> None:
        self.words = words
        """Of the language."""
        self._lost = False
        self.closed = False
        """Whether there will be no connection any more."""
        self.display: Display | None = None
        """Where that is said; null: nowhere yet."""

    def __call__(self, status: Status) -> None:
        """Hear how it stands."""
        self.closed = status.kind == "closed"
        if self.display is None:
            return
        if status.kind == "waiting":
            self._lost = True
            self.display.trouble(self._trouble(status))
        elif status.kind == "open" and self._lost:
            self._lost = False
            self.display.recovered(self.words.connected)

    def _trouble(self, status: Status) -> str:
        seconds = math.ceil(status.retry_in or 0)
        if not status.reason:
            return self.words.lost.format(seconds=seconds)
        return self.words.lost_why.format(seconds=seconds, reason=cut(status.reason))


def url_of(options: argparse.Namespace) -> str:
    """Return where the server is."""
    return options.url or environment_of(options).get("WS_URL") or DEFAULT_URL


@asynccontextmanager
async def open_client(
    options: argparse.Namespace, *, on_status: StatusTeller | None = None
) -> AsyncIterator[Client]:
    """Connect to the server that the options name.

    Args:
        options: Of the command line.
        on_status: Hears how the connection stands.

    Raises:
        ConfigurationError: There is no server, or it does not take us; the message says what to do.
    """
    url = url_of(options)
    named = _without_password(url)
    async with AsyncExitStack() as stack:
        try:
            connection = connect(url, token=token_of(options), on_status=on_status)
            client = await stack.enter_async_context(connection)
        except TransportError as error:
            raise ConfigurationError(
                f"{named}: {error.message}; is the server running? Start one with "
                "`zephyrus-exec serve --demo`, or name another with --url"
            ) from error
        except AccessError as error:
            raise ConfigurationError(
                f"{named}: {error.message}; give a token that the server knows: {TOKEN}, or a file "
                "that holds it: --token-file"
            ) from error
        try:
            yield client
        except NotSupported as error:
            raise ConfigurationError(
                f"{named}: {error.message}; ask a newer server, or look into the journal where it "
                "is with `executions` and --store"
            ) from error


def _without_password(url: str) -> str:
    return re.sub(r"//[^/?#]*@", "//", url)


def token_of(options: argparse.Namespace) -> str | None:
    """Return the credential for the server; null: there is none.

    A file that is named on the command line beats the variable that holds a token, which beats the
    one that names a file.

    Raises:
        ConfigurationError: The file cannot be read, or holds nothing.
    """
    known = environment_of(options)
    if options.token_file is not None:
        return _token_in("--token-file", options.token_file)
    return known.get(TOKEN) or _token_in_named_file(known)


def _token_in_named_file(known: Mapping[str, str]) -> str | None:
    named = known.get(TOKEN_FILE)
    return None if named is None else _token_in(TOKEN_FILE, Path(named))


def _token_in(source: str, path: Path) -> str:
    try:
        text = path.expanduser().read_text(encoding="utf-8").strip()
    except OSError as error:
        refuse(source, f"{str(path)!r} cannot be read: {error.strerror}", "name a readable file")
    except UnicodeDecodeError:
        refuse(source, f"{str(path)!r} is no UTF-8 text", "write the token as UTF-8 text")
    return text or refuse(source, f"{str(path)!r} is empty", "write the token into it")
