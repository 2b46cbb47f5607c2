"""Where agents and contracts come from."""

from .memory import MemoryRepository
from .sqlite import SqliteRepository

__all__ = ["MemoryRepository", "SqliteRepository"]
