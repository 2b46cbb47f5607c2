"""`agents import`: what a deployed Zephyrus system holds, put where agents are kept."""

from __future__ import annotations

import argparse
import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from ..config import is_url, load_settings
from ..conversion import unstructure
from ..errors import ConfigurationError
from ..interfaces.repositories import WritableRepository
from ..repositories.files import FilesRepository
from ..repositories.files_format import SUFFIXES
from ..repositories.memory import MemoryRepository
from ..repositories.sqlite import SqliteRepository
from ..repositories.zephyrus import Line, Report, Tables, import_into, read_source, read_tables
from .environment import environment_of
from .output import note, print_json, print_table

_API = "DB_API_URL"
"""The variable that named the API in the original service."""


async def import_command(options: argparse.Namespace) -> int:
    """Import, and print what became of each row; 1: something was refused."""
    logging.getLogger("zephyrus_exec.repositories").addHandler(logging.NullHandler())
    path = _target_path(options)
    tables = await _read(options)
    if path is None:
        raise ConfigurationError(
            "it is not said where to import to; name a SQLite file or a folder with --to"
        )
    reading = await asyncio.to_thread(read_tables, tables, chain_id=options.chain_id)
    async with _target(path, dry_run=options.dry_run) as target:
        report = await import_into(target, reading, dry_run=options.dry_run)
    _print(report, json=options.json)
    counts = report.counts
    note(
        ("nothing was written: " if options.dry_run else "")
        + ", ".join(f"{number} {verdict}" for verdict, number in counts.items())
    )
    return 1 if counts["refused"] else 0


# --- from where ----------------------------------------------------------------------------------


async def _read(options: argparse.Namespace) -> Tables:
    source = options.source or environment_of(options).get(_API)
    if not source:
        raise ConfigurationError(f"there is nothing to import; name a SOURCE, or set {_API}")
    if is_url(source):
        return await _read_api(source, options.agent or (), options.contract or ())
    if options.agent or options.contract:
        raise ConfigurationError("--agent, --contract: a file is imported whole; leave them out")
    return await asyncio.to_thread(read_source, Path(source))


async def _read_api(url: str, agents: Sequence[str], contracts: Sequence[str]) -> Tables:
    """Return the rows of these agents, and of these contracts' agents: the API lists no others."""
    from ..repositories.zephyrus import ZephyrusApi

    if not agents and not contracts:
        raise ConfigurationError(
            "the API does not list its agents; name them with --agent ID, or contracts whose "
            "agents are meant with --contract ID"
        )
    api = ZephyrusApi(url)
    try:
        names = set(agents)
        for contract in contracts:
            names.update(await api.agents_of(contract))
        tables = Tables()
        for name in sorted(names):
            tables = tables.with_tables(await api.tables_of(name))
        return tables
    finally:
        await api.aclose()


# --- where to ------------------------------------------------------------------------------------


def _target_path(options: argparse.Namespace) -> Path | None:
    """Return where the settings or `--to` keep agents; null: nobody says."""
    if options.to is not None:
        return Path(options.to)
    environ = {name: text for name, text in environment_of(options).items() if name != _API}
    named = load_settings(vars(options), environ, options.config).agents_from
    return None if named is None or is_url(named) else Path(named)


@asynccontextmanager
async def _target(path: Path, *, dry_run: bool) -> AsyncIterator[WritableRepository]:
    """Open what is written to; where nothing may be written and nothing is there, an empty one."""
    async with AsyncExitStack() as stack:
        target = await _open(path, dry_run=dry_run)
        stack.push_async_callback(target.aclose)
        yield target


async def _open(path: Path, *, dry_run: bool) -> WritableRepository:
    there, is_folder = await asyncio.to_thread(lambda: (path.exists(), path.is_dir()))
    if dry_run and not there:
        return MemoryRepository()
    if is_folder or path.suffix.lower() in SUFFIXES:
        return FilesRepository(path)
    return await SqliteRepository.open(path, create=not dry_run)


# --- the report ----------------------------------------------------------------------------------


def _print(report: Report, *, json: bool) -> None:
    if json:
        for line in report.lines:
            print_json(unstructure(line))
        return
    for table in dict.fromkeys(line.table for line in report.lines):
        rows = [_row(line) for line in report.lines if line.table == table]
        print_table(table, ("verdict", "row", "what"), rows)


def _row(line: Line) -> tuple[str, str, str]:
    verdict = f"{line.verdict}, {line.stored}" if line.stored else line.verdict
    return verdict, f"{line.name}\n{line.id}".strip(), line.text
