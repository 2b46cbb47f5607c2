"""One row of a table, read field by field, in whichever way it was written."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final, NoReturn

from ...conversion import as_json
from ...errors import InvalidValue
from ...model import Json

_WORD: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WHOLE: Final = re.compile(r"-?[0-9]{1,80}")
_HEXADECIMAL: Final = re.compile(r"0x[0-9a-fA-F]{1,64}")
_DECIMAL: Final = re.compile(r"[0-9]{1,80}(\.[0-9]{1,80})?")
_ROUND: Final = re.compile(r"(-?[0-9]{1,80})\.0+")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_EXACT: Final = 1 << 53
"""Below this a float holds every whole number exactly."""
_UNREAD: Final = frozenset({"created_at", "updated_at", "deployed_at", "owner_address"})
"""Columns that are known and mean nothing here."""
_SHOWN: Final = 40
_TRUE: Final = frozenset({"1", "true"})
_FALSE: Final = frozenset({"0", "false"})


class Refusal(Exception):
    """A row cannot be taken.

    Args:
        problem: Why.
        remedy: What to do about it, in the source.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}; {remedy}")
        self.problem = problem
        self.remedy = remedy


def shown(value: object) -> str:
    """Return a value for a message, long ones cut."""
    text = repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def snake(name: str) -> str:
    """Return the name of a column in snake case, `agent_id` for `agentId`."""
    return _WORD.sub("_", name).lower()


def parse_json(text: str) -> Json:
    """Return the JSON a text holds.

    Raises:
        ValueError: It is none, or one that `as_json` refuses.
    """
    try:
        return as_json(json.loads(text, parse_constant=_no_number))
    except (InvalidValue, RecursionError):
        raise ValueError from None


def _no_number(_text: str) -> NoReturn:
    raise ValueError


def whole(value: object) -> int | None:
    """Return the whole number a value stands for; null: it stands for none."""
    if type(value) is int:
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return int(value)
    if isinstance(value, str):
        text = value.strip()
        if _WHOLE.fullmatch(text):
            return int(text)
        if _HEXADECIMAL.fullmatch(text):
            return int(text, 16)
        if found := _ROUND.fullmatch(text):
            return int(found[1])
    return None


def is_plain(value: object) -> bool:
    """Return whether a whole number is written as one: an integer, or decimal digits."""
    return type(value) is int or (isinstance(value, str) and _WHOLE.fullmatch(value) is not None)


class Row:
    """Reads the fields of one row by their name in snake case, however they are spelled.

    Args:
        data: The row, by column.

    Raises:
        Refusal: It is no row. What is wrong with a field is told when that is read.
    """

    def __init__(self, data: object) -> None:
        self.repairs: list[str] = []
        """What was read as something else, a phrase each."""
        self.notes: list[str] = []
        """What was left out, a phrase each."""
        self._values: dict[str, object] = {}
        self._twice: set[str] = set()
        self._read: set[str] = set()
        if not isinstance(data, Mapping):
            raise Refusal("it is no object", "write an object with a value for each column")
        for column, value in data.items():
            self._add(snake(str(column)), value)

    def _add(self, name: str, value: object) -> None:
        if value is None and name in self._values:
            return
        if self._values.get(name, value) not in (None, value):
            self._twice.add(name)
        self._values[name] = value

    def get(self, name: str) -> object:
        """Return the value as it is; null: there is none.

        Raises:
            Refusal: There are two, or it is no text that can be written as UTF-8.
        """
        self._read.add(name)
        value = self._values.get(name)
        if name in self._twice:
            raise Refusal(f"it has two values for {name}", "keep one of the two spellings")
        if isinstance(value, str) and _SURROGATE.search(value):
            raise Refusal(f"{name} is {shown(value)}, no UTF-8", "write it as UTF-8")
        return value

    def unread(self) -> list[str]:
        """Return the columns nobody asked for, in order."""
        known = self._read | _UNREAD
        return sorted(
            name
            for name, value in self._values.items()
            if name not in known and value not in (None, "", {}, [])
        )

    def text(self, name: str) -> str:
        """Return a text; empty: there is none.

        Raises:
            Refusal: It is no text and no number.
        """
        value = self.get(name)
        if value is None:
            return ""
        if isinstance(value, str):
            return value
        if type(value) is int:
            return str(value)
        raise Refusal(f"{name} is {shown(value)}, no text", "write a text")

    def required(self, name: str) -> str:
        """Return a text that must be there.

        Raises:
            Refusal: It is not.
        """
        text = self.text(name)
        if not text:
            raise Refusal(f"{name} is empty", "write it")
        return text

    def integer(self, name: str) -> int | None:
        """Return a whole number, which may be written as a text; null: there is none.

        Raises:
            Refusal: It is something else.
        """
        value = self._unless_empty(name)
        if value is None:
            return None
        number = whole(value)
        if number is None:
            raise Refusal(f"{name} is {shown(value)}, no whole number", "write digits, or null")
        if not is_plain(value):
            self.repairs.append(f"{name} {shown(value)} was read as {number}")
        return number

    def decimal(self, name: str) -> Decimal | None:
        """Return a number of at least 0, which may be written as a text; null: there is none.

        Raises:
            Refusal: It is something else.
        """
        value = self._unless_empty(name)
        if value is None:
            return None
        text = str(value) if type(value) in (int, float, str) else ""
        if not _DECIMAL.fullmatch(text):
            raise Refusal(f"{name} is {shown(value)}, no number", "write one such as 1.5, or null")
        return Decimal(text)

    def flag(self, name: str) -> bool | None:
        """Return a truth value, which may be written as 0 or 1; null: there is none.

        Raises:
            Refusal: It is something else.
        """
        value = self._unless_empty(name)
        text = str(value).lower()
        if value is None:
            return None
        if text in _TRUE or text in _FALSE:
            return text in _TRUE
        raise Refusal(f"{name} is {shown(value)}, neither true nor false", "write 1 or 0")

    def json(self, name: str) -> Json:
        """Return JSON, which may be written as a text; null: there is none.

        Raises:
            Refusal: It is no JSON.
        """
        value = self._unless_empty(name)
        try:
            data = parse_json(value) if isinstance(value, str) else as_json(value)
            if isinstance(data, str):
                data = parse_json(data)
                self.repairs.append(f"{name} was JSON inside a JSON string")
        except (ValueError, InvalidValue):
            problem = f"{name} is {shown(value)}, no JSON"
            raise Refusal(problem, "correct it, or write null") from None
        return data

    def _unless_empty(self, name: str) -> object:
        """Return the value; an empty text counts as none, and that is told."""
        value = self.get(name)
        if isinstance(value, str) and not value.strip():
            self.repairs.append(f"{name} was empty: taken as absent")
            return None
        return value
