"""The command line: the only place that owns an event loop and signal handlers."""

from .main import main

__all__ = ["main"]
