"""A real browser, the demo's server in a process of its own, and a server for pages."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from tests.anvil import skip_or_fail
from tests.integration.commands import environment
from tests.integration.processes import server

from .pages import folder_served

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page, Playwright

DEMO = ("-m", "zephyrus_exec", "serve", "--demo", "--host", "127.0.0.1", "--port", "0")
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    *("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
"""A browser that talks to nobody but the pages."""


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def demo_url() -> AsyncIterator[str]:
    """The URL of one demo for all tests: none minds what was executed before."""
    async with server(*DEMO, env=environment()) as running:
        yield running.url


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def browser(demo_url: str) -> AsyncIterator[Browser]:
    """Chromium, for which the demo is at the address that clients of the seed have in them."""
    rule = f"--host-resolver-rules=MAP localhost:8765 {urlsplit(demo_url).netloc}"
    async with _playwright() as playwright:
        running = await playwright.chromium.launch(
            executable_path=_chromium(playwright), args=[*QUIET, rule]
        )
        yield running
        await running.close()


def _playwright() -> AbstractAsyncContextManager[Playwright]:
    try:
        from playwright.async_api import async_playwright
    except ImportError:
        skip_or_fail("Playwright is missing: pip install -e '.[dev]'")
    return async_playwright()


def _chromium(playwright: Playwright) -> str:
    """Return the program of the browser: the system's, or the one Playwright has downloaded."""
    named = os.environ.get("ZEPHYRUS_TEST_CHROMIUM")
    candidates = filter(None, (named, *PROGRAMS, playwright.chromium.executable_path))
    found = next(filter(None, map(shutil.which, candidates)), None)
    return found or skip_or_fail("Chromium is missing: install it, or set ZEPHYRUS_TEST_CHROMIUM")


@pytest_asyncio.fixture(loop_scope="package")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A tab of a profile of its own, in Spanish; an error nobody caught fails the test."""
    context = await browser.new_context(locale="es-ES")
    tab = await context.new_page()
    uncaught: list[str] = []
    tab.on("pageerror", lambda error: uncaught.append(str(error)))
    yield tab
    await context.close()
    assert not uncaught


@pytest.fixture
def serve_folder() -> Iterator[Callable[[Path], str]]:
    """Serves a folder to browsers until the test ends; returns its URL."""
    with ExitStack() as stack:
        yield lambda folder: stack.enter_context(folder_served(folder))
