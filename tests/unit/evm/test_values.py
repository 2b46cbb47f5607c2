"""The value table, row by row."""

from __future__ import annotations

from typing import Any

import pytest

from zephyrus_exec.abi_types import AbiType, BadAbi, tuple_type
from zephyrus_exec.evm.values import BadValue, fields_to_abi, to_abi, to_json
from zephyrus_exec.model import Json

CHECKSUMMED = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
LINE: dict[str, Json] = {
    "type": "tuple",
    "components": [{"name": "sku", "type": "uint32"}, {"name": "amount", "type": "uint256"}],
}
PAIR: dict[str, Json] = {
    "type": "tuple",
    "components": [{"name": "", "type": "uint8"}, {"name": "b", "type": "bool"}],
}


def kind_of(entry: str | dict[str, Json]) -> AbiType:
    parameter: Json = {"type": entry} if isinstance(entry, str) else entry
    return tuple_type([parameter]).components[0]


@pytest.mark.parametrize(
    ("entry", "given", "abi", "shown"),
    [
        ("uint8", 255, 255, 255),
        ("uint8", "255", 255, 255),
        ("uint48", 2**48 - 1, 2**48 - 1, 2**48 - 1),
        ("uint56", 7, 7, "7"),
        ("uint", "0", 0, "0"),
        ("uint256", 2**256 - 1, 2**256 - 1, str(2**256 - 1)),
        ("int8", -128, -128, -128),
        ("int48", "-1", -1, -1),
        ("int64", -1, -1, "-1"),
        ("int256", str(-(2**255)), -(2**255), str(-(2**255))),
        ("bool", True, True, True),
        ("address", CHECKSUMMED, CHECKSUMMED, CHECKSUMMED),
        ("address", CHECKSUMMED.lower(), CHECKSUMMED, CHECKSUMMED),
        ("address", "0x" + CHECKSUMMED[2:].upper(), CHECKSUMMED, CHECKSUMMED),
        ("bytes", "0x", b"", "0x"),
        ("bytes", "0xABcd", b"\xab\xcd", "0xabcd"),
        ("bytes2", "0xabcd", b"\xab\xcd", "0xabcd"),
        ("function", "0x" + "11" * 24, b"\x11" * 24, "0x" + "11" * 24),
        ("string", "é\x00😀", "é\x00😀", "é\x00😀"),
        ("uint8[]", [], (), []),
        ("uint64[2]", [1, "2"], (1, 2), ["1", "2"]),
        ("uint8[2][]", [[1, 2], [3, 4]], ((1, 2), (3, 4)), [[1, 2], [3, 4]]),
        (LINE, {"amount": 5, "sku": 1}, (1, 5), {"sku": 1, "amount": "5"}),
        (LINE, [1, 5], (1, 5), {"sku": 1, "amount": "5"}),
        (PAIR, [1, False], (1, False), [1, False]),
    ],
)
def test_a_value_goes_in_and_comes_out_as_the_table_says(
    entry: str | dict[str, Json], given: Json, abi: Any, shown: Json
) -> None:
    kind = kind_of(entry)
    assert to_abi(kind, given) == abi
    assert to_json(kind, abi) == shown


@pytest.mark.parametrize(
    ("entry", "given", "path", "problem"),
    [
        ("uint8", 256, "$", "range"),
        ("uint8", -1, "$", "range"),
        ("int8", 128, "$", "range"),
        ("uint256", 2**256, "$", "range"),
        ("uint256", "9" * 78, "$", "range"),
        ("uint256", "9" * 79, "$", "whole number"),
        ("uint256", 1.0, "$", "whole number"),
        ("uint256", "1.0", "$", "whole number"),
        ("uint256", "1e3", "$", "whole number"),
        ("uint256", "0x10", "$", "whole number"),
        ("uint256", "007", "$", "whole number"),
        ("uint256", " 7", "$", "whole number"),
        ("uint256", "７", "$", "whole number"),
        ("uint256", True, "$", "whole number"),
        ("uint256", None, "$", "whole number"),
        ("bool", 1, "$", "boolean"),
        ("bool", "true", "$", "boolean"),
        ("address", CHECKSUMMED.replace("f", "F", 1), "$", "checksum"),
        ("address", CHECKSUMMED[:-1], "$", "address"),
        ("address", CHECKSUMMED[2:], "$", "address"),
        ("address", 5, "$", "address"),
        ("bytes", "abcd", "$", "byte string"),
        ("bytes", "0xabc", "$", "byte string"),
        ("bytes", "0xzz", "$", "byte string"),
        ("bytes", [1, 2], "$", "byte string"),
        ("bytes32", "0x00", "$", "1 bytes"),
        ("string", 5, "$", "string"),
        ("string", "a\ud800b", "$", "surrogate"),
        ("uint8[]", "12", "$", "array"),
        ("uint8[]", {"0": 1}, "$", "array"),
        ("uint8[2]", [1], "$", "1 items"),
        ("uint8[2][]", [[1, 2], [3, 400]], "$[1][1]", "range"),
        (LINE, {"sku": 1, "amount": 1.5}, "$.amount", "whole number"),
        (LINE, {"sku": 1}, "$.amount", "missing"),
        (LINE, {"sku": 1, "amount": 1, "x": 1}, "$.x", "unknown"),
        (LINE, [1], "$", "1 items"),
        (LINE, [1, -5], "$[1]", "range"),
        (LINE, "1,2", "$", "object or an array"),
        (PAIR, {"b": True}, "$", "give an array"),
    ],
)
def test_a_value_that_does_not_fit_names_its_place(
    entry: str | dict[str, Json], given: Json, path: str, problem: str
) -> None:
    with pytest.raises(BadValue, match=problem) as caught:
        to_abi(kind_of(entry), given)
    assert caught.value.path == path
    assert str(caught.value).endswith(caught.value.remedy)


def test_keys_of_parameters_are_what_the_caller_says() -> None:
    kind = tuple_type([{"type": "uint8"}, {"name": "b", "type": "uint8"}])
    assert fields_to_abi(kind, ("0", "b"), {"b": 2, "0": 1}) == (1, 2)


def test_text_that_is_no_utf8_is_shown_all_the_same() -> None:
    assert to_json(kind_of("string"), b"a\xffb") == "a\ufffdb"


@pytest.mark.parametrize(
    ("entries", "path"),
    [
        (None, "$"),
        ("uint8", "$"),
        ([5], r"$[0]"),
        ([{"name": 5, "type": "uint8"}], "$[0].name"),
        ([{"name": "a"}], "$[0].type"),
        ([{"type": "uint7"}], "$[0].type"),
        ([{"type": "uint264"}], "$[0].type"),
        ([{"type": "bytes33"}], "$[0].type"),
        ([{"type": "fixed128x18"}], "$[0].type"),
        ([{"type": "uint8[0]"}], "$[0].type"),
        ([{"type": "uint8" + "[]" * 17}], "$[0]"),
        ([{"type": "tuple"}], "$[0].components"),
        ([{"type": "tuple", "components": []}], "$[0].components"),
        ([{"type": "tuple[]", "components": [{"type": "x"}]}], "$[0].components[0].type"),
    ],
)
def test_an_abi_that_cannot_be_understood_names_its_place(entries: Json, path: str) -> None:
    with pytest.raises(BadAbi) as caught:
        tuple_type(entries)
    assert str(caught.value).endswith(f"@ {path}")


def test_tuples_that_hold_each_other_without_end_are_refused() -> None:
    entry: dict[str, Json] = {"type": "uint8"}
    for _ in range(17):
        entry = {"type": "tuple", "components": [entry]}
    with pytest.raises(BadAbi, match="deeper"):
        tuple_type([entry])
