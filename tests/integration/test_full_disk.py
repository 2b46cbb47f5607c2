"""A disk that is full, or read-only, in the middle of an execution with a transaction."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.integration.calls import Calls
from tests.integration.test_sqlite_trouble import assemble
from tests.unit.engine.world import World, chain_agent, plan
from zephyrus_exec.errors import Overloaded, StoreUnavailable
from zephyrus_exec.stores.sqlite_schema import Database, open_database

Trouble = tuple[Callable[[Database], None], Callable[[Database], None]]


def fill(database: Database) -> None:
    """Leave no room, not even in the pages that are there."""
    (pages,) = database.writer.execute("PRAGMA page_count").fetchone()
    database.writer.execute(f"PRAGMA max_page_count = {pages}")
    for size in (2000, 200, 20, 1):
        for statement in (
            "INSERT INTO zx_event (stream, seq, at, kind, body, schema) "
            "VALUES ('junk' || random(), 1, 0, '', ?, 1)",
            "INSERT INTO zx_record (kind, key, version, body, grp) "
            "VALUES ('junk', 'junk' || random(), 1, ?, 'junk')",
        ):
            with suppress(sqlite3.OperationalError):
                while True:
                    database.writer.execute(statement, ("x" * size,))


def make_room(database: Database) -> None:
    database.writer.execute("PRAGMA max_page_count = 1000000")


def forbid(database: Database) -> None:
    database.writer.execute("PRAGMA query_only = ON")


def allow(database: Database) -> None:
    database.writer.execute("PRAGMA query_only = OFF")


@pytest.mark.parametrize(
    ("trouble", "method"),
    [
        ((fill, make_room), "simulate"),
        ((fill, make_room), "account"),
        ((forbid, allow), "simulate"),
        ((forbid, allow), "account"),
        ((forbid, allow), "broadcast"),
    ],
)
async def test_nothing_is_sent_or_ended_meanwhile_and_everything_goes_on_after(
    tmp_path: Path, trouble: Trouble, method: str
) -> None:
    begin, end = trouble
    database = open_database(
        tmp_path / "journal.db",
        busy_timeout=5,
        new_id=lambda: "epoch",
        pause=lambda _: None,
        refuse_network=False,
    )
    store, world = assemble(database), World(chain_agent())
    calls = Calls(store)
    begun = asyncio.Event()

    async def meet(called: str) -> None:
        if called == method and not begun.is_set():
            begun.set()
            begin(database)

    world.chain.before = meet
    async with world.chain_engine(plan("set"), store=store, store_grace=5) as engine:
        started = world.clock.now()
        execution_id = await engine.submit("a")
        waiting = asyncio.create_task(engine.result(execution_id))
        while not waiting.done():
            await calls.advance(world.clock, 0.5)
        assert isinstance(waiting.exception(), StoreUnavailable)
        assert world.clock.now() < started + 15
        kinds = [event.kind for event in await store.read(execution_id)]
        assert bool(world.chain.broadcasts) <= ("effect_signed" in kinds)
        assert kinds[-1] != "completed"
        with pytest.raises(Overloaded):
            await engine.submit("a")
        assert not (await engine.health()).ready
        assert (await engine.get_execution(execution_id)).outcome is None
        end(database)
        ending = asyncio.create_task(engine.result(execution_id))
        while not ending.done():
            await calls.advance(world.clock, 0.5)
        body: Any = await ending
        assert body["outcome"] == "succeeded"
        assert len(set(world.chain.broadcasts)) == 1
        assert (await world.chain.account(world.signer.address)).nonce == 1
    await store.aclose()
