from __future__ import annotations

import pytest

from benchmarks.load import Load, Measurement
from benchmarks.peers import FASTAPI, MEMORY, SQLITE
from benchmarks.throughput import (
    ALONE,
    BOTH_LOOPS,
    CROWDED,
    FIRST_EVENT,
    LOADS,
    SHARED,
    Found,
    result_of,
    trials,
)


def _measured(rate: float, *, busy: float = 0.5) -> Measurement:
    return Measurement(rate, (1 / rate,), busy=busy, cpu=1e-6)


@pytest.fixture
def found() -> Found:
    rates = {FASTAPI.name: 1000.0, BOTH_LOOPS[0].name: 500.0, BOTH_LOOPS[1].name: 800.0}
    ours = {MEMORY.name: 2600.0, SQLITE.name: 900.0}
    return {
        (str(load), name): [_measured(rate), _measured(2 * rate)]
        for load in (ALONE, SHARED, CROWDED)
        for name, rate in {**rates, **ours}.items()
    }


def test_every_load_meets_every_server_and_first_events_are_timed_at_both_dialects() -> None:
    cases = [(trial.case, trial.subject) for trial in trials(LOADS)]
    assert len(cases) == len(set(cases))
    assert {case for case, _ in cases} == {*map(str, LOADS), FIRST_EVENT}
    assert {
        (FIRST_EVENT, f"{peer.name}, {dialect}")
        for peer in (MEMORY, SQLITE)
        for dialect in ("v1", "v2")
    } <= {*cases}


def test_the_other_dialect_is_measured_where_many_share_the_server() -> None:
    assert {case for case, subject in cases_of_v2() if case != FIRST_EVENT} == {str(SHARED)}


def cases_of_v2() -> list[tuple[str, str]]:
    return [(each.case, each.subject) for each in trials(LOADS) if each.dialect.name == "v2"]


def test_goals_are_judged_by_the_ratios_of_the_rounds(found: Found) -> None:
    goals = {goal.name: goal for goal in result_of(found).goals}
    assert goals[f"{SHARED}, {MEMORY.name}, to FastAPI"].figure == pytest.approx(2.6)
    assert goals[f"{SHARED}, {MEMORY.name}, to FastAPI"].met
    assert not goals[f"{SHARED}, {SQLITE.name}, to FastAPI"].met


def test_latency_is_compared_with_websockets_on_its_better_loop(found: Found) -> None:
    goals = {goal.name: goal for goal in result_of(found).goals}
    assert goals[f"{ALONE}, {SQLITE.name}, p50 to websockets"].figure == pytest.approx(8 / 9)


def test_a_crowd_is_compared_with_fifty(found: Found) -> None:
    found[str(CROWDED), MEMORY.name] = [_measured(1300), _measured(2600)]
    goals = {goal.name: goal for goal in result_of(found).goals}
    assert goals[f"{MEMORY.name}, {CROWDED} to {SHARED}"].figure == pytest.approx(0.5)
    assert not goals[f"{MEMORY.name}, {CROWDED} to {SHARED}"].met


def test_goals_of_loads_that_were_not_measured_are_not_judged(found: Found) -> None:
    only = {key: rounds for key, rounds in found.items() if key[0] == str(ALONE)}
    assert len(result_of(only).goals) == 2


def test_a_load_generator_without_rest_is_told(found: Found) -> None:
    assert len(result_of(found).notes) == 1
    found[str(Load(1, 1)), MEMORY.name] = [_measured(1.0), _measured(1.0, busy=0.95)]
    assert "95% of its core" in result_of(found).notes[1]
