"""What things cost, always as a ratio to a peer measured in the same run."""

from __future__ import annotations

from typing import Final

BENCHMARKS: Final = (
    *("throughput", "latency", "watchers", "effects", "memory", "startup", "codec", "hot"),
)
"""Modules that `python -m benchmarks` runs, in the order of the page."""
