"""The examples for web pages, used as a person uses them: the page, and the React component."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

import pytest
from attrs import frozen

from tests.docs.markdown import ROOT
from tests.integration.commands import environment
from tests.integration.processes import host, server
from tests.javascript import MODULES, build
from zephyrus_exec import demo
from zephyrus_exec.demo import IDLE_AGENT, MINTING_AGENT, PATIENT_AGENT, REVERTING_AGENT

from .conftest import DEMO
from .pages import UNKNOWN_AGENT, folder_served, free_port, shows

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="package")]

EXAMPLES = ROOT / "examples"


@frozen
class Example:
    """An example in a browser."""

    page: Page
    address: str
    """Where it is served."""

    async def open(self, server_url: str, *, language: str = "es") -> None:
        query = urlencode({"server": server_url, "lang": language})
        await self.page.goto(f"{self.address}?{query}")

    async def execute(self, agent_id: str) -> None:
        await self.page.get_by_label("Agente", exact=True).fill(agent_id)
        await self.button.click()

    @property
    def button(self) -> Locator:
        return self.page.get_by_role("button", name="Ejecutar", exact=True)

    @property
    def body(self) -> Locator:
        return self.page.locator("main")

    @property
    def alert(self) -> Locator:
        return self.page.get_by_role("alert")

    def row(self, number: int) -> Locator:
        return self.page.locator("tbody tr").nth(number - 1)


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Where each example is served."""
    react = tmp_path_factory.mktemp("react") / "example"
    shutil.copytree(EXAMPLES / "react", react, ignore=shutil.ignore_patterns("node_modules"))
    build(react)
    with folder_served(EXAMPLES) as examples, folder_served(react / "public") as built:
        yield {"page": f"{examples}/browser.html", "react": f"{built}/"}


@pytest.fixture(params=["page", "react"])
def example(request: pytest.FixtureRequest, addresses: dict[str, str], page: Page) -> Example:
    return Example(page, addresses[request.param])


@pytest.fixture
def page_alone(addresses: dict[str, str], page: Page) -> Example:
    return Example(page, addresses["page"])


@pytest.fixture
def component(addresses: dict[str, str], page: Page) -> Example:
    return Example(page, addresses["react"])


# --- ends ----------------------------------------------------------------------------------------


async def test_what_an_agent_did_is_a_table(example: Example, demo_url: str) -> None:
    await example.open(demo_url)
    await example.execute(MINTING_AGENT)
    await shows(example.body, "Completado: 2 acciones")
    await shows(example.row(1), "Saldo antes de acuñar")
    await shows(example.row(2), "mint")
    await shows(example.row(2), "amount = 25000000000000000000")
    await shows(example.row(2), "bloque")
    assert not await example.alert.is_visible()


async def test_the_page_may_be_opened_from_disk_beside_the_demo(page: Page, demo_url: str) -> None:
    """Its origin is `null` then, which only the demo takes by itself."""
    example = Example(page, (EXAMPLES / "browser.html").as_uri())
    await example.open(demo_url)
    await example.execute(MINTING_AGENT)
    await shows(example.row(2), "mint")


async def test_an_agent_with_nothing_to_do_says_so(example: Example, demo_url: str) -> None:
    await example.open(demo_url)
    await example.execute(IDLE_AGENT)
    await shows(example.body, "No se ejecutó ninguna acción durante el ciclo")
    assert not await example.row(1).is_visible()


@pytest.mark.parametrize(
    ("agent_id", "title", "reason"),
    [
        (REVERTING_AGENT, "La ejecución falló", "El contrato revirtió la llamada a alwaysReverts"),
        (UNKNOWN_AGENT, "", f"Agente no encontrado: {UNKNOWN_AGENT}"),
        ("x" * 257, "El servidor rechazó la solicitud", "agent_id"),
    ],
)
async def test_a_failure_is_told_and_the_next_execution_takes_its_place(
    agent_id: str, title: str, reason: str, example: Example, demo_url: str
) -> None:
    await example.open(demo_url)
    await example.execute(agent_id)
    await shows(example.alert, title)
    await shows(example.alert, reason)
    await example.execute(MINTING_AGENT)
    await shows(example.row(2), "mint")
    assert not await example.alert.is_visible()


async def test_while_an_agent_runs_there_is_progress_and_no_second_click(
    example: Example, demo_url: str
) -> None:
    await example.open(demo_url)
    await example.execute(PATIENT_AGENT)
    await shows(example.body, f"Iniciando ejecución del agente {PATIENT_AGENT}")
    assert await example.page.get_by_role("progressbar").is_visible()
    assert await example.button.is_disabled()
    await shows(example.row(10), "totalSupply")
    assert not await example.page.get_by_role("progressbar").is_visible()
    assert await example.button.is_enabled()


# --- a server that is not there ------------------------------------------------------------------


async def test_a_connection_lost_during_an_execution_warns_and_then_comes_back(
    page_alone: Example,
) -> None:
    async with server(*DEMO, env=environment()) as first:
        await page_alone.open(first.url)
        await page_alone.execute(PATIENT_AGENT)
        await shows(page_alone.body, "Iniciando ejecución")
        first.kill()
        await shows(page_alone.alert, "Se perdió la conexión")
        await shows(page_alone.alert, "Compruébelo allí antes de repetirla")
    async with server(*DEMO[:-1], str(urlsplit(first.url).port), env=environment()):
        await page_alone.execute(MINTING_AGENT)
        await shows(page_alone.row(2), "mint")
        assert not await page_alone.alert.is_visible()


async def test_the_component_shows_each_step_while_it_happens(
    component: Example, demo_url: str
) -> None:
    await component.open(demo_url)
    await component.execute(PATIENT_AGENT)
    await shows(component.row(2), "totalSupply")
    assert await component.button.is_disabled()
    assert not await component.row(10).is_visible()
    await shows(component.row(10), "totalSupply")
    await shows(component.body, "Completado: 10 acciones")


async def test_the_component_goes_on_by_itself_when_the_server_is_back(
    component: Example, tmp_path: Path
) -> None:
    async with host(tmp_path / "journal.db", lease=1.0) as first:
        await component.open(first.url)
        await component.execute("walk")
        await shows(component.row(3), "step")
        first.kill()
        await shows(component.body, "Sin conexión; se seguirá intentando")
    port = urlsplit(first.url).port or 0
    async with host(tmp_path / "journal.db", port=port, lease=1.0):
        await shows(component.body, "Completado: 30 acciones")
        assert await component.page.locator("tbody tr").count() == 30


async def test_the_component_says_so_where_the_end_cannot_be_known(component: Example) -> None:
    async with server(*DEMO, env=environment()) as first:
        await component.open(first.url)
        await component.execute(PATIENT_AGENT)
        await shows(component.row(1), "totalSupply")
        first.kill()
    async with server(*DEMO[:-1], str(urlsplit(first.url).port), env=environment()):
        await shows(component.alert, "No se sabe cómo terminó")
        await shows(component.alert, "Compruébelo allí antes de repetirla")
        await component.execute(MINTING_AGENT)
        await shows(component.row(2), "mint")
        assert not await component.alert.is_visible()


async def test_the_page_tells_that_there_is_no_server_and_finds_it_once_there_is(
    page_alone: Example,
) -> None:
    port = free_port()
    await page_alone.open(f"ws://127.0.0.1:{port}")
    await shows(page_alone.page.get_by_role("status").first, "Sin conexión; se seguirá intentando")
    assert await page_alone.button.is_disabled()
    async with server(*DEMO[:-1], str(port), env=environment()):
        await page_alone.page.get_by_role("button", name="Conectar ahora").click()
        await shows(page_alone.page.get_by_role("status").first, "Conectado")
        await page_alone.execute(MINTING_AGENT)
        await shows(page_alone.row(2), "mint")


async def test_an_address_that_is_none_is_told_until_there_is_a_better_one(
    page_alone: Example, demo_url: str
) -> None:
    await page_alone.open("ws://localhost:puerto")
    state = page_alone.page.get_by_role("status").first
    await shows(state, "La dirección del servidor no es válida")
    await page_alone.page.get_by_label("Servidor").fill(demo_url)
    await page_alone.page.get_by_label("Servidor").press("Tab")
    await shows(state, "Conectado")


async def test_the_component_asks_once_there_is_a_server(component: Example) -> None:
    port = free_port()
    await component.open(f"ws://127.0.0.1:{port}")
    await component.execute(MINTING_AGENT)
    await shows(component.body, "Sin conexión; se seguirá intentando")
    async with server(*DEMO[:-1], str(port), env=environment()):
        await shows(component.row(2), "mint")


# --- for everybody -------------------------------------------------------------------------------


async def test_the_page_speaks_the_language_of_the_browser_or_the_chosen_one(
    page_alone: Example, demo_url: str
) -> None:
    await page_alone.page.goto(f"{page_alone.address}?server={demo_url}")
    await shows(page_alone.body, "Ejecutar un agente")
    await page_alone.page.get_by_role("button", name="English").click()
    await shows(page_alone.body, "Execute an agent")
    await shows(page_alone.page.get_by_role("status").first, "Connected")
    assert await page_alone.page.locator("html").get_attribute("lang") == "en"


async def test_the_keyboard_is_enough(page_alone: Example, demo_url: str) -> None:
    await page_alone.open(demo_url)
    await shows(page_alone.page.get_by_role("status").first, "Conectado")
    await page_alone.page.get_by_label("Agente", exact=True).focus()
    await page_alone.page.keyboard.press("Enter")
    await shows(page_alone.row(2), "mint")


@pytest.mark.parametrize(("scheme", "language"), [("light", "es"), ("dark", "en")])
async def test_nothing_is_in_the_way_of_anybody(
    scheme: str, language: str, example: Example, demo_url: str
) -> None:
    """Contrast, names, roles and order, as far as a program can tell: axe finds nothing."""
    page = example.page
    await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    await page.set_viewport_size({"width": 320, "height": 640})
    await example.open(demo_url, language=language)
    button = page.get_by_role("button", name="Ejecutar" if language == "es" else "Execute")
    await button.click()
    await shows(example.row(2), "mint")
    await _finds_nothing(page)
    await page.locator("#agent").fill(UNKNOWN_AGENT)
    await button.click()
    await shows(example.alert, "Agente no encontrado")
    await _finds_nothing(page)


async def _finds_nothing(page: Page) -> None:
    await page.add_script_tag(path=MODULES / "axe-core" / "axe.min.js")
    report = await page.evaluate("axe.run()")
    assert report["passes"]
    assert [(found["id"], found["help"]) for found in report["violations"]] == []
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "too wide"


async def test_the_agents_that_the_page_suggests_are_those_of_the_demo(
    page_alone: Example, demo_url: str
) -> None:
    await page_alone.open(demo_url)
    suggested = await page_alone.page.locator("option").evaluate_all("all => all.map(o => o.value)")
    ids = {getattr(demo, name) for name in dir(demo) if name.endswith("_AGENT")}
    assert set(suggested) == ids
