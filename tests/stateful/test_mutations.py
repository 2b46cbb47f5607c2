"""Each condition of the signing commit is needed: without any one of them, something breaks.

A directed scenario for each condition holds as the code is, and fails through a store that forgets
that one condition. So no condition is there for show, and none is missed by what is tested.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import pytest
from attrs import evolve

from zephyrus_exec.engine.records import EFFECT, LANE, SLOT, Lane, LaneStatus, lane_key
from zephyrus_exec.errors import LaneHalted, StoreFenced, TransactionRejected
from zephyrus_exec.interfaces.store import Append, ExecutionStore, Expect, Put, Record, Write
from zephyrus_exec.model import OPERATOR
from zephyrus_exec.testing.clock import settle
from zephyrus_exec.testing.faulty_store import FaultyStore

from .effects_world import EffectsWorld, told

CONDITIONS = (
    "effect new",
    "slot new",
    "slot before",
    "lane version",
    "lane open",
    "stream append",
)


class Forgetful(FaultyStore):
    """A store that does not check one condition of signing commits.

    Args:
        inner: The store behind it.
        condition: Which; one of `CONDITIONS`.
    """

    def __init__(self, inner: ExecutionStore, condition: str) -> None:
        super().__init__(inner)
        self.condition = condition

    async def commit(
        self, writes: Sequence[Write], *, expect: Sequence[Expect] = (), durable: bool = False
    ) -> int:
        """Commit, the condition made to hold."""
        if any(isinstance(write, Put) and write.kind == SLOT for write in writes):
            writes = [await self._without(write) for write in writes]
            expect = () if self.condition == "slot before" else expect
        return await super().commit(writes, expect=expect, durable=durable)

    async def _without(self, write: Write) -> Write:
        forgotten = {"effect new": EFFECT, "slot new": SLOT, "lane version": LANE}
        if isinstance(write, Put) and write.kind == forgotten.get(self.condition):
            record = await self.inner.get(write.kind, write.key)
            return evolve(write, version=record.version if record is not None else 0)
        own = isinstance(write, Append) and write.stream.startswith("effect:")
        if isinstance(write, Append) and (
            (self.condition == "stream append" and not own)
            or (self.condition == "effect new" and own)
        ):
            head = len(await self.inner.read(write.stream))
            return evolve(write, seq=head + 1)
        return write

    async def get(self, kind: str, key: str) -> Record | None:
        """Return the record; a lane that takes nothing looks open where that is forgotten."""
        record = await super().get(kind, key)
        if record is None or kind != LANE or self.condition != "lane open":
            return record
        return evolve(record, body=Lane.of(record).opened().put(0).body)


async def effect_new(world: EffectsWorld) -> None:
    """One effect performed twice at the same time has one slot."""
    process = await world.start(turns=2)
    key = await world.submit(process)
    journal = world.journal(process, "x1", 1)
    process.performing[key].cancel()
    await settle()
    tasks = [world.perform(process, key, journal) for _ in range(2)]
    await settle(100)
    sent = {world.chain.decode(raw).nonce for raw in world.chain.broadcasts}
    world.chain.mine(3)
    await world.clock.advance(30)
    assert sent == {0}
    assert world.happened(key) == 1
    assert all(task.done() for task in tasks)


async def slot_new(world: EffectsWorld) -> None:
    """A lane whose counter went back, as after an old backup of it, gives no nonce out twice."""
    process = await world.start()
    await world.submit(process)
    await settle()
    key = lane_key(1337, world.signer.address)
    lane, version = await stored_lane(world)
    await world.inner.commit([Put(LANE, key, version, evolve(lane, next_nonce=0).put(0).body)])
    second = await world.submit(process)
    outcome = await told(process.performing[second])
    assert isinstance(outcome, TransactionRejected)
    assert outcome.details["reason"] == "slot_taken"
    assert len(world.chain.broadcasts) == 1


async def slot_before(world: EffectsWorld) -> None:
    """A lane that is drained while a group is being signed is no lane with the first of them."""
    process = await world.start()
    await world.submit(process)
    await settle()
    key = lane_key(1337, world.signer.address)

    async def drain() -> None:
        await world.lanes(process).drain(key, principal=OPERATOR, reason="test")

    world.while_signing(drain)
    keys = [await world.submit(process) for _ in range(3)]
    outcomes = [await told(process.performing[one]) for one in keys]
    lane, _ = await stored_lane(world)
    assert {type(outcome) for outcome in outcomes} == {LaneHalted}
    assert (lane.status, lane.next_nonce) == (LaneStatus.DRAINING, 1)
    assert len(world.chain.broadcasts) == 1


async def lane_version(world: EffectsWorld) -> None:
    """A lane that is drained while a transaction is being signed stays drained."""
    process = await world.start()
    await world.submit(process)
    await settle()
    key = lane_key(1337, world.signer.address)
    second = await world.submit(process)

    async def drain() -> None:
        await world.lanes(process).drain(key, principal=OPERATOR, reason="test")

    world.while_signing(drain)
    outcome = await told(process.performing[second])
    lane, _ = await stored_lane(world)
    assert isinstance(outcome, LaneHalted)
    assert lane.status is LaneStatus.DRAINING
    assert len(world.chain.broadcasts) == 1


async def lane_open(world: EffectsWorld) -> None:
    """A lane that is drained takes nothing."""
    process = await world.start()
    await world.submit(process)
    await settle()
    key = lane_key(1337, world.signer.address)
    await world.lanes(process).drain(key, principal=OPERATOR, reason="test")
    outcome = await told(world.processes[0].performing[await world.submit(process)])
    assert isinstance(outcome, LaneHalted)
    assert len(world.chain.broadcasts) == 1


async def stream_append(world: EffectsWorld) -> None:
    """A zombie signs nothing for an execution that somebody else has taken over."""
    zombie, owner = await world.start(), await world.start()
    key = await world.submit(zombie)

    async def lose_it() -> None:
        execution = key.partition(":")[0]
        events = await world.inner.read(execution)
        await world.inner.commit([world.event(execution, len(events) + 1, "taken_over")])

    world.while_signing(lose_it)
    outcome = await told(zombie.performing[key])
    assert isinstance(outcome, StoreFenced)
    assert world.chain.broadcasts == []
    assert not owner.performing


SCENARIOS: dict[str, Callable[[EffectsWorld], Awaitable[None]]] = {
    "effect new": effect_new,
    "slot new": slot_new,
    "slot before": slot_before,
    "lane version": lane_version,
    "lane open": lane_open,
    "stream append": stream_append,
}


async def stored_lane(world: EffectsWorld) -> tuple[Lane, int]:
    record = await world.inner.get(LANE, lane_key(1337, world.signer.address))
    assert record is not None
    return Lane.of(record), record.version


@pytest.mark.parametrize("condition", CONDITIONS)
async def test_with_all_conditions_it_holds(condition: str) -> None:
    world = EffectsWorld()
    try:
        await SCENARIOS[condition](world)
        assert not world.chain.unflushed
    finally:
        await world.close()


@pytest.mark.parametrize("condition", CONDITIONS)
async def test_without_one_condition_it_fails(condition: str) -> None:
    world = EffectsWorld(around=lambda store: Forgetful(store, condition))
    try:
        with pytest.raises(AssertionError):
            await SCENARIOS[condition](world)
    finally:
        await world.close()
