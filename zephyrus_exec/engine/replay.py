"""What the journal of an execution that is taken up says has been done: told once, in order."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TypeVar

from attrs import define, field, frozen

from ..conversion import dumps, structure
from ..errors import ActionInDoubt, ReplayMismatch
from ..interfaces.clock import Clock
from ..model import ActionResult, Event, EventKind, Json, JsonObject
from .clock import wait_until

T = TypeVar("T")

_PATIENCE = 5.0
"""Seconds a new step waits for journaled ones that other parts of the runner still have to ask
for; after that nobody will."""


@frozen
class Place:
    """Where an action stands in its execution."""

    cycle: int
    step: int


@frozen
class Step:
    """An action that the journal has already."""

    place: Place
    function_name: str
    parameters: JsonObject
    once: bool
    result: ActionResult | None
    """What came of it; null: the process ended inside."""


@define(eq=False)
class Past:
    """Decisions, actions and progress of an execution up to its take-over.

    A runner that is run again asks for the same things again and gets what was journaled. Actions
    are found by name and parameters, so parts of a runner that run side by side need not ask in
    the same order as before; decisions and progress are told in order.
    """

    decisions: deque[dict[str, Json]]
    steps: list[Step]
    progress: int
    """How many events a runner emitted."""
    last_step: int
    """Number of the last action."""
    in_doubt: bool
    """Whether an action of it was found to be in doubt already."""
    _over: asyncio.Event = field(factory=asyncio.Event)

    @classmethod
    def of(cls, events: Sequence[Event]) -> Past:
        """Return what these events tell, which are a journal from its beginning.

        Raises:
            InvalidValue, LookupError, ValueError: They are not as this release writes them.
        """
        results = {
            _place(event.data): structure(result_data(event), ActionResult)
            for event in events
            if event.kind == EventKind.ACTION_FINISHED
        }
        steps = [
            _step(event, results) for event in events if event.kind == EventKind.ACTION_STARTED
        ]
        return cls(
            deque(_decision(event) for event in events if event.kind == EventKind.PLANNED),
            steps,
            sum(event.kind == EventKind.PROGRESS for event in events),
            max((step.place.step for step in steps), default=0),
            any((one.error or {}).get("code") == ActionInDoubt.code for one in results.values()),
        )

    @property
    def over(self) -> bool:
        """Whether everything was asked for again; what follows is new."""
        return not self.decisions and not self.steps

    def decision(self) -> dict[str, Json] | None:
        """Return the next decision; null: the next one is new."""
        return self._asked(self.decisions.popleft()) if self.decisions else None

    def emitted(self) -> bool:
        """Whether the next progress was told already."""
        if not self.progress:
            return False
        self.progress -= 1
        return True

    def step(self, name: str, *parameters: JsonObject) -> Step | None:
        """Return the first action of this name that was not asked for yet; null: it is new.

        Args:
            name: Of the action.
            *parameters: Any of these are its parameters; none given: whatever they are.
        """
        wanted = [json.loads(dumps(one)) for one in parameters]
        for index, step in enumerate(self.steps):
            if step.function_name == name and (not wanted or step.parameters in wanted):
                return self._asked(self.steps.pop(index))
        return None

    def _asked(self, what: T) -> T:
        if self.over:
            self._over.set()
        return what

    async def wait_until_over(self, asked: str, clock: Clock) -> None:
        """Return once everything was asked for again: only then may something new be done.

        Args:
            asked: What is new, for the error.
            clock: The time.

        Raises:
            ReplayMismatch: Nobody asks for what the journal has.
        """
        over = asyncio.ensure_future(self._over.wait())
        try:
            await wait_until(clock, clock.now() + _PATIENCE, over)
        finally:
            over.cancel()
        self.check_over(asked)

    def check_over(self, asked: str) -> None:
        """Return if everything was asked for again.

        Raises:
            ReplayMismatch: The journal has more.
        """
        if self.over:
            return
        following = self.steps[0].function_name if self.steps else "decision"
        raise ReplayMismatch(
            f"the runner asks for {asked}, but the journal has {following}: the agent's code "
            "changed since; run the release that began this execution to end it",
            asked=asked,
            journaled=following,
        )


def result_data(finished: Event) -> dict[str, Json]:
    """Return what an `action_finished` event says of its result."""
    return {name: value for name, value in finished.data.items() if name not in ("cycle", "step")}


@frozen
class _Started:
    """The data of an `action_started` event."""

    cycle: int
    step: int
    function_name: str
    parameters: JsonObject
    message: str = ""
    once: bool = False


def _step(event: Event, results: Mapping[Place, ActionResult]) -> Step:
    data = structure(event.data, _Started)
    place = Place(data.cycle, data.step)
    return Step(place, data.function_name, data.parameters, data.once, results.get(place))


def _place(data: JsonObject) -> Place:
    return Place(structure(data["cycle"], int), structure(data["step"], int))


def _decision(planned: Event) -> dict[str, Json]:
    return {name: value for name, value in planned.data.items() if name != "cycle"}
