"""What is forgotten, and what is not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from itertools import pairwise

import pytest
from attrs import evolve

from tests.unit.engine.conftest import Enter
from tests.unit.engine.test_verification import contents_of
from tests.unit.engine.world import World, chain_agent, die, plan, runner_agent, settle
from zephyrus_exec.engine.execution import is_plain
from zephyrus_exec.engine.forgetting import FORGETTING
from zephyrus_exec.engine.journal import EXECUTION
from zephyrus_exec.engine.listing import scan_all
from zephyrus_exec.engine.records import EFFECT, LANE, SLOT, Effect, EffectState, Lane, LaneStatus
from zephyrus_exec.engine.retention import Retention, Swept
from zephyrus_exec.engine.verification import verify
from zephyrus_exec.errors import ExecutionNotFound, StoreConflict, StoreUnavailable
from zephyrus_exec.interfaces.runner import RunContext
from zephyrus_exec.interfaces.store import Append, Delete, Expect, Forget, NewEvent, Put, Write
from zephyrus_exec.model import Agent, Component, Json
from zephyrus_exec.planners.steps import StepsPlanner
from zephyrus_exec.stores.memory import MemoryStore
from zephyrus_exec.testing.clock import ManualClock
from zephyrus_exec.testing.faulty_store import Fault, FaultyStore


async def ended(world: World, count: int) -> list[str]:
    """Let an engine of its own execute something so many times, and return the ids."""
    ids: list[str] = []
    async with world.engine() as engine:
        for _ in range(count):
            ids.append(await engine.submit("nothing"))
            await engine.result(ids[-1])
    return ids


def durable(world: World) -> World:
    """Make the world's store one that keeps everything unless it is told otherwise."""
    world.inner.durable = True
    return world


def retention(world: World, *, keep: int | None = None, keep_for: float | None = None) -> Retention:
    """Return what forgets from the world's store."""
    return Retention(world.inner, world.clock, keep=keep, keep_for=keep_for)


async def swept(world: World, forget: Retention, *, dry: bool = False) -> Swept:
    """Let it forget, and time pass meanwhile."""
    sweeping = asyncio.create_task(forget.sweep(dry=dry))
    while not sweeping.done():
        await world.clock.advance(0.01)
    return await sweeping


async def executions(world: World) -> list[str]:
    """Return the ids of all that are stored, oldest first."""
    return [record.key for record in await scan_all(world.inner, EXECUTION)]


async def check(world: World) -> None:
    """Whatever is stored agrees with itself."""
    assert verify(await contents_of(world.inner)).problems == ()


# --- how many, and how old -----------------------------------------------------------------------


async def test_the_oldest_ended_executions_are_forgotten_whole(enter: Enter) -> None:
    world = World(runner_agent("nothing"))
    engine = await enter(world.engine(keep_ended=10))
    ids = [await engine.submit("nothing") for _ in range(100)]
    await engine.drain()
    await world.clock.advance(60)
    kept = [execution.id for execution in await engine.list_executions()]
    assert kept == ids[:-11:-1]
    with pytest.raises(ExecutionNotFound):
        await engine.get_execution(ids[0])
    assert await world.inner.read(ids[0]) == []
    assert {event.stream for event in await world.inner.tail(0)} == set(kept)


async def test_where_many_end_they_are_forgotten_at_once(enter: Enter) -> None:
    """The clock stands still meanwhile."""
    world = World(runner_agent("nothing"))
    engine = await enter(world.engine(keep_ended=10))
    most = 0
    for _ in range(1000):
        await engine.result(await engine.submit("nothing"))
        most = max(most, len(await world.inner.scan(EXECUTION, limit=9999)))
    assert most < 10 + 48 + 64


async def test_as_many_are_forgotten_as_end_however_many_do_in_one_turn(enter: Enter) -> None:
    world = World(Agent("idle", planner=Component("steps", {"steps": []})))
    engine = await enter(world.engine(planners={"steps": StepsPlanner()}, keep_ended=100))
    most = 0
    for _ in range(60):
        for _ in range(200):
            await engine.submit("idle")  # which waits for nothing
        await settle(2)
        most = max(most, len(await world.inner.scan(EXECUTION, limit=99_999)))
    assert most < 2_500


async def test_a_durable_store_keeps_everything_and_memory_keeps_the_last_thousand(
    enter: Enter,
) -> None:
    world = World(runner_agent("nothing"))
    engine = await enter(world.engine())
    for _ in range(1100):
        await engine.result(await engine.submit("nothing"))
    assert 1000 <= len(await executions(world)) <= 1000 + 1000 // 16 + 1
    store = FaultyStore(world.inner)
    store.durable = True
    other = await enter(world.engine(store))
    assert other.keep_ended is None
    before = len(await executions(world))
    for _ in range(1100):
        await other.result(await other.submit("nothing"))
    assert len(await executions(world)) == before + 1100


async def test_what_an_earlier_process_ended_is_forgotten_too(enter: Enter) -> None:
    world = durable(World(runner_agent("nothing")))
    ids = await ended(world, 300)
    await enter(world.engine(keep_ended=7))
    await world.clock.advance(1)
    assert await executions(world) == ids[-7:]
    await check(world)


async def test_old_ones_are_forgotten_by_their_end(enter: Enter) -> None:
    world = durable(World(runner_agent("nothing"), runner_agent("forever")))
    engine = await enter(world.engine(keep_ended_for=1000))
    slow = await engine.submit("forever")
    old = [await engine.submit("nothing") for _ in range(200)]
    await world.clock.advance(500)
    await engine.cancel(slow)
    young = await engine.submit("nothing")
    await world.clock.advance(400)
    assert len(await executions(world)) == 202
    await world.clock.advance(200)
    assert await executions(world) == [slow, young]
    assert old[0] not in {event.stream for event in await world.inner.tail(0)}
    await world.clock.advance(600)
    assert await executions(world) == []


async def test_both_bounds_hold(enter: Enter) -> None:
    world = durable(World(runner_agent("nothing")))
    ids = await ended(world, 100)
    await world.clock.advance(50)
    young = await ended(world, 20)
    forget = retention(world, keep=50, keep_for=1000.0)
    assert await swept(world, forget, dry=True) == Swept(70, 0)
    assert await swept(world, forget) == Swept(70, 0)
    assert await executions(world) == [*ids[-30:], *young]
    await world.clock.advance(990)
    assert await swept(world, forget) == Swept(30, 0)
    assert await executions(world) == young
    assert await swept(world, forget) == Swept(0, 0)


async def test_what_runs_or_waits_is_never_counted_or_forgotten(enter: Enter) -> None:
    world = World(runner_agent("nothing"), runner_agent("forever"))
    engine = await enter(world.engine(keep_ended=1, keep_ended_for=1))
    under_way = [await engine.submit("forever") for _ in range(3)]
    for _ in range(10):
        await engine.submit("nothing")
    await world.clock.advance(60)
    assert await executions(world) == under_way


async def test_a_great_many_are_counted_in_strides() -> None:
    world = World()
    for start in range(0, 20_500, 500):
        await world.inner.commit(
            [Put(EXECUTION, f"x{start + n}", 0, "{}", "ended") for n in range(500)]
        )
    assert await retention(world, keep=20_499)._bound() == 1
    assert await retention(world, keep=20_000)._bound() == 500
    assert await retention(world, keep=20_500)._bound() == 0
    assert await retention(world, keep=30_001)._bound() == 0
    assert await retention(world, keep=10_000)._bound() == 10_500


async def test_several_processes_forget_from_one_store(enter: Enter) -> None:
    world = durable(World(runner_agent("nothing")))
    ids = await ended(world, 2000)
    for turns in (1, 2, 3):
        await enter(world.engine(world.faulty(turns=turns), keep_ended=5))
    for _ in range(100):
        await world.clock.advance(2)
    assert await executions(world) == ids[-5:]
    await check(world)


async def test_a_backlog_is_worked_off_in_small_commits_with_rests(enter: Enter) -> None:
    world = durable(World(runner_agent("nothing")))
    await ended(world, 1000)
    store = world.faulty()
    await enter(world.engine(store, keep_ended=1))
    await settle()
    assert len(await executions(world)) == 1000 - 64
    await world.clock.advance(1)
    assert len(await executions(world)) == 1
    sizes = [sum(isinstance(one, Forget) for one in commit.writes) for commit in store.commits]
    assert max(sizes) == 64


# --- what is needed ------------------------------------------------------------------------------


async def with_effects(world: World, *states: EffectState) -> tuple[str, list[Effect]]:
    """Return an ended execution whose effects stand like this, and these."""
    async with world.chain_engine(plan(*["set"] * len(states))) as engine:
        execution_id = await engine.submit("a")
        await engine.result(execution_id)
    return execution_id, [await stand(world, n, state) for n, state in enumerate(states)]


async def stand(world: World, number: int, state: EffectState, **more: object) -> Effect:
    """Let an effect stand like this."""
    record = (await world.inner.scan(EFFECT))[number]
    effect = evolve(Effect.of(record), state=state, **more)  # type: ignore[arg-type]
    await world.inner.commit([effect.put(record.version)])
    return effect


async def lane(world: World, status: LaneStatus) -> None:
    """Let the only lane stand like this."""
    (record,) = await world.inner.scan(LANE)
    await world.inner.commit([evolve(Lane.of(record), status=status).put(record.version)])


async def test_an_execution_with_a_transaction_under_way_is_not_forgotten(enter: Enter) -> None:
    world = World(chain_agent(), runner_agent("nothing"))
    world.chain.automine = False
    engine = await enter(world.chain_engine(plan("set"), keep_ended=1, settle_timeout=1))
    pending = await engine.submit("a", deadline=world.clock.now() + 1)
    await world.clock.advance(5)
    for _ in range(100):
        await engine.result(await engine.submit("nothing"))
    await world.clock.advance(120)
    assert (await engine.get_execution(pending)).outcome == "timed_out"
    for _ in range(200):
        world.chain.mine()
        await world.clock.advance(5)
    with pytest.raises(ExecutionNotFound):
        await engine.get_execution(pending)
    assert await world.inner.scan(EFFECT) == await world.inner.scan(SLOT) == []
    await check(world)


UNSETTLED = [
    EffectState.SIGNED,
    EffectState.CANCELLING,
    EffectState.MINED_OK,
    EffectState.MINED_REVERTED,
    EffectState.IN_DOUBT,
]


@pytest.mark.parametrize("state", UNSETTLED)
async def test_an_effect_that_is_not_final_keeps_its_execution(state: EffectState) -> None:
    world = durable(World(chain_agent(), runner_agent("nothing")))
    execution_id, _ = await with_effects(world, EffectState.FINAL_OK, state)
    last = await ended(world, 1)
    forget = retention(world, keep=1)
    assert await forget.sweep(dry=True) == Swept(0, 1)
    assert await forget.sweep() == Swept(0, 1)
    assert await executions(world) == [execution_id, *last]
    assert len(await world.inner.scan(EFFECT)) == 2


@pytest.mark.parametrize("state", sorted(set(EffectState) - set(UNSETTLED)))
async def test_final_effects_go_with_their_execution_and_their_lane_stays(
    state: EffectState,
) -> None:
    world = durable(World(chain_agent(), runner_agent("nothing")))
    await with_effects(world, EffectState.FINAL_OK, state)
    (before,) = await world.inner.scan(LANE)
    last = await ended(world, 1)
    assert await retention(world, keep=1).sweep() == Swept(1, 0)
    assert await executions(world) == last
    assert await world.inner.scan(EFFECT) == await world.inner.scan(SLOT) == []
    streams = {event.stream for event in await world.inner.tail(0)}
    assert not any(stream.startswith("effect:") for stream in streams)
    assert await world.inner.scan(LANE) == [before]
    await check(world)


async def test_an_effect_goes_though_its_slot_is_lost() -> None:
    world = durable(World(chain_agent()))
    await with_effects(world, EffectState.FINAL_OK)
    (slot,) = await world.inner.scan(SLOT)
    await world.inner.commit([Delete(SLOT, slot.key, slot.version)])
    assert await retention(world, keep_for=0.0).sweep() == Swept(1, 0)
    assert await world.inner.scan(EFFECT) == []


async def test_no_nonce_is_given_out_again_after_its_slot_is_forgotten(enter: Enter) -> None:
    world = durable(World(chain_agent()))
    await with_effects(world, EffectState.FINAL_OK, EffectState.FINAL_OK)
    assert await retention(world, keep_for=0.0).sweep() == Swept(1, 0)
    engine = await enter(world.chain_engine(plan("set"), new_id=iter(["o", "x"]).__next__))
    await engine.result(await engine.submit("a"))
    (effect,) = [Effect.of(record) for record in await world.inner.scan(EFFECT)]
    assert effect.nonce == 2


@pytest.mark.parametrize("status", [LaneStatus.HALTED, LaneStatus.BLOCKED])
async def test_what_a_lane_did_that_waits_for_somebody_is_kept_until_it_is_open(
    status: LaneStatus,
) -> None:
    world = durable(World(chain_agent()))
    execution_id, _ = await with_effects(world, EffectState.DISPLACED)
    await lane(world, status)
    forget = retention(world, keep_for=0.0)
    assert await forget.sweep() == Swept(0, 1)
    assert await executions(world) == [execution_id]
    await lane(world, LaneStatus.OPEN)
    forget = retention(world, keep_for=0.0)
    assert await forget.sweep() == Swept(1, 0)


async def test_an_execution_in_doubt_is_kept_until_somebody_has_decided() -> None:
    world = durable(World(chain_agent()))
    execution_id, _ = await with_effects(world, EffectState.IN_DOUBT)
    record = await world.inner.get(EXECUTION, execution_id)
    assert record is not None
    doubtful = record.body.replace('"succeeded"', '"in_doubt"')
    await world.inner.commit([Put(EXECUTION, execution_id, record.version, doubtful, "ended")])
    await stand(world, 0, EffectState.FINAL_OK)
    assert await retention(world, keep_for=0.0).sweep() == Swept(0, 1)
    await stand(world, 0, EffectState.IN_DOUBT, resolution={"verdict": "happened"})
    assert await retention(world, keep_for=0.0).sweep() == Swept(1, 0)


@pytest.mark.usefixtures("may_leave_tasks")
async def test_a_doubt_that_nobody_can_decide_is_kept(enter: Enter) -> None:
    async def pay() -> Json:
        return await asyncio.Event().wait()

    async def work(context: RunContext) -> Json:
        return await context.action("pay", pay, once=True)

    world = durable(World(runner_agent("work")))
    dying = world.faulty()
    dead = world.engine(dying, runners={"work": work})
    await dead.start()
    execution_id = await dead.submit("work")
    await settle()
    await die(dead, dying)
    living = await enter(world.engine(runners={"work": work}, keep_ended_for=1))
    await world.clock.advance(30)
    assert (await living.result(execution_id))["outcome"] == "in_doubt"
    await world.clock.advance(1000)
    assert await executions(world) == [execution_id]


async def test_what_is_needed_is_looked_at_once_a_minute(enter: Enter) -> None:
    world = durable(World(chain_agent(), runner_agent("nothing")))
    pinned, _ = await with_effects(world, EffectState.SIGNED)
    store = world.faulty()
    engine = await enter(world.engine(store, keep_ended=1))
    await settle()
    effects = await world.inner.scan(EFFECT)
    for _ in range(200):
        await engine.result(await engine.submit("nothing"))
    assert pinned in await executions(world)
    await world.inner.commit(
        [evolve(Effect.of(effects[0]), state=EffectState.FINAL_OK).put(effects[0].version)]
    )
    for _ in range(200):
        await engine.result(await engine.submit("nothing"))
    assert pinned in await executions(world)
    await world.clock.advance(61)
    assert pinned not in await executions(world)


# --- what is more than a few events --------------------------------------------------------------


async def with_events(world: World, count: int, size: int = 1) -> str:
    """Return an ended execution that told so much."""

    async def talk(context: RunContext) -> None:
        for n in range(count):
            await context.emit({"n": n, "text": "x" * size})

    async with world.engine(runners={"talk": talk}, new_id=iter(["o", "big"]).__next__) as engine:
        await engine.result(await engine.submit("talk"))
    return "big"


@pytest.mark.parametrize(("count", "size", "at_once"), [(2000, 1, 500), (100, 32_768, 8)])
async def test_long_journals_are_forgotten_piece_by_piece(
    count: int, size: int, at_once: int
) -> None:
    world = durable(World(runner_agent("talk")))
    await with_events(world, count, size)
    store = world.faulty()
    forget = Retention(store, world.clock, keep=None, keep_for=0.0)
    assert await forget.sweep() == Swept(1, 0)
    removed = [one for commit in store.commits for one in commit.writes if isinstance(one, Forget)]
    heads = [count + 3, *(one.after for one in removed)]
    assert max(a - b for a, b in pairwise(heads)) == at_once
    assert await world.inner.tail(0) == []
    assert await world.inner.scan(FORGETTING) == []


async def test_a_few_long_events_are_no_plain_execution() -> None:
    world = durable(World(runner_agent("talk"), runner_agent("nothing")))
    big = await world.inner.get(EXECUTION, await with_events(world, 2, 100_000))
    (small,) = await ended(world, 1)
    record = await world.inner.get(EXECUTION, small)
    assert big is not None
    assert record is not None
    assert (is_plain(big), is_plain(record)) == (False, True)


@pytest.mark.parametrize("nth", range(1, 7))
async def test_what_is_half_forgotten_is_sound_and_finished_by_whoever_comes(nth: int) -> None:
    world = durable(World(chain_agent(), runner_agent("talk")))
    await with_effects(world, EffectState.FINAL_OK, EffectState.FINAL_OK)
    await with_events(world, 1500)
    store = world.faulty()
    store.fail(Fault.UNAVAILABLE, nth=nth)
    forget = Retention(store, world.clock, keep=None, keep_for=0.0)
    with pytest.raises(StoreUnavailable):
        await forget.sweep()
    await check(world)
    async with world.engine(keep_ended_for=0):
        await world.clock.advance(1)
    assert await executions(world) == []
    assert await world.inner.scan(FORGETTING) == []
    assert {event.stream for event in await world.inner.tail(0)} == {
        f"lane:{lane.key}" for lane in await world.inner.scan(LANE) if Lane.of(lane).events
    }


async def test_a_journal_without_the_mark_of_a_plain_one_is_looked_into() -> None:
    """As the first release wrote them."""
    world = durable(World(chain_agent()))
    execution_id, _ = await with_effects(world, EffectState.SIGNED)
    record = await world.inner.get(EXECUTION, execution_id)
    assert record is not None
    assert not is_plain(record)
    assert await retention(world, keep_for=0.0).sweep() == Swept(0, 1)


# --- whoever watches -----------------------------------------------------------------------------


async def test_whoever_watches_what_is_being_forgotten_is_told_and_sees_no_gap(
    enter: Enter,
) -> None:
    world = durable(World(runner_agent("talk")))
    await with_events(world, 2000)
    engine = await enter(world.engine())
    watching = engine.watch("big")
    seen = [(await anext(watching)).seq for _ in range(1000)]
    (record,) = await world.inner.scan(EXECUTION)
    await world.inner.commit([Delete(EXECUTION, "big", record.version), Forget("big", after=1200)])
    seen += [(await anext(watching)).seq for _ in range(200)]
    with pytest.raises(ExecutionNotFound):
        await anext(watching)
    assert seen == list(range(1, 1201))


# --- what fails ----------------------------------------------------------------------------------


async def test_forgetting_that_fails_is_told_and_tried_again(
    enter: Enter, caplog: pytest.LogCaptureFixture
) -> None:
    world = durable(World(runner_agent("nothing")))
    await ended(world, 10)
    store = world.faulty()
    engine = world.engine(store, keep_ended=1)
    store.fail(Fault.UNAVAILABLE, nth=2)
    with caplog.at_level(logging.INFO):
        await enter(engine)
        await settle()
    assert "old executions could not be forgotten now" in caplog.text
    await world.clock.advance(61)
    assert len(await executions(world)) == 1


async def test_what_changed_meanwhile_is_not_forgotten() -> None:
    class Changing(MemoryStore):
        async def commit(
            self, writes: Sequence[Write], *, expect: Sequence[Expect] = (), durable: bool = False
        ) -> int:
            gone = [one for one in writes if isinstance(one, Delete)]
            if gone:
                self.commit = super().commit  # type: ignore[method-assign]
                await super().commit([Put(EXECUTION, gone[0].key, gone[0].version, "{}", "open")])
            return await super().commit(writes, expect=expect, durable=durable)

    store, clock = Changing(), ManualClock()
    await store.commit(
        [
            Put(EXECUTION, "x", 0, '{"ended_at":1,"plain":true}', "ended"),
            Append("x", 1, (NewEvent(1.0, "accepted", "{}"),)),
        ]
    )
    with pytest.raises(StoreConflict):
        await Retention(store, clock, keep=None, keep_for=0.0).sweep()
    assert await store.head("x") == 1
