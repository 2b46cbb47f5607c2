"""`verify_stream` names the first thing that is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from tests.frames import REPLIES, changed
from zephyrus_exec.conversion import dumps
from zephyrus_exec.testing.streams import StreamChecker, StreamViolation, verify_stream

HELLO_ACK, STARTED = REPLIES["HelloAck"], REPLIES["ExecutionStarted"]
SUBSCRIBED, UNSUBSCRIBED = REPLIES["Subscribed"], REPLIES["Unsubscribed"]
ACCEPTED = changed(
    REPLIES["ExecutionEvent"],
    seq=1,
    event="accepted",
    data={"agent_id": "a1", "snapshot": "s", "principal": "p", "input": None, "deadline": 1.5},
)
SECOND = REPLIES["ExecutionEvent"]
COMPLETED = REPLIES["ExecutionCompleted"]
EFFECT = REPLIES["EffectEvent"]
WHOLE = [HELLO_ACK, STARTED, ACCEPTED, SECOND, COMPLETED]


def other(message: dict[str, Any]) -> dict[str, Any]:
    return changed(message, execution_id="e2")


GOOD = {
    "one execution": WHOLE,
    "two at once": [
        *(HELLO_ACK, STARTED, other(STARTED), other(ACCEPTED), ACCEPTED, SECOND),
        *(other(SECOND), other(COMPLETED), COMPLETED),
    ],
    "an event again": [STARTED, ACCEPTED, SECOND, ACCEPTED, SECOND, COMPLETED, COMPLETED],
    "from behind an event": [SUBSCRIBED, SECOND, COMPLETED],
    "on another connection": [
        *(HELLO_ACK, STARTED, ACCEPTED, SECOND),
        *(HELLO_ACK, SUBSCRIBED, SECOND, COMPLETED),
    ],
    "an answer to a known key": [*WHOLE, STARTED, ACCEPTED, SECOND, COMPLETED],
    "no longer watched": [STARTED, ACCEPTED, UNSUBSCRIBED],
    "nothing is left to tell": [changed(SUBSCRIBED, terminal=True)],
    "an effect": [
        changed(SUBSCRIBED, execution_id=None, effect_key="k1"),
        *(EFFECT, changed(EFFECT, seq=2, event="mined")),
    ],
}
BAD = {
    "is missing": [STARTED, ACCEPTED, COMPLETED],
    "event 1 of e1 is missing": [STARTED, SECOND],
    "has no terminal frame": WHOLE[:-1],
    "comes after its terminal frame": [*WHOLE, changed(SECOND, seq=4)],
    "is not what it was before": [STARTED, ACCEPTED, changed(ACCEPTED, at=2.5)],
    "4 of e1 comes after its terminal frame": [*WHOLE, changed(COMPLETED, seq=4)],
    "two ends, or none: 3 and 4": [
        *(SUBSCRIBED, changed(COMPLETED, seq=4)),
        *(SUBSCRIBED, COMPLETED),
    ],
    "which is not watched": [HELLO_ACK, ACCEPTED],
    "2 of e1 comes, which is not watched": [STARTED, ACCEPTED, UNSUBSCRIBED, SECOND],
    "1 of e1 comes, which is not watched": [*WHOLE, HELLO_ACK, ACCEPTED],
    "behind its successors": [SUBSCRIBED, SECOND, ACCEPTED],
    "the first is `accepted`": [STARTED, changed(SECOND, seq=1)],
    "execution_response does": [
        *(STARTED, ACCEPTED, SECOND),
        changed(
            SECOND,
            seq=3,
            event="completed",
            data={
                "outcome": "succeeded",
                "results": [],
                "error": None,
                "planned": 0,
                "effects": COMPLETED["data"]["effects"],
            },
        ),
    ],
    "ended with 3, and not with 5": [*WHOLE, changed(SUBSCRIBED, terminal=True, head_seq=5)],
    "no message has the type 'hullo'": [{"type": "hullo"}],
    "breaks its schema @ \\$.seq": [changed(STARTED, seq=3)],
}


@pytest.mark.parametrize("frames", GOOD.values(), ids=list(GOOD))
def test_what_keeps_the_promises_passes(frames: list[Any]) -> None:
    verify_stream(frames)
    verify_stream([dumps(frame) for frame in frames])
    verify_stream([dumps(frame).encode() for frame in frames])


@pytest.mark.parametrize(("problem", "frames"), BAD.items(), ids=list(BAD))
def test_what_breaks_them_is_named(problem: str, frames: list[Any]) -> None:
    for each in (frames, [dumps(frame) for frame in frames]):
        with pytest.raises(StreamViolation, match=problem):
            verify_stream(each)


def test_the_same_event_in_other_bytes_is_another_one() -> None:
    text = dumps(ACCEPTED)
    with pytest.raises(StreamViolation, match="is not what it was before"):
        verify_stream([dumps(STARTED), text, text.replace(",", ", ")], ended=False)


def test_what_goes_on_needs_no_end() -> None:
    verify_stream(WHOLE[:-1], ended=False)


def test_no_json_is_no_frame() -> None:
    with pytest.raises(StreamViolation, match="no valid JSON"):
        verify_stream(["{"])


def test_a_subscriber_that_said_where_gets_what_follows() -> None:
    checker = StreamChecker()
    checker.take(SUBSCRIBED, from_seq=1)
    with pytest.raises(StreamViolation, match="2 of e1 is missing before 3"):
        checker.take(COMPLETED)


def test_a_subscription_beyond_the_head_is_an_error_and_nothing_else() -> None:
    with pytest.raises(StreamViolation, match="has no event 4"):
        StreamChecker().take(SUBSCRIBED, from_seq=4)


def test_a_terminal_frame_that_is_due_is_missed() -> None:
    checker = StreamChecker()
    checker.take(changed(SUBSCRIBED, terminal=True), from_seq=1)
    checker.take(SECOND)
    with pytest.raises(StreamViolation, match="no terminal frame"):
        checker.finish()


def test_a_checker_that_is_open_leaves_alone_what_it_does_not_know() -> None:
    checker = StreamChecker(closed=False)
    checker.take({"type": "hullo"})
    checker.take(changed(STARTED, region="eu"))
