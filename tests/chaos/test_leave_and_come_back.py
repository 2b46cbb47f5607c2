"""A server killed five times during one execution: who watches sees every event once, in order."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.anvil import running_anvil
from tests.javascript import node_command

from .counting_host import AGENT_ID
from .restarts import ANVIL_OPTIONS, KilledServer, killed_server, show_all

pytestmark = pytest.mark.slow


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[KilledServer]:
    with running_anvil(*ANVIL_OPTIONS) as anvil:
        async with killed_server(anvil, tmp_path) as world:
            yield world


async def test_the_python_client_shows_every_event_once(world: KilledServer) -> None:
    await show_all(world, sys.executable, "-m", "tests.chaos.python_client", world.url, AGENT_ID)
    world.check()


async def test_the_terminal_shows_every_event_once(world: KilledServer) -> None:
    command = ("-m", "zephyrus_exec", "execute", AGENT_ID, "--url", world.url, "--json")
    await show_all(world, sys.executable, *command)
    world.check()


async def test_the_javascript_client_shows_every_event_once(world: KilledServer) -> None:
    script = str(Path(__file__).with_name("javascript_client.mjs"))
    await show_all(world, *node_command(), script, world.url, AGENT_ID)
    world.check()
