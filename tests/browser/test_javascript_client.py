"""The JavaScript client in Chromium, imported from the server itself, without any bundler."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from tests.integration.kills import NextEvent, check_that_kills_go_unnoticed
from tests.integration.processes import PATIENCE
from zephyrus_exec.demo import MINTING_AGENT, PATIENT_AGENT, REVERTING_AGENT

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="package")]

CONNECT = """
async (url) => {
  const module = await import(url.replace('ws', 'http') + '/zephyrus-exec.js');
  Object.assign(window, module, { told: [] });
  window.client = module.connect(url, { random: () => 0.01 });
}
"""
FOLLOW = """
(agentId) => void (async () => {
  const execution = client.execute(agentId);
  for await (const event of execution) told.push(event);
  told.push(await execution.result());
})()
"""
ALL = """
async (agentId) => {
  const events = [];
  for await (const event of client.execute(agentId)) events.push(event);
  return events;
}
"""


@pytest.fixture
def blank(serve_folder: Callable[[Path], str], tmp_path: Path) -> str:
    """The address of a page with nothing on it, of another origin than the server's."""
    (tmp_path / "index.html").write_text(
        '<!doctype html><link rel="icon" href="data:,">', encoding="utf-8"
    )
    return serve_folder(tmp_path)


@pytest_asyncio.fixture(loop_scope="package")
async def connected(page: Page, blank: str, demo_url: str) -> Page:
    """That page, with a client of the demo."""
    await page.goto(blank)
    await page.evaluate(CONNECT, demo_url)
    return page


async def test_a_page_imports_the_client_and_sees_every_step(connected: Page) -> None:
    events = await connected.evaluate(ALL, MINTING_AGENT)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    kinds = [event["event"] for event in events]
    assert kinds[:2] == ["accepted", "started"]
    assert kinds.count("action_finished") == 2
    assert "effect_signed" in kinds
    assert kinds[-1] == "completed"
    assert events[-1]["outcome"] == "succeeded"
    assert [item["function_name"] for item in events[-1]["results"]] == ["balanceOf", "mint"]
    assert await connected.evaluate("client.version") == 2


async def test_a_transaction_is_watched_until_it_is_final(connected: Page) -> None:
    events = await connected.evaluate(ALL, MINTING_AGENT)
    (key,) = (e["data"]["effect_key"] for e in events if e["event"] == "effect_signed")
    kinds = await connected.evaluate(
        """async (key) => {
          const kinds = [];
          for await (const { event } of client.watchEffect(key)) kinds.push(event);
          return kinds;
        }""",
        key,
    )
    assert kinds[0] == "signed"
    assert kinds[-1] == "finalized"


async def test_a_failure_is_an_outcome_with_its_reason(connected: Page) -> None:
    end = await connected.evaluate("(id) => client.execute(id).result()", REVERTING_AGENT)
    assert (end["outcome"], end["success"]) == ("failed", False)
    assert end["errorInfo"]["code"] == "call_reverted"
    assert "revirtió" in end["error"]


async def test_an_unknown_agent_is_refused_with_the_code(connected: Page) -> None:
    code = await connected.evaluate("client.execute('nobody').started.catch(({ code }) => code)")
    assert code == "agent_not_found"


async def test_another_page_comes_back_to_an_execution_lists_it_and_cancels_it(
    connected: Page, blank: str, demo_url: str
) -> None:
    started = "(id) => client.execute(id).started"
    execution_id = (await connected.evaluate(started, PATIENT_AGENT))["executionId"]
    await connected.goto(blank)
    await connected.evaluate(CONNECT, demo_url)
    listed = await connected.evaluate(
        "(agentId) => client.listExecutions({ agentId, limit: 1 })", PATIENT_AGENT
    )
    assert [one["executionId"] for one in listed["executions"]] == [execution_id]
    view = await connected.evaluate("(id) => client.getExecution(id)", execution_id)
    assert view["agentId"] == PATIENT_AGENT
    disposition, end = await connected.evaluate(
        "async (id) => [await client.watch(id).cancel('enough'), await client.watch(id).result()]",
        execution_id,
    )
    assert (disposition, end["outcome"]) == ("requested", "cancelled")


async def test_killed_five_times_the_server_tells_every_event_once_and_in_order(
    page: Page, blank: str, tmp_path: Path
) -> None:
    @asynccontextmanager
    async def following(url: str) -> AsyncIterator[NextEvent]:
        await page.goto(blank)
        await page.evaluate(CONNECT, url)
        await page.evaluate(FOLLOW, "walk")
        told = 0

        async def next_event() -> dict[str, Any]:
            nonlocal told
            await page.wait_for_function(
                "(n) => told.length > n", arg=told, timeout=1000 * PATIENCE
            )
            event: dict[str, Any] = await page.evaluate("(n) => told[n]", told)
            told += 1
            return event

        yield next_event

    await check_that_kills_go_unnoticed(tmp_path / "journal.db", following)
