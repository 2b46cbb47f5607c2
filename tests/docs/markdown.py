"""What our own Markdown pages are made of: code blocks, links and headings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
EXAMPLES = tuple(
    file
    for file in sorted((ROOT / "examples").rglob("*"))
    if file.is_file() and not {"node_modules", "__pycache__"} & {*file.parts}
)
PAGES = (
    ROOT / "README.md",
    ROOT / "README.es.md",
    ROOT / "CHANGELOG.md",
    *sorted(DOCS.rglob("*.md")),
    *(file for file in EXAMPLES if file.suffix == ".md"),
)
TRANSLATIONS = {
    ROOT / "README.es.md": ROOT / "README.md",
    **{page: DOCS / page.name for page in sorted((DOCS / "es").glob("*.md"))},
}
"""The original of each Spanish page."""

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NOT_RUN = re.compile(r"<!-- not run: .{10,} -->\n\Z")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@frozen
class Block:
    """One fenced block of code."""

    page: Path
    line: int
    language: str
    text: str
    """What it holds, its last newline included."""
    run: bool
    """Whether no comment in front of it says, with a reason, that it must not be run."""
    follows: str
    """What stands between it and the block before; for the first, what stands before it."""

    @property
    def id(self) -> str:
        """Where it stands, for people."""
        return f"{self.page.name}:{self.line}"


def blocks(page: Path, *languages: str) -> list[Block]:
    """Return the page's blocks in these languages, or all of them."""
    return [one for one in _blocks(page) if not languages or one.language in languages]


def _blocks(page: Path) -> Iterator[Block]:
    text, end = page.read_text(encoding="utf-8"), 0
    for found in _BLOCK.finditer(text):
        before = text[end : found.start()]
        line = text.count("\n", 0, found.start()) + 1
        yield Block(page, line, found[1], found[2], not _NOT_RUN.search(before), before)
        end = found.end()


def output_of(block: Block) -> str | None:
    """Return the `text` block that follows with nothing in between: the block's output."""
    every = blocks(block.page)
    after = every[every.index(block) + 1 :]
    return after[0].text if after and after[0].language == "text" and _directly(after[0]) else None


def _directly(block: Block) -> bool:
    return not block.follows.strip()


def links(page: Path) -> list[str]:
    """Return every link of the page, those in code left out."""
    return _LINK.findall(_without_code(page))


def anchors(page: Path) -> set[str]:
    """Return what links into the page may name, as GitHub and MkDocs make it of headings."""
    return {_slug(heading) for heading in _HEADING.findall(_without_code(page))}


def headings(page: Path) -> list[str]:
    """Return the page's headings, with their number signs."""
    return [found[0] for found in _HEADING.finditer(_without_code(page))]


def _without_code(page: Path) -> str:
    return _BLOCK.sub("", page.read_text(encoding="utf-8"))


def _slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
