"""Revert data, honest and not."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode

from tests.kitchen import kitchen
from zephyrus_exec.evm.abi import selector
from zephyrus_exec.evm.reverts import (
    MAX_DATA_BYTES,
    MAX_REASON_CHARACTERS,
    PANICS,
    call_reverted,
    decode_revert,
    printable,
)
from zephyrus_exec.interfaces.chain import Call
from zephyrus_exec.model import FunctionType, JsonObject

ERRORS: list[JsonObject] = [one for one in kitchen()["abi"] if one["type"] == "error"]
ASKER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"


def error_string(text: bytes) -> bytes:
    return selector("Error(string)") + encode(["bytes"], [text])


def test_a_reason_is_the_reason() -> None:
    revert = decode_revert(error_string(b"not enough"))
    assert (revert.reason, revert.error_name) == ("not enough", "Error")


def test_an_empty_reason_is_told_as_such() -> None:
    assert decode_revert(error_string(b"")).reason == "the contract gave an empty reason"


@pytest.mark.parametrize("code", [*PANICS, 0x99, 2**256 - 1])
def test_a_panic_is_explained(code: int) -> None:
    revert = decode_revert(selector("Panic(uint256)") + code.to_bytes(32, "big"))
    assert revert.error_name == "Panic"
    assert PANICS.get(code, "unknown code") in revert.reason


def test_a_custom_error_shows_its_arguments() -> None:
    data = selector("OutOfStock(uint256,uint256,address)") + encode(
        ["uint256", "uint256", "address"], [2**255, 0, ASKER]
    )
    revert = decode_revert(data, ERRORS)
    assert revert.error_name == "OutOfStock"
    assert revert.reason == f"OutOfStock(wanted={2**255}, available=0, asker={ASKER})"


def test_a_custom_error_shows_tuples_and_text_as_json() -> None:
    data = selector("BadOrder((uint32,uint256),string)") + encode(
        ["(uint32,uint256)", "string"], [(7, 2**128), 'sp"oiled']
    )
    assert decode_revert(data, ERRORS).reason == (
        f'BadOrder(line={{"sku": 7, "amount": "{2**128}"}}, why="sp\\"oiled")'
    )


def test_arguments_without_a_name_stand_alone() -> None:
    entry: JsonObject = {"type": "error", "name": "E", "inputs": [{"type": "uint8"}]}
    data = selector("E(uint8)") + bytes(31) + b"\x05"
    assert decode_revert(data, [entry]).reason == "E(5)"


def test_no_data_is_no_reason() -> None:
    assert decode_revert(b"").error_name is None


@pytest.mark.parametrize(
    "data",
    [
        b"\x12",
        b"\x12\x34\x56\x78",
        selector("Error(string)"),
        selector("Error(string)") + b"\xff" * 64,
        selector("Panic(uint256)") + b"\x01",
        selector("OutOfStock(uint256,uint256,address)") + b"\xff" * 96,
    ],
)
def test_data_that_says_nothing_known_shows_its_selector(data: bytes) -> None:
    revert = decode_revert(data, ERRORS)
    assert revert.error_name is None
    assert "0x" + data[:4].hex() in revert.reason


def test_malformed_error_entries_are_passed_over() -> None:
    entries: list[JsonObject] = [{"type": "error"}, {"name": "E", "inputs": 5}, *ERRORS]
    data = selector("OutOfStock(uint256,uint256,address)") + bytes(96)
    assert decode_revert(data, entries).error_name == "OutOfStock"


@pytest.mark.parametrize("text", [b"\xff\xfe bad", b"\x1b[31mred\n\x00", b"x" * 100_000])
def test_text_is_bounded_and_printable(text: bytes) -> None:
    reason = decode_revert(error_string(text)).reason
    assert reason.isprintable()
    assert len(reason) <= MAX_REASON_CHARACTERS


def test_text_at_the_bound_is_whole() -> None:
    assert printable("x" * MAX_REASON_CHARACTERS) == "x" * MAX_REASON_CHARACTERS
    assert printable("x" * (MAX_REASON_CHARACTERS + 1)).endswith("x…")


def test_the_error_carries_at_most_so_much_data() -> None:
    call = Call(1, ASKER, b"", "f()", FunctionType.READ, {}, {})
    error = call_reverted(call, b"\x01" * 5000)
    assert len(str(error.details["data"])) == 2 + 2 * MAX_DATA_BYTES
    assert str(error).startswith("f() reverted: ")
