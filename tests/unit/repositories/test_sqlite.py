from pathlib import Path

from zephyrus_exec.repositories import SqliteRepository
from zephyrus_exec.testing.repositories import WritableConformance


class TestSqliteRepository(WritableConformance):
    persistent = True

    async def open(self, place: Path) -> SqliteRepository:
        return await SqliteRepository.open(place / "agents.db")
