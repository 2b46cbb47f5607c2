"""Which combinations are tried."""

from __future__ import annotations

from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chaos.cases import FAULTS, Case, every_death, full_product, pairwise, pairwise_cases

POINTS = [f"rpc:eth_call#{n}:{when}" for n in range(1, 9) for when in ("before", "after")]


@given(st.integers(), st.lists(st.integers(1, 4), min_size=2, max_size=5))
def test_every_two_values_of_two_factors_meet_in_some_row(seed: int, sizes: list[int]) -> None:
    factors = {f"f{n}": tuple(range(size)) for n, size in enumerate(sizes)}
    rows = pairwise(factors, seed)
    for one, other in combinations(factors, 2):
        met = {(row[one], row[other]) for row in rows}
        assert met == set(product(factors[one], factors[other]))


def test_one_seed_gives_the_same_cases_again() -> None:
    assert pairwise_cases(POINTS, 7) == pairwise_cases(POINTS, 7)
    assert pairwise_cases(POINTS, 7) != pairwise_cases(POINTS, 8)


def test_pairs_need_far_fewer_cases_than_the_full_product() -> None:
    assert len(pairwise_cases(POINTS, 1)) * 8 < len(list(full_product(POINTS)))


def test_what_is_printed_of_a_case_is_the_case() -> None:
    for case in (
        *full_product(POINTS[:3]),
        *every_death(POINTS, Case()),
        *pairwise_cases(POINTS, 3),
    ):
        assert Case.parse(str(case)) == case


@pytest.mark.parametrize("text", ["reply=never", "reorg=2", "colour=red"])
def test_a_case_that_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="choose from"):
        Case.parse(text)


def test_every_fault_begins_with_its_harmless_value() -> None:
    clean = Case()
    assert all(getattr(clean, name) == values[0] for name, values in FAULTS.items())
