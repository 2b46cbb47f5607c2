"""A server whose agents are edited while it runs."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from urllib.request import urlopen

import pytest

from zephyrus_exec import Agent, Component, SqliteRepository
from zephyrus_exec.protocol.messages import Completed, Failed
from zephyrus_exec.testing.v1 import connect_v1

from .commands import serving

pytestmark = pytest.mark.skipif(os.name == "nt", reason="stops servers by POSIX signals")

LOOPBACK = ("--host", "127.0.0.1", "--port", "0", "--store", "memory:")
IDLE = '{"agents":[{"id":"idle","planner":{"name":"steps","settings":{"steps":[]}}%s}]}'


async def execute(url: str, agent_id: str) -> str | None:
    """Return why an execution failed; null: it did not."""
    async with connect_v1(url) as client:
        *_, last = [reply async for reply in client.execute(agent_id)]
    assert isinstance(last, Completed | Failed)
    return last.error if isinstance(last, Failed) else None


def readiness(url: str) -> dict[str, object]:
    with urlopen(url.replace("ws:", "http:") + "/readyz") as response:
        found: dict[str, object] = json.load(response)
    return found


def replace(file: Path, text: str) -> None:
    """Put a new file in the place of the old one, as careful programs do."""
    beside = file.with_name(".new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(file)


async def until(url: str, agent_id: str, said: str | None) -> None:
    """Execute until it ends as it should; a change takes about a second to be seen."""
    for _ in range(100):
        error = await execute(url, agent_id)
        if error is None if said is None else said in (error or ""):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{agent_id} never ended with {said!r}, but with {error!r}")


@pytest.mark.slow
@pytest.mark.shows("serve --agents")
async def test_agents_of_a_folder_are_served_as_they_are_edited(tmp_path: Path) -> None:
    folder = tmp_path / "agents"
    folder.mkdir()
    file = folder / "idle.json"
    replace(file, IDLE % "")
    replace(folder / "bad.json", "{")
    async with serving(*LOOPBACK, "--agents", str(folder)) as server:
        (url,) = server.urls
        banner = "\n".join(server.banner)
        assert "  agents     1 (with those of agents)" in banner
        assert "  attention  bad.json: is no JSON" in banner
        assert str(tmp_path) not in banner
        health = await asyncio.to_thread(readiness, url)
        assert (health["status"], health["unusable"]) == ("degraded", 1)
        await until(url, "idle", None)
        replace(file, IDLE % ',"status":"stopped"')
        await until(url, "idle", "El agente idle está detenido")
        replace(file, "{")
        await until(url, "idle", "El agente idle está mal definido en $: is no JSON")
        file.unlink()
        await until(url, "idle", "Agente no encontrado: idle")
        replace(file, IDLE % "")
        await until(url, "idle", None)


async def test_agents_of_a_database_are_served_as_they_are_changed(tmp_path: Path) -> None:
    repository = await SqliteRepository.open(tmp_path / "agents.db")
    await repository.put([Agent("idle", planner=Component("steps", {"steps": []}))])
    async with serving(*LOOPBACK, "--agents", str(tmp_path / "agents.db")) as server:
        (url,) = server.urls
        assert await execute(url, "idle") is None
        await repository.remove(agents=["idle"])
        assert await execute(url, "idle") == "Agente no encontrado: idle"
    await repository.aclose()
