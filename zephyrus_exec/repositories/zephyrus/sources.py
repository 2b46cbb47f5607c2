"""Where rows come from on this machine: JSON files, folders of them, SQLite files."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NoReturn

from ...errors import ConfigurationError
from .report import TABLES
from .rows import Refusal, snake
from .tables import Tables

_SQLITE: Final = b"SQLite format 3\0"
_WAL_BYTE: Final = 18
"""Where the file says how it is written; 2: with a write-ahead log."""


def read_source(path: Path, *, max_file_bytes: int = 256 << 20) -> Tables:
    """Return the rows in a JSON file, a folder of JSON files, or a SQLite file, changing nothing.

    Args:
        path: The file or folder. In a folder, a file named after a table is a list of its rows.
        max_file_bytes: Longest JSON file that is read.

    Raises:
        ConfigurationError: It cannot be read, or holds nothing of the kind.
    """
    if path.is_dir():
        tables = Tables()
        for file in sorted(path.glob("*.json")):
            tables = _with_file(tables, file, max_file_bytes)
    else:
        is_database = _is_sqlite(path)
        tables = _read_sqlite(path) if is_database else _with_file(Tables(), path, max_file_bytes)
    if not tables:
        raise ConfigurationError(
            f"{path.name} holds no rows of agents; its tables are called {', '.join(TABLES)}"
        )
    return tables


# --- JSON ----------------------------------------------------------------------------------------


def _with_file(tables: Tables, file: Path, max_file_bytes: int) -> Tables:
    document = _load(file, max_file_bytes)
    table = snake(file.stem)
    try:
        if table in TABLES and isinstance(document, list):
            return tables.plus(table, document)
        return tables.with_document(document)
    except Refusal as refusal:
        raise ConfigurationError(f"{file.name}: {refusal.problem}; {refusal.remedy}") from None


def _load(file: Path, max_file_bytes: int) -> object:
    try:
        if file.stat().st_size > max_file_bytes:
            raise ConfigurationError(f"{file.name} is larger than {max_file_bytes} bytes")
        return json.loads(file.read_text(encoding="utf-8-sig"), parse_constant=_no_number)
    except OSError as error:
        raise ConfigurationError(f"{file.name} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        said = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ConfigurationError(f"{file.name} is no JSON: {said}") from None


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")


# --- SQLite --------------------------------------------------------------------------------------


def _is_sqlite(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_SQLITE)) == _SQLITE
    except OSError as error:
        raise ConfigurationError(f"{path.name} cannot be read: {error.strerror}") from None


def _read_sqlite(path: Path) -> Tables:
    """Return the rows of a database, all as of one moment."""
    try:
        if _is_closed_wal(path):
            before = _stamp(path)
            tables = _rows_in(path, "mode=ro&immutable=1")
            if _stamp(path) == before:
                return tables
        return _rows_in(path, "mode=ro")
    except sqlite3.Error as error:
        raise ConfigurationError(f"{path.name} cannot be read: {error}") from None


def _is_closed_wal(path: Path) -> bool:
    """Return whether reading it in the usual way would leave files beside it.

    That is so for a database in WAL mode that nobody has open. As long as nobody opens it, it can
    be read as a file that does not change.
    """
    with path.open("rb") as file:
        return file.read(_WAL_BYTE + 1)[_WAL_BYTE:] == b"\x02" and not _wal_of(path).exists()


def _stamp(path: Path) -> tuple[int, int, bool]:
    """Return what is different once somebody has written to the database, or begun to."""
    status = path.stat()
    return status.st_mtime_ns, status.st_size, _wal_of(path).exists()


def _wal_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _rows_in(path: Path, how: str) -> Tables:
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?{how}", uri=True)) as connection:
        connection.isolation_level = None
        connection.text_factory = _text
        connection.row_factory = sqlite3.Row
        connection.execute("BEGIN")
        return _rows_of(connection)


def _rows_of(connection: sqlite3.Connection) -> Tables:
    names = {str(name).lower() for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    tables = Tables()
    for table in TABLES:
        if table in names:
            rows: list[Any] = connection.execute(f'SELECT * FROM "{table}"').fetchall()  # noqa: S608
            tables = tables.plus(table, map(dict, rows))
    return tables


def _text(data: bytes) -> str:
    """Return a text; one that is no UTF-8 becomes one that its row is refused for."""
    return data.decode("utf-8", "surrogateescape")
