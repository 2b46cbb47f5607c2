"""Where agents and contracts come from."""

from .files import FilesRepository
from .memory import MemoryRepository
from .sqlite import SqliteRepository
from .union import UnionRepository

__all__ = ["FilesRepository", "MemoryRepository", "SqliteRepository", "UnionRepository"]
