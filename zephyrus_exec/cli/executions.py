"""`executions`: read a journal."""

from __future__ import annotations

import argparse

from ..conversion import unstructure
from ..engine.listing import list_executions, load_execution, read_all
from ..model import Event, Execution, JsonObject
from .journals import open_journal
from .output import moment, print_json, print_table, shown


async def list_command(options: argparse.Namespace) -> int:
    """Print the newest executions."""
    async with open_journal(options) as store:
        found = await list_executions(store, limit=options.limit)
    if options.json:
        for execution in found:
            print_json(unstructure(execution))
    else:
        print_table(
            "",
            ("execution", "agent", "status", "outcome", "created (UTC)", "took"),
            (_row(execution) for execution in found),
        )
    return 0


async def show_command(options: argparse.Namespace) -> int:
    """Print one execution: how it stands, and every event."""
    async with open_journal(options) as store:
        execution = await load_execution(store, options.execution_id)
        events = await read_all(store, execution.id)
    if options.json:
        print_json(unstructure(execution))
        for event in events:
            print_json(_object(event))
    else:
        print_table(
            f"{execution.id}: {execution.outcome or execution.status}",
            ("seq", "at (UTC)", "event", "data"),
            ((str(e.seq), moment(e.at), e.kind, shown(e.data)) for e in events),
        )
    return 0


def _row(execution: Execution) -> tuple[str, ...]:
    ended = execution.ended_at
    return (
        execution.id,
        execution.agent_id,
        execution.status,
        execution.outcome or "",
        moment(execution.created_at),
        "" if ended is None else f"{ended - execution.created_at:.2f} s",
    )


def _object(event: Event) -> JsonObject:
    return {"seq": event.seq, "at": event.at, "event": event.kind, "data": event.data}
