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
                code = await _until_end(follower, execution, options, teller)
        except (asyncio.CancelledError, AccessError):
            note(_way_back(options, execution, timeline, words))
            raise
        if teller.closed and timeline.completed is None:
            note(_way_back(options, execution, timeline, words))
        return code


async def _until_end(
    follower: Follower,
    execution: RemoteExecution,
    options: argparse.Namespace,
    teller: StatusTeller,
) -> int:
    """Follow an execution, and return the exit code."""
    words = teller.words
    try:
        await follower.follow(execution)
    except (ConfigurationError, AccessError):
        raise
    except ZephyrusError as error:
        told = cut(error.message) if teller.closed else text_of(error, words)
        follower.display.refused(error, told)
        begun = execution.id is not None and execution.idempotency_key is not None
        unknown = begun or teller.closed or isinstance(error, _NOBODY_KNOWS)
        return EXIT_IN_DOUBT if unknown else EXIT_FAILED
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
            cancel=_command(options, "executions", "cancel", cut(execution.id)),
        )
    if execution.id == "" or execution.idempotency_key is None:
        return words.left_v1
    return words.left_unknown.format(command=_again(options, execution.idempotency_key))


def _again(options: argparse.Namespace, key: str) -> str:
    """Return the command line that asks for the same as before, by the same key."""
    same = {"--input": options.input, "--deadline": options.deadline, "--idempotency-key": key}
    given = [word for name, value in same.items() if value is not None for word in (name, value)]
    return _command(options, "execute", options.agent_id, *map(str, given))


def _watch(options: argparse.Namespace, execution_id: str | None, *more: str) -> str:
    return _command(options, "watch", cut(execution_id or ""), *more)


def _command(options: argparse.Namespace, *words: str) -> str:
    """Return a command line for the same server."""
    same = {
        "--url": options.url,
        "--token-file": options.token_file,
        "--env-file": options.env_file,
    }
    given = [word for name, value in same.items() if value is not None for word in (name, value)]
    return shlex.join(("zephyrus-exec", *words, *map(str, given)))


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
