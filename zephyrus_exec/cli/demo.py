"""`demo`: the main job, from nothing, in one command."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from contextlib import AsyncExitStack

from ..client import Client, RemoteExecution, connect
from ..config import Settings
from ..demo import DECIMALS, MINTING_AGENT, SYMBOL, DemoWorld
from ..model import JsonObject, Outcome
from ..protocol.v2.messages import CompletedData
from ..service import serve
from .composition import make_engine, open_parts, open_store
from .displays import is_live, open_display
from .output import note, print_table, progress, short, shown
from .timeline import Timeline
from .watching import EXIT_FAILED, Follower
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
    async with connect(url) as client:
        outcome = await _show(client, client.execute(MINTING_AGENT))
    after = await world.balance_of(world.holder)
    print_table(
        "",
        ("account", "balance before", "balance after"),
        [(world.holder, _amount(before), _amount(after))],
    )
    if outcome is not Outcome.SUCCEEDED:
        return EXIT_FAILED
    note("Next: `zephyrus-exec serve --demo`, then `zephyrus-exec execute AGENT_ID` elsewhere.")
    return 0


async def _show(client: Client, execution: RemoteExecution) -> Outcome:
    """Show the execution: on a terminal as it happens, else what was done."""
    if is_live():
        timeline, english = Timeline(), words("en")
        async with open_display(timeline, english, json=False) as display:
            await Follower(timeline, display, client.watch_effect).follow(execution)
            display.end(f"zephyrus-exec watch {execution.id} --until-final")
    else:
        await execution.started()
        note(f"started: {MINTING_AGENT}")
        _print_results((await execution.result()).data)
    return (await execution.result()).data.outcome


def _print_results(data: CompletedData) -> None:
    rows = map(_row, data.results)
    columns = ("function", "parameters", "result", "block", "gas")
    print_table(f"{data.agent_id}: {data.execution_count} actions", columns, rows)
    for item in data.results:
        if transaction := item.get("transaction_hash"):
            print(f"{item.get('function_name')}: transaction {transaction}")


def _row(item: JsonObject) -> tuple[str, ...]:
    parameters, result = item.get("parameters"), item.get("result")
    named = parameters.items() if isinstance(parameters, Mapping) else ()
    return (
        shown(item.get("function_name")),
        "\n".join(f"{name} = {short(shown(value))}" for name, value in named),
        "done" if result == item.get("transaction_hash") else shown(result),
        shown(item.get("block_number")),
        shown(item.get("gas_used", "")),
    )


def _amount(units: int) -> str:
    return f"{units / 10**DECIMALS:g} {SYMBOL}"
