"""Journals of every release, resumed with the code of today."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.interrupted import engine_on, model_chain
from tests.fixtures.make_journal import JOURNALS, dump, load, make
from tests.integration.calls import Calls
from zephyrus_exec import ExecutionStore, SqliteStore
from zephyrus_exec.engine.records import EFFECT, Effect
from zephyrus_exec.testing.chain import ModelChain, ModelSigner
from zephyrus_exec.testing.clock import ManualClock

RELEASES = sorted(folder.name for folder in JOURNALS.iterdir())


async def chain_of_then(store: ExecutionStore) -> ModelChain:
    """Return the chain as it was when the process ended: it has what was mined by then."""
    chain = model_chain()
    effects = [Effect.of(record) for record in await store.scan(EFFECT)]
    for effect in effects:
        if effect.receipt is not None:
            await chain.broadcast(effect.attempts[-1].bytes)
    return chain


@pytest.fixture(params=RELEASES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SqliteStore]:
    load(JOURNALS / request.param / "journal.sql", tmp_path / "journal.db")
    store = await SqliteStore.open(tmp_path / "journal.db")
    yield store
    await store.aclose()


async def test_executions_of_an_old_release_go_on_and_end_as_they_would_have(
    store: SqliteStore,
) -> None:
    calls, clock, chain = Calls(store), ManualClock(), await chain_of_then(store)
    before = {record.key: await store.read(record.key) for record in await store.scan("execution")}
    async with engine_on(store, clock, chain, hang=False, prefix="new") as engine:
        ended = asyncio.gather(*(engine.result(one) for one in before))
        while not ended.done():
            await calls.advance(clock, 0.5)
        bodies: list[Any] = await ended
    for stream, events in before.items():
        after = await store.read(stream)
        assert after[: len(events)] == events
        assert [event.seq for event in after] == list(range(1, len(after) + 1))
        assert [event.kind for event in after].count("completed") == 1
        assert [event.kind for event in after].count("taken_over") == 1
    walk, waiting, pay, cycle = bodies
    for body in (walk, waiting):
        assert (body["outcome"], _results(body)) == ("succeeded", [1, "paid", 2, [1, 2]])
    assert (pay["outcome"], pay["error"]["code"]) == ("in_doubt", "action_in_doubt")
    assert cycle["outcome"] == "succeeded"
    names = [result["function_name"] for result in cycle["results"]]
    assert names == ["get", "set", "set", "get"]
    assert (await chain.account(ModelSigner().address)).nonce == 2
    assert sum(cycle["effects"].values()) == 2


def _results(body: dict[str, Any]) -> list[Any]:
    return [result["result"] for result in body["results"]]


def test_there_is_a_journal_of_the_first_release() -> None:
    assert "0.1.0" in RELEASES


async def test_a_journal_can_be_made_and_is_the_one_it_is_loaded_from(tmp_path: Path) -> None:
    await make(tmp_path / "journal.db")
    text = dump(tmp_path / "journal.db")
    (tmp_path / "journal.sql").write_text(text, encoding="utf-8")
    load(tmp_path / "journal.sql", tmp_path / "copy.db")
    assert dump(tmp_path / "copy.db") == text
