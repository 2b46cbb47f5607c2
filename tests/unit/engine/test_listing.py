"""Reading from a store how executions stand."""

from __future__ import annotations

import pytest

from zephyrus_exec.engine.listing import list_executions, load_execution, read_all, scan_all
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
    assert await list_executions(store, limit=5) == [expected]


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
