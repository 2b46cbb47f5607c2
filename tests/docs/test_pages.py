"""The pages agree with one another, with the code, and with what is run before a change lands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from zephyrus_exec import errors
from zephyrus_exec.protocol.texts import TEXTS

from .markdown import PAGES, ROOT, anchors, blocks, headings, links

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
    for page in (ROOT / "docs").glob("*.md"):
        assert not [link for link in links(page) if link.startswith("..")]


def test_every_page_is_in_the_navigation() -> None:
    navigation = set(re.findall(r"[\w-]+\.md", (ROOT / "mkdocs.yml").read_text(encoding="utf-8")))
    assert navigation == {page.name for page in (ROOT / "docs").glob("*.md")}


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


def test_both_readmes_show_the_same_code() -> None:
    shown = [[(one.language, one.text) for one in blocks(page)] for page in (ENGLISH, SPANISH)]
    assert shown[0] == shown[1]


def test_both_readmes_have_the_same_structure_and_name_each_other() -> None:
    levels = [[h.split()[0] for h in headings(page)] for page in (ENGLISH, SPANISH)]
    assert levels[0] == levels[1]
    local = [[link for link in links(page) if "README" not in link] for page in (ENGLISH, SPANISH)]
    assert local[0] == local[1]
    assert "README.es.md" in links(ENGLISH)
    assert "README.md" in links(SPANISH)


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
    for file in (*PAGES, *(ROOT / "examples").glob("*.html"), ROOT / "mkdocs.yml"):
        assert not FORBIDDEN_SOURCES.search(file.read_text(encoding="utf-8")), file.name
