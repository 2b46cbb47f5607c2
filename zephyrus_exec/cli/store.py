"""`store`: looking after a journal's file."""

from __future__ import annotations

import argparse

from ..engine.clock import SystemClock
from ..engine.restore import declare_restored
from ..model import OPERATOR
from .journals import begin_anew, open_journal
from .output import note, print_json


async def restored_command(options: argparse.Namespace) -> int:
    """Say that the file is a restored backup, so that nothing it forgot is done again."""
    async with open_journal(options) as store:
        done = await declare_restored(
            store, SystemClock(), principal=OPERATOR, reason=options.reason
        )
    async with open_journal(options, restored=True):
        pass  # only now: no server uses the file, so nobody goes on under the old epoch
    await begin_anew(options)
    if options.json:
        print_json(
            {
                "lanes": list(done.lanes),
                "executions": list(done.executions),
                "effects": list(done.effects),
            }
        )
        return 0
    print(f"halted: {len(done.lanes)} lanes; interrupted: {len(done.executions)} executions")
    print(f"to be watched with suspicion: {len(done.effects)} effects")
    for lane in done.lanes:
        note(f"next: lanes check {lane}, look at what it shows, then lanes open {lane}")
    return 0
