"""Wrong usage, told in one line that says what to write instead."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, NoReturn

from .output import note

EXIT_USAGE = 2


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaint is one line, with the likely meaning and where help is."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and end the process with exit code 2."""
        note(f"zephyrus-exec: {message}; for help: {self.prog} --help")
        raise SystemExit(EXIT_USAGE)

    # What a command does not know is judged by that command: argparse leaves it to the outermost
    # parser, which does not know the command's options.
    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse everything, or end the process."""
        known, rest = super().parse_known_args(args, namespace)
        if rest:
            self._refuse(rest)
        return known, rest

    def _refuse(self, rest: list[str]) -> NoReturn:
        options = [word.partition("=")[0] for word in rest if word.startswith("-")]
        if not options:  # values are repeated only where they cannot belong to an option
            self.error(f"{rest[0]!r} is one argument too many")
        hint = _hint(options[0], self._option_string_actions)
        self.error(f"there is no option {options[0]}{hint}")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        choices = action.choices
        if choices is not None and value not in choices:
            name = str(action.metavar or action.dest)
            hint = _hint(value, choices) or f"; write one of {', '.join(map(str, choices))}"
            raise argparse.ArgumentError(None, f"there is no {name} {value!r}{hint}")


def _hint(word: str, known: Iterable[str]) -> str:
    close = get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""
