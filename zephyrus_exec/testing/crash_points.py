"""Every place at which a process may die, found by the code itself: journal writes and requests.

Wrap the store with `PointedStore`, and let whatever asks a node call `CrashPoints.around`. A run in
which nothing happens records the places there are; in later runs `reached` ends the process at one
of them. A new write, or a new request, is a new place without anybody listing it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias, TypeVar

from ..interfaces.store import (
    Append,
    Delete,
    ExecutionStore,
    Expect,
    Forget,
    Keep,
    Put,
    Record,
    Write,
)
from ..model import Event

_T = TypeVar("_T")

Reached: TypeAlias = Callable[[str], Awaitable[None] | None]
"""Called with the name of a place, at that place; it may end or stop the process.

Where it returns something to wait for, nothing goes on before that is done.
"""


class CrashPoints:
    """Names the places a process comes by.

    A name says what is done, for the how-manieth time, and whether that is about to be done or was
    just done: `rpc:eth_call#2:before`, `commit:effect_signed+effect+lane+slot#1:after`.

    Args:
        reached: Called at each place.
    """

    def __init__(self, reached: Reached) -> None:
        self._reached = reached
        self._counts: Counter[str] = Counter()
        self.names: list[str] = []
        """Every place so far, in the order they were come by."""

    async def around(self, what: str, work: Callable[[], Awaitable[_T]]) -> _T:
        """Return what `work` returns, with a place before and, unless it raises, one after.

        Args:
            what: Says what is done, for example `rpc:eth_call`.
            work: Does it.
        """
        self._counts[what] += 1
        name = f"{what}#{self._counts[what]}"
        await self._reach(f"{name}:before")
        result = await work()
        await self._reach(f"{name}:after")
        return result

    async def _reach(self, name: str) -> None:
        self.names.append(name)
        waiting = self._reached(name)
        if waiting is not None:
            await waiting


class PointedStore(ExecutionStore):
    """Hands everything on to another store, with a place before and after every commit.

    Args:
        inner: The store behind it.
        points: Is told of the places.
    """

    def __init__(self, inner: ExecutionStore, points: CrashPoints) -> None:
        self._inner = inner
        self._points = points
        self.epoch = inner.epoch
        self.durable = inner.durable
        self.description = inner.description

    async def commit(
        self, writes: Sequence[Write], *, expect: Sequence[Expect] = (), durable: bool = False
    ) -> int:
        """Apply all writes if all conditions hold."""

        async def work() -> int:
            return await self._inner.commit(writes, expect=expect, durable=durable)

        return await self._points.around(f"commit:{summary(writes)}", work)

    async def read(self, stream: str, *, after: int = 0, limit: int = 1000) -> list[Event]:
        """Return what the inner store has."""
        return await self._inner.read(stream, after=after, limit=limit)

    async def tail(self, position: int, *, limit: int = 1000) -> list[Event]:
        """Return what the inner store has."""
        return await self._inner.tail(position, limit=limit)

    async def head(self, stream: str) -> int:
        """Return what the inner store has."""
        return await self._inner.head(stream)

    async def position(self) -> int:
        """Return what the inner store has."""
        return await self._inner.position()

    async def get(self, kind: str, key: str) -> Record | None:
        """Return what the inner store has."""
        return await self._inner.get(kind, key)

    async def scan(
        self,
        kind: str,
        *,
        group: str | None = None,
        due_before: float | None = None,
        after: int = 0,
        newest_first: bool = False,
        skip: int = 0,
        limit: int = 100,
    ) -> list[Record]:
        """Return what the inner store has."""
        return await self._inner.scan(
            kind,
            group=group,
            due_before=due_before,
            after=after,
            newest_first=newest_first,
            skip=skip,
            limit=limit,
        )

    async def check(self) -> None:
        """Return if the inner store could commit now."""
        await self._inner.check()

    async def aclose(self) -> None:
        """Close the inner store."""
        await self._inner.aclose()


def summary(writes: Sequence[Write]) -> str:
    """Return what a commit writes: kinds of events in order, then kinds of records by name."""
    events = [e.kind for w in writes if isinstance(w, Append) for e in w.events]
    records = sorted({_target(write) for write in writes if not isinstance(write, Append)})
    return "+".join([*events, *records]) or "nothing"


def _target(write: Put | Keep | Delete | Forget) -> str:
    match write:
        case Delete(kind=kind):
            return f"-{kind}"
        case Forget():
            return "-stream"
        case _:
            return write.kind
