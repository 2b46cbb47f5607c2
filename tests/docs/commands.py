"""Every command and its flags, as the parser has them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Final

from zephyrus_exec.cli.main import build_parser


def commands() -> list[tuple[str, argparse.ArgumentParser]]:
    """Return every command: its words, and what parses the rest."""
    return list(_commands(build_parser(), ""))


def _commands(
    parser: argparse.ArgumentParser, path: str
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    groups = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if not groups:
        yield path.strip(), parser
    for group in groups:
        for name, command in group.choices.items():
            yield from _commands(command, f"{path} {name}")


FLAGS: Final = {
    path: {
        action.option_strings[0]
        for action in parser._actions
        if action.option_strings and not isinstance(action, argparse._HelpAction)
    }
    for path, parser in commands()
}
"""The flags of each command, `--help` left out."""
