"""Reading from a store how executions stand, whoever runs them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias, overload

from attrs import frozen

from ..conversion import structure
from ..errors import ExecutionNotFound
from ..interfaces.store import ExecutionStore, Record
from ..model import Event, Execution
from .journal import EXECUTION

Choose: TypeAlias = Callable[[Execution], Awaitable[bool]]

_PAGE: Final = 100
"""How many records are read at once."""
_MOST_LOOKED_AT: Final = 1000
"""How many are looked at for a page that asks for fewer."""
_PLACE: Final = re.compile(r"#([1-9][0-9]{0,17})")
"""The number of the last record that was looked at."""
_INTERNAL: Final = ("owner", "plain")
"""What a record says that is no part of how an execution stands."""


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


@frozen
class ExecutionPage(Sequence[Execution]):
    """Some executions, newest first, and where to go on."""

    executions: tuple[Execution, ...]
    next: str | None
    """What to give as `before` to go on; null: there are no more."""

    @overload
    def __getitem__(self, index: int) -> Execution: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Execution, ...]: ...

    def __getitem__(self, index: int | slice) -> Execution | tuple[Execution, ...]:
        return self.executions[index]

    def __len__(self) -> int:
        return len(self.executions)


def is_place(before: str) -> bool:
    """Return whether that is the `next` of a page, and no execution's id."""
    return _PLACE.fullmatch(before) is not None


async def list_executions(
    store: ExecutionStore,
    *,
    limit: int,
    before: str | None = None,
    chosen: Choose | None = None,
) -> ExecutionPage:
    """Return the newest executions first, looking at 1,000 or `limit` at most.

    Args:
        store: Where they are.
        limit: At most so many.
        before: Go on behind this: the `next` of a page, or an execution's id; null: begin with the
            newest.
        chosen: Only those it says yes to; null: every one.

    Raises:
        ExecutionNotFound: There is none with the id `before`.
    """
    found: list[Execution] = []
    after = await _number(store, before)
    left, size = max(limit, _MOST_LOOKED_AT), limit + 1  # most often that is enough
    while len(found) < limit and left > 0:
        size = min(left, size, _PAGE)
        page = await store.scan(EXECUTION, after=after, newest_first=True, limit=size)
        for place, record in enumerate(page, 1):
            execution = execution_of(record)
            after = record.number
            if chosen is None or await chosen(execution):
                found.append(execution)
                if len(found) == limit and place < len(page):
                    return _page(found, after)
        if len(page) < size:
            return _page(found)
        left, size = left - size, _PAGE
        await asyncio.sleep(0)
    return _page(found, after)


def _page(found: list[Execution], after: int = 0) -> ExecutionPage:
    # The last one looked at may be somebody else's, so its id is not told.
    return ExecutionPage(tuple(found), f"#{after}" if after else None)


async def _number(store: ExecutionStore, before: str | None) -> int:
    """Return the number of the record to go on behind; 0: begin with the newest."""
    if before is None:
        return 0
    place = _PLACE.fullmatch(before)
    if place is not None:
        return int(place[1])
    record = await store.get(EXECUTION, before)
    if record is None:
        raise ExecutionNotFound(f"there is no execution {before}", execution_id=before)
    return record.number


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
    data = {name: value for name, value in record.data.items() if name not in _INTERNAL}
    return structure({"id": record.key, **data}, Execution)
