"""What transactions may cost, and what a better offer is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zephyrus_exec.engine.fees import FeePolicy
from zephyrus_exec.errors import InvalidValue
from zephyrus_exec.interfaces.chain import Fees

wei = st.integers(0, 10**30)


@given(max_fee=wei, priority=st.none() | wei, quoted=wei, tip=wei, factor=st.floats(1.125, 10))
def test_a_better_offer_replaces_the_last_one_by_every_nodes_rule(
    max_fee: int, priority: int | None, quoted: int, tip: int, factor: float
) -> None:
    """Both fields grow by an eighth at least, strictly, and the tip stays within the whole."""
    better = FeePolicy(factor=factor).bumped(Fees(max_fee, priority), Fees(quoted, tip))
    assert better.max_fee_wei > max_fee
    assert better.max_fee_wei * 8 >= max_fee * 9
    assert better.max_fee_wei >= quoted
    if priority is None:
        assert better.max_priority_fee_wei is None
    else:
        assert better.max_priority_fee_wei is not None
        assert better.max_priority_fee_wei > priority
        assert better.max_priority_fee_wei * 8 >= priority * 9
        assert tip <= better.max_priority_fee_wei <= better.max_fee_wei


def test_a_bump_of_an_eighth_is_exact() -> None:
    """No float comes between: 8 becomes 9, not 10."""
    huge = 8 * 10**30
    assert FeePolicy().bumped(Fees(huge, 8), Fees(0, 0)) == Fees(9 * 10**30, 9)


def test_a_legacy_offer_may_be_made_where_the_quote_has_no_tip() -> None:
    assert FeePolicy().bumped(Fees(8, 8), Fees(100, None)) == Fees(100, 9)


@pytest.mark.parametrize(
    ("given", "capped"),
    [
        (Fees(10, 1), Fees(10, 1)),
        (Fees(30, 1), Fees(20, 1)),
        (Fees(30, 25), Fees(20, 20)),
        (Fees(30, None), Fees(20, None)),
    ],
)
def test_no_field_is_above_the_cap(given: Fees, capped: Fees) -> None:
    assert FeePolicy(max_fee_wei=20).capped(given) == capped


def test_without_a_cap_nothing_is_capped() -> None:
    assert FeePolicy().capped(Fees(10**30, 5)) == Fees(10**30, 5)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("factor", 1.1),
        ("factor", 11.0),
        ("factor", float("nan")),
        ("bump_after", 0.0),
        ("bump_after", float("nan")),
        ("max_fee_wei", 0),
        ("stuck_after", -1.0),
    ],
)
def test_a_policy_that_no_node_would_follow_is_refused_and_the_field_named(
    field: str, value: float
) -> None:
    settings: dict[str, Any] = {field: value}
    with pytest.raises(InvalidValue) as caught:
        FeePolicy(**settings)
    assert caught.value.details["field"] == f"$.{field}"
