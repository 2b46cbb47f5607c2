"""Transcripts of v2, byte for byte, but for what every server makes up for itself.

A file holds one conversation, one frame a line, in the order in which the client sees it:

    # a comment; `# language: en` chooses the server's language, Spanish is the default
    > a text frame from the client
    < a frame from the server
    <! 4406 the server closes with this code, and this reason
    -- the client leaves; what follows is on a new connection

`«name»` stands for ids: whatever the server wrote there the first time, and the same from then on,
in what the client sends too. The server's clock stands still. It needs the agents of
`golden_agents()` and one, `held`, that runs until it is cancelled.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from attrs import define, field, frozen

from zephyrus_exec.interfaces.runner import RunContext, Runner
from zephyrus_exec.model import Agent, Component
from zephyrus_exec.protocol import Language

from . import RUNNERS, golden_agents

FOLDER: Final = Path(__file__).parent / "v2"
_NAME: Final = re.compile(r"«(\w+)»")


@frozen
class Line:
    """One thing that happens."""

    mark: str
    """`>`, `<`, `<!` or `--`."""
    text: str


@frozen
class Exchange:
    """One conversation."""

    name: str
    language: Language
    lines: tuple[Line, ...]


@define
class Names:
    """What `«name»` stands for in one conversation."""

    known: dict[str, str] = field(factory=dict)

    def fill(self, text: str) -> str:
        """Return a frame of the client with everything that is known put in."""
        return _NAME.sub(lambda found: self.known[found[1]], text)

    def match(self, expected: str, frame: str) -> bool:
        """Return whether a frame of the server is this one; learn what it names first."""
        found = re.fullmatch(self._pattern(expected), frame)
        if found is not None:
            self.known |= found.groupdict()
        return found is not None

    def _pattern(self, expected: str) -> str:
        parts, pattern, new = _NAME.split(expected), "", set[str]()
        for index, part in enumerate(parts):
            if index % 2 == 0:
                pattern += re.escape(part)
            elif part in self.known:
                pattern += re.escape(self.known[part])
            else:
                pattern += f"(?P={part})" if part in new else f'(?P<{part}>[^"]+)'
                new.add(part)
        return pattern


def exchanges() -> list[Exchange]:
    """Return every conversation, by name."""
    return [_read(path) for path in sorted(FOLDER.glob("*.txt"))]


def _read(path: Path) -> Exchange:
    text = path.read_text(encoding="utf-8")
    language: Language = "en" if "# language: en\n" in text else "es"
    lines = tuple(_line(line) for line in text.split("\n") if line and not line.startswith("#"))
    return Exchange(path.stem, language, lines)


def _line(line: str) -> Line:
    mark, _, rest = line.partition(" ")
    if mark not in (">", "<", "<!", "--"):
        raise ValueError(f"a line of a transcript begins with {mark!r}")
    return Line(mark, rest)


async def held(context: RunContext) -> None:
    """Tell that it runs, and run until the end is asked for."""
    await context.emit({"waiting": True})
    await asyncio.Event().wait()


V2_RUNNERS: Final[Mapping[str, Runner]] = {**RUNNERS, "held": held}


def v2_agents() -> tuple[Agent, ...]:
    """Return the agents of the conversations."""
    return (*golden_agents(), Agent("held", runner=Component("held")))
