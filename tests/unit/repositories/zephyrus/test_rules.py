"""Rules and defaults in every spelling, and nothing guessed."""

from __future__ import annotations

import pytest

from zephyrus_exec.abi_types import AbiType, tuple_type
from zephyrus_exec.model import Json, Rules
from zephyrus_exec.repositories.zephyrus.defaults import read_default
from zephyrus_exec.repositories.zephyrus.rows import Refusal
from zephyrus_exec.repositories.zephyrus.rules import read_rules


def kind(text: str) -> AbiType:
    entry: dict[str, Json] = {"name": "x", "type": text}
    if text.startswith("tuple"):
        entry["components"] = [{"name": "a", "type": "uint8"}]
    return tuple_type([entry]).components[0]


@pytest.mark.parametrize(
    ("type_", "said", "rules"),
    [
        ("uint256", None, Rules()),
        ("uint256", {}, Rules()),
        ("uint256", {"min": 1, "max": "9"}, Rules(minimum=1, maximum=9)),
        ("int8", {"minimum": "-5", "maxValue": 1.0}, Rules(minimum=-5, maximum=1)),
        ("uint256", {"min": None}, Rules()),
        ("uint256", {"min": 1, "minimum": 1}, Rules(minimum=1)),
        ("address", {"enum": ["0x1"]}, Rules(allowed=("0x1",))),
        ("bool", {"allowedValues": [True]}, Rules(allowed=(True,))),
        ("string", {"pattern": "^a$"}, Rules(pattern="^a$")),
        ("uint256", {"regex": "[0-9]+"}, Rules(pattern="[0-9]+")),
        ("string", {"minLength": 1, "max_length": "5"}, Rules(min_length=1, max_length=5)),
        ("uint8[]", {"maxLength": 5}, Rules(max_length=5)),
    ],
)
def test_rules_are_read_in_their_spellings(type_: str, said: Json, rules: Rules) -> None:
    assert read_rules(said, kind(type_)).rules == rules


@pytest.mark.parametrize(
    ("type_", "said"),
    [
        ("uint256", 7),
        ("uint256", {"between": [1, 2]}),
        ("uint256", {"min": "a few"}),
        ("uint256", {"min": 1.5}),
        ("uint256", {"min": True}),
        ("uint256", {"min": 1, "minimum": 2}),
        ("uint256", {"minLength": 1}),
        ("string", {"max": 5}),
        ("string", {"maxLength": -1}),
        ("string", {"pattern": "("}),
        ("string", {"pattern": "/^a$/i"}),
        ("string", {"pattern": 7}),
        ("uint8", {"pattern": "[0-9]"}),
        ("bool", {"pattern": "true"}),
        ("address", {"enum": []}),
        ("address", {"enum": "0x1"}),
    ],
)
def test_rules_that_cannot_be_kept_are_refused(type_: str, said: Json) -> None:
    with pytest.raises(Refusal) as caught:
        read_rules(said, kind(type_))
    assert caught.value.remedy


def test_a_pattern_found_anywhere_elsewhere_has_to_match_the_whole_here_and_that_is_told() -> None:
    assert "whole" in read_rules({"regex": "ab"}, kind("string")).repairs[0]
    assert read_rules({"regex": "^ab$"}, kind("string")).repairs == ()


@pytest.mark.parametrize(
    ("type_", "said", "value"),
    [
        ("uint256", None, None),
        ("uint256", "", None),
        ("string", "", None),
        ("uint256", "25", "25"),
        ("uint256", 25, "25"),
        ("uint8", "255", "255"),
        ("int8", "-128", "-128"),
        ("bool", "TRUE", True),
        ("bool", 0, False),
        ("address", "0x" + "aB" * 20, "0x" + "aB" * 20),
        ("bytes", "0x", "0x"),
        ("bytes2", "0xabcd", "0xabcd"),
        ("string", "[1]", "[1]"),
        ("uint8[]", "[1,2]", [1, 2]),
        ("uint8[]", [1], [1]),
        ("tuple", '{"a":1}', {"a": 1}),
    ],
)
def test_a_default_is_read_by_the_type_of_its_parameter(
    type_: str, said: object, value: Json
) -> None:
    assert read_default(said, kind(type_)) == value


@pytest.mark.parametrize(
    ("type_", "said"),
    [
        ("uint256", "much"),
        ("uint256", "-1"),
        ("uint8", "256"),
        ("int8", "128"),
        ("bool", "yes"),
        ("address", "vitalik.eth"),
        ("address", 7),
        ("bytes", "abcd"),
        ("bytes", 7),
        ("bytes2", "0xab"),
        ("string", 7),
        ("uint8[]", "1,2"),
        ("uint8[]", "7"),
        ("uint8[]", object()),
    ],
)
def test_a_default_that_does_not_fit_is_refused(type_: str, said: object) -> None:
    with pytest.raises(Refusal):
        read_default(said, kind(type_))
