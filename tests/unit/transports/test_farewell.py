"""Close codes and reasons that fit into a frame."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zephyrus_exec.errors import LocalProtocolError
from zephyrus_exec.transports.farewell import Farewell


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_reason_is_a_beginning_of_what_was_given_in_at_most_123_bytes(reason: str) -> None:
    cut = Farewell.of(1000, reason).reason
    assert len(cut.encode()) <= 123
    assert reason.startswith(cut)
    assert cut == reason or len((cut + reason[len(cut)]).encode()) > 123


def test_what_is_no_unicode_text_becomes_a_question_mark() -> None:
    assert Farewell.of(1000, "a\ud800b").reason == "a?b"


@pytest.mark.parametrize("code", [1000, 1003, 1007, 1014, 3000, 4999])
def test_codes_for_the_wire_are_taken(code: int) -> None:
    assert Farewell.of(code, "").code == code


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2999, 5000])
def test_codes_that_must_not_be_sent_are_refused(code: int) -> None:
    with pytest.raises(LocalProtocolError):
        Farewell.of(code, "")


def test_the_errors_name_code_and_reason() -> None:
    farewell = Farewell.of(4001, "enough")
    assert "4001 (enough)" in farewell.said_by_peer().message
    assert farewell.said_here().details == {"close_code": 4001, "reason": "enough"}
