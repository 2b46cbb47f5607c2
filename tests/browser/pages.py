"""Pages for a browser to open, and what is to be seen on them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import socket
from threading import Thread
from typing import TYPE_CHECKING

from tests.integration.processes import PATIENCE

if TYPE_CHECKING:
    from playwright.async_api import Locator

UNKNOWN_AGENT = "00000000-0000-4000-8000-00000000ffff"
"""One that the demo does not have."""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Write nothing."""


@contextmanager
def folder_served(folder: Path) -> Iterator[str]:
    """Serve a folder on a loopback port of its own, as `python -m http.server` does."""
    handler = partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def write_page(folder: Path, script: str) -> None:
    """Put an index page into the folder that runs a script of the folder, and nothing else."""
    head = '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">'
    text = f'{head}<main></main><script src="{script}"></script>\n'
    (folder / "index.html").write_text(text, encoding="utf-8")


def free_port() -> int:
    """Return a port at which nobody listens."""
    with socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


async def shows(place: Locator, text: str | re.Pattern[str]) -> None:
    """Wait until the place shows the text, and fail with what it shows if it never does."""
    from playwright.async_api import expect

    await expect(place).to_contain_text(text, timeout=1000 * PATIENCE)
