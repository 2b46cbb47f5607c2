"""A server looks for garbage seldom, and leaves the process as it found it."""

from __future__ import annotations

import gc

from zephyrus_exec.cli.garbage import looked_for_seldom


def test_garbage_is_looked_for_seldom_meanwhile() -> None:
    before = gc.get_threshold(), gc.get_freeze_count()
    with looked_for_seldom():
        assert gc.get_threshold() == (10_000, *before[0][1:])
        assert gc.get_freeze_count() > before[1]
    assert (gc.get_threshold(), gc.get_freeze_count()) == before
