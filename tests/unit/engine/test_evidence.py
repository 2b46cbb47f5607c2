"""The evidence bundle holds what the journal knows, and says where it knows nothing."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from attrs import evolve

from zephyrus_exec.conversion import dumps
from zephyrus_exec.engine.evidence import FORM, evidence
from zephyrus_exec.engine.journal import EXECUTION
from zephyrus_exec.engine.records import EFFECT, LANE, Effect, EffectState
from zephyrus_exec.engine.snapshots import SNAPSHOT
from zephyrus_exec.interfaces.runner import RunContext
from zephyrus_exec.interfaces.store import Delete, Forget
from zephyrus_exec.model import Action, AgentFunction, FunctionType

from .world import World, chain_agent, plan, runner_agent


async def bundle_of(world: World, key: str) -> dict[str, Any]:
    """Return the bundle, as it is after being written out."""
    bundle: dict[str, Any] = json.loads(dumps(await evidence(world.inner, key)))
    return bundle


async def test_it_tells_an_effect_from_its_intent_to_its_block() -> None:
    world = World(chain_agent())
    async with world.chain_engine(plan("get", "set")) as engine:
        execution = await engine.submit("a")
        await engine.result(execution)
    key = f"{execution}:1:2"
    bundle = await bundle_of(world, key)
    assert list(bundle) == [
        *("form", "effect_key", "state", "intent", "decision", "simulation", "attempts"),
        *("receipt", "block", "finality", "displacement", "history", "lane", "resolution"),
    ]
    assert (bundle["form"], bundle["effect_key"], bundle["state"]) == (FORM, key, "mined_ok")
    assert bundle["intent"]["function"] == "set()"
    decision = bundle["decision"]
    assert decision["agent_id"] == "a"
    assert decision["planned"]["data"]["actions"][1]["function"] == "set"
    assert decision["started"]["data"]["step"] == 2
    (attempt,) = bundle["attempts"]
    assert decision["signed"]["data"]["transaction_hash"] == attempt["transaction_hash"]
    assert decision["finished"]["data"]["result"] == attempt["transaction_hash"]
    assert bundle["simulation"] == {"value": None, "gas": 50_000}
    assert bundle["receipt"]["transaction_hash"] == attempt["transaction_hash"]
    assert bundle["block"]["hash"] == bundle["receipt"]["block_hash"]
    assert bundle["finality"] == {"final": False, "seen_at": None}
    assert [fact["event"] for fact in bundle["history"]] == ["signed", "mined"]
    assert bundle["lane"]["record"]["next_nonce"] == 1
    assert (bundle["displacement"], bundle["resolution"]) == (None, None)


async def test_the_agent_it_was_accepted_for_can_be_checked_against_the_journals_hash() -> None:
    world = World(chain_agent())
    async with world.chain_engine(plan("set")) as engine:
        execution = await engine.submit("a")
        await engine.result(execution)
    decision = (await bundle_of(world, f"{execution}:1:1"))["decision"]
    text = json.dumps(decision["snapshot"], separators=(",", ":"), ensure_ascii=False)
    assert hashlib.sha256(text.encode()).hexdigest() == decision["accepted"]["data"]["snapshot"]


async def test_a_runners_own_decision_has_no_plan() -> None:
    async def work(context: RunContext) -> None:
        await context.invoke(Action("set"))

    functions = (AgentFunction("set", type=FunctionType.WRITE),)
    agent = runner_agent("work", contract_id="c", signer="key", functions=functions)
    world = World(agent)
    async with world.chain_engine(runners={"work": work}) as engine:
        execution = await engine.submit("work")
        await engine.result(execution)
    (record,) = await world.inner.scan(EFFECT)
    decision = (await bundle_of(world, record.key))["decision"]
    assert decision["planned"] is None
    assert decision["started"]["data"]["function_name"] == "set"


async def test_it_says_when_finality_was_seen() -> None:
    world = World(chain_agent())
    async with world.chain_engine(plan("set")) as engine:
        execution = await engine.submit("a")
        await engine.result(execution)
        world.chain.mine(20)
        await world.clock.advance(60)
    bundle = await bundle_of(world, f"{execution}:1:1")
    assert bundle["state"] == "final_ok"
    assert bundle["finality"]["final"] is True
    assert bundle["finality"]["seen_at"] > bundle["attempts"][0]["signed_at"]


async def test_what_the_journal_has_forgotten_is_null() -> None:
    world = World(chain_agent())
    async with world.chain_engine(plan("set")) as engine:
        execution = await engine.submit("a")
        await engine.result(execution)
    key = f"{execution}:1:1"
    (effect,) = await world.inner.scan(EFFECT)
    (stored,) = await world.inner.scan(SNAPSHOT)
    (record,) = await world.inner.scan(EXECUTION)
    (lane,) = await world.inner.scan(LANE)
    bare = evolve(Effect.of(effect), receipt=None, state=EffectState.SIGNED, simulation={})
    await world.inner.commit([Delete(SNAPSHOT, stored.key, stored.version)])
    assert (await bundle_of(world, key))["decision"]["snapshot"] is None
    await world.inner.commit(
        [
            Forget(execution),
            Delete(EXECUTION, record.key, record.version),
            Delete(LANE, lane.key, lane.version),
            bare.put(effect.version),
        ]
    )
    bundle = await bundle_of(world, key)
    decision = bundle["decision"]
    named = ("agent_id", "accepted", "snapshot", "planned", "started", "signed", "finished")
    assert [decision[name] for name in named] == [None] * 7
    assert (bundle["block"], bundle["receipt"], bundle["simulation"]) == (None, None, None)
    assert bundle["lane"]["record"] is None
    assert [fact["event"] for fact in bundle["history"]] == ["signed", "mined"]
