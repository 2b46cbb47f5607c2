"""Where agents and contracts come from."""

from .files import FilesRepository
from .memory import MemoryRepository
from .sqlite import SqliteRepository

__all__ = ["FilesRepository", "MemoryRepository", "SqliteRepository"]
