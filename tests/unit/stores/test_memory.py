"""What the memory store promises beyond the conformance suite."""

from __future__ import annotations

import weakref
from collections.abc import Coroutine
from typing import Any

from zephyrus_exec.interfaces.store import Append, NewEvent, Put
from zephyrus_exec.model import Event
from zephyrus_exec.stores.memory import MemoryStore
from zephyrus_exec.stores.memory_events import EventLog


def run_without_loop(work: Coroutine[Any, Any, Any]) -> Any:
    """Run to the end; a suspension fails the test."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value
    work.close()
    raise AssertionError("it suspended")


def test_no_method_suspends() -> None:
    store = MemoryStore()
    writes = (Append("s", 1, (NewEvent(1.0, "a", "{}"),)), Put("k", "a", 0, "{}"))
    assert run_without_loop(store.commit(writes, durable=True)) == 1
    assert len(run_without_loop(store.read("s"))) == 1
    assert len(run_without_loop(store.tail(0))) == 1
    assert len(run_without_loop(store.scan("k"))) == 1
    run_without_loop(store.get("k", "a"))
    run_without_loop(store.check())
    run_without_loop(store.aclose())


def test_it_says_that_it_forgets() -> None:
    store = MemoryStore(epoch="e")
    assert (store.epoch, store.durable, store.description) == ("e", False, "memory")


def test_streams_forgotten_one_by_one_do_not_pile_up() -> None:
    """Of 5,000 streams forgotten soon after they came, fewer than half are still held."""
    log = EventLog()
    held: list[weakref.ref[Event]] = []
    for number in range(5000):
        log.append(Append(f"s{number}", 1, (NewEvent(0.0, "x", "{}"),)))
        held.append(weakref.ref(log.read(f"s{number}", 0, 1)[0]))
        log.forget(f"s{number - 10}")
    assert len(log.tail(0, 10_000)) == 10
    assert log.tail(0, 1)[0].stream == "s4990"
    assert sum(event() is not None for event in held) < 2500
