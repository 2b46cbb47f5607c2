"""Deadlines against a plain list: whatever is set, cancelled and waited for, the same fire."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from zephyrus_exec.engine.deadlines import Deadline, Deadlines
from zephyrus_exec.testing.clock import ManualClock

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("at"), st.integers(-2, 20)),
        st.tuples(st.just("cancel"), st.integers(0, 200)),
        st.tuples(st.just("many"), st.integers(60, 70)),
        st.tuples(st.just("wait"), st.integers(0, 7)),
    ),
    max_size=40,
)


class Model:
    """What is set, as a list."""

    def __init__(self) -> None:
        self.clock = ManualClock(0.0)
        self.deadlines = Deadlines(self.clock)
        self.fired: list[int] = []
        self.handles: list[Deadline] = []
        self.open: dict[int, float] = {}

    def at(self, seconds: int) -> None:
        number = len(self.handles)
        when = self.clock.now() + seconds
        self.handles.append(self.deadlines.at(when, lambda: self.fired.append(number)))
        self.open[number] = when

    def cancel(self, index: int) -> None:
        if self.handles:
            number = index % len(self.handles)
            self.handles[number].cancel()
            self.open.pop(number, None)

    def many(self, how_many: int) -> None:
        for _ in range(how_many):
            self.at(50)
            self.cancel(len(self.handles) - 1)

    async def wait(self, seconds: int) -> None:
        already = len(self.fired)
        await self.clock.advance(seconds)
        now = self.clock.now()
        due = [number for number, when in self.open.items() if when <= now]
        assert sorted(self.fired[already:]) == sorted(due)
        for number in due:
            del self.open[number]


@given(STEPS)
def test_exactly_what_is_due_and_not_cancelled_fires(steps: list[tuple[str, int]]) -> None:
    async def play() -> None:
        model = Model()
        running = asyncio.create_task(model.deadlines.run())
        for name, number in steps:
            if name == "wait":
                await model.wait(number)
            else:
                getattr(model, name)(number)
        await model.wait(100)
        assert len(model.deadlines) == 0
        running.cancel()
        await asyncio.wait({running})

    asyncio.run(play())
