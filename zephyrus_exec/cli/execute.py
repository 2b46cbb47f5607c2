"""`execute` and `watch`: an execution on a server, from here to its end."""

from __future__ import annotations

import argparse
import asyncio
import json
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

from ..client import Client, RemoteExecution
from ..config.refusal import refuse
from ..conversion import as_json
from ..errors import (
    AccessError,
    ConfigurationError,
    ExecutionLost,
    InvalidValue,
    OutcomeUnknown,
    RequestRefused,
    ZephyrusError,
)
from ..model import Json
from ..protocol.texts import TEXTS, cut, render_error
from .connecting import StatusTeller, open_client
from .displays import open_display
from .output import note
from .timeline import Timeline
from .watching import EXIT_FAILED, EXIT_IN_DOUBT, Follower, exit_code
from .words import Words, words_of

Ask: TypeAlias = Callable[[Client], RemoteExecution]

_NOBODY_KNOWS: Final = (OutcomeUnknown, ExecutionLost)


async def execute_command(options: argparse.Namespace) -> int:
    """Execute an agent on a server, and show every step."""
    given = _input(options.input)
    deadline = None if options.deadline is None else time.time() + options.deadline

    def ask(client: Client) -> RemoteExecution:
        return client.execute(
            options.agent_id,
            input=given,
            deadline=deadline,
            idempotency_key=options.idempotency_key,
        )

    return await _follow(options, ask)


async def watch_command(options: argparse.Namespace) -> int:
    """Show an execution that somebody asked for, from its first event or from behind another."""
    return await _follow(options, lambda c: c.watch(options.execution_id, after=options.after))


async def _follow(options: argparse.Namespace, ask: Ask) -> int:
    words = words_of(options)
    teller = StatusTeller(words)
    timeline = Timeline()
    async with open_client(options, on_status=teller) as client:
        execution = ask(client)
        try:
            async with open_display(timeline, words, json=options.json) as display:
                teller.display = display
                follower = Follower(timeline, display, client.watch_effect, options.until_final)
                return await _until_end(follower, execution, options, words)
        except (asyncio.CancelledError, AccessError):
            note(_way_back(options, execution, timeline, words))
            raise


async def _until_end(
    follower: Follower, execution: RemoteExecution, options: argparse.Namespace, words: Words
) -> int:
    """Follow an execution, and return the exit code."""
    try:
        await follower.follow(execution)
    except (ConfigurationError, AccessError):
        raise
    except ZephyrusError as error:
        follower.display.refused(error, text_of(error, words))
        return EXIT_IN_DOUBT if isinstance(error, _NOBODY_KNOWS) else EXIT_FAILED
    follower.display.end(_watch(options, execution.id, "--until-final"))
    return exit_code(follower.timeline)


def text_of(error: ZephyrusError, words: Words) -> str:
    """Return what an error means, in our language where its code has a text there."""
    known = error.code in TEXTS[words.language].errors and not isinstance(error, RequestRefused)
    return render_error(error, words.language) if known else cut(error.message)


# --- leaving and coming back ---------------------------------------------------------------------


def _way_back(
    options: argparse.Namespace, execution: RemoteExecution, timeline: Timeline, words: Words
) -> str:
    """Return what somebody who leaves should know."""
    if execution.id:
        seen = ("--from", str(timeline.head)) if options.json and timeline.head else ()
        return words.left.format(
            watch=_watch(options, execution.id, *seen),
            cancel=_command(options, "executions", "cancel", execution.id),
        )
    if execution.id == "" or execution.idempotency_key is None:
        return words.left_v1
    key = ("--idempotency-key", execution.idempotency_key)
    return words.left_unknown.format(command=_command(options, "execute", options.agent_id, *key))


def _watch(options: argparse.Namespace, execution_id: str | None, *more: str) -> str:
    return _command(options, "watch", execution_id or "", *more)


def _command(options: argparse.Namespace, *words: str) -> str:
    """Return a command line for the same server."""
    server = () if options.url is None else ("--url", options.url)
    return shlex.join(("zephyrus-exec", *words, *server))


# --- arguments -----------------------------------------------------------------------------------


def _input(text: str | None) -> Json:
    """Return the JSON that is given, or that the file named behind an `@` holds; null: none."""
    if text is None:
        return None
    source = "--input"
    if text.startswith("@"):
        source, text = f"--input {text}", _read(Path(text[1:]))
    try:
        return as_json(json.loads(text))
    except (ValueError, RecursionError):
        refuse(source, "is no JSON", "write such as '{\"amount\": 7}', or @FILE")
    except InvalidValue as error:
        refuse(source, error.message, "write plain JSON")


def _read(path: Path) -> str:
    try:
        return path.expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        refuse("--input", f"{str(path)!r} cannot be read as UTF-8 text", "name a file of JSON")
