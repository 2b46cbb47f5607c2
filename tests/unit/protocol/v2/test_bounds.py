"""Bounds refuse what is out of them, and say what to write."""

from __future__ import annotations

import pytest
from attrs import field, frozen

from zephyrus_exec.errors import InvalidValue
from zephyrus_exec.protocol.v2.bounds import OneOf, Text, Within


@frozen
class Bounded:
    text: str | None = field(default=None, validator=Text(2))
    least: float | None = field(default=None, validator=Within(1))
    between: float | None = field(default=None, validator=Within(1, 2))
    choice: str | None = field(default=None, validator=OneOf(("a", "b")))


def test_what_is_within_them_and_null_passes() -> None:
    assert Bounded("ab", 1, 2, "b").choice == "b"
    assert Bounded() == Bounded(None, None, None, None)


@pytest.mark.parametrize(
    ("members", "remedy"),
    [
        ({"text": ""}, "text; write a string of 1 to 2 characters"),
        ({"text": "abc"}, "text; write a string of 1 to 2 characters"),
        ({"text": 1}, "text; write a string of 1 to 2 characters"),
        ({"least": 0.5}, "least; write a number of at least 1$"),
        ({"least": "1"}, "least; write a number of at least 1$"),
        ({"between": 2.5}, "between; write a number of at least 1 and at most 2"),
        ({"choice": "c"}, "choice; write one of a, b"),
    ],
)
def test_what_is_out_of_them_is_refused(members: dict[str, object], remedy: str) -> None:
    with pytest.raises(InvalidValue, match=rf"@ \$\.{remedy}"):
        Bounded(**members)  # type: ignore[arg-type]
