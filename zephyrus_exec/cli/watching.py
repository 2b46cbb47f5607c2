"""Following an execution, and its effects, to the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final, TypeAlias

from attrs import define, field

from ..errors import ZephyrusError
from ..model import EventKind, Outcome
from ..protocol.v2.messages import EffectEvent, ExecutionCompleted, ExecutionEvent
from .displays import Display
from .output import note
from .timeline import Shown, State, Timeline

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
EXIT_IN_DOUBT: Final = 3

WatchEffect: TypeAlias = Callable[[str], AsyncIterator[EffectEvent]]


@define(eq=False)
class Follower:
    """Takes events in and has them shown, each one once, in order."""

    timeline: Timeline
    display: Display
    watch_effect: WatchEffect
    """Gives the events of an effect, from the first to the last."""
    until_final: bool = False
    """Whether it goes on until no effect can change any more."""
    _effects: dict[str, asyncio.Task[None]] = field(factory=dict)

    async def follow(self, events: AsyncIterator[ExecutionEvent | ExecutionCompleted]) -> None:
        """Show an execution to its end.

        Args:
            events: Its events; the last one ends it.
        """
        try:
            async for event in events:
                self._show(event)
                if isinstance(event, ExecutionEvent) and event.event == EventKind.EFFECT_SIGNED:
                    self._follow_effect(str(event.data.get("effect_key")))
            if self.until_final:
                await asyncio.gather(*self._effects.values())
        finally:
            await self._stop()

    def _show(self, event: Shown) -> None:
        self.display.show(event, self.timeline.add(event))

    def _follow_effect(self, key: str) -> None:
        if (self.until_final or self.display.follows_effects) and key not in self._effects:
            self._effects[key] = asyncio.create_task(self._show_effect(key))

    async def _show_effect(self, key: str) -> None:
        async for event in self.watch_effect(key):
            self._show(event)
            if event.event == "in_doubt":  # only a person can go on from here
                return

    async def _stop(self) -> None:
        """End what still follows effects, and tell what kept one from being followed."""
        for task in self._effects.values():
            task.cancel()
        ends = await asyncio.gather(*self._effects.values(), return_exceptions=True)
        for end in ends:
            if isinstance(end, ZephyrusError) and not self.until_final:
                note(end.message)


def exit_code(timeline: Timeline) -> int:
    """Return how a command ends that followed this execution.

    What became known of its effects after its end counts too.
    """
    assert timeline.completed is not None
    outcome = timeline.completed.outcome
    sent = [(step.state, step.sent) for step in timeline.steps.values() if step.sent is not None]
    if outcome is Outcome.IN_DOUBT or any(one.last == "in_doubt" for _, one in sent):
        return EXIT_IN_DOUBT
    undone = any(state is State.DONE and one.failed for state, one in sent)
    return EXIT_FAILED if undone or outcome is not Outcome.SUCCEEDED else EXIT_OK
