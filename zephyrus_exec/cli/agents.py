"""`agents`: what a server would have, and what would keep it from running."""

from __future__ import annotations

import argparse
import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from ..config import Settings
from ..conversion import unstructure
from ..errors import ConfigurationError, RepositoryError
from ..repositories.files_format import render, write_file
from ..repositories.files_writing import WRITTEN_FILE
from ..stores.memory import MemoryStore
from .composition import Parts, make_engine, open_parts
from .environment import read_settings
from .output import note, print_json, print_table

_UNHEARD = logging.NullHandler()
"""Takes the log's lines about what is not usable; these commands tell it themselves."""


async def list_command(options: argparse.Namespace) -> int:
    """Print every agent."""
    async with _parts(options) as parts:
        rows = [
            (agent.id, agent.name, agent.status, agent.contract_id or "", agent.signer or "")
            async for agent in parts.repository.list_agents()
        ]
        problems = await parts.repository.find_problems()
    print_table("", ("agent", "name", "status", "contract", "signer"), rows)
    _note_problems(problems)
    return 0


async def show_command(options: argparse.Namespace) -> int:
    """Print one agent as JSON."""
    async with _parts(options) as parts:
        print_json(unstructure(await parts.repository.get_agent(options.agent_id)))
    return 0


async def check_command(options: argparse.Namespace) -> int:
    """Print what is wrong with each agent; 0: nothing, 1: something."""
    settings = _settings(options)
    rows: list[tuple[str, str, str]] = []
    async with open_parts(settings, demo=options.demo) as parts:
        engine = make_engine(parts, MemoryStore(), settings)
        async for agent in parts.repository.list_agents():
            problems = await engine.find_problems(agent)
            rows += [(agent.id, agent.name, problem) for problem in problems or ["ok"]]
        rows += [
            (str(problem.details.get("agent_id", "")), "", problem.message)
            for problem in await parts.repository.find_problems()
        ]
    print_table("", ("agent", "name", "found"), rows)
    return 0 if all(found == "ok" for *_, found in rows) else 1


async def export_command(options: argparse.Namespace) -> int:
    """Write every agent and contract; 1: some could not be read, and are missing."""
    settings = _settings(options)
    async with open_parts(settings, demo=options.demo) as parts:
        agents = [agent async for agent in parts.repository.list_agents()]
        contracts = [contract async for contract in parts.repository.list_contracts()]
        problems = await parts.repository.find_problems()
    text = render([*agents, *contracts])
    if options.to is None:
        print(text, end="", flush=True)
    else:
        file = _target(options.to, source=settings.agents_from)
        await asyncio.to_thread(_write, file, text, force=options.force)
        note(f"{file}: {len(agents)} agents, {len(contracts)} contracts")
    _note_problems(problems)
    return 1 if problems else 0


def _target(to: Path, *, source: str | None) -> Path:
    """Return the file to write.

    Raises:
        ConfigurationError: It lies in the folder that is exported, where it would say everything
            a second time.
    """
    file = to if to.suffix.lower() == ".json" else to / WRITTEN_FILE
    if source is not None and file.resolve().parent == Path(source).resolve():
        raise ConfigurationError(
            f"--to: {file.name} would describe every agent of its folder twice; name another folder"
        )
    return file


def _write(file: Path, text: str, *, force: bool) -> None:
    try:
        file.parent.mkdir(exist_ok=True)
        write_file(file, text, overwrite=force)
    except OSError as error:
        there = isinstance(error, FileExistsError) and file.is_file()
        remedy = "replace it with --force" if there else "name another place"
        raise ConfigurationError(
            f"--to: {str(file)!r} cannot be written ({error.strerror}); {remedy}"
        ) from error


def _note_problems(problems: Sequence[RepositoryError]) -> None:
    for problem in problems:
        note(f"not usable: {problem.message}")


@asynccontextmanager
async def _parts(options: argparse.Namespace) -> AsyncIterator[Parts]:
    async with open_parts(_settings(options), demo=options.demo) as parts:
        yield parts


def _settings(options: argparse.Namespace) -> Settings:
    logging.getLogger("zephyrus_exec.repositories").addHandler(_UNHEARD)
    return read_settings(options)
