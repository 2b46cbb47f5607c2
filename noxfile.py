"""Everything that is checked before a change lands, in one place.

Run from an environment that has the `dev` extra: `nox` for all, `nox -s lint` for one.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nox

nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "types", "tests", "docs", "package", "floors"]

FULLY_COVERED = (
    "zephyrus_exec/protocol/*",
    "zephyrus_exec/engine/*",
    "zephyrus_exec/stores/*",
    "zephyrus_exec/transports/*",
    "zephyrus_exec/logs/*",
    "zephyrus_exec/conversion.py",
)

FILES_ARE_THERE = """
from zephyrus_exec import static
from zephyrus_exec.transports.http import HttpRequest
for name in static.CONTENT_TYPES:
    assert static.respond(HttpRequest("GET", f"/{name}")).body, name
"""


@nox.session
def lint(session: nox.Session) -> None:
    """Lint, format and import directions."""
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports")


@nox.session
def types(session: nox.Session) -> None:
    """Types, strictly, of package and tests."""
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """Every test, the slow ones too, and the coverage that is promised."""
    session.run("coverage", "erase")
    everything = ("-m", "slow or not slow", "--hypothesis-profile=thorough")
    session.run("pytest", *everything, "--cov", "--cov-report=", *session.posargs)
    session.run("coverage", "report", "--skip-covered")
    session.run("coverage", "report", f"--include={','.join(FULLY_COVERED)}", "--fail-under=100")


@nox.session
def search(session: nox.Session) -> None:
    """Properties and state machines with other examples each time, and more of them."""
    places = ("tests/property", "tests/stateful", *session.posargs)
    session.run("pytest", "-m", "slow or not slow", "--hypothesis-profile=search", *places)


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation, every link in it."""
    session.run("mkdocs", "build", "--strict", "--quiet", env={"NO_MKDOCS_2_WARNING": "1"})


@nox.session
def package(session: nox.Session) -> None:
    """A wheel that installs alone and runs the demo."""
    folder = Path(session.create_tmp())
    session.run("python", "-m", "build", "--wheel", "--outdir", str(folder))
    (wheel,) = folder.glob("*.whl")
    python = new_environment(session, folder / "venv", f"{wheel}[demo]")
    session.run(python, "-m", "zephyrus_exec", "demo", external=True)
    session.run(python, "-c", FILES_ARE_THERE, external=True)


@nox.session
def floors(session: nox.Session) -> None:
    """The fast tests at the oldest versions of the dependencies that are promised."""
    folder = Path(session.create_tmp(), "venv")
    python = new_environment(session, folder, "-e", ".[test]", "-c", "tests/floors.txt")
    session.run(python, "-m", "pytest", "-q", external=True)


def new_environment(session: nox.Session, folder: Path, *requirements: str) -> str:
    """Return the Python of a new virtual environment that has these packages."""
    session.run("python", "-m", "venv", "--clear", str(folder))
    python = str(folder / ("Scripts" if sys.platform == "win32" else "bin") / "python")
    session.run(python, "-m", "pip", "install", "--quiet", *requirements, external=True)
    return python
