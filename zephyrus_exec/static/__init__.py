"""Files for web pages: the JavaScript client and its types.

The folder is an npm package too: `npm install PATH_OF_THIS_FOLDER` for whoever bundles.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Final

from ..transports.http import HttpRequest, HttpResponse

CONTENT_TYPES: Final[Mapping[str, str]] = {
    "zephyrus-exec.js": "text/javascript; charset=utf-8",
    "zephyrus-exec.d.ts": "text/plain; charset=utf-8",
}
"""What is served, by its name."""

_HEADERS: Final = {
    # Pages of any origin may import it: it holds no secret, and whether such a page may connect is
    # decided where it does.
    "Access-Control-Allow-Origin": "*",
    # It fits the server of the same release: asked for again each time, and small.
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
}


def respond(request: HttpRequest) -> HttpResponse | None:
    """Return the file that an HTTP request asks for; null: it asks for none of ours."""
    name = request.path.removeprefix("/")
    if name not in CONTENT_TYPES:
        return None
    body = files(__name__).joinpath(name).read_bytes()
    return HttpResponse(200, body, CONTENT_TYPES[name], _HEADERS)
