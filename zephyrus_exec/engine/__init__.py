"""Runs executions: the journal, the cycle, effects."""

from .clock import SystemClock, new_id
from .cycle import CycleRunner
from .engine import ExecutionEngine

__all__ = ["CycleRunner", "ExecutionEngine", "SystemClock", "new_id"]
