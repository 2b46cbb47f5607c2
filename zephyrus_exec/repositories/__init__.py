"""Where agents and contracts come from."""

from .memory import MemoryRepository

__all__ = ["MemoryRepository"]
