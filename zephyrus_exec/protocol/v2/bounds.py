"""Bounds of fields, which the documents of the protocol repeat."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from attrs import Attribute, frozen

from ...errors import InvalidValue


@frozen
class Text:
    """A string, null where the field allows it, of at least 1 and at most so many characters."""

    longest: int

    def __call__(self, _: object, attribute: Attribute[Any], value: object) -> None:
        """Raise where the value is out of bounds."""
        if value is None or (isinstance(value, str) and 1 <= len(value) <= self.longest):
            return
        raise InvalidValue.at(
            f"$.{attribute.name}",
            "is empty or too long",
            f"write a string of 1 to {self.longest} characters",
        )


@frozen
class Within:
    """A number, null where the field allows it, that is not less and not more than these."""

    least: float
    most: float | None = None

    def __call__(self, _: object, attribute: Attribute[Any], value: object) -> None:
        """Raise where the value is out of bounds."""
        if value is None:
            return
        most = math.inf if self.most is None else self.most
        if isinstance(value, int | float) and self.least <= value <= most:
            return
        upper = "" if self.most is None else f" and at most {self.most:g}"
        raise InvalidValue.at(
            f"$.{attribute.name}",
            "is out of range",
            f"write a number of at least {self.least:g}{upper}",
        )


@frozen
class OneOf:
    """One of these values, null where the field allows it."""

    choices: tuple[str | int | bool, ...]

    def __call__(self, _: object, attribute: Attribute[Any], value: object) -> None:
        """Raise where the value is none of them."""
        if value is None or value in self.choices:
            return
        known = ", ".join(map(str, self.choices))
        raise InvalidValue.at(f"$.{attribute.name}", "is not allowed", f"write one of {known}")


ITEMS: Final = "zephyrus_exec.items"
"""Under this, a field's metadata has the class that its free objects look like."""


def items(kind: type[Any]) -> Mapping[str, type[Any]]:
    """Return metadata that say what the objects of a list look like, which nobody reads as such."""
    return {ITEMS: kind}
