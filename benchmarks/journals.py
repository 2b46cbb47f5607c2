"""Journals with as many executions as wanted, made by copying one that was executed."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Final

from attrs import evolve

from zephyrus_exec import (
    Agent,
    Component,
    ExecutionEngine,
    ExecutionStore,
    Json,
    MemoryRepository,
    MemoryStore,
    SqliteStore,
)
from zephyrus_exec.engine.records import EFFECT, LANE, Effect, EffectState, Lane
from zephyrus_exec.interfaces.runner import RunContext
from zephyrus_exec.interfaces.store import Append, NewEvent, Put, Write

TALKER: Final = "talker"
TEXT: Final = "x" * 100


def stored_id(number: int) -> str:
    """Return the id of a copied execution, from 1: in order, as those of real ones are."""
    return f"stored{number:09}"


_EVENTS: Final = """
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
    INSERT INTO zx_event (stream, seq, at, kind, body, schema)
    SELECT printf('stored%09d', i), seq, at, kind, body, schema
    FROM n CROSS JOIN (SELECT * FROM zx_event WHERE stream = ?) ORDER BY i, seq"""
_RECORDS: Final = """
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
    INSERT INTO zx_record (kind, key, version, body, grp, due)
    SELECT kind, printf('stored%09d', i), version, body, grp, due
    FROM n CROSS JOIN (SELECT * FROM zx_record WHERE kind = ? AND key = ?) ORDER BY i"""
_REMOVE: Final = (
    "DELETE FROM zx_event WHERE stream = ?",
    "DELETE FROM zx_record WHERE kind = 'execution' AND key = ?",
)
SETTLED_OF: Final = 10
"""Every so manieth execution has a final effect."""


async def talk(context: RunContext) -> Json:
    """Tell as much as is asked for."""
    count = context.input
    for _ in range(count if isinstance(count, int) else 0):
        await context.emit({"text": TEXT})
    return None


@asynccontextmanager
async def engine_on(store: ExecutionStore) -> AsyncIterator[ExecutionEngine]:
    """Give a running engine whose agent tells as many events as its input says."""
    agents = MemoryRepository([Agent(TALKER, runner=Component(TALKER), max_concurrent=10_000)])
    engine = ExecutionEngine(
        agents=agents,
        contracts=agents,
        store=store,
        runners={TALKER: talk},
        keep_ended=10**9,
    )
    async with engine:
        yield engine


async def execute(store: ExecutionStore, events: int = 0) -> str:
    """Execute once, and return the execution's id."""
    async with engine_on(store) as engine:
        execution_id = await engine.submit(TALKER, input=events)
        await engine.result(execution_id)
    return execution_id


async def fill_sqlite(file: Path, stored: int) -> None:
    """Write a journal with so many ended executions, and a final effect of every tenth."""
    store = await SqliteStore.open(file)
    first = await execute(store)
    await store.commit(_lane_and_effect())
    await store.aclose()
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        connection.execute(_EVENTS, (stored, first))
        connection.execute(_RECORDS, (stored, "execution", first))
        connection.execute(_RECORDS, (max(1, stored // SETTLED_OF), EFFECT, _EFFECT.key))
        for statement in _REMOVE:
            connection.execute(statement, (first,))
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


async def fill_memory(store: MemoryStore, stored: int) -> None:
    """Put so many ended executions into a store in memory, and a final effect of every tenth."""
    first = await execute(store)
    record = await store.get("execution", first)
    assert record is not None
    events = tuple(NewEvent(e.at, e.kind, e.body) for e in await store.read(first))
    await store.commit(_lane_and_effect())
    for n in range(1, stored + 1):
        key = stored_id(n)
        writes: list[Write] = [
            Append(key, 1, events),
            Put("execution", key, 0, record.body, record.group),
        ]
        if n % SETTLED_OF == 0:
            writes.append(evolve(_EFFECT, key=key).put(0))
        await store.commit(writes)


_LANE: Final = Lane(1, "0x" + "11" * 20, 1)
_EFFECT: Final = Effect(
    key="effect",
    execution_id="other",
    cycle=1,
    step=1,
    chain_id=_LANE.chain_id,
    sender=_LANE.sender,
    nonce=0,
    to="0x" + "22" * 20,
    function="set",
    arguments={},
    value_wei="0",
    intent_hash="00" * 32,
    confirmations=1,
    state=EffectState.FINAL_OK,
    attempts=(),
)


def _lane_and_effect() -> list[Write]:
    return [Put(LANE, _LANE.key, 0, _LANE.put(0).body, _LANE.put(0).group), _EFFECT.put(0)]
