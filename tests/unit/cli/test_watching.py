"""Following an execution and its effects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

import pytest
from attrs import define, field

from zephyrus_exec.cli.timeline import Shown, Step, Timeline
from zephyrus_exec.cli.watching import Follower, exit_code
from zephyrus_exec.errors import ExecutionLost, Overloaded, ZephyrusError
from zephyrus_exec.model import Outcome
from zephyrus_exec.protocol.v2.messages import EffectEvent, ExecutionCompleted, ExecutionEvent

from .executions import (
    HASH,
    KEY,
    completed,
    effect_event,
    finished,
    signed,
    started,
    timeline_of,
)

MINED = effect_event(2, "mined", block_number=3, success=True)
FINAL = effect_event(3, "finalized", block_number=3, success=True)
DONE: list[Shown] = [
    started(4),
    signed(5),
    finished(6, block_number=3, transaction_hash=HASH),
    completed(7),
]


@define
class Shows:
    """A display that remembers."""

    follows_effects: bool = False
    shown: list[Shown] = field(factory=list)

    def show(self, event: Shown, step: Step | None) -> None:
        self.shown.append(event)

    def trouble(self, text: str) -> None: ...

    def recovered(self, text: str) -> None: ...

    def refused(self, error: ZephyrusError, text: str) -> None: ...

    def end(self, watch: str) -> None: ...


async def events(of: Iterable[Shown]) -> AsyncIterator[ExecutionEvent | ExecutionCompleted]:
    for one in of:
        await asyncio.sleep(0)
        assert not isinstance(one, EffectEvent)
        yield one


@define
class Effects:
    """What effects tell, and who asked."""

    told: list[EffectEvent]
    ends: bool = True
    asked: list[str] = field(factory=list)
    left: list[str] = field(factory=list)

    async def watch(self, key: str) -> AsyncIterator[EffectEvent]:
        self.asked.append(key)
        try:
            for one in self.told:
                yield one
            if not self.ends:
                await asyncio.Event().wait()
        finally:
            self.left.append(key)


async def test_events_are_shown_in_order_and_effects_are_left_alone() -> None:
    display, effects = Shows(), Effects([MINED])
    await Follower(Timeline(), display, effects.watch).follow(events(DONE))
    assert display.shown == DONE
    assert effects.asked == []


async def test_a_display_that_wants_it_sees_effects_while_the_execution_runs() -> None:
    display, effects, timeline = (
        Shows(follows_effects=True),
        Effects([MINED], ends=False),
        Timeline(),
    )
    await Follower(timeline, display, effects.watch).follow(events(DONE))
    assert MINED in display.shown
    assert (effects.asked, effects.left) == ([KEY], [KEY]), "watched on after the end"


async def test_until_final_goes_on_after_the_end_until_nothing_can_change() -> None:
    timeline = Timeline()

    async def late(_: str) -> AsyncIterator[EffectEvent]:
        yield MINED
        while timeline.completed is None:
            await asyncio.sleep(0)
        yield FINAL

    display = Shows()
    await Follower(timeline, display, late, until_final=True).follow(events(DONE))
    assert display.shown[-2:] == [DONE[-1], FINAL]
    assert MINED in display.shown


async def test_until_final_does_not_wait_for_a_person() -> None:
    doubt = effect_event(2, "in_doubt")
    effects = Effects([doubt], ends=False)
    follower = Follower(Timeline(), Shows(), effects.watch, until_final=True)
    async with asyncio.timeout(5):
        await follower.follow(events(DONE))
    assert effects.left == [KEY]


async def test_an_effect_is_followed_once_however_often_it_is_told() -> None:
    effects = Effects([FINAL])
    follower = Follower(Timeline(), Shows(), effects.watch, until_final=True)
    await follower.follow(events([started(4), signed(5), signed(6), completed(7)]))
    assert effects.asked == [KEY]


async def refuses(key: str) -> AsyncIterator[EffectEvent]:
    if key:
        raise Overloaded("this connection watches as much as it may")
    yield FINAL


async def test_an_effect_that_cannot_be_followed_is_told_and_the_execution_is_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    display = Shows(follows_effects=True)
    await Follower(Timeline(), display, refuses).follow(events(DONE))
    assert display.shown == DONE
    assert capsys.readouterr().err == "this connection watches as much as it may\n"


async def test_until_final_fails_where_an_effect_cannot_be_followed() -> None:
    with pytest.raises(Overloaded):
        await Follower(Timeline(), Shows(), refuses, until_final=True).follow(events(DONE))


async def breaks() -> AsyncIterator[ExecutionEvent | ExecutionCompleted]:
    yield started(4)
    yield signed(5)
    await asyncio.sleep(0)
    raise ExecutionLost("its journal ends before what was seen")


async def test_nothing_is_followed_on_where_the_execution_breaks_off() -> None:
    effects = Effects([], ends=False)
    follower = Follower(Timeline(), Shows(follows_effects=True), effects.watch)
    with pytest.raises(ExecutionLost):
        await follower.follow(breaks())
    assert effects.left == effects.asked


# --- exit codes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (Outcome.SUCCEEDED, 0),
        (Outcome.FAILED, 1),
        (Outcome.CANCELLED, 1),
        (Outcome.TIMED_OUT, 1),
        (Outcome.INTERRUPTED, 1),
        (Outcome.IN_DOUBT, 3),
    ],
)
def test_every_outcome_has_an_exit_code(outcome: Outcome, code: int) -> None:
    assert exit_code(timeline_of([completed(9, outcome)])) == code


@pytest.mark.parametrize(
    ("kind", "data", "code"),
    [
        ("finalized", {"success": True, "block_number": 3}, 0),
        ("finalized", {"success": False, "block_number": 3}, 1),
        ("displaced", {}, 1),
        ("in_doubt", {}, 3),
    ],
)
def test_what_became_known_of_an_effect_afterwards_counts(
    kind: str, data: dict[str, bool | int], code: int
) -> None:
    assert exit_code(timeline_of([*DONE, effect_event(3, kind, **data)])) == code


def test_a_revert_that_the_execution_went_on_from_is_no_failure_of_it() -> None:
    refused = finished(6, success=False, block_number=3, transaction_hash=HASH)
    assert exit_code(timeline_of([started(4), signed(5), refused, completed(7)])) == 0
