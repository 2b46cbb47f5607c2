"""`agents`: what a server would have, and what would keep it from running."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ..conversion import unstructure
from ..stores.memory import MemoryStore
from .composition import Parts, make_engine, open_parts
from .environment import read_settings
from .output import print_json, print_table


async def list_command(options: argparse.Namespace) -> int:
    """Print every agent."""
    async with _parts(options) as parts:
        rows = [
            (agent.id, agent.name, agent.status, agent.contract_id or "", agent.signer or "")
            async for agent in parts.repository.list_agents()
        ]
    print_table("", ("agent", "name", "status", "contract", "signer"), rows)
    return 0


async def show_command(options: argparse.Namespace) -> int:
    """Print one agent as JSON."""
    async with _parts(options) as parts:
        print_json(unstructure(await parts.repository.get_agent(options.agent_id)))
    return 0


async def check_command(options: argparse.Namespace) -> int:
    """Print what is wrong with each agent; 0: nothing, 1: something."""
    settings = read_settings(options)
    rows: list[tuple[str, str, str]] = []
    async with open_parts(settings, demo=options.demo) as parts:
        engine = make_engine(parts, MemoryStore(), settings)
        async for agent in parts.repository.list_agents():
            problems = await engine.find_problems(agent)
            rows += [(agent.id, agent.name, problem) for problem in problems or ["ok"]]
    print_table("", ("agent", "name", "found"), rows)
    return 0 if all(found == "ok" for *_, found in rows) else 1


@asynccontextmanager
async def _parts(options: argparse.Namespace) -> AsyncIterator[Parts]:
    settings = read_settings(options)
    async with open_parts(settings, demo=options.demo) as parts:
        yield parts
