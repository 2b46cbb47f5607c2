"""Changing the one file of a folder that is ours to write. All of it blocks."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import Lock
from typing import Final

from ..errors import ConfigurationError, RepositoryError, RepositoryUnavailable
from .definitions import Definition, unusable
from .files_format import render, write_file
from .files_reading import Key, Looker, Shelf

WRITTEN_FILE: Final = "agents.json"
"""The file of a folder that is written; all others are other people's."""


class Writer:
    """Writes it, one change after the other.

    Args:
        looker: Tells what is there.
    """

    def __init__(self, looker: Looker) -> None:
        self._looker = looker
        self._lock = Lock()

    def change(self, before: Shelf, changes: Mapping[Key, Definition | None]) -> Shelf:
        """Return what the files say once these are written, all of them or none.

        Args:
            before: What they said at an earlier look.
            changes: What to hold by kind and id; null: nothing any more.

        Raises:
            InvalidValue: One is not as the model allows.
            InvalidDefinition: The file cannot be used, or another file describes one of them.
            ConfigurationError: The file is TOML.
            RepositoryUnavailable: The file cannot be read or written.
        """
        with self._lock:
            shelf = self._looker.look(before)
            file = self._file()
            _refuse_others(shelf, file.name, changes)
            held = {**_held(shelf, file), **changes}
            text = render(value for value in held.values() if value is not None)
            try:
                write_file(file, text, overwrite=True)
            except OSError as error:
                raise RepositoryUnavailable(
                    f"{file.name} cannot be written ({error.strerror}): make its folder writable"
                ) from error
            return self._looker.look(shelf)

    def _file(self) -> Path:
        file = self._looker.file(WRITTEN_FILE)
        if file.suffix.lower() != ".json":
            raise ConfigurationError(
                f"{file.name} is only read: name a folder, or a file that ends in .json",
                file=file.name,
            )
        return file


def _refuse_others(shelf: Shelf, where: str, keys: Iterable[Key]) -> None:
    """Raise where a file that is not ours to write describes one of these."""
    for kind, name in keys:
        place = shelf.places.get((kind, name), where)
        if place != where:
            problem = f"it is described in {place}"
            raise unusable(
                kind, name, where=where, field="$.id", problem=problem, remedy="change it there"
            )


def _held(shelf: Shelf, file: Path) -> dict[Key, Definition | None]:
    """Return what the file holds, once nothing in it would be lost."""
    version = shelf.files.get(file.name)
    if version is None or not file.exists():
        return {}
    held: dict[Key, Definition | None] = {}
    for problem in version.content.problems:
        raise copy.copy(problem)
    for entry in version.content.entries:
        value = shelf.held[entry.kind, entry.name]
        if isinstance(value, RepositoryError):
            raise copy.copy(value)
        held[entry.kind, entry.name] = value
    return held
