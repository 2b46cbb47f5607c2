"""The environment of a command: the process's, and what a `.env` adds to it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

from ..config import DOTENV, Settings, find_misfits, load_settings, read_dotenv
from .output import note


def read_settings(options: argparse.Namespace) -> Settings:
    """Return the settings that flags, environment, `.env` and file agree on.

    Raises:
        ConfigurationError: A value is wrong; one line tells which, and what to write.
    """
    return load_settings(vars(options), environment_of(options), options.config)


def environment_of(options: argparse.Namespace) -> dict[str, str]:
    """Return the variables that are set to something; the process's own beat the file's."""
    own = {name: value for name, value in os.environ.items() if value}
    return {**_in_file(options), **own}


def misfits(options: argparse.Namespace) -> Iterator[str]:
    """Yield a sentence for each variable that means nothing here, and was probably meant to."""
    return find_misfits(os.environ, _in_file(options))


def warn_of_misfits(options: argparse.Namespace) -> None:
    """Tell whoever started the command of such variables."""
    for sentence in misfits(options):
        note(f"warning: {sentence}")


def dotenv_of(options: argparse.Namespace) -> Path | None:
    """Return the `.env` that is read: the one that is named, or the folder's; null: none."""
    named: Path | None = options.env_file
    if named is not None:
        return named
    return Path(DOTENV) if Path(DOTENV).is_file() else None


def _in_file(options: argparse.Namespace) -> dict[str, str]:
    file = dotenv_of(options)
    return {} if file is None else read_dotenv(file)
