"""The little of HTTP/1.1 that a WebSocket port needs: one request head in, one answer out."""

from __future__ import annotations

import http as stdlib_http
import re
from collections.abc import Mapping
from email.utils import formatdate
from typing import Final

from attrs import field, frozen

from ..interfaces.transport import shown_headers, shown_target

MAX_LINE_BYTES = 8190
MAX_HEADERS = 100
MAX_HEAD_BYTES = 32 * 1024
"""Bounds of a request head; what common HTTP servers allow."""

_END = b"\r\n\r\n"
_TOKEN = rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+"
_REQUEST_LINE = re.compile(rb"(" + _TOKEN + rb") ([\x21-\x7e]+) HTTP/([0-9]\.[0-9])")
_HEADER = re.compile(rb"(" + _TOKEN + rb"):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*")
_TOKEN_START = re.compile(_TOKEN)


@frozen
class HttpRequest:
    """A request for something else than a WebSocket, or for one. `repr` shows no credential."""

    method: str
    """As sent, for example `GET`."""
    target: str = field(repr=shown_target)
    """Request target as sent, query included."""
    version: str = "1.1"
    """`1.0` or `1.1`."""
    headers: Mapping[str, str] = field(factory=dict, repr=shown_headers)
    """Names in lower case; repeated ones joined by `, `."""

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    def lists(self, header: str, token: str) -> bool:
        """Return whether a comma-separated header contains a token, whatever its case."""
        values = self.headers.get(header, "").lower().split(",")
        return token.lower() in (value.strip() for value in values)


@frozen
class HttpResponse:
    """An answer, after which the connection is closed."""

    status: int = 200
    """HTTP status code, 200 to 599."""
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(factory=dict)
    """Further headers."""

    @classmethod
    def of(cls, status: int, text: str, **headers: str) -> HttpResponse:
        """Return a plain text answer; underscores in header names stand for hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return cls(status, f"{text}\n".encode(), headers=named)

    def serialize(self, *, head_only: bool = False) -> bytes:
        """Return the answer as it goes over the wire.

        Args:
            head_only: Leave the body out, but tell its length: the answer to HEAD
                (RFC 9110 section 9.3.2).
        """
        headers = {
            "Date": formatdate(usegmt=True),
            "Connection": "close",
            "Content-Length": str(len(self.body)),
            "Content-Type": self.content_type,
            **self.headers,
        }
        lines = [f"HTTP/1.1 {self.status} {_phrase(self.status)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join(lines).encode("latin-1") + _END
        return head if head_only else head + self.body


def _phrase(status: int) -> str:
    try:
        return stdlib_http.HTTPStatus(status).phrase
    except ValueError:
        return ""  # the phrase may be empty (RFC 9112 section 4)


class BadRequest(Exception):
    """The peer sent no request we can read; `response` says so."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.response = HttpResponse.of(status, text)


class RequestReader:
    """Collects one request head, however it is cut into pieces."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> tuple[HttpRequest, bytes] | None:
        """Take what came; return the request and what follows it once the head is complete.

        Raises:
            BadRequest: It never will be, or it is too large.
        """
        searched = max(0, len(self._buffer) - len(_END) + 1)
        self._buffer += data
        end = self._buffer.find(_END, searched)
        if end < 0 and len(self._buffer) <= MAX_HEAD_BYTES:
            self._refuse_other_protocols()
            return None
        if end < 0 or end > MAX_HEAD_BYTES:
            raise self._too_large()
        return _parse(bytes(self._buffer[:end])), bytes(self._buffer[end + len(_END) :])

    def _refuse_other_protocols(self) -> None:
        # A TLS client on a plain port, for example, would otherwise be kept waiting.
        if self._buffer and _TOKEN_START.match(self._buffer) is None:
            raise BadRequest(400, "This is no HTTP request.")

    def _too_large(self) -> BadRequest:
        if self._buffer.find(b"\r\n", 0, MAX_LINE_BYTES + 2) < 0:
            return BadRequest(414, "The request line is too long.")
        return BadRequest(431, "The request headers are too large.")


def _parse(head: bytes) -> HttpRequest:
    first, *lines = head.split(b"\r\n")
    if len(first) > MAX_LINE_BYTES:
        raise BadRequest(414, "The request line is too long.")
    match = _REQUEST_LINE.fullmatch(first)
    if match is None:
        raise BadRequest(400, "The request line is malformed.")
    method, target, version = (part.decode("ascii") for part in match.groups())
    if version not in ("1.0", "1.1"):
        raise BadRequest(505, "Only HTTP/1.0 and HTTP/1.1 are spoken here.")
    headers = _parse_headers(lines)
    # RFC 9112 section 3.2: exactly one Host, or 400.
    if version == "1.1" and ("host" not in headers or "," in headers["host"]):
        raise BadRequest(400, "The request needs exactly one Host header.")
    return HttpRequest(method, target, version, headers)


_USUAL: Final = {
    name: name
    for name in (
        *("host", "upgrade", "connection", "origin", "user-agent", "authorization", "cookie"),
        *("sec-websocket-key", "sec-websocket-version", "sec-websocket-protocol"),
        *("sec-websocket-extensions", "accept-encoding", "accept-language", "cache-control"),
        *("pragma", "x-forwarded-for", "x-forwarded-proto", "x-real-ip"),
    )
}
"""Names that every peer sends and that are kept as long as it stays: one text for all of them.

`sys.intern` would do that for any name, but some releases of Python never let go of what it has.
"""


def _parse_headers(lines: list[bytes]) -> dict[str, str]:
    if len(lines) > MAX_HEADERS or any(len(line) > MAX_LINE_BYTES for line in lines):
        raise BadRequest(431, "The request headers are too large.")
    headers: dict[str, str] = {}
    for line in lines:
        match = _HEADER.fullmatch(line)
        if match is None:
            raise BadRequest(400, "A request header is malformed.")
        name, value = match[1].decode("ascii").lower(), match[2].decode("latin-1")
        name = _USUAL.get(name, name)
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers
