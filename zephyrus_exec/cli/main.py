"""Commands, their options, and how each ends."""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from .. import __version__
from ..access import SCOPES
from ..config import LANGUAGES
from ..errors import ZephyrusError
from ..logs import LEVELS
from . import (
    access,
    agents,
    demo,
    doctor,
    effects,
    execute,
    executions,
    importing,
    lanes,
    serving,
    store,
)
from .connecting import DEFAULT_URL
from .logs import logging_restored
from .loop import choose_loop
from .output import note, write_anything
from .usage import EXIT_USAGE, Parser

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_UNREAD = 141

Command: TypeAlias = Callable[[argparse.Namespace], Awaitable[int]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the process's exit code.

    Args:
        arguments: Without the program's name; null: the process's own.

    Returns:
        0: it succeeded. 1: the execution did not succeed, or its server refused it. 2: usage,
        configuration or connection, or an operation that was refused. 3: nobody knows yet what the
        execution did. 130: Ctrl-C. 141: nobody reads on, and the execution goes on.
    """
    options = build_parser().parse_args(arguments)
    write_anything(json=getattr(options, "json", False))
    with logging_restored():
        return _ended(options.command, options)


def _ended(command: Command, options: argparse.Namespace) -> int:
    try:
        with asyncio.Runner(loop_factory=options.choose_loop(options)) as runner:
            return runner.run(_run(command, options))
    except ZephyrusError as error:
        note(f"zephyrus-exec: {error.message}")
        return EXIT_USAGE
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output, `head` for one, has had enough
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())  # for what is buffered still
        os.close(nowhere)
        return int(options.unread)


def _asyncio(_: argparse.Namespace) -> None:
    """Leave the loop to asyncio."""


async def _run(command: Command, options: argparse.Namespace) -> int:
    return await command(options)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of every command; the documentation is checked against it."""
    parser = Parser(
        prog="zephyrus-exec", description="Run agents somewhere else and watch every step."
    )
    parser.add_argument("--version", action="version", version=f"zephyrus-exec {__version__}")
    parser.set_defaults(choose_loop=_asyncio, unread=EXIT_OK)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_serve(commands)
    _add_execute(commands)
    _add_watch(commands)
    _add_executions(commands)
    _add_effects(commands)
    _add_lanes(commands)
    _add_store(commands)
    _add_agents(commands)
    _add_tokens(commands)
    _add_doctor(commands)
    _add_demo(commands)
    return parser


_Commands: TypeAlias = "argparse._SubParsersAction[Parser]"


def _add_serve(commands: _Commands) -> None:
    serve = commands.add_parser("serve", help="serve agents to WebSocket clients")
    serve.add_argument("--host", help="name or address to listen on; * for all [localhost]")
    serve.add_argument("--port", help="TCP port; 0 for a free one [8765]")
    serve.add_argument("--store", help="memory: or a SQLite file [zephyrus.db]")
    _add_agents_from(serve)
    serve.add_argument("--rpc", action="append", metavar="CHAINID=URL", help="RPC URL of a chain")
    serve.add_argument("--language", help="language of the clients' texts: es or en [es]")
    serve.add_argument("--drain-timeout", metavar="SECONDS", help="time a stop may take [8]")
    _add_keep(serve)
    serve.add_argument("--demo", action="store_true", help="an embedded chain and demo agents")
    _add_access(serve)
    _add_config(serve)
    serve.add_argument(
        "--log-level", help=f"the least that is logged: {', '.join(LEVELS)} [warning]"
    )
    serve.add_argument("--log-format", help="how lines are logged: text or json [text]")
    serve.add_argument("--loop", help="event loop: auto, asyncio or uvloop [auto]")
    serve.set_defaults(command=serving.serve_command, choose_loop=choose_loop)


def _add_keep(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--keep-executions", metavar="COUNT", help="ended executions that are kept [all]"
    )
    command.add_argument(
        "--keep-for", metavar="TIME", help="how long they are kept: 90d, 12h, 30m [for ever]"
    )


def _add_access(serve: argparse.ArgumentParser) -> None:
    serve.add_argument("--tokens", metavar="FILE", help="who may come; see tokens new")
    serve.add_argument(
        "--allow-anonymous", action="store_true", default=None, help="everybody may come"
    )
    serve.add_argument(
        "--origin", action="append", dest="origins", metavar="ORIGIN", help="a page's, or null"
    )
    serve.add_argument(
        "--allowed-host",
        action="append",
        dest="allowed_hosts",
        metavar="NAME",
        help="another name of this machine",
    )
    serve.add_argument(
        "--trusted-proxy",
        action="append",
        dest="trusted_proxies",
        metavar="CIDR",
        help="who is believed about its clients",
    )
    serve.add_argument("--tls-cert", metavar="FILE", help="certificate chain, PEM")
    serve.add_argument("--tls-key", metavar="FILE", help="its private key, PEM")
    serve.add_argument("--unix", metavar="PATH", help="a Unix socket instead of a port")
    serve.add_argument("--unix-mode", metavar="MODE", help="its permissions [600]")


def _add_tokens(commands: _Commands) -> None:
    group = commands.add_parser("tokens", help="who may come to a server")
    actions = group.add_subparsers(metavar="ACTION", required=True)
    new = actions.add_parser("new", help="add a token to a file, and print it once")
    new.add_argument("name", metavar="NAME", help="for people; unique")
    new.add_argument(
        "--scope",
        action="append",
        choices=SCOPES,
        help="what it allows; repeatable [execute and watch]",
    )
    new.add_argument("--principal", metavar="ID", help="on whose behalf its bearer asks [NAME]")
    new.add_argument(
        "--expires", type=access.expiry, metavar="WHEN", help="90d, 12h, or a time [never]"
    )
    new.set_defaults(command=access.new_command)
    listing = actions.add_parser("list", help="what each token of a file allows")
    listing.set_defaults(command=access.list_command)
    for command in (new, listing):
        command.add_argument("--tokens", metavar="FILE", help="the token file [ZEPHYRUS_TOKENS]")
        _add_config(command)


def _add_execute(commands: _Commands) -> None:
    command = commands.add_parser("execute", help="ask a server for an execution and follow it")
    command.add_argument("agent_id", metavar="AGENT_ID")
    command.add_argument("--input", metavar="JSON", help="for the agent; or @FILE that holds it")
    command.add_argument(
        "--idempotency-key", metavar="KEY", help="the same key asks for the same execution, once"
    )
    command.add_argument(
        "--deadline", type=_seconds, metavar="SECONDS", help="the time it may take"
    )
    _add_following(command)
    command.set_defaults(command=execute.execute_command)


def _add_watch(commands: _Commands) -> None:
    command = commands.add_parser("watch", help="follow an execution that somebody asked for")
    command.add_argument("execution_id", metavar="EXECUTION_ID")
    command.add_argument(
        "--from",
        dest="after",
        type=_number,
        default=0,
        metavar="SEQ",
        help="only events behind this one [0]",
    )
    _add_following(command)
    command.set_defaults(command=execute.watch_command)


def _add_following(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--until-final",
        action="store_true",
        help="go on until nothing can change its transactions any more",
    )
    command.add_argument("--url", help=f"the server [WS_URL or {DEFAULT_URL}]")
    _add_token(command)
    _add_language(command)
    _add_env_file(command)
    command.add_argument("--json", action="store_true", help="the protocol's frames, one a line")
    command.set_defaults(unread=EXIT_UNREAD)


def _add_executions(commands: _Commands) -> None:
    group = commands.add_parser("executions", help="look at what was executed; end what is not")
    actions = group.add_subparsers(metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="the newest executions")
    listing.add_argument("--agent", metavar="AGENT_ID", help="only of this agent")
    listing.add_argument("--limit", type=_count, default=20, help="at most so many [%(default)s]")
    listing.add_argument("--before", metavar="EXECUTION_ID", help="only older ones than this")
    listing.set_defaults(command=executions.list_command)
    show = actions.add_parser("show", help="one execution, every event so far")
    show.set_defaults(command=executions.show_command)
    cancel = actions.add_parser("cancel", help="ask one to end; what was signed goes on")
    cancel.add_argument("--reason", default="", metavar="TEXT", help="why; it is journaled")
    cancel.set_defaults(command=executions.cancel_command)
    for command in (show, cancel):
        command.add_argument("execution_id", metavar="EXECUTION_ID")
    for command in (listing, show, cancel):
        place = command.add_mutually_exclusive_group()
        place.add_argument("--store", help="the SQLite file [zephyrus.db]")
        place.add_argument("--url", help="a server instead of a file")
        _add_token(command)
        _add_language(command)
        _add_config(command)
        _add_json(command)


def _add_token(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="holds the token for the server [ZEPHYRUS_TOKEN_FILE, or ZEPHYRUS_TOKEN itself]",
    )


def _add_language(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--language",
        choices=LANGUAGES,
        help="what is spoken here [ZEPHYRUS_LANGUAGE, or the system's]",
    )


def _add_effects(commands: _Commands) -> None:
    group = commands.add_parser("effects", help="what was sent, and what became of it")
    actions = group.add_subparsers(metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="the newest effects")
    listing.add_argument("--lane", metavar="LANE", help="only of this lane, CHAINID:ADDRESS")
    listing.add_argument("--open", action="store_true", help="only what is not settled")
    listing.add_argument("--limit", type=_count, default=20, help="at most so many [%(default)s]")
    listing.set_defaults(command=effects.list_command)
    show = actions.add_parser("show", help="one effect; with --json its evidence bundle")
    show.set_defaults(command=effects.show_command)
    resolve = actions.add_parser("resolve", help="say what became of an effect in doubt")
    verdict = resolve.add_mutually_exclusive_group(required=True)
    verdict.add_argument("--happened", action="store_true", help="the call was made")
    verdict.add_argument("--did-not-happen", action="store_true", help="it was not, and cannot be")
    resolve.add_argument("--evidence", required=True, metavar="TEXT", help="how you know")
    resolve.set_defaults(command=effects.resolve_command)
    for command in (show, resolve):
        command.add_argument("effect", metavar="EFFECT", help="its key, or a transaction's hash")
    for command in (listing, show, resolve):
        _add_journal(command)
        _add_json(command)


def _add_lanes(commands: _Commands) -> None:
    group = commands.add_parser("lanes", help="accounts and their nonces; operate them")
    actions = group.add_subparsers(metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="every lane")
    listing.set_defaults(command=lanes.list_command)
    show = actions.add_parser("show", help="one lane, what it has under way, and its history")
    show.set_defaults(command=lanes.show_command)
    check = actions.add_parser("check", help="compare it with its chain now, and act on that")
    check.set_defaults(command=lanes.check_command)
    opening = actions.add_parser("open", help="take transactions again")
    opening.set_defaults(command=lanes.open_command)
    cancel = actions.add_parser("cancel", help="use a nonce up before its transaction is included")
    cancel.set_defaults(command=lanes.cancel_command)
    drain = actions.add_parser("drain", help="take nothing new; what is under way goes on")
    drain.set_defaults(command=lanes.drain_command)
    retire = actions.add_parser("retire", help="take nothing any more, with nothing under way")
    retire.set_defaults(command=lanes.retire_command)
    for command in (show, check, opening, cancel, drain, retire):
        command.add_argument("lane", metavar="LANE", help="CHAINID:ADDRESS; see `lanes list`")
    cancel.add_argument("nonce", type=_nonce, metavar="NONCE", help="of the transaction")
    for command in (check, opening, cancel, drain, retire):
        command.add_argument("--reason", default="", metavar="TEXT", help="why; it is journaled")
    for command in (listing, show, check, opening, cancel, drain, retire):
        _add_journal(command)
        _add_json(command)
    for command in (check, opening, cancel):
        _add_rpc(command)


def _add_store(commands: _Commands) -> None:
    group = commands.add_parser("store", help="look after a journal's file")
    actions = group.add_subparsers(metavar="ACTION", required=True)
    restored = actions.add_parser(
        "restored", help="say that the file is a restored backup: its lanes are halted"
    )
    restored.add_argument("--reason", default="", metavar="TEXT", help="why; it is journaled")
    _add_journal(restored)
    _add_json(restored)
    restored.set_defaults(command=store.restored_command)
    backup = actions.add_parser("backup", help="copy it into a new file while servers write it")
    backup.add_argument("to", type=Path, metavar="TO", help="the new file; none is ever replaced")
    backup.set_defaults(command=store.backup_command)
    verify = actions.add_parser("verify", help="look for damage; 1: there is some")
    verify.add_argument(
        "file", type=Path, nargs="?", metavar="FILE", help="a backup, say [the journal]"
    )
    verify.set_defaults(command=store.verify_command)
    prune = actions.add_parser("prune", help="forget old executions now, beside servers or not")
    _add_keep(prune)
    prune.add_argument("--dry-run", action="store_true", help="only tell how many")
    prune.set_defaults(command=store.prune_command)
    for command in (backup, verify, prune):
        _add_journal(command)
        _add_json(command)


def _add_agents(commands: _Commands) -> None:
    group = commands.add_parser("agents", help="look at the agents a server would have")
    actions = group.add_subparsers(metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="every agent")
    listing.set_defaults(command=agents.list_command)
    show = actions.add_parser("show", help="one agent, as JSON")
    show.add_argument("agent_id", metavar="AGENT_ID")
    show.set_defaults(command=agents.show_command)
    check = actions.add_parser("check", help="what would keep agents from running")
    check.set_defaults(command=agents.check_command)
    export = actions.add_parser("export", help="write them as a JSON file that is read back")
    export.add_argument(
        "--to", type=Path, metavar="PATH", help="a .json file, or a folder [stdout]"
    )
    export.add_argument("--force", action="store_true", help="replace the file where there is one")
    export.set_defaults(command=agents.export_command)
    _add_import(actions)
    for command in (listing, show, check, export):
        _add_agents_from(command)
        command.add_argument("--demo", action="store_true", help="the demo's agents")
        _add_rpc(command)
        _add_config(command)


def _add_import(actions: _Commands) -> None:
    command = actions.add_parser("import", help="take over what a Zephyrus system holds")
    command.add_argument(
        "source",
        nargs="?",
        metavar="SOURCE",
        help="a JSON file or folder, a SQLite file, or the API's URL [DB_API_URL]",
    )
    command.add_argument(
        "--to", metavar="PATH", help="a SQLite file, a folder, or a file [ZEPHYRUS_AGENTS]"
    )
    command.add_argument(
        "--chain-id", type=_count, metavar="CHAINID", help="of contracts that name no chain"
    )
    command.add_argument(
        "--agent", action="append", metavar="ID", help="from an API: import this agent"
    )
    command.add_argument(
        "--contract", action="append", metavar="ID", help="from an API: import its agents"
    )
    command.add_argument("--dry-run", action="store_true", help="write nothing, tell what would be")
    _add_json(command)
    _add_config(command)
    command.set_defaults(command=importing.import_command)


def _add_doctor(commands: _Commands) -> None:
    command = commands.add_parser("doctor", help="look at everything a server needs; sends nothing")
    command.add_argument("--host", help="as for serve")
    command.add_argument("--port", help="as for serve")
    _add_rpc(command)
    _add_journal(command)
    _add_json(command)
    command.set_defaults(command=doctor.doctor_command)


def _add_demo(commands: _Commands) -> None:
    command = commands.add_parser("demo", help="see an agent read and change a contract, now")
    command.set_defaults(command=demo.demo_command)


def _add_journal(command: argparse.ArgumentParser) -> None:
    command.add_argument("--store", help="the SQLite file [zephyrus.db]")
    _add_config(command)


def _add_json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="one JSON object a line")


def _add_rpc(command: argparse.ArgumentParser) -> None:
    command.add_argument("--rpc", action="append", metavar="CHAINID=URL", help="a chain's URL")


def _add_agents_from(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--agents",
        dest="agents_from",
        metavar="PATH",
        help="agents beside the settings file's: a folder, file, SQLite database, or API's URL",
    )
    command.add_argument(
        "--agents-chain-id", metavar="CHAINID", help="the chain of contracts that an API knows"
    )


def _add_config(command: argparse.ArgumentParser) -> None:
    command.add_argument("--config", type=Path, metavar="FILE", help="settings as TOML")
    _add_env_file(command)


def _add_env_file(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--env-file", type=Path, metavar="FILE", help="variables as NAME=value lines [.env]"
    )


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no count; write 1 or more")
    return int(text)


def _number(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no event's number; write 0 or more")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write seconds, more than 0")
    return seconds


def _nonce(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no nonce; write 0 or more")
    return int(text)
