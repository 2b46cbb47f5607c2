"""The clients in the original service's documentation work as they stand there."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.integration.processes import PATIENCE
from tests.javascript import bundle, node_command
from zephyrus_exec.demo import IDLE_AGENT, MINTING_AGENT, REVERTING_AGENT

from .pages import UNKNOWN_AGENT, shows, write_page

if TYPE_CHECKING:
    from playwright.async_api import ConsoleMessage, Page

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="package")]

HERE = Path(__file__).parent
CLIENT = (HERE / "seed" / "client.js").read_text(encoding="utf-8")
COMPONENT = (HERE / "seed" / "AgentExecutor.jsx").read_text(encoding="utf-8")

FAILED = "Error en la ejecución:"
ENDS = [
    (MINTING_AGENT, "Ejecución completada: 2 acciones ejecutadas"),
    (IDLE_AGENT, "Ejecución completada: 0 acciones ejecutadas"),
    (REVERTING_AGENT, f"{FAILED} La acción 1 (alwaysReverts) falló: El contrato revirtió"),
    (UNKNOWN_AGENT, f"{FAILED} Agente no encontrado: {UNKNOWN_AGENT}"),
]
"""What the client writes to the console, by the agent that is written into it."""


def client_for(agent_id: str) -> str:
    """Return the client with another agent's id, as whoever uses it puts their own there.

    With the seed's agent, not a byte of it is changed.
    """
    assert CLIENT.count(MINTING_AGENT) == 1
    return CLIENT.replace(MINTING_AGENT, agent_id)


# --- Node ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("agent_id", "end"), ENDS)
async def test_the_javascript_client_tells_each_end_in_node(
    agent_id: str, end: str, demo_url: str, tmp_path: Path
) -> None:
    script = tmp_path / "client.js"
    script.write_text(client_for(agent_id), encoding="utf-8")
    command = (*node_command(), "--require", str(HERE / "redirect.cjs"), str(script))
    said = await _said_until(end, command, {"PORT": str(urlsplit(demo_url).port)})
    assert said[0] == "Conectado al servidor"
    assert "Ejecución iniciada, esperando resultados..." in said


async def _said_until(end: str, command: Sequence[str], environ: dict[str, str]) -> list[str]:
    """Run a program that stays connected until it writes a line that begins like this."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **environ},
    )
    assert process.stdout is not None
    said: list[str] = []
    try:
        async with asyncio.timeout(PATIENCE):
            while not (said and said[-1].startswith(end)):
                line = (await process.stdout.readline()).decode()
                assert line, "it ended: " + "\n".join(said)
                said.append(line.rstrip("\n"))
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
    return said


# --- Chromium ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("agent_id", "end"), ENDS)
async def test_the_javascript_client_tells_each_end_in_chromium(
    agent_id: str, end: str, page: Page, serve_folder: Callable[[Path], str], tmp_path: Path
) -> None:
    (tmp_path / "client.js").write_text(client_for(agent_id), encoding="utf-8")
    write_page(tmp_path, "client.js")
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))

    def is_end(message: ConsoleMessage) -> bool:
        return message.text.startswith(end)

    async with page.expect_console_message(is_end):
        await page.goto(serve_folder(tmp_path))
    assert said[0] == "Conectado al servidor"
    assert "Ejecución iniciada, esperando resultados..." in said


@pytest.fixture(scope="module")
def component_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with the component on it. Whoever copies the component exports and mounts it."""
    folder = tmp_path_factory.mktemp("component")
    component = f"{COMPONENT}\nexport default AgentExecutor;\n"
    (folder / "AgentExecutor.jsx").write_text(component, encoding="utf-8")
    (folder / "main.jsx").write_text(_MAIN, encoding="utf-8")
    bundle(folder / "main.jsx", folder / "main.js")
    write_page(folder, "main.js")
    return folder


_MAIN = """
import { createRoot } from 'react-dom/client';
import AgentExecutor from './AgentExecutor.jsx';

const agentId = new URLSearchParams(location.search).get('agent');
createRoot(document.querySelector('main')).render(<AgentExecutor agentId={agentId} />);
"""


@pytest.mark.parametrize(
    ("agent_id", "end"),
    [
        (MINTING_AGENT, "Resultados (2 acciones)"),
        (IDLE_AGENT, "No se ejecutó ninguna acción"),
        (REVERTING_AGENT, "Error: La acción 1 (alwaysReverts) falló: El contrato revirtió"),
        (UNKNOWN_AGENT, f"Error: Agente no encontrado: {UNKNOWN_AGENT}"),
    ],
)
async def test_the_react_component_shows_each_end(
    agent_id: str,
    end: str,
    page: Page,
    serve_folder: Callable[[Path], str],
    component_folder: Path,
) -> None:
    await page.goto(f"{serve_folder(component_folder)}/?agent={agent_id}")
    button = page.get_by_role("button", name="Ejecutar Agente")
    await button.click()
    await shows(page.locator("main"), end)
    assert await button.is_enabled()


async def test_the_react_component_lists_what_was_done_and_executes_again(
    page: Page, serve_folder: Callable[[Path], str], component_folder: Path
) -> None:
    await page.goto(f"{serve_folder(component_folder)}/?agent={MINTING_AGENT}")
    for _ in range(2):
        await page.get_by_role("button", name="Ejecutar Agente").click()
        await shows(page.get_by_role("listitem").nth(0), "Función: balanceOf")
        await shows(page.get_by_role("listitem").nth(1), 'Resultado: "0x')
