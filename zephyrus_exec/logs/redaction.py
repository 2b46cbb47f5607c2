"""The last line of defence: what is secret does not leave with a log line.

Nothing in this package logs a secret. Errors of other libraries may quote a URL, though, and code
of agents logs what it likes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import unquote, urlsplit

HIDDEN: Final = "[redacted]"
_SHORTEST: Final = 6
"""Characters from which a secret is looked for by itself: shorter ones are in half of all words."""
_KEY_LENGTH: Final = 16
"""Characters from which a part of a URL is a key, and no word such as `mainnet`."""

# Repetitions in the middle are bounded: what a peer or node says may be made to be slow to search.
_SHAPES: Final = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]+"), rf"\1 {HIDDEN}"),
    (re.compile(r"(zephyrus\.auth\.bearer\.)[\w=-]+"), rf"\1{HIDDEN}"),
    # of any URL: user and password, and the query; paths are shown unless they are known secrets
    (re.compile(r"\b([a-z][a-z0-9+.-]{0,20}://)[^\s/?#@'\"]{1,500}@"), rf"\1{HIDDEN}@"),
    (re.compile(r"\b([a-z][a-z0-9+.-]{0,20}://[^\s?#'\"]{1,500}\?)[^\s#'\"]+"), rf"\1{HIDDEN}"),
)


class Redaction:
    """Takes known secrets out of text, and whatever looks like a credential.

    Args:
        secrets: Keys and passwords, as they are.
        urls: Whose user, path and query are secret.
    """

    def __init__(self, secrets: Iterable[str] = (), urls: Iterable[str] = ()) -> None:
        known = {*secrets, *(part for url in urls for part in _secret_parts(url))}
        known |= {secret.removeprefix("0x") for secret in known}
        # The longest first, for one may be part of another.
        found = sorted((one for one in known if len(one) >= _SHORTEST), key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, found)), re.IGNORECASE) if found else None

    def __call__(self, text: str) -> str:
        """Return the text without secrets."""
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        for shape, instead in _SHAPES:
            text = shape.sub(instead, text)
        return text


def _secret_parts(url: str) -> Iterator[str]:
    parts = urlsplit(url)
    user, _, _ = parts.netloc.rpartition("@")
    target = parts.path.rstrip("/") + (f"?{parts.query}" if parts.query else "")
    pieces = [*parts.path.split("/"), *(pair.partition("=")[2] for pair in parts.query.split("&"))]
    long = (piece for piece in pieces if len(piece) >= _KEY_LENGTH)
    for secret in (user, user.partition(":")[2], target, *long):
        yield secret
        yield unquote(secret)
