"""`demo`: the main job, from nothing, in one command."""

from __future__ import annotations

import argparse
from contextlib import AsyncExitStack

from ..client import connect
from ..config import Settings
from ..demo import DECIMALS, MINTING_AGENT, SYMBOL, DemoWorld
from ..service import serve
from .composition import make_engine, open_parts, open_store
from .displays import open_display
from .output import note, print_table, progress
from .timeline import Timeline
from .watching import Follower, exit_code
from .words import words


async def demo_command(_: argparse.Namespace) -> int:
    """Start a chain and a server, execute an agent through a client, show what changed."""
    settings = Settings(host="127.0.0.1", port=0)
    async with AsyncExitStack() as stack:
        with progress("starting an EVM of our own, and deploying a token on it …"):
            store = await stack.enter_async_context(open_store(settings, demo=True))
            parts = await stack.enter_async_context(open_parts(settings, demo=True))
        world = parts.demo
        assert world is not None
        note(f"chain {world.token.chain_id} runs; the token is at {world.token.address}")
        engine = make_engine(parts, store, settings)
        service = await stack.enter_async_context(
            serve(engine, host=settings.host, port=settings.port)
        )
        url = service.addresses[0]
        note(f"serving {len(world.agents)} agents at {url}")
        return await _execute(url, world)


async def _execute(url: str, world: DemoWorld) -> int:
    before = await world.balance_of(world.holder)
    note(f"a client connects and asks for agent {MINTING_AGENT}")
    timeline, spoken = Timeline(), words("en")
    async with (
        connect(url) as client,
        open_display(timeline, spoken, json=False) as display,
    ):
        execution = client.execute(MINTING_AGENT)
        await Follower(timeline, display, client.watch_effect).follow(execution)
        display.end(f"zephyrus-exec watch {execution.id} --until-final")
    after = await world.balance_of(world.holder)
    print_table(
        "",
        ("account", "balance before", "balance after"),
        [(world.holder, _amount(before), _amount(after))],
    )
    if code := exit_code(timeline):
        return code
    note("Next: `zephyrus-exec serve --demo`, then `zephyrus-exec execute AGENT_ID` elsewhere.")
    return 0


def _amount(units: int) -> str:
    return f"{units / 10**DECIMALS:g} {SYMBOL}"
