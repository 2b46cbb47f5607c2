"""What stands in one file of agents and contracts."""

from __future__ import annotations

import json
import os
import secrets
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from ..conversion import structure
from ..errors import InvalidDefinition, InvalidValue, RepositoryError
from ..model import Agent, Contract, Json
from .definitions import Definition, encode, is_text, loads, told, unusable

SUFFIXES: Final = (".json", ".toml")
"""How the names of files end that are read."""

_LISTS: Final[dict[str, type[Definition]]] = {"agents": Agent, "contracts": Contract}
_FORM: Final = "write `agents` and `contracts`, each a list"


@frozen
class Entry:
    """One agent or contract of a file, or the reason why it cannot be used."""

    kind: type[Definition]
    name: str
    """Its id."""
    value: Definition | RepositoryError


@frozen
class Content:
    """What a file says."""

    entries: tuple[Entry, ...] = ()
    """In the order of the file."""
    problems: tuple[RepositoryError, ...] = ()
    """What is wrong in it, each once; an entry may be refused for one of these."""


def parse(where: str, body: bytes, *, max_bytes: int) -> Content:
    """Return what a file says; an entry that breaks its schema is refused alone.

    Args:
        where: The file's name, whose end tells TOML from JSON.
        body: What it holds.
        max_bytes: How long it may be.

    Raises:
        InvalidDefinition: It cannot be read at all.
    """
    try:
        if len(body) > max_bytes:
            raise InvalidValue.at("$", f"is longer than {max_bytes} bytes", "make several of it")
        lists = _lists(where, body)
    except InvalidValue as error:
        raise file_problem(where, **told(error)) from None
    entries: list[Entry] = []
    problems: list[RepositoryError] = []
    for place, kind, data in lists:
        name = data.get("id") if isinstance(data, Mapping) else None
        try:
            entries.append(Entry(kind, (value := structure(data, kind)).id, value))
        except InvalidValue as error:
            if is_text(name):
                problem = unusable(kind, name, where=where, **told(error, place))
                entries.append(Entry(kind, name, problem))
            else:
                problem = file_problem(where, **told(error, place))
            problems.append(problem)
    return Content(tuple(entries), tuple(problems))


def file_problem(where: str, *, field: str, problem: str, remedy: str) -> InvalidDefinition:
    """Return the error that says what is wrong with a file."""
    return InvalidDefinition(
        f"{where}: {problem} @ {field}; {remedy}",
        file=where,
        field=field,
        problem=problem,
        remedy=remedy,
    )


def _lists(where: str, body: bytes) -> list[tuple[str, type[Definition], Any]]:
    """Return each item of the file's lists with its place and kind."""
    data: Any = _toml(body) if where.lower().endswith(".toml") else loads(_text(body))
    if not isinstance(data, Mapping):
        raise InvalidValue.at("$", "is no object", _FORM)
    for key, listed in data.items():
        if key not in _LISTS:
            raise InvalidValue.at("$", f"there is no field {key[:40]!r}", _FORM)
        if not isinstance(listed, list):
            raise InvalidValue.at(f"$.{key}", "is no list", _FORM)
    return [
        (f"$.{key}[{index}]", kind, item)
        for key, kind in _LISTS.items()
        for index, item in enumerate(data.get(key, ()))
    ]


def _text(body: bytes) -> str:
    """Return the file's text; editors of Windows begin it with a byte order mark."""
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidValue.at("$", f"is no UTF-8: {error}", "save it as UTF-8") from None


def _toml(body: bytes) -> Mapping[str, Any]:
    try:
        return tomllib.loads(_text(body))
    except tomllib.TOMLDecodeError as error:
        raise InvalidValue.at("$", f"is no TOML: {error}", "see https://toml.io") from None
    except RecursionError:
        raise InvalidValue.at("$", "is nested too deeply", "nest less") from None


def render(values: Iterable[Definition]) -> str:
    """Return the JSON text of a file that holds these, for people to read and to compare.

    Raises:
        InvalidValue: One is not as the model allows.
    """
    lists: dict[str, list[Json]] = {name: [] for name in _LISTS}
    for value in values:
        listed = lists["agents" if isinstance(value, Agent) else "contracts"]
        listed.append(loads(encode(value)))
    return json.dumps(lists, ensure_ascii=False, indent=2) + "\n"


def write_file(file: Path, text: str, *, overwrite: bool) -> None:
    """Put the whole text in a file, flushed; whoever reads meanwhile sees all of it or nothing.

    Args:
        file: Where.
        text: What.
        overwrite: Whether there may be a file already.

    Raises:
        FileExistsError: There is one, and it may not be overwritten.
        OSError: It cannot be written.
    """
    if not overwrite:
        file.open("x").close()
    beside = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    try:
        with beside.open("x", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)
