"""What `verify` finds in journals that do not agree with themselves, and in those that do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from attrs import define, evolve

from tests.unit.engine.world import World, chain_agent, plan
from zephyrus_exec import MemoryStore
from zephyrus_exec.engine.forgetting import FORGETTING
from zephyrus_exec.engine.listing import read_all, scan_all
from zephyrus_exec.engine.records import EFFECT, LANE, SLOT
from zephyrus_exec.engine.verification import verify
from zephyrus_exec.interfaces.store import ExecutionStore, Record
from zephyrus_exec.model import Event


@define
class Copy:
    """A journal's contents, to be damaged."""

    all_events: list[Event]
    all_records: list[Record]

    def events(self) -> Iterator[Event]:
        return iter(sorted(self.all_events, key=lambda one: (one.stream, one.seq)))

    def records(self) -> Iterator[Record]:
        return iter(self.all_records)

    def record(self, kind: str, /, **changes: Any) -> None:
        """Change the first record of a kind; `data` changes its body."""
        place = next(i for i, one in enumerate(self.all_records) if one.kind == kind)
        was = self.all_records[place]
        if "data" in changes:
            changes["body"] = json.dumps({**was.data, **changes.pop("data")})
        self.all_records[place] = evolve(was, **changes)

    def without(self, kind: str) -> None:
        self.all_records = [one for one in self.all_records if one.kind != kind]

    def event(self, kind: str, /, **changes: Any) -> None:
        place = next(i for i, one in enumerate(self.all_events) if one.kind == kind)
        self.all_events[place] = evolve(self.all_events[place], **changes)

    def without_event(self, kind: str) -> None:
        place = next(i for i, one in enumerate(self.all_events) if one.kind == kind)
        del self.all_events[place]


@pytest.fixture
async def copy() -> Copy:
    """Return what an engine leaves that has sent two transactions."""
    world, store = World(chain_agent()), MemoryStore()
    async with world.chain_engine(plan("set", "set"), store=store) as engine:
        execution = await engine.submit("a")
        await engine.result(execution)
    return await contents_of(store)


async def contents_of(store: ExecutionStore) -> Copy:
    """Return what a store has of executions and effects."""
    records = [
        record
        for kind in ("execution", "snapshot", LANE, SLOT, EFFECT, FORGETTING)
        for record in await scan_all(store, kind)
    ]
    streams = {event.stream for event in await store.tail(0, limit=100_000)}
    events = [event for stream in streams for event in await read_all(store, stream)]
    return Copy(events, records)


def test_what_an_engine_wrote_is_sound(copy: Copy) -> None:
    found = verify(copy)
    assert found.problems == ()
    assert (found.executions, found.effects, found.lanes) == (1, 2, 1)
    assert found.events == len(copy.all_events)


Damage = Callable[[Copy], None]


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda c: c.without_event("planned"), "follows on"),
        (lambda c: c.event("planned", body="{"), "cannot be read"),
        (lambda c: c.event("planned", body="[]"), "it is no object"),
        (lambda c: c.event("planned", body="[" * 100_000), "cannot be read"),
        (lambda c: c.event("planned", schema=9), "form 9, which a newer release wrote"),
        (lambda c: c.event("accepted", body='{"snapshot":"x"}'), "an agent that is missing"),
        (lambda c: c.event("action_started", kind="completed"), "goes on behind its end"),
        (lambda c: c.event("completed", kind="progress"), "its events say otherwise"),
        (lambda c: c.event("effect_signed", kind="progress"), "is not among the events"),
        (lambda c: c.event("effect_signed", body='{"effect_key":"x"}'), "effect x, which is miss"),
        (lambda c: c.record("execution", body='{"status":1}'), "cannot be read"),
        (lambda c: c.record("execution", data={"outcome": None}), "its events say otherwise"),
        (lambda c: c.record("execution", key="other"), "belong to no execution"),
        (lambda c: c.record("execution", key="other"), "execution other has no events"),
        (lambda c: c.without("snapshot"), "an agent that is missing"),
        (lambda c: c.record("snapshot", body="x"), "cannot be read"),
        (lambda c: c.record(LANE, data={"next_nonce": 1}), "would give out again: its next is 1"),
        (lambda c: c.record(LANE, data={"events": 7}), "counts 7 events of its own, and has 0"),
        (lambda c: c.record(LANE, group="halted"), "filed under another state"),
        (lambda c: c.without(LANE), "which is missing"),
        (lambda c: c.record(SLOT, data={"effect_key": "x"}), "is x's"),
        (lambda c: c.record(SLOT, data={"effect_key": "x"}), "belongs to effect x, which is miss"),
        (lambda c: c.record(SLOT, body="{}"), "cannot be read"),
        (lambda c: c.without(SLOT), "is missing's"),
        (lambda c: c.record(EFFECT, group="settled", data={"state": "signed"}), "filed under"),
        (lambda c: c.record(EFFECT, key="x"), "filed under another state or name"),
        (lambda c: c.record(EFFECT, data={"nonce": 9}), "would give out again"),
        (lambda c: c.record(EFFECT, data={"events": 9}), "counts 9 events"),
        (lambda c: c.record(EFFECT, data={"attempts": []}), "has no attempt"),
        (lambda c: c.without(EFFECT), "signed effect"),
    ],
)  # fmt: skip
def test_damage_is_found_and_named(copy: Copy, damage: Damage, told: str) -> None:
    damage(copy)
    problems = verify(copy).problems
    assert any(told in problem for problem in problems), problems


def test_a_record_of_a_newer_release_is_left_to_it(copy: Copy) -> None:
    copy.all_records.append(Record("approval", "x", 1, "{}"))
    assert verify(copy).problems == ()
    copy.record("approval", body="x")
    assert len(verify(copy).problems) == 1


def test_an_effect_outlives_the_execution_that_was_forgotten(copy: Copy) -> None:
    copy.without("execution")
    copy.all_events = [one for one in copy.all_events if one.stream.startswith("effect:")]
    assert verify(copy).problems == ()
