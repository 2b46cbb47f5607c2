from pathlib import Path

from zephyrus_exec.repositories import FilesRepository
from zephyrus_exec.testing.repositories import WritableConformance


class TestFilesRepository(WritableConformance):
    persistent = True

    async def open(self, place: Path) -> FilesRepository:
        return FilesRepository(place, settle=0)


class TestOneFile(WritableConformance):
    persistent = True

    async def open(self, place: Path) -> FilesRepository:
        file = place / "all.json"
        if not file.exists():
            file.write_text("{}", encoding="utf-8")
        return FilesRepository(file, settle=0)
