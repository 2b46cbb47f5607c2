"""One hierarchy, each leaf with a stable code."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest

from zephyrus_exec import errors
from zephyrus_exec.errors import InvalidValue, ZephyrusError

OURS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, ZephyrusError)
]

RETRYABLE = {
    "transport_broken",
    "repository_unavailable",
    "chain_unavailable",
    "store_unavailable",
    "commit_unknown",
    "agent_busy",
    "overloaded",
    "draining",
    "rate_limited",
    "released",
}


def test_no_two_errors_share_a_code() -> None:
    codes = [kind.code for kind in OURS]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_an_error_says_its_own_code_and_whether_to_retry(kind: type[ZephyrusError]) -> None:
    assert "code" in vars(kind)
    assert kind.code.replace("_", "").isalnum()
    assert kind.code == kind.code.lower()
    assert kind.retryable is (kind.code in RETRYABLE)
    assert kind.__doc__


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("again", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy])
def test_an_error_survives_being_pickled_and_copied(
    kind: type[ZephyrusError], again: Callable[[ZephyrusError], ZephyrusError]
) -> None:
    error = kind("what happened", agent_id="a", gas=1, ok=None)
    other = again(error)
    assert type(other) is kind
    assert (other.message, other.details, str(other)) == (
        "what happened",
        {"agent_id": "a", "gas": 1, "ok": None},
        "what happened",
    )


def test_an_invalid_value_says_problem_place_and_remedy() -> None:
    error = InvalidValue.at("$.a", "is wrong", "mend it")
    assert error.message == "is wrong @ $.a; mend it"
    assert error.details == {"field": "$.a", "problem": "is wrong", "remedy": "mend it"}


def test_a_code_tells_its_error_and_whether_to_try_again() -> None:
    assert errors.class_of("agent_busy") is errors.AgentBusy
    assert errors.class_of("no such code") is None
    assert errors.is_retryable("agent_busy")
    assert errors.is_retryable("rate_limited")
    assert not errors.is_retryable("idempotency_conflict")
    assert not errors.is_retryable("no such code")
