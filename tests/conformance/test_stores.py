"""Every store of ours passes the public suite."""

from __future__ import annotations

from pathlib import Path

from zephyrus_exec.stores.memory import MemoryStore
from zephyrus_exec.stores.sqlite import SqliteStore
from zephyrus_exec.testing.stores import StoreConformance


class TestMemoryStore(StoreConformance):
    async def open_store(self, place: Path) -> MemoryStore:
        return MemoryStore()


class TestSqliteStore(StoreConformance):
    persistent = True

    async def open_store(self, place: Path) -> SqliteStore:
        return await SqliteStore.open(place / "journal.db")
