"""Runs executions: the journal, the cycle, effects."""

from .clock import SystemClock, new_id
from .cursors import Cursor
from .cycle import CycleRunner
from .engine import ExecutionEngine
from .once import Submission

__all__ = [
    "Cursor",
    "CycleRunner",
    "ExecutionEngine",
    "Submission",
    "SystemClock",
    "new_id",
]
