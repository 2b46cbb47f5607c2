"""Looking at files: which are there, which changed, what they say now. All of it blocks."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, TypeAlias

from attrs import evolve, field, frozen

from ..errors import InvalidDefinition, RepositoryError, RepositoryUnavailable
from .definitions import Definition, name_of, unusable
from .files_format import SUFFIXES, Content, Entry, parse

Key: TypeAlias = tuple[type[Definition], str]
Signature: TypeAlias = tuple[int, ...]

_NOTHING: Final = Content()


@frozen
class Version:
    """A file as it was at one look."""

    signature: Signature | None
    """What changes when the file does; null: it is read again at the next look anyway."""
    content: Content


@frozen
class Shelf:
    """What all files say together."""

    files: Mapping[str, Version] = field(factory=dict)
    """By name, in the order of names."""
    held: Mapping[Key, Definition | RepositoryError] = field(factory=dict)
    """Everything by kind and id, or why it cannot be used."""
    places: Mapping[Key, str] = field(factory=dict)
    """In which file each stands."""
    problems: tuple[RepositoryError, ...] = ()
    """Everything that cannot be used, each once."""


@frozen
class Looker:
    """Looks at a folder, or at one file."""

    path: Path
    """The folder; one file where it ends like one."""
    settle: float
    """Seconds a file has to stand still before it is read."""
    max_file_bytes: int
    """Longest file that is read."""
    clock: Callable[[], float]
    """Seconds since the epoch, as the file system tells them."""
    pause: Callable[[float], None]
    """Sleeps that many seconds."""

    def look(self, before: Shelf) -> Shelf:
        """Return what the files say now; what did not change since is not read again.

        Where a file was changed just now, its writer is given time to finish, once.

        Raises:
            RepositoryUnavailable: The folder cannot be read.
        """
        found = self._signatures()
        if any(self._is_moving(before, name, one) for name, one in found.items()):
            self.pause(self.settle)
            found = self._signatures()
        files = {name: self._version(before, name, one) for name, one in found.items()}
        return _shelve(files)

    def file(self, name: str) -> Path:
        """Return the path of a file by its name."""
        return self.path if self._is_one_file() else self.path / name

    def _is_one_file(self) -> bool:
        return self.path.suffix.lower() in SUFFIXES

    def _signatures(self) -> dict[str, Signature | OSError]:
        """Return what tells each file's versions apart, or why nobody can know."""
        return {name: _signature(self.file(name)) for name in sorted(self._names())}

    def _names(self) -> Iterable[str]:
        if self._is_one_file():
            return [self.path.name]
        try:
            names = os.listdir(self.path)
        except OSError as error:
            raise RepositoryUnavailable(
                f"{self.path.name} cannot be read ({error.strerror}): put the folder back"
            ) from error
        return [n for n in names if not n.startswith(".") and n.lower().endswith(SUFFIXES)]

    def _is_moving(self, before: Shelf, name: str, signature: Signature | OSError) -> bool:
        """Whether it is a new version that its writer may not have finished."""
        if isinstance(signature, OSError) or _known(before, name) == signature:
            return False
        *_, modified, changed = signature
        return 0 <= self.clock() - max(modified, changed) / 1e9 < self.settle

    def _version(self, before: Shelf, name: str, signature: Signature | OSError) -> Version:
        known = before.files.get(name)
        if known is not None and known.signature is not None and known.signature == signature:
            return known
        try:
            if isinstance(signature, OSError):
                raise _unreadable(name, signature)
            moving = self._is_moving(before, name, signature)
            body = self._read(name)
            if moving or _signature(self.file(name)) != signature:
                raise RepositoryUnavailable(f"{name}: is still being written; wait", file=name)
        except RepositoryUnavailable as error:
            return Version(None, _refused(error, known))
        try:
            return Version(signature, parse(name, body, max_bytes=self.max_file_bytes))
        except InvalidDefinition as error:
            return Version(signature, _refused(error, known))

    def _read(self, name: str) -> bytes:
        """Return what a file holds, or somewhat more than may be read of it."""
        try:
            with self.file(name).open("rb") as stream:
                return stream.read(self.max_file_bytes + 1)
        except OSError as error:
            raise _unreadable(name, error) from error


def _known(before: Shelf, name: str) -> Signature | None:
    known = before.files.get(name)
    return None if known is None else known.signature


def _unreadable(name: str, error: OSError) -> RepositoryUnavailable:
    problem = f"{name}: cannot be read ({error.strerror}); make it readable, or remove it"
    return RepositoryUnavailable(problem, file=name)


def _signature(file: Path) -> Signature | OSError:
    try:
        status = file.stat()
    except OSError as error:
        return error
    if not stat.S_ISREG(status.st_mode):
        return OSError(0, "it is no file")
    times = (status.st_mtime_ns, status.st_ctime_ns)
    return (status.st_dev, status.st_ino, status.st_size, *times)


def _refused(problem: RepositoryError, known: Version | None) -> Content:
    """Return the content of a file that cannot be used: all it was known to hold is refused.

    Whoever wrote the file wanted something else than what it said before: a lower limit, an agent
    stopped. So what it said before is not used.
    """
    before = _NOTHING if known is None else known.content
    entries = (evolve(entry, value=_because(problem, entry)) for entry in before.entries)
    return Content(tuple(entries), (problem,))


def _because(problem: RepositoryError, entry: Entry) -> RepositoryError:
    details = {**problem.details, f"{name_of(entry.kind)}_id": entry.name}
    return type(problem)(problem.message, **details)


def _shelve(files: Mapping[str, Version]) -> Shelf:
    held: dict[Key, Definition | RepositoryError] = {}
    places: dict[Key, str] = {}
    problems: list[RepositoryError] = []
    for name, version in files.items():
        problems += version.content.problems
        for entry in version.content.entries:
            key = entry.kind, entry.name
            if key in places:
                held[key] = twice = _twice(entry, places[key], name)
                problems.append(twice)
            else:
                held[key], places[key] = entry.value, name
    return Shelf(files, held, places, tuple(problems))


def _twice(entry: Entry, first: str, second: str) -> InvalidDefinition:
    where = f"in {first} and in {second}" if first != second else f"twice in {first}"
    return unusable(
        entry.kind,
        entry.name,
        where=second,
        field="$.id",
        problem=f"it is described {where}",
        remedy="remove one; until then neither is used",
    )
