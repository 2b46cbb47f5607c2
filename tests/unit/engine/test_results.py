"""The JSON that the journal holds for results and errors."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

import pytest

from zephyrus_exec import errors
from zephyrus_exec.conversion import dumps
from zephyrus_exec.engine.results import error_from, error_object, result_object
from zephyrus_exec.errors import CallReverted, ZephyrusError
from zephyrus_exec.model import ActionResult


def test_an_error_becomes_an_object_and_comes_back_as_its_own_class() -> None:
    error = CallReverted("the call reverted", reason="paused", block=7)
    data = error_object(error)
    assert data == {
        "code": "call_reverted",
        "message": "the call reverted",
        "details": {"reason": "paused", "block": 7},
    }
    again = error_from(data)
    assert type(again) is CallReverted
    assert (again.message, again.details) == (error.message, error.details)


@pytest.mark.parametrize(
    "kind",
    [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, Exception)],
)
def test_every_error_of_the_library_comes_back(kind: type[ZephyrusError]) -> None:
    assert type(error_from(error_object(kind("said")))) is kind


@pytest.mark.parametrize("data", [{}, {"code": "nobody_knows", "details": None}])
def test_what_nobody_knows_comes_back_as_the_root_of_all_errors(data: dict[str, Any]) -> None:
    assert type(error_from(data)) is ZephyrusError


class Mute:
    """Cannot say what it is."""

    def __str__(self) -> str:
        raise ValueError("not telling")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        (True, True),
        (3, 3),
        (1.5, 1.5),
        (float("inf"), "inf"),
        (Decimal("0.1"), "0.1"),
        ([1], "[1]"),
        ("\ud800", "\\ud800"),
        pytest.param(10**5000, "<int>", id="huge"),
        (Mute(), "<Mute>"),
    ],
)
def test_whatever_an_agent_puts_into_its_error_can_be_journaled(value: Any, shown: Any) -> None:
    data = error_object(ZephyrusError("lone \udfff", value=value))
    assert data["details"] == {"value": shown}
    assert data["message"] == "lone \\udfff"
    dumps(data)


def test_a_code_that_is_no_text_can_be_journaled() -> None:
    class Odd(ZephyrusError):
        code: ClassVar[Any] = "\ud800"

    assert error_object(Odd("no"))["code"] == "\\ud800"


def test_a_result_says_only_what_there_is_to_say() -> None:
    assert result_object(ActionResult("f", {"a": 1}, None, success=True)) == {
        "function_name": "f",
        "parameters": {"a": 1},
        "result": None,
        "success": True,
    }


def test_a_full_result_keeps_the_order_of_its_fields() -> None:
    full = ActionResult(
        "f",
        {},
        "0x1",
        success=False,
        name="n",
        message="m",
        error={"code": "c"},
        transaction_hash="0x2",
        block_number=3,
        gas_used=4,
    )
    assert list(result_object(full)) == [
        "function_name",
        "parameters",
        "result",
        "success",
        "name",
        "message",
        "error",
        "transaction_hash",
        "block_number",
        "gas_used",
    ]
