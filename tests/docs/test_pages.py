"""The pages agree with one another, with the code, and with what is run before a change lands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from zephyrus_exec import errors
from zephyrus_exec.protocol.texts import TEXTS

from .markdown import DOCS, EXAMPLES, PAGES, ROOT, TRANSLATIONS, anchors, blocks, headings, links

ENGLISH, SPANISH = ROOT / "README.md", ROOT / "README.es.md"
FORBIDDEN_SOURCES = re.compile(r"""(?:src|href)=["']https?://|@import|url\(https?:""")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        if link.startswith("https://"):
            continue
        place, _, anchor = link.partition("#")
        target = page.parent / place if place else page
        assert target.exists(), f"{link} leads nowhere"
        assert not anchor or anchor in anchors(target), f"{link} names no heading"


def test_documentation_links_to_documentation_only() -> None:
    """MkDocs builds pages from this folder alone, so a link out of it would be broken there."""
    for page in DOCS.rglob("*.md"):
        local = [link.partition("#")[0] for link in links(page) if not link.startswith("https://")]
        assert all((page.parent / link).resolve().is_relative_to(DOCS) for link in local)


def test_every_page_is_in_the_navigation() -> None:
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    navigation = set(re.findall(r"[\w/-]+\.md", settings))
    assert navigation == {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}


def test_generated_parts_are_up_to_date() -> None:
    script = ROOT / "docs" / "generate.py"
    done = subprocess.run(
        [sys.executable, script, "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), "run: python docs/generate.py"


def test_every_error_is_listed_with_its_code_and_both_texts() -> None:
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    for kind in vars(errors).values():
        if not isinstance(kind, type) or not issubclass(kind, errors.ZephyrusError):
            continue
        if kind is errors.ZephyrusError:
            continue
        (row,) = re.findall(rf"^\| `{kind.code}`<br>`{kind.__name__}` .*$", page, re.MULTILINE)
        for texts in TEXTS.values():
            assert all(f"`{text}`" in row for text in texts.errors[kind.code])


def test_every_error_is_explained_in_spanish() -> None:
    page = (DOCS / "es" / "errors.md").read_text(encoding="utf-8")
    for code, texts in TEXTS["es"].errors.items():
        if code != "internal":  # the root's; it is no class of its own
            (row,) = re.findall(rf"^\| `{code}`<br>.*$", page, re.MULTILINE)
            assert all(f"`{text}`" in row for text in texts)


_TRANSLATIONS = pytest.mark.parametrize(
    ("page", "original"), TRANSLATIONS.items(), ids=[page.stem for page in TRANSLATIONS]
)


@_TRANSLATIONS
def test_a_translation_shows_the_code_of_its_original(page: Path, original: Path) -> None:
    shown = [[(one.language, one.text) for one in blocks(one)] for one in (page, original)]
    assert shown[0] == shown[1]


@_TRANSLATIONS
def test_a_translation_has_the_structure_of_its_original(page: Path, original: Path) -> None:
    levels = [[heading.split()[0] for heading in headings(one)] for one in (page, original)]
    assert levels[0] == levels[1]
    rows = [one.read_text(encoding="utf-8").count("\n|") for one in (page, original)]
    assert rows[0] == rows[1]


@_TRANSLATIONS
def test_a_translation_and_its_original_lead_to_the_same_places(page: Path, original: Path) -> None:
    assert page in _targets(original)
    assert original in _targets(page)
    places = [[TRANSLATIONS.get(to, to) for to in _targets(one)] for one in (page, original)]
    assert sorted(places[0]) == sorted(places[1])


def _targets(page: Path) -> list[Path]:
    """Return the files of the project that the page links to, other places in itself left out."""
    local = [link.partition("#")[0] for link in links(page) if not link.startswith("https://")]
    return [(page.parent / link).resolve() for link in local if link]


@pytest.mark.parametrize("readme", [ENGLISH, SPANISH], ids=lambda page: page.name)
def test_quick_start_and_tests_are_one_line_each(readme: Path) -> None:
    first, second = (_first_line_under(readme, heading) for heading in ("Quick start", "Tests"))
    assert first == (
        "python3 -m venv .venv && .venv/bin/pip install -q '.[demo]' && "
        ".venv/bin/python -m zephyrus_exec demo"
    )
    assert second in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


def _first_line_under(page: Path, heading: str) -> str:
    """Return the only line of the first shell block under the heading that contains this."""
    _, _, rest = page.read_text(encoding="utf-8").partition(heading)
    found = re.search(r"^```bash\n(.*)\n```$", rest, re.MULTILINE)
    assert found is not None
    return found[1]


def test_no_page_and_no_example_loads_anything_from_elsewhere() -> None:
    pages = [file for file in EXAMPLES if file.suffix in (".html", ".css", ".jsx")]
    for file in (*PAGES, *pages, ROOT / "mkdocs.yml"):
        assert not FORBIDDEN_SOURCES.search(file.read_text(encoding="utf-8")), file.name
