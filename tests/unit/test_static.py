"""The files for web pages, as the server hands them out."""

from __future__ import annotations

import json

import pytest

from tests.anvil import REPOSITORY
from zephyrus_exec import ExecutionEngine, MemoryRepository, MemoryStore, Service, static
from zephyrus_exec.transports.http import HttpRequest

FOLDER = REPOSITORY / "zephyrus_exec" / "static"


@pytest.mark.parametrize("name", static.CONTENT_TYPES)
def test_a_file_is_served_as_it_is_shipped(name: str) -> None:
    response = static.respond(HttpRequest("GET", f"/{name}?v=1"))
    assert response is not None
    assert response.status == 200
    assert response.body == (FOLDER / name).read_bytes()


def test_browsers_take_the_module_for_a_script_whatever_page_asks() -> None:
    response = static.respond(HttpRequest("GET", "/zephyrus-exec.js"))
    assert response is not None
    assert response.content_type == "text/javascript; charset=utf-8"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert response.headers["Cache-Control"] == "no-cache"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/zephyrus-exec",
        "/package.json",
        "/__init__.py",
        "/../service.py",
        "//zephyrus-exec.js",
    ],
)
def test_nothing_else_is_there(target: str) -> None:
    assert static.respond(HttpRequest("GET", target)) is None


async def test_a_service_answers_with_the_module() -> None:
    nothing = MemoryRepository()
    engine = ExecutionEngine(agents=nothing, contracts=nothing, store=MemoryStore())
    response = await Service(engine).respond(HttpRequest("GET", "/zephyrus-exec.js"))
    assert response.body == (FOLDER / "zephyrus-exec.js").read_bytes()


def test_the_package_of_npm_names_the_files_that_are_there() -> None:
    package = json.loads((FOLDER / "package.json").read_text(encoding="utf-8"))
    assert package["type"] == "module"
    assert {FOLDER / name for name in package["exports"]["."].values()} == {
        FOLDER / name for name in static.CONTENT_TYPES
    }
