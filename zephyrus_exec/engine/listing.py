"""Reading from a store how executions stand, whoever runs them."""

from __future__ import annotations

from ..conversion import structure
from ..errors import ExecutionNotFound
from ..interfaces.store import ExecutionStore, Record
from ..model import Event, Execution
from .journal import EXECUTION


async def load_execution(store: ExecutionStore, execution_id: str) -> Execution:
    """Return how an execution stands.

    Raises:
        ExecutionNotFound: There is none.
    """
    record = await store.get(EXECUTION, execution_id)
    if record is None:
        raise ExecutionNotFound(f"there is no execution {execution_id}", execution_id=execution_id)
    return execution_of(record)


async def list_executions(store: ExecutionStore, *, limit: int) -> list[Execution]:
    """Return the newest executions first, at most `limit`."""
    records = await store.scan(EXECUTION, newest_first=True, limit=limit)
    return [execution_of(record) for record in records]


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
