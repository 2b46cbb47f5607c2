"""`executions`: what was executed, and ending what still is."""

from __future__ import annotations

import argparse
from typing import Final

from ..protocol.texts import cut
from ..protocol.v2.codec import encode, written
from ..protocol.v2.messages import ExecutionView
from .histories import open_history
from .lines import line_of
from .output import moment, print_json, print_table
from .timeline import Timeline
from .words import Words, words_of

_REFUSED: Final = "not_cancellable"


async def list_command(options: argparse.Namespace) -> int:
    """Print the newest executions."""
    words = words_of(options)
    async with open_history(options) as history:
        found = await history.list(
            limit=options.limit, before=options.before, agent_id=options.agent
        )
    if options.json:
        for view in found:
            print_json(written(view))
    else:
        rows = (_row(view, words) for view in found)
        print_table("", words.list_columns, rows, gives_way=1)
    return 0


async def show_command(options: argparse.Namespace) -> int:
    """Print one execution: how it stands, and every event so far."""
    words, timeline = words_of(options), Timeline()
    async with open_history(options, language=words.language) as history:
        view = await history.get(options.execution_id)
        if options.json:
            print_json(written(view))
        else:
            print(f"{cut(view.execution_id)}: {_stands(view, words)}")
        async for event in history.events(view):
            step = timeline.add(event)
            print(encode(event) if options.json else line_of(event, step, words), flush=True)
    return 0


async def cancel_command(options: argparse.Namespace) -> int:
    """Ask an execution to end; 0: it was asked, or had ended; 2: it cannot be."""
    words = words_of(options)
    async with open_history(options) as history:
        disposition = await history.cancel(options.execution_id, options.reason)
    if options.json:
        print_json({"execution_id": options.execution_id, "disposition": disposition})
    else:
        left = options.url is None and disposition == "requested"
        told = words.request_left if left else words.dispositions[disposition]
        print(f"{options.execution_id}: {told}")
    return 2 if disposition == _REFUSED else 0


def _row(view: ExecutionView, words: Words) -> tuple[str, ...]:
    return view.execution_id, view.agent_id, _stands(view, words), moment(view.created_at)


def _stands(view: ExecutionView, words: Words) -> str:
    if view.outcome is None:
        return words.statuses.get(view.status, view.status)
    return words.outcomes[view.outcome]
