"""A page whose server is killed five times while it watches: every event once, in order."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.anvil import running_anvil
from tests.chaos.counting_host import AGENT_ID
from tests.chaos.restarts import ANVIL_OPTIONS, PATIENCE, killed_server

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.slow]

STATIC = Path(__file__).parents[2] / "zephyrus_exec" / "static"
WATCH = """async ([url, agentId]) => {
  const { connect } = await import('./zephyrus-exec.js');
  const client = connect(url);
  for await (const { event, seq, data, ...rest } of client.execute(agentId)) {
    const { outcome, results, executionCount } = rest;
    const end = { status: event, outcome, results, execution_count: executionCount };
    show({ event, seq, data: event === 'completed' ? end : data });
  }
  client.close();
}"""


async def test_a_page_shows_every_event_once(
    page: Page, serve_folder: Callable[[Path], str], tmp_path: Path
) -> None:
    shutil.copy(STATIC / "zephyrus-exec.js", tmp_path)
    (tmp_path / "index.html").write_text("<!doctype html><title>watch</title>")
    shown: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    await page.expose_function("show", shown.put_nowait)
    await page.goto(f"{serve_folder(tmp_path)}/index.html")
    with running_anvil(*ANVIL_OPTIONS) as anvil:
        async with killed_server(anvil, tmp_path) as world, asyncio.timeout(PATIENCE):
            watching = asyncio.create_task(page.evaluate(WATCH, [world.url, AGENT_ID]))
            while not world.shown or world.shown[-1]["event"] != "completed":
                await world.show(await shown.get())
            await watching
        world.check()
