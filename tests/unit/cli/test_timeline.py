"""How an execution stands after the events that a terminal got."""

from __future__ import annotations

import pytest

from zephyrus_exec.cli.timeline import State, Step, Timeline
from zephyrus_exec.model import EventKind, Json, Outcome

from .executions import (
    HASH,
    KEY,
    completed,
    effect_event,
    event,
    finished,
    recorded,
    signed,
    started,
    timeline_of,
)

BEGUN = [event(1, EventKind.ACCEPTED, agent_id="payer"), started(4), signed(5)]


def only_step(timeline: Timeline) -> Step:
    (step,) = timeline.steps.values()
    return step


def test_a_recorded_execution_is_known_whole() -> None:
    timeline = timeline_of(recorded("mints"))
    read, minted = timeline.steps.values()
    assert (timeline.status, timeline.planned, timeline.head) == ("completed", 2, 9)
    assert (read.number, read.function, read.state) == ("1.1", "balanceOf", State.DONE)
    assert (minted.number, minted.function, minted.state) == ("1.2", "mint", State.DONE)
    assert minted.sent is not None
    assert (minted.sent.last, minted.sent.nonce) == ("finalized", 1)
    assert minted.message == "Acuñar 25 fichas"


def test_a_step_is_running_then_sent_then_done() -> None:
    timeline = timeline_of([started(4)])
    assert only_step(timeline).state is State.RUNNING
    timeline.add(signed(5))
    assert only_step(timeline).state is State.SENT
    timeline.add(finished(6, transaction_hash=HASH, block_number=3))
    step = only_step(timeline)
    assert step.state is State.DONE
    assert (step.began, step.ended) == (started(4).at, finished(6).at)


@pytest.mark.parametrize("code", ["in_doubt", "action_in_doubt"])
def test_a_step_that_nobody_can_tell_of_is_in_doubt_and_not_failed(code: str) -> None:
    error: dict[str, Json] = {"code": code, "message": "m", "details": {}}
    timeline = timeline_of([*BEGUN, finished(6, success=False, error=error)])
    assert only_step(timeline).state is State.IN_DOUBT


def test_a_step_that_failed_has_failed() -> None:
    error: dict[str, Json] = {"code": "call_reverted", "message": "m", "details": {}}
    assert only_step(timeline_of([finished(6, success=False, error=error)])).state is State.FAILED


@pytest.mark.parametrize(
    ("result", "last"),
    [
        ({"block_number": 3, "transaction_hash": HASH}, "mined"),
        ({"success": False, "error": {"code": "displaced"}}, "displaced"),
        ({"success": False, "error": {"code": "effect_cancelled"}}, "cancelled"),
        ({"success": False, "error": {"code": "in_doubt"}}, "in_doubt"),
        ({"success": False, "error": {"code": "effect_uncertain"}}, "signed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_result_of_a_step_tells_how_its_transaction_stands(
    result: dict[str, Json], last: str
) -> None:
    sent = only_step(timeline_of([*BEGUN, finished(6, **result)])).sent
    assert sent is not None
    assert sent.last == last


def test_what_an_effect_tells_itself_is_newer_than_the_result_of_its_step() -> None:
    final = effect_event(3, "finalized", transaction_hash=HASH, block_number=3, success=True)
    sent = only_step(timeline_of([*BEGUN, final, finished(6, block_number=3)])).sent
    assert sent is not None
    assert sent.last == "finalized"


def test_a_higher_offer_is_another_transaction_of_the_same_step() -> None:
    timeline = timeline_of([*BEGUN, effect_event(2, "bumped", transaction_hash="0xcd")])
    sent = only_step(timeline).sent
    assert sent is not None
    assert (sent.last, sent.transaction_hash) == ("bumped", "0xcd")


@pytest.mark.parametrize("kind", ["cancelling", "cancelled", "reorged", "displaced"])
def test_the_transaction_that_is_shown_is_the_one_that_makes_the_call(kind: str) -> None:
    timeline = timeline_of([*BEGUN, effect_event(2, kind, transaction_hash="0xcd")])
    sent = only_step(timeline).sent
    assert sent is not None
    assert sent.transaction_hash == HASH


def test_it_does_not_matter_where_the_events_begin() -> None:
    timeline = timeline_of([finished(6, transaction_hash=HASH, block_number=3)])
    step = only_step(timeline)
    assert (step.function, step.state) == ("pay", State.DONE)
    assert step.sent is not None
    assert (step.sent.transaction_hash, step.sent.effect_key) == (HASH, "")


def test_an_effect_of_no_known_step_changes_nothing() -> None:
    timeline = timeline_of([started(4)])
    assert timeline.add(effect_event(1, "mined", block_number=1, success=True)) is None
    assert only_step(timeline).sent is None


def test_where_only_the_end_is_told_its_results_are_the_steps() -> None:
    results: tuple[dict[str, Json], ...] = (
        {"function_name": "look", "parameters": {}, "result": "7", "success": True},
        {
            "function_name": "pay",
            "parameters": {"to": HASH},
            "result": None,
            "success": False,
            "error": "revertida",
            "transaction_hash": HASH,
            "block_number": 3,
        },
    )
    timeline = timeline_of([completed(9, Outcome.FAILED, results=results)])
    looked, paid = timeline.steps.values()
    assert (looked.number, looked.function, looked.state) == ("1", "look", State.DONE)
    assert (paid.number, paid.state, paid.began) == ("2", State.FAILED, 0.0)
    assert paid.sent is not None
    assert paid.sent.reverted


def test_planned_steps_and_the_wish_to_end_are_counted() -> None:
    plans = [event(n, EventKind.PLANNED, cycle=n, actions=[{"function": "a"}] * n) for n in (1, 2)]
    timeline = timeline_of([*plans, event(3, EventKind.CANCEL_REQUESTED, principal="ana")])
    assert (timeline.planned, timeline.cancelling, timeline.status) == (3, True, "running")


def test_the_step_of_an_effect_is_found() -> None:
    timeline = timeline_of(BEGUN)
    assert timeline.step_of(KEY) is only_step(timeline)
    assert timeline.step_of("other") is None


def test_values_of_a_wrong_shape_are_no_reason_to_stop() -> None:
    wrong = event(1, EventKind.ACTION_STARTED, cycle="x", step=None, parameters=[1])
    assert only_step(timeline_of([wrong, event(2, EventKind.PLANNED, actions=3)])).place == (0, 0)
