"""What journals really hold is what the documents say about it, kind by kind."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import jsonschema_rs

from tests.docs.markdown import DOCS
from zephyrus_exec import (
    Agent,
    AgentFunction,
    Component,
    Contract,
    Event,
    FunctionType,
    Json,
    RunContext,
    StepsPlanner,
)
from zephyrus_exec.engine.listing import scan_all
from zephyrus_exec.engine.records import EFFECT, effect_stream
from zephyrus_exec.errors import CallReverted
from zephyrus_exec.model import EventKind
from zephyrus_exec.protocol.v2.facts import DATA
from zephyrus_exec.protocol.v2.schema import schema_of
from zephyrus_exec.testing.chain import ModelChain, ModelSigner
from zephyrus_exec.testing.running import Running, running
from zephyrus_exec.testing.transports import soon

SCHEMAS = {kind: jsonschema_rs.validator_for(schema_of(DATA[kind])) for kind in EventKind}


PAGE = (DOCS / "protocol-v2.md").read_text(encoding="utf-8")
_, _, _TABLE = PAGE.partition("| event | what happened |\n")
EFFECT_KINDS = set(re.findall(r"`(\w+)`", _TABLE.partition("\n\n")[0]))


async def effect_kinds(host: Running) -> set[str]:
    """Return the kinds of the events of every effect."""
    streams = [effect_stream(record.key) for record in await scan_all(host.store, EFFECT)]
    return {event.kind for stream in streams for event in await host.events(stream)}


def check(events: list[Event]) -> set[str]:
    """Hold every event to the schema of its kind; return the kinds."""
    for event in events:
        SCHEMAS[EventKind(event.kind)].validate(event.data)
    return {event.kind for event in events}


async def run(host: Running, agent_id: str, **members: Any) -> set[str]:
    execution_id = await host.engine.submit(agent_id, **members)
    await soon(host.engine.result(execution_id))
    return check(await host.events(execution_id))


async def test_every_kind_of_event_is_as_it_is_documented() -> None:
    chain, signer = ModelChain(), ModelSigner()
    chain.fund(signer.address)
    token = Contract("token", "0x" + "c0" * 20, chain.chain_id)
    chain.deploy(token.address, {"mint": "1", "supply": "7"})
    steps = [{"function": "supply", "message": "before"}, {"function": "mint", "name": "minted"}]
    minter = Agent(
        "minter",
        contract_id="token",
        planner=Component("steps", {"steps": steps}),
        functions=(
            AgentFunction("mint", "mint()", type=FunctionType.WRITE),
            AgentFunction("supply", "supply()"),
        ),
        signer="model",
    )
    waiting = asyncio.Event()

    async def waits(context: RunContext) -> None:
        await context.emit({"done": 0.5})
        waiting.set()
        await asyncio.Event().wait()

    async def fails(context: RunContext) -> None:
        async def order() -> Json:
            raise CallReverted("no", function="order", reason="no")

        await context.action("order", order, once=True, message="why not", parameters={"n": 1})

    async with running(
        {"waits": waits, "fails": fails},
        agents=[minter],
        contracts=[token],
        planners={"steps": StepsPlanner()},
        chains={chain.chain_id: chain},
        signers={"model": signer},
    ) as host:
        seen = await run(host, "minter") | await run(host, "fails", input={"why": [None]})
        assert {"signed", "mined"} <= await effect_kinds(host) <= EFFECT_KINDS
        execution_id = await host.engine.submit("waits")
        await soon(waiting.wait())
        host.crash()
        waiting.clear()
        await host.restart()
        await soon(waiting.wait())
        await host.engine.cancel(execution_id, reason="enough")
        await soon(host.engine.result(execution_id))
        seen |= check(await host.events(execution_id))
    assert seen == {kind.value for kind in EventKind}
