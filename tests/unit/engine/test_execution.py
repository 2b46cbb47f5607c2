"""How the end of an execution is told."""

from __future__ import annotations

import json

from zephyrus_exec.engine.execution import SUCCEEDED, Ending, encode_completed
from zephyrus_exec.engine.records import EffectState
from zephyrus_exec.errors import ExecutionTimedOut
from zephyrus_exec.model import Outcome


def test_the_end_tells_outcome_results_error_plan_and_effects_in_this_order() -> None:
    text = encode_completed(
        Ending(Outcome.TIMED_OUT, ExecutionTimedOut("too late")),
        results=['{"n":1}', '{"n":2}'],
        planned=3,
        effects=[*EffectState],
    )
    body = json.loads(text)
    assert list(body) == ["outcome", "results", "error", "planned", "effects"]
    assert body == {
        "outcome": "timed_out",
        "results": [{"n": 1}, {"n": 2}],
        "error": {"code": "timed_out", "message": "too late", "details": {}},
        "planned": 3,
        "effects": {
            "mined": 1,
            "finalized": 1,
            "reverted": 2,
            "pending": 2,
            "displaced": 1,
            "in_doubt": 1,
        },
    }


def test_where_nothing_was_done_and_nothing_failed_little_is_said() -> None:
    body = json.loads(encode_completed(SUCCEEDED, results=(), planned=0, effects=()))
    assert (body["outcome"], body["results"], body["error"]) == ("succeeded", [], None)
