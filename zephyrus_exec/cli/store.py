"""`store`: looking after a journal's file."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from attrs import evolve

from ..engine.clock import SystemClock
from ..engine.restore import declare_restored
from ..engine.retention import Retention
from ..engine.verification import Verified, verify
from ..errors import ConfigurationError, OperationRefused, StoreConflict, StoreUnavailable
from ..model import OPERATOR
from ..stores.sqlite_backup import back_up
from ..stores.sqlite_snapshot import snapshot
from .composition import journal_of
from .environment import read_settings
from .journals import begin_anew, open_journal, path_of_journal
from .output import note, print_json


async def restored_command(options: argparse.Namespace) -> int:
    """Say that the file is a restored backup, so that nothing it forgot is done again."""
    async with open_journal(options) as store:
        done = await declare_restored(
            store, SystemClock(), principal=OPERATOR, reason=options.reason
        )
    await begin_anew(options)  # only now: no server uses the file, so none has the old epoch
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


async def backup_command(options: argparse.Namespace) -> int:
    """Copy the journal into a new file, while servers write it."""
    source = path_of_journal(options)
    size = await asyncio.to_thread(back_up, source, options.to)
    if options.json:
        print_json({"file": str(options.to), "bytes": size})
        return 0
    print(f"{options.to}: {size:,} bytes, whole and flushed")
    note("before a server uses it in place of the journal: store restored")
    return 0


async def verify_command(options: argparse.Namespace) -> int:
    """Print what is wrong with the journal; 0: nothing, 1: something."""
    path = options.file or path_of_journal(options)
    found = await asyncio.to_thread(_verify, path)
    if options.json:
        print_json(
            {
                "events": found.events,
                "executions": found.executions,
                "effects": found.effects,
                "lanes": found.lanes,
                "problems": list(found.problems),
            }
        )
        return 1 if found.problems else 0
    for problem in found.problems:
        print(f"{path.name}: {problem}")
    print(
        f"{path.name}: {found.events} events, {found.executions} executions, "
        f"{found.effects} effects in {found.lanes} lanes: "
        + (f"{len(found.problems)} problems" if found.problems else "sound")
    )
    if found.problems:
        note("next: stop the server, keep this file, and restore a backup: store restored")
    return 1 if found.problems else 0


async def prune_command(options: argparse.Namespace) -> int:
    """Forget what is too old or too much, as a server that keeps so much would."""
    settings = read_settings(options)
    journal_of(settings)
    if settings.keep_executions is None and settings.keep_for is None:
        raise ConfigurationError("say what is kept: --keep-executions COUNT, or --keep-for TIME")
    async with open_journal(options) as store:
        retention = Retention(
            store, SystemClock(), keep=settings.keep_executions, keep_for=settings.keep_for
        )
        try:
            swept = await retention.sweep(dry=options.dry_run)
        except StoreConflict as conflict:
            raise OperationRefused(
                "a server forgets the same executions at this moment; try again",
                reason="in_use",
            ) from conflict
    if options.json:
        print_json({"forgotten": swept.forgotten, "needed": swept.needed, "dry": options.dry_run})
        return 0
    print(f"{'would be forgotten' if options.dry_run else 'forgotten'}: {swept.forgotten}")
    if swept.needed:
        print(f"kept though old, since not everything of them is final: {swept.needed}")
    return 0


def _verify(path: Path) -> Verified:
    """Return what was found; what ends the looking is found, too."""
    if not path.is_file():
        raise ConfigurationError(f"there is no file {str(path)!r}")
    problems: list[str] = []
    found = Verified(0, 0, 0, 0, ())
    try:
        with snapshot(path) as contents:
            problems += contents.problems()
            found = verify(contents)
    except StoreUnavailable as error:
        problems.append(error.message)
    return evolve(found, problems=(*problems, *found.problems))
