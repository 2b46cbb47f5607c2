"""Reading from a store how executions stand, whoever runs them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from ..conversion import structure
from ..errors import ExecutionNotFound
from ..interfaces.store import ExecutionStore, Record
from ..model import Event, Execution
from .journal import EXECUTION

Choose: TypeAlias = Callable[[Execution], Awaitable[bool]]

_PAGE: Final = 100
"""How many records are read at once where not every one counts."""


async def load_execution(store: ExecutionStore, execution_id: str) -> Execution:
    """Return how an execution stands.

    Raises:
        ExecutionNotFound: There is none.
    """
    found = await find_execution(store, execution_id)
    if found is None:
        raise ExecutionNotFound(f"there is no execution {execution_id}", execution_id=execution_id)
    return found


async def find_execution(store: ExecutionStore, execution_id: str) -> Execution | None:
    """Return how an execution stands; null: there is none."""
    record = await store.get(EXECUTION, execution_id)
    return None if record is None else execution_of(record)


async def list_executions(
    store: ExecutionStore, *, limit: int, chosen: Choose | None = None
) -> list[Execution]:
    """Return the newest executions first, at most `limit`.

    Args:
        store: Where they are.
        limit: At most so many.
        chosen: Only those it says yes to; null: every one.
    """
    found: list[Execution] = []
    after = 0
    while len(found) < limit:
        page = await store.scan(
            EXECUTION, after=after, newest_first=True, limit=max(limit, _PAGE if chosen else 1)
        )
        if not page:
            break
        after = page[-1].number
        executions = map(execution_of, page)
        found += [one for one in executions if chosen is None or await chosen(one)]
    return found[:limit]


async def scan_all(store: ExecutionStore, kind: str, *, group: str | None = None) -> list[Record]:
    """Return every record of a kind, or of one group of it."""
    records: list[Record] = []
    after = 0
    while page := await store.scan(kind, group=group, after=after):
        records += page
        after = page[-1].number
    return records


async def read_all(store: ExecutionStore, stream: str) -> list[Event]:
    """Return every event of a stream."""
    events: list[Event] = []
    while page := await store.read(stream, after=len(events)):
        events += page
    return events


def execution_of(record: Record) -> Execution:
    """Return the execution that a record holds."""
    data = {name: value for name, value in record.data.items() if name != "owner"}
    return structure({"id": record.key, **data}, Execution)
