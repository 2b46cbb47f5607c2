"""Places at which a process may die."""

from __future__ import annotations

from pathlib import Path

import pytest

from zephyrus_exec import MemoryStore
from zephyrus_exec.errors import StoreConflict
from zephyrus_exec.interfaces.store import (
    Append,
    Delete,
    Expect,
    Forget,
    Keep,
    NewEvent,
    Put,
    Write,
)
from zephyrus_exec.testing.crash_points import CrashPoints, PointedStore, summary
from zephyrus_exec.testing.stores import StoreConformance


class TestPointedStore(StoreConformance):
    """It is a store like the one behind it."""

    async def open_store(self, place: Path) -> PointedStore:
        return PointedStore(MemoryStore(), CrashPoints(_ignore))


def _ignore(_name: str) -> None:
    """Go on."""


async def test_every_commit_is_two_places_named_by_what_it_writes() -> None:
    points = CrashPoints(_ignore)
    store = PointedStore(MemoryStore(), points)
    for seq in (1, 2):
        await store.commit(
            [
                Append("s", seq, (NewEvent(0.0, "signed", "{}"),)),
                Put("lane", "a", seq - 1, "{}"),
                Put("effect", "a", seq - 1, "{}"),
            ]
        )
    assert points.names == [
        "commit:signed+effect+lane#1:before",
        "commit:signed+effect+lane#1:after",
        "commit:signed+effect+lane#2:before",
        "commit:signed+effect+lane#2:after",
    ]


async def test_a_commit_that_fails_has_no_place_after_it() -> None:
    points = CrashPoints(_ignore)
    store = PointedStore(MemoryStore(), points)
    with pytest.raises(StoreConflict):
        await store.commit([], expect=[Expect("lane", "a", 7)])
    assert points.names == ["commit:nothing#1:before"]


def test_a_summary_tells_removals_from_writes() -> None:
    writes: list[Write] = [Delete("owner", "a", 1), Forget("s"), Keep("snapshot", "b", "{}")]
    assert summary(writes) == "-owner+-stream+snapshot"


async def test_what_is_told_of_a_place_may_end_everything_there() -> None:
    """Nothing behind the place happens."""
    inner = MemoryStore()

    def end(name: str) -> None:
        if name.endswith("before"):
            raise SystemExit

    store = PointedStore(inner, CrashPoints(end))
    with pytest.raises(SystemExit):
        await store.commit([Put("lane", "a", 0, "{}")])
    assert await inner.get("lane", "a") is None
