"""Tables and progress, where somebody looks; plain lines where nobody does."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ..conversion import dumps
from ..errors import MissingExtra
from ..model import Json

if TYPE_CHECKING:
    from rich.console import Console

_notes = logging.getLogger("zephyrus_exec.notes")

_SHOWN_HEX = 18
"""Characters from which hexadecimal values in a table are shortened."""


def console(*, stderr: bool = False) -> Console:
    """Return a console for tables and progress.

    Raises:
        MissingExtra: The `cli` extra is not installed.
    """
    try:
        from rich.console import Console
    except ImportError:
        raise MissingExtra(
            'tables need the cli extra: pip install "zephyrus-exec[cli]"; or use --json'
        ) from None

    class OurConsole(Console):
        def on_broken_pipe(self) -> None:
            """Leave it to `main`: rich itself would end the process with exit code 1."""
            raise BrokenPipeError

    return OurConsole(stderr=stderr)


def print_table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    gives_way: int | None = None,
) -> None:
    """Print a table; cells are shown as they are, without markup.

    Args:
        title: Above it; may be empty.
        columns: Their headings.
        rows: Their cells.
        gives_way: Place of the one column that is cut where there is no room; null: all but the
            first are folded.
    """
    out = console()
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    cells = [[Text(plain(cell)) for cell in row] for row in rows]
    if gives_way is None:
        table = Table(title=plain(title) or None, title_justify="left")
        for place, column in enumerate(columns):
            table.add_column(column, overflow="fold", no_wrap=place == 0)
    else:
        table = Table(title=plain(title) or None, title_justify="left", box=SIMPLE_HEAD)
        for place, column in enumerate(columns):
            widest = max([len(column), *(row[place].cell_len for row in cells)])
            whole = place != gives_way
            least = widest if whole else None
            table.add_column(column, overflow="ellipsis", no_wrap=whole, min_width=least)
    for row in cells:
        table.add_row(*row)
    out.print(table)


@contextmanager
def progress(text: str) -> Iterator[None]:
    """Show on stderr that something is under way, until the block ends."""
    with console(stderr=True).status(text):
        yield


def print_json(value: Json) -> None:
    """Print one line of JSON."""
    print(dumps(value), flush=True)


def write_anything(*, json: bool) -> None:
    """Let stdout take every character, whatever the system's encoding has none for.

    An execution goes on whether we can write of it or not. Where a program reads it is UTF-8.

    Args:
        json: Whether a program reads.
    """
    if not isinstance(sys.stdout, io.TextIOWrapper):
        return
    encoding = "utf-8" if json else sys.stdout.encoding
    sys.stdout.reconfigure(encoding=encoding, errors="backslashreplace")


def plain(text: str) -> str:
    """Return what somebody else wrote with spaces for what would steer a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)


def note(text: str) -> None:
    """Print a line on stderr, for the person who started the command."""
    if _notes.level == logging.NOTSET:
        print(text, file=sys.stderr, flush=True)
    else:
        _notes.info("%s", text.strip())


def log_notes(handler: logging.Handler | None) -> None:
    """Let notes from now on be lines of a log, whatever its level; null: lines of their own."""
    _notes.handlers[:] = [] if handler is None else [handler]
    _notes.propagate = handler is None
    _notes.setLevel(logging.NOTSET if handler is None else logging.INFO)


def moment(seconds: float | None) -> str:
    """Return a time of the epoch for people, in UTC; empty for null."""
    if seconds is None:
        return ""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, ValueError, OSError):  # a server may say anything
        return f"{seconds:g}"


def short(text: str) -> str:
    """Return long hexadecimal text with its middle left out; `--json` shows it whole."""
    if len(text) <= _SHOWN_HEX or not text.startswith("0x"):
        return text
    return f"{text[:10]}…{text[-8:]}"


def shown(value: Json) -> str:
    """Return a JSON value for a table's cell: strings without quotation marks."""
    return value if isinstance(value, str) else dumps(value)
