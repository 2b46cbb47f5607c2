"""A copy of a journal that is whole, however much is written meanwhile."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from ..errors import ConfigurationError, StoreUnavailable
from .sqlite_errors import unavailable
from .sqlite_incarnation import begin_anew
from .sqlite_snapshot import snapshot


def back_up(source: Path, target: Path) -> int:
    """Copy a journal, as it is at one moment, into a new file; return that file's bytes.

    The copy is another incarnation of the store: it has an epoch of its own.

    The file has its name only once it is whole and flushed; where that fails, nothing is left. It
    needs no other file beside it. Blocks: call it in a thread.

    Args:
        source: A journal; servers may write it meanwhile.
        target: Where there is no file yet.

    Raises:
        ConfigurationError: There is a file, or no folder for it; `source` is no journal.
        StoreUnavailable: `source` is damaged, or the disk fails.
    """
    if target.exists():
        raise _taken(target)
    if not target.parent.is_dir():
        raise ConfigurationError(f"there is no folder {str(target.parent)!r}; make it first")
    try:
        with _unfinished(target) as part:
            _copy(source, part)
            _flush(part)
            size = part.stat().st_size
            _name(part, target)
    except OSError as error:
        raise StoreUnavailable(f"{target.name} cannot be written: {error.strerror}") from error
    return size


@contextmanager
def _unfinished(target: Path) -> Iterator[Path]:
    part = target.with_name(f".{target.name}.{uuid4().hex}.part")
    try:
        yield part
    finally:
        for end in ("", "-journal", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                os.unlink(f"{part}{end}")


def _copy(source: Path, part: Path) -> None:
    """Copy everything in one step: a copy in several starts over whenever somebody writes."""
    with snapshot(source) as found:
        found.connection.execute("ROLLBACK")  # copying takes a snapshot of its own
        try:
            with closing(sqlite3.connect(part, isolation_level=None)) as copy:
                found.connection.backup(copy)
                # Whoever goes on with the copy lacks what came later, also if nobody says so.
                begin_anew(copy, lambda: str(uuid4()))
                copy.execute("PRAGMA journal_mode = DELETE")
                (verdict,) = copy.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.Error as error:
            raise unavailable(error) from error
    if verdict != "ok":
        raise StoreUnavailable(
            f"{source.name} is damaged, so that a copy is of no use: store verify tells more"
        )


def _flush(file: Path) -> None:
    with open(file, "r+b") as opened:
        os.fsync(opened.fileno())


def _name(part: Path, target: Path) -> None:
    """Give the file its name, unless somebody else has taken that meanwhile."""
    try:
        os.link(part, target)
    except FileExistsError:
        raise _taken(target) from None
    except OSError:  # a file system without links: between these two lines is a moment
        if target.exists():
            raise _taken(target) from None
        os.replace(part, target)
    with suppress(PermissionError):  # Windows opens no folder, and needs no such flush
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _taken(target: Path) -> ConfigurationError:
    return ConfigurationError(
        f"there is a file {str(target)!r} already; a backup never replaces one: name another"
    )
