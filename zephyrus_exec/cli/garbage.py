"""Looking for garbage seldom, in a process that serves and does nothing else."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_ALLOCATIONS: Final = 10_000
"""New objects after which the young are looked through; Python's own 700 are for small programs."""


@contextmanager
def looked_for_seldom() -> Iterator[None]:
    """Look for cyclic garbage less often, and never at what is there already.

    Executions under way are many objects, and none of them is garbage: looking through them again
    and again took a fifth of the time of those that do little.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
