"""The file `.env`: variables for people who start the server by hand."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ..errors import MissingExtra
from .refusal import refuse

DOTENV: Final = ".env"


def read_dotenv(file: Path) -> dict[str, str]:
    """Return the variables a file sets; messages name lines, and never show what is in them.

    The grammar is python-dotenv's: `NAME=value`, perhaps after `export`; single or double
    quotation marks around what has spaces or `#` in it; `#` begins a comment. Nothing is expanded:
    a `$` is a `$`.

    Raises:
        ConfigurationError: It cannot be read, a line sets nothing, or a name is set twice.
        MissingExtra: The extra `cli` is not installed.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        refuse(str(file), f"cannot be read: {error.strerror}", "name a readable file")
    except UnicodeDecodeError:
        refuse(str(file), "is no UTF-8 text", "write it as UTF-8 text")
    found: dict[str, str] = {}
    lines: dict[str, int] = {}
    for line, name, value in _bindings(file, text) if text.strip() else ():
        source = f"{file.name}, line {line}"
        if name is None or value is None:
            refuse(source, "sets no variable (not shown)", "write NAME=value")
        if name in found:
            refuse(source, f"{name} was set in line {lines[name]}", "keep one of them")
        found[name], lines[name] = value, line
    return found


def _bindings(file: Path, text: str) -> Iterator[tuple[int, str | None, str | None]]:
    try:
        from dotenv.parser import parse_stream
    except ImportError:
        raise MissingExtra(
            f'{file.name} needs the cli extra: pip install "zephyrus-exec[cli]"; or set the '
            f"variables otherwise, and write --env-file {os.devnull}"
        ) from None
    for binding in parse_stream(io.StringIO(text)):
        before = binding.original.string
        line = binding.original.line + before[: len(before) - len(before.lstrip())].count("\n")
        if binding.error or binding.key is not None:
            yield line, None if binding.error else binding.key, binding.value
