"""Reading from a store how executions stand."""

from __future__ import annotations

import pytest

from zephyrus_exec.engine.listing import (
    Choose,
    list_executions,
    load_execution,
    read_all,
    scan_all,
)
from zephyrus_exec.errors import ExecutionNotFound
from zephyrus_exec.interfaces.store import Append, NewEvent, Put
from zephyrus_exec.model import Execution, Outcome
from zephyrus_exec.stores.memory import MemoryStore

BODY = (
    '{"agent_id":"a","principal":"p","owner":"o","status":"completed","created_at":1.5,'
    '"ended_at":2.5,"outcome":"failed","error":{"code":"c"}}'
)


async def test_an_execution_is_read_from_its_record_without_its_owner() -> None:
    store = MemoryStore()
    await store.commit([Put("execution", "x", 0, BODY)])
    expected = Execution("x", "a", "p", "completed", 1.5, 2.5, Outcome.FAILED, {"code": "c"})
    assert await load_execution(store, "x") == expected
    assert list(await list_executions(store, limit=5)) == [expected]


async def test_an_execution_that_does_not_exist_is_not_found() -> None:
    with pytest.raises(ExecutionNotFound) as raised:
        await load_execution(MemoryStore(), "x")
    assert raised.value.details == {"execution_id": "x"}


async def test_every_event_and_every_record_is_read_page_by_page() -> None:
    store = MemoryStore()
    events = tuple(NewEvent(0.0, "progress", "{}") for _ in range(2500))
    await store.commit([Append("x", 1, events)])
    await store.commit([Put("k", str(n), 0, "{}", "odd" if n % 2 else "even") for n in range(250)])
    assert [event.seq for event in await read_all(store, "x")] == list(range(1, 2501))
    assert len(await scan_all(store, "k")) == 250
    assert len(await scan_all(store, "k", group="odd")) == 125


async def stored(*agents: str) -> MemoryStore:
    """Return a store with an execution of each of these agents, ids e0, e1, ..."""
    store = MemoryStore()
    for n, agent in enumerate(agents):
        body = BODY.replace('"agent_id":"a"', f'"agent_id":"{agent}"')
        await store.commit([Put("execution", f"e{n}", 0, body)])
    return store


async def pages(store: MemoryStore, limit: int, chosen: Choose | None = None) -> list[list[str]]:
    """Return the ids of all pages."""
    found: list[list[str]] = []
    before: str | None = None
    while True:
        page = await list_executions(store, limit=limit, before=before, chosen=chosen)
        found.append([one.id for one in page])
        if page.next is None:
            return found
        before = page.next


async def test_executions_are_listed_page_by_page_to_the_last() -> None:
    store = await stored(*"aaaaa")
    assert await pages(store, 2) == [["e4", "e3"], ["e2", "e1"], ["e0"]]
    assert await pages(store, 5) == [["e4", "e3", "e2", "e1", "e0"]]
    assert await pages(store, 9) == [["e4", "e3", "e2", "e1", "e0"]]
    assert await pages(store, 0) == [[]]
    assert await pages(MemoryStore(), 9) == [[]]


async def test_a_page_is_a_sequence() -> None:
    page = await list_executions(await stored("a", "b"), limit=9)
    assert (len(page), page[0].id, [one.id for one in page[1:]]) == (2, "e1", ["e0"])


async def test_a_list_goes_on_behind_an_execution_though_newer_ones_came() -> None:
    store = await stored("a", "a", "a")
    page = await list_executions(store, limit=9, before="e1")
    assert [one.id for one in page] == ["e0"]
    with pytest.raises(ExecutionNotFound):
        await list_executions(store, limit=9, before="none")
    with pytest.raises(ExecutionNotFound):
        await list_executions(store, limit=9, before="#0")


async def test_a_call_looks_at_a_thousand_and_no_more() -> None:
    store = await stored(*("a" if n % 500 == 0 else "b" for n in range(2500)))
    looked_at = 0

    async def mine(execution: Execution) -> bool:
        nonlocal looked_at
        looked_at += 1
        return execution.agent_id == "a"

    page = await list_executions(store, limit=100, chosen=mine)
    assert looked_at == 1000
    assert ([one.id for one in page], page.next) == (["e2000", "e1500"], "#1501")
    assert await pages(store, 100, mine) == [["e2000", "e1500"], ["e1000", "e500"], ["e0"]]


async def test_whoever_asks_for_more_than_a_thousand_gets_them() -> None:
    store = await stored(*"a" * 1250)
    assert [len(page) for page in await pages(store, 1200)] == [1200, 50]
