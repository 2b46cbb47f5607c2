"""The send path: one transaction for an intended call, and never two."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from zephyrus_exec.engine.records import EFFECT, LANE, SLOT, Effect, Lane, lane_key
from zephyrus_exec.errors import ChainUnavailable, TransactionRejected
from zephyrus_exec.interfaces.chain import Fees
from zephyrus_exec.interfaces.planner import Plan
from zephyrus_exec.interfaces.runner import RunContext
from zephyrus_exec.interfaces.signer import Signer
from zephyrus_exec.interfaces.store import Delete, ExecutionStore, Put
from zephyrus_exec.model import Action, ActionResult, Json, OnFailure
from zephyrus_exec.testing.chain import GWEI, ModelChain, ModelSigner
from zephyrus_exec.testing.faulty_store import Fault, FaultyStore
from zephyrus_exec.testing.ledger import ModelCall, reverting

from .conftest import Enter
from .world import TARGET, World, chain_agent, is_empty, plan, runner_agent, settle


async def execute(
    enter: Enter, world: World, *plans: Plan, store: ExecutionStore | None = None, **more: Any
) -> dict[str, Any]:
    """Execute the agent with these plans; time passes until it has ended."""
    engine = await enter(world.chain_engine(*plans, store=store, **more))
    execution_id = await engine.submit("a")
    await until(world, engine.result(execution_id))
    return await world.ended(execution_id)


async def until(world: World, work: Any) -> Any:
    task = asyncio.ensure_future(work)
    for _ in range(200):
        await world.clock.advance(0.5)
        if task.done():
            return task.result()
    raise AssertionError("it does not end")


async def lane(world: World) -> Lane:
    record = await world.inner.get(LANE, lane_key(1337, world.signer.address))
    assert record is not None
    return Lane.of(record)


async def effects(world: World) -> list[Effect]:
    return [Effect.of(record) for record in await world.inner.scan(EFFECT)]


def on(method: str, act: Callable[[], Any]) -> Callable[[str], Any]:
    """Return a hook that does something before or after one method of the chain."""

    async def hook(name: str) -> None:
        if name == method:
            done = act()
            if done is not None:
                await done

    return hook


# --- what is committed, and when -----------------------------------------------------------------


async def test_bytes_reach_the_node_only_when_they_are_committed_and_flushed(
    enter: Enter,
) -> None:
    world = World(chain_agent())
    store = world.faulty()
    order: list[str] = []

    async def look() -> None:
        [effect] = await effects(world)
        order.append(effect.attempts[0].raw)
        signing = [c for c in store.commits if any(isinstance(w, Put) for w in c.writes)][-1]
        kinds = {write.kind for write in signing.writes if isinstance(write, Put)}
        assert kinds == {LANE, EFFECT, SLOT}
        assert signing.durable
        assert (await lane(world)).next_nonce == 1
        assert (await world.kinds(effect.execution_id))[-1] == "effect_signed"

    world.chain.before = on("broadcast", look)
    body = await execute(enter, world, plan("set"), store=store)
    assert body["outcome"] == "succeeded"
    assert order == ["0x" + raw.hex() for raw in world.chain.broadcasts]


async def test_what_is_journaled_is_what_was_meant(enter: Enter) -> None:
    world = World(chain_agent())
    action = Action("pay", {"to": "x"}, value_wei=2**70)
    world.chain.fund(world.signer.address, 2**71)
    body = await execute(enter, world, Plan((action,), final=True))
    [effect] = await effects(world)
    [signed] = [e for e in await world.events(effect.execution_id) if e.kind == "effect_signed"]
    assert signed.data == {
        "effect_key": effect.key,
        "cycle": 1,
        "step": 1,
        "chain_id": 1337,
        "sender": world.signer.address,
        "nonce": 0,
        "transaction_hash": body["results"][0]["transaction_hash"],
    }
    assert effect.key == f"{effect.execution_id}:1:1"
    assert (effect.to, effect.function, effect.arguments) == (TARGET, "pay()", {"to": "x"})
    assert effect.value_wei == str(2**70)
    assert effect.state == "mined_ok"
    assert effect.transaction_hash == effect.attempts[0].transaction_hash


async def test_a_lane_begins_with_the_nonce_of_its_account(enter: Enter) -> None:
    world = World(chain_agent())
    for _ in range(3):
        world.chain.ledger.use_nonce(world.signer.address)
    await execute(enter, world, plan("set", "set"))
    assert [effect.nonce for effect in await effects(world)] == [3, 4]
    assert (await lane(world)).next_nonce == 5


async def test_every_slot_is_bound_to_its_effect(enter: Enter) -> None:
    world = World(chain_agent())
    await execute(enter, world, plan("set"))
    [slot] = await world.inner.scan(SLOT)
    [effect] = await effects(world)
    assert slot.key == f"{effect.lane}:0"
    assert slot.data == {"effect_key": effect.key}


async def test_a_commit_that_turns_out_to_be_written_sends_once(enter: Enter) -> None:
    world = World(chain_agent())
    store = world.faulty()

    def unknown() -> None:
        store.fail(Fault.UNKNOWN_WRITTEN)

    world.chain.before = on("account", unknown)
    body = await execute(enter, world, plan("set"), store=store)
    assert body["effects"]["mined"] == len(world.chain.broadcasts) == 1


async def test_while_the_journal_cannot_be_written_nothing_is_sent(enter: Enter) -> None:
    world = World(chain_agent())
    store = world.faulty()

    def away() -> None:
        store.writable = store.readable = False

    world.chain.before = on("account", away)
    engine = await enter(world.chain_engine(plan("set"), store=store))
    execution_id = await engine.submit("a")
    await world.clock.advance(20)
    assert world.chain.broadcasts == []
    world.chain.before = on("nothing", away)
    store.writable = store.readable = True
    await until(world, engine.result(execution_id))
    assert (await world.ended(execution_id))["effects"]["mined"] == 1
    assert len(world.chain.broadcasts) == 1


# --- lanes ---------------------------------------------------------------------------------------


async def test_two_processes_with_one_signer_never_use_a_nonce_twice(enter: Enter) -> None:
    world = World(chain_agent(max_concurrent=10))
    engines = [
        await enter(
            world.chain_engine(
                *(plan("set", "set") for _ in range(10)), store=world.faulty(turns=turns)
            )
        )
        for turns in (1, 2)
    ]
    submitted = [(engine, await engine.submit("a")) for engine in engines for _ in range(10)]
    for engine, execution_id in submitted:
        await until(world, engine.result(execution_id))
        counts = (await world.ended(execution_id))["effects"]
        assert counts["mined"] + counts["finalized"] == 2
    all_effects = [Effect.of(r) for r in await world.inner.scan(EFFECT, limit=1000)]
    assert sorted(effect.nonce for effect in all_effects) == list(range(40))
    sent = [world.chain.decode(raw).nonce for raw in world.chain.broadcasts]
    assert sorted(set(sent)) == list(range(40))
    assert len(set(world.chain.broadcasts)) == 40
    for engine in engines:
        assert is_empty(engine)


async def test_bytes_that_lost_their_nonce_are_thrown_away_unsent(enter: Enter) -> None:
    world = World(chain_agent())
    store = world.faulty()
    key = lane_key(1337, world.signer.address)

    class Racing(ModelSigner):
        signed = 0

        async def sign(self, payload: bytes) -> bytes:
            self.signed += 1
            if self.signed == 1:
                other = Lane(1337, self.address, 0)
                await world.inner.commit([Put(LANE, key, 0, other.put(0).body)])
            return await super().sign(payload)

    signer = Racing()
    body = await execute(enter, world, plan("set"), store=store, signers={"key": signer})
    assert body["effects"]["mined"] == 1
    assert signer.signed == 2
    assert len(world.chain.broadcasts) == 1


async def test_foreign_use_of_the_account_halts_the_lane_and_nothing_is_sent(
    enter: Enter, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(chain_agent())
    engine = await enter(world.chain_engine(plan("set"), plan("set"), plan("set")))
    await until(world, engine.result(await engine.submit("a")))
    world.chain.ledger.use_nonce(world.signer.address)
    for _ in range(2):
        body: Any = await until(world, engine.result(await engine.submit("a")))
        assert (body["outcome"], body["error"]["code"]) == ("failed", "lane_halted")
        assert body["error"]["details"]["reason"] == "foreign_use"
    assert ((await lane(world)).status, (await lane(world)).reason) == ("halted", "foreign_use")
    assert len(world.chain.broadcasts) == 1
    assert (await engine.health()).details["halted_lanes"] == [
        {"lane": (await lane(world)).key, "status": "halted", "reason": "foreign_use"}
    ]
    assert "was used by somebody else" in caplog.text


@pytest.mark.parametrize("fault", [Fault.CONFLICT, Fault.UNKNOWN_WRITTEN])
async def test_a_lane_that_somebody_halts_at_the_same_moment_is_halted(
    enter: Enter, fault: Fault
) -> None:
    world = World(chain_agent())
    store = world.faulty()
    engine = await enter(world.chain_engine(plan("set"), plan("set"), store=store))
    await until(world, engine.result(await engine.submit("a")))
    world.chain.ledger.use_nonce(world.signer.address)
    looks: list[None] = []

    def fail_once() -> None:
        looks.append(None)
        if len(looks) == 1:
            store.fail(fault)

    world.chain.before = on("account", fail_once)
    body: Any = await until(world, engine.result(await engine.submit("a")))
    assert body["error"]["code"] == "lane_halted"
    assert ((await lane(world)).status, (await lane(world)).reason) == ("halted", "foreign_use")


async def test_a_slot_that_is_taken_is_never_overwritten(enter: Enter) -> None:
    world = World(chain_agent())
    key = f"{lane_key(1337, world.signer.address)}:0"
    await world.inner.commit([Put(SLOT, key, 0, "{}")])
    body = await execute(enter, world, plan("set"))
    assert body["error"]["details"]["reason"] == "slot_taken"
    assert world.chain.broadcasts == []
    record = await world.inner.get(SLOT, key)
    assert record is not None
    assert record.body == "{}"


async def test_no_more_than_so_many_transactions_of_a_lane_are_under_way(enter: Enter) -> None:
    world = World(chain_agent(max_concurrent=20))
    world.chain.automine = False
    world.chain.fund(world.signer.address, 10**20)
    plans = (plan("set") for _ in range(20))
    engine = await enter(world.chain_engine(*plans, max_in_flight=16))
    submitted = [await engine.submit("a") for _ in range(20)]
    await world.clock.advance(5)
    assert len(world.chain.broadcasts) == 16
    world.chain.mine()
    await world.clock.advance(5)
    assert len(set(world.chain.broadcasts)) == 20
    world.chain.mine()
    for execution_id in submitted:
        await until(world, engine.result(execution_id))
    assert is_empty(engine)


async def test_whoever_waits_for_a_place_in_the_lane_can_be_cancelled(enter: Enter) -> None:
    world = World(chain_agent(max_concurrent=20))
    world.chain.automine = False
    world.chain.fund(world.signer.address, 10**20)
    plans = (plan("set") for _ in range(17))
    engine = await enter(world.chain_engine(*plans, max_in_flight=16))
    submitted = [await engine.submit("a") for _ in range(17)]
    await world.clock.advance(5)
    await engine.cancel(submitted[-1])
    await world.clock.advance(1)
    body = await world.ended(submitted[-1])
    assert (body["outcome"], body["effects"]["pending"]) == ("cancelled", 0)
    world.chain.mine()
    for execution_id in submitted:
        await until(world, engine.result(execution_id))


# --- nothing is sent -----------------------------------------------------------------------------


def poor(world: World) -> None:
    world.chain.ledger.fund(world.signer.address, -(10**18))
    world.chain.ledger.fund(world.signer.address, 1000)


def small_block(world: World) -> None:
    world.chain.ledger.gas_used = 40_000_000


def closed(world: World) -> None:
    world.chain.deploy(TARGET, {"set": reverting("closed")})


def no_contract(world: World) -> None:
    world.chain._contracts.clear()


def no_node(world: World) -> None:
    async def fail(_method: str) -> None:
        raise ChainUnavailable("no answer", chain_id=1337)

    world.chain.before = fail


@pytest.mark.parametrize(
    ("prepare", "code"),
    [
        (poor, "insufficient_funds"),
        (small_block, "gas_limit_exceeded"),
        (closed, "call_reverted"),
        (no_contract, "no_code_at_address"),
        (no_node, "chain_unavailable"),
    ],
)
async def test_what_cannot_work_is_found_out_before_anything_is_signed(
    enter: Enter, prepare: Callable[[World], None], code: str
) -> None:
    world = World(chain_agent())
    prepare(world)
    body = await execute(enter, world, plan("set"))
    assert (body["outcome"], body["error"]["code"]) == ("failed", code)
    assert body["effects"]["pending"] == 0
    assert world.chain.broadcasts == []
    assert await effects(world) == []
    assert await world.inner.scan(LANE) == []


async def test_an_estimate_beyond_the_agents_gas_limit_is_not_sent(enter: Enter) -> None:
    world = World(chain_agent(gas_limit=49_999))
    body = await execute(enter, world, plan("set"))
    assert body["error"]["code"] == "gas_limit_exceeded"
    assert (body["error"]["details"]["gas"], body["error"]["details"]["gas_limit"]) == (
        50_000,
        49_999,
    )
    assert world.chain.broadcasts == []


@pytest.mark.parametrize(("limit", "gas"), [(None, 60_000), (55_000, 55_000), (90_000, 60_000)])
async def test_the_estimate_gets_a_margin_but_never_more_than_the_cap(
    enter: Enter, limit: int | None, gas: int
) -> None:
    world = World(chain_agent(gas_limit=limit))
    await execute(enter, world, plan("set"))
    assert world.chain.decode(world.chain.broadcasts[0]).gas == gas


async def test_the_agents_priority_fee_is_never_exceeded(enter: Enter) -> None:
    world = World(chain_agent(max_priority_fee_gwei=Decimal("0.5")))
    await execute(enter, world, plan("set"))
    assert world.chain.decode(world.chain.broadcasts[0]).fees == Fees(
        2 * GWEI + GWEI // 2, GWEI // 2
    )


async def test_a_legacy_chain_is_paid_by_gas_price(enter: Enter) -> None:
    world = World(chain_agent())
    world.chain.legacy = True
    body = await execute(enter, world, plan("set"))
    assert body["effects"]["mined"] == 1
    assert world.chain.decode(world.chain.broadcasts[0]).fees.max_priority_fee_wei is None


async def test_what_is_under_way_counts_against_the_balance(enter: Enter) -> None:
    world = World(chain_agent(max_concurrent=2))
    world.chain.automine = False
    worst = 60_000 * 3 * GWEI
    poor(world)
    world.chain.fund(world.signer.address, 2 * worst - 2000)
    engine = await enter(world.chain_engine(plan("set"), plan("set")))
    first, second = await engine.submit("a"), await engine.submit("a")
    await world.clock.advance(1)
    assert (await world.ended(second))["error"]["details"]["needed_wei"] == str(2 * worst)
    world.chain.mine()
    await until(world, engine.result(first))


@pytest.mark.parametrize("field", ["sender", "payload"])
async def test_a_signer_that_signs_something_else_is_found_out_before_anything_is_stored(
    enter: Enter, field: str
) -> None:
    class Traitor(ModelSigner):
        async def sign(self, payload: bytes) -> bytes:
            if field == "sender":
                return await ModelSigner("somebody else").sign(payload)
            return await super().sign(payload + b" ")

    world = World(chain_agent())
    body = await execute(enter, world, plan("set"), signers={"key": Traitor()})
    assert body["outcome"] == "failed"
    assert body["error"]["code"] == "transaction_rejected"
    assert world.chain.broadcasts == []
    assert await effects(world) == []


# --- what became of it ---------------------------------------------------------------------------


async def test_mined_but_reverted_is_a_failed_result_with_its_hash(enter: Enter) -> None:
    world = World(chain_agent())
    calls: list[str] = []

    def fickle(call: ModelCall) -> Json:
        calls.append(call.sender)
        if len(calls) > 1:
            return reverting("too late")(call)
        return None

    world.chain.deploy(TARGET, {"set": fickle})
    body = await execute(enter, world, plan("set"))
    [result] = body["results"]
    [effect] = await effects(world)
    assert (body["outcome"], result["error"]["code"]) == ("failed", "call_reverted")
    assert result["transaction_hash"] == effect.transaction_hash
    assert (result["block_number"], result["gas_used"]) == (1, 50_000)
    assert body["effects"] == {
        "mined": 0,
        "finalized": 0,
        "reverted": 1,
        "pending": 0,
        "displaced": 0,
        "in_doubt": 0,
    }


@pytest.mark.parametrize("error", [ChainUnavailable("no reply"), TransactionRejected("known")])
async def test_an_error_of_the_broadcast_decides_nothing(enter: Enter, error: Exception) -> None:
    world = World(chain_agent())

    def fail() -> None:
        raise error

    world.chain.after = on("broadcast", fail)
    body = await execute(enter, world, plan("set"))
    assert body["effects"]["mined"] == len(world.chain.broadcasts) == 1


async def test_a_broadcast_that_never_arrived_is_repeated_with_the_same_bytes(
    enter: Enter,
) -> None:
    world = World(chain_agent())
    lost: list[None] = []

    def lose() -> None:
        if not lost:
            lost.append(None)
            raise ChainUnavailable("lost")

    world.chain.before = on("broadcast", lose)
    body = await execute(enter, world, plan("set"))
    assert body["effects"]["mined"] == len(world.chain.broadcasts) == 1
    [effect] = await effects(world)
    assert effect.attempts[0].raw == "0x" + world.chain.broadcasts[0].hex()


async def test_an_effect_counts_once_it_is_as_deep_as_was_asked(enter: Enter) -> None:
    world = World(chain_agent())
    world.chain.confirmations = 3
    engine = await enter(world.chain_engine(plan("set")))
    execution_id = await engine.submit("a")
    for _ in range(2):
        await world.clock.advance(5)
        assert "completed" not in await world.kinds(execution_id)
        world.chain.mine()
    await until(world, engine.result(execution_id))
    assert (await world.ended(execution_id))["effects"]["mined"] == 1


async def test_an_ended_execution_counts_its_effects_as_they_stand_at_that_moment(
    enter: Enter,
) -> None:
    """The first is final when the last action ends; the second was taken back by a reorg."""
    world = World(chain_agent(runner=runner_agent("slow").runner))
    world.chain.automine = False
    told: list[bool] = []

    async def act(context: RunContext, blocks: int) -> None:
        call = asyncio.ensure_future(context.invoke(Action("set")))
        await settle(40)
        world.chain.mine(blocks)
        told.append((await call).success)

    async def slow(context: RunContext) -> Json:
        await act(context, 9)
        await act(context, 1)
        world.chain.ledger.reorg(1, keep=False)
        await context.action("wait", lambda: wait(world))
        return None

    async def wait(world: World) -> Json:
        await world.clock.sleep_until(world.clock.now() + 60)
        return None

    body = await execute(enter, world, runners={"slow": slow})
    assert told == [True, True]
    assert (body["effects"]["finalized"], body["effects"]["pending"]) == (1, 1)


async def test_an_effect_that_the_store_lost_counts_as_it_was_known(enter: Enter) -> None:
    world = World(chain_agent(runner=runner_agent("forget").runner))

    async def forget(context: RunContext) -> Json:
        await context.invoke(Action("set"))
        [record] = await world.inner.scan(EFFECT)
        await world.inner.commit([Delete(EFFECT, record.key, record.version)])
        return None

    body = await execute(enter, world, runners={"forget": forget})
    assert body["effects"]["mined"] == 1


# --- cancelling ----------------------------------------------------------------------------------


async def test_cancelled_before_it_is_signed_nothing_is_sent(enter: Enter) -> None:
    world = World(chain_agent())
    reached, go = asyncio.Event(), asyncio.Event()

    class Slow(ModelSigner):
        async def sign(self, payload: bytes) -> bytes:
            reached.set()
            await go.wait()
            return await super().sign(payload)

    engine = await enter(world.chain_engine(plan("set"), signers={"key": Slow()}))
    execution_id = await engine.submit("a")
    await reached.wait()
    await engine.cancel(execution_id)
    go.set()
    await engine.result(execution_id)
    body = await world.ended(execution_id)
    assert body["outcome"] == "cancelled"
    assert body["results"][0]["error"]["code"] == "cancelled"
    assert body["effects"]["pending"] == 0
    assert world.chain.broadcasts == []
    assert await effects(world) == []


async def test_cancelled_after_signing_it_waits_and_tells_that_it_was_mined(
    enter: Enter,
) -> None:
    world = World(chain_agent())
    world.chain.automine = False
    engine = await enter(world.chain_engine(plan("set", "get"), settle_timeout=30))
    execution_id = await engine.submit("a")
    await world.clock.advance(1)
    await engine.cancel(execution_id)
    await world.clock.advance(25)
    assert (await world.kinds(execution_id))[-1] == "cancel_requested"
    world.chain.mine()
    await world.clock.advance(3)
    body = await world.ended(execution_id)
    assert body["outcome"] == "cancelled"
    [result] = body["results"]
    assert result["success"]
    assert body["effects"]["mined"] == 1


@pytest.mark.parametrize("how", ["cancel", "deadline", "close"])
async def test_what_is_not_mined_in_time_is_told_as_pending_with_its_hash(
    enter: Enter, how: str
) -> None:
    world = World(chain_agent())
    world.chain.automine = False
    engine = await enter(world.chain_engine(plan("set"), settle_timeout=30))
    execution_id = await engine.submit("a", deadline=world.clock.now() + 5)
    await world.clock.advance(1)
    closing: Any = None
    if how == "cancel":
        await engine.cancel(execution_id)
    elif how == "close":
        closing = asyncio.create_task(engine.aclose())
    await world.clock.advance(36)
    body = await world.ended(execution_id)
    outcomes = {"cancel": "cancelled", "deadline": "timed_out", "close": "interrupted"}
    assert body["outcome"] == outcomes[how]
    [result], [effect] = body["results"], await effects(world)
    assert result["error"]["code"] == "effect_uncertain"
    assert result["transaction_hash"] == effect.transaction_hash
    assert body["effects"]["pending"] == 1
    world.chain.mine()
    await world.clock.advance(3)
    [effect] = await effects(world)
    assert effect.state == ("signed" if how == "close" else "mined_ok")
    if closing is not None:
        await closing


async def test_who_closes_in_a_hurry_decides_how_long_it_waits_for_what_is_signed(
    enter: Enter,
) -> None:
    world = World(chain_agent())
    world.chain.automine = False
    engine = await enter(world.chain_engine(plan("set"), settle_timeout=30))
    execution_id = await engine.submit("a")
    await world.clock.advance(1)
    closing = asyncio.create_task(engine.aclose(settle_timeout=2))
    await world.clock.advance(3)
    await closing
    body = await world.ended(execution_id)
    assert (body["outcome"], body["effects"]["pending"]) == ("interrupted", 1)


async def test_a_runner_that_gives_up_a_call_before_it_is_signed_sends_nothing(
    enter: Enter,
) -> None:
    reached, go = asyncio.Event(), asyncio.Event()

    class Slow(ModelSigner):
        async def sign(self, payload: bytes) -> bytes:
            reached.set()
            await go.wait()
            return await super().sign(payload)

    async def impatient(context: RunContext) -> Json:
        call = asyncio.ensure_future(context.invoke(Action("set")))
        await reached.wait()
        call.cancel()
        go.set()
        await asyncio.wait({call})
        assert call.cancelled()
        again: ActionResult = await context.invoke(Action("set"))
        assert again.success
        return None

    world = World(chain_agent(runner=runner_agent("impatient").runner))
    body = await execute(enter, world, signers={"key": Slow()}, runners={"impatient": impatient})
    assert body["outcome"] == "succeeded"
    assert [result["success"] for result in body["results"]] == [False, True]
    assert len(world.chain.broadcasts) == 1


async def test_a_call_given_up_twice_leaves_nothing_going(enter: Enter) -> None:
    world = World(chain_agent(runner=runner_agent("twice").runner))
    hanging = asyncio.Event()

    async def hang() -> None:
        hanging.set()
        await asyncio.Event().wait()

    async def twice(context: RunContext) -> Json:
        call = asyncio.ensure_future(context.invoke(Action("set")))
        await hanging.wait()
        for _ in range(2):
            call.cancel()
            await settle(3)
        assert call.cancelled()
        return None

    world.chain.before = on("simulate", hang)
    body = await execute(enter, world, runners={"twice": twice})
    assert body["outcome"] == "succeeded"
    assert world.chain.broadcasts == []


async def test_cancelled_while_the_signing_commit_is_held_the_truth_is_found_out(
    enter: Enter,
) -> None:
    for fault, pending in ((Fault.HELD, 1), (Fault.HELD_LOST, 0)):
        world = World(chain_agent())
        world.chain.automine = False
        store = world.faulty()

        def hold(store: FaultyStore = store, fault: Fault = fault) -> None:
            store.fail(fault)

        world.chain.before = on("account", hold)
        engine = await enter(world.chain_engine(plan("set"), store=store, settle_timeout=10))
        execution_id = await engine.submit("a")
        await settle()
        cancelling = asyncio.create_task(engine.cancel(execution_id))
        await world.clock.advance(11)
        store.release()
        await world.clock.advance(1)
        await cancelling
        body = await world.ended(execution_id)
        assert body["effects"]["pending"] == pending == len(await effects(world))
        assert ("transaction_hash" in body["results"][0]) == bool(pending)
        await world.clock.advance(12)
        assert len(world.chain.broadcasts) == pending
        world.chain.mine()
        await world.clock.advance(3)


async def test_cancelled_while_the_broadcast_hangs_it_is_offered_again(enter: Enter) -> None:
    world = World(chain_agent())
    hung: list[None] = []

    async def hang() -> None:
        if not hung:
            hung.append(None)
            await asyncio.Event().wait()

    world.chain.before = on("broadcast", hang)
    engine = await enter(world.chain_engine(plan("set"), settle_timeout=5))
    execution_id = await engine.submit("a")
    await settle()
    await engine.cancel(execution_id)
    await world.clock.advance(6)
    body = await world.ended(execution_id)
    assert body["effects"]["pending"] == 1
    await world.clock.advance(10)
    [effect] = await effects(world)
    assert effect.state == "mined_ok"
    assert len(world.chain.broadcasts) == 1


async def test_an_error_while_it_is_given_up_is_told_where_nothing_was_sent(
    enter: Enter,
) -> None:
    world = World(chain_agent())
    reached, go = asyncio.Event(), asyncio.Event()

    async def fail() -> None:
        reached.set()
        await go.wait()
        raise ChainUnavailable("gone", chain_id=1337)

    world.chain.before = on("quote", fail)
    engine = await enter(world.chain_engine(plan("set")))
    execution_id = await engine.submit("a")
    await reached.wait()
    await engine.cancel(execution_id)
    go.set()
    await engine.result(execution_id)
    [result] = (await world.ended(execution_id))["results"]
    assert result["error"]["code"] == "chain_unavailable"


async def test_cancelled_at_the_very_moment_it_is_mined_it_is_told_as_mined(
    enter: Enter,
) -> None:
    world = World(chain_agent())
    world.chain.automine = False
    engine = await enter(world.chain_engine(plan("set"), settle_timeout=0))
    execution_id = await engine.submit("a")
    await world.clock.advance(1)
    world.chain.mine()
    cancelling = asyncio.create_task(engine.cancel(execution_id))
    await world.clock.advance(3)
    await cancelling
    body = await world.ended(execution_id)
    assert body["effects"]["mined"] + body["effects"]["pending"] == 1


async def test_a_runner_that_goes_on_after_a_request_to_end_sends_nothing_more(
    enter: Enter,
) -> None:
    async def stubborn(context: RunContext) -> Json:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            result = await context.invoke(Action("set"))
            assert result.error is not None
            assert result.error["code"] == "cancelled"
        return None

    world = World(
        chain_agent(runner=runner_agent("stubborn").runner, on_failure=OnFailure.CONTINUE)
    )
    engine = await enter(world.chain_engine(runners={"stubborn": stubborn}))
    execution_id = await engine.submit("a")
    await settle()
    await engine.cancel(execution_id)
    await engine.result(execution_id)
    await world.ended(execution_id)
    assert world.chain.broadcasts == []


def test_chain_and_signer_are_what_the_interfaces_promise() -> None:
    assert isinstance(ModelSigner(), Signer)
    assert ModelChain().chain_id == 1337
