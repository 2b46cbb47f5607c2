"""An execution as a table that moves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Final

from attrs import frozen
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ..errors import ZephyrusError
from ..protocol.texts import cut
from .displays import print_end
from .lines import (
    arguments_of,
    effect_of,
    effect_stands,
    end_of,
    error_of,
    facts_of,
    label,
    result_of,
    took_of,
)
from .output import console, short
from .timeline import Shown, State, Step, Timeline
from .words import Words

_PAUSE: Final = 0.125
"""Seconds between two looks of the table."""

_ROUND: Final = 8
"""Lines of the screen that are no steps."""

_FRAMES: Final = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"

_MARKS: Final = {State.DONE: "✓", State.FAILED: "✗", State.IN_DOUBT: "?"}

_STYLES: Final = {
    State.RUNNING: "yellow",
    State.SENT: "cyan",
    State.DONE: "green",
    State.FAILED: "red",
    State.IN_DOUBT: "bold magenta",
}


@asynccontextmanager
async def open_live(timeline: Timeline, words: Words) -> AsyncIterator[LiveDisplay]:
    """Show the execution on the terminal until the block ends; its last look stays there.

    Args:
        timeline: What is shown, as it grows.
        words: Of the language.
    """
    out = console()
    display = LiveDisplay(timeline, words, out)
    with Live(console=out, auto_refresh=False, redirect_stderr=False) as live:
        drawing = asyncio.create_task(_draw(live, display))
        try:
            yield display
        finally:
            drawing.cancel()
            await asyncio.wait({drawing})
            if not drawing.cancelled():
                drawing.result()
            live.update(display.look(), refresh=True)
    display.say_last()


async def _draw(live: Live, display: LiveDisplay) -> None:
    while True:
        live.update(display.look(), refresh=True)
        await asyncio.sleep(_PAUSE)


class LiveDisplay:
    """What stands on the terminal, made anew for each look.

    Args:
        timeline: What is shown.
        words: Of the language.
        out: The terminal.
    """

    follows_effects = True

    def __init__(self, timeline: Timeline, words: Words, out: Console) -> None:
        self._timeline = timeline
        self._words = words
        self._out = out
        self._trouble = ""
        self._refused = ""
        self._watch: str | None = None

    def show(self, event: Shown, step: Step | None) -> None:
        """Do nothing: the next look at the timeline shows it."""

    def trouble(self, text: str) -> None:
        """Say below the table that nothing comes at the moment."""
        self._trouble = text

    def recovered(self, text: str) -> None:
        """Say so no longer."""
        self._trouble = ""

    def refused(self, error: ZephyrusError, text: str) -> None:
        """Say that instead of how it stands."""
        self._refused = text

    def end(self, watch: str) -> None:
        """Remember that it ended; the last word is said below the last look."""
        self._watch = watch

    def look(self) -> RenderableType:
        """Return what is to be seen now."""
        room = max(3, self._out.size.height - _ROUND)
        frames = "|/-\\" if self._out.options.ascii_only else _FRAMES
        look = Look(self._words, time.time(), frames)
        seen = look.at(self._timeline, room=room, trouble=self._trouble, refused=self._refused)
        return Group(*seen)

    def say_last(self) -> None:
        """Print the transactions in full, where they stand, and what to do next."""
        if self._watch is None:
            return
        for step in self._timeline.steps.values():
            if step.sent is not None:
                print(effect_of(step, step.sent, self._words))
        print_end(self._timeline, self._words, self._watch)


@frozen
class Look:
    """How an execution looks at one moment."""

    words: Words
    now: float
    """Seconds since the epoch."""
    frames: str = _FRAMES
    """What turns where something goes on."""

    def at(
        self, timeline: Timeline, *, room: int, trouble: str = "", refused: str = ""
    ) -> Iterator[RenderableType]:
        """Yield what is to be seen, from top to bottom.

        Args:
            timeline: How the execution stands.
            room: Most steps that fit; the newest are shown.
            trouble: What is wrong with the connection; empty: nothing.
            refused: Why the server tells no more of it; empty: it does.
        """
        if timeline.agent_id or timeline.execution_id:
            yield Text(cut(f"{timeline.agent_id}  {timeline.execution_id}"), style="bold")
        if timeline.steps:
            yield self._steps(timeline, room)
        if timeline.completed is not None:
            yield Text(end_of(timeline.completed, self.words))
            return
        if refused:
            yield Text(cut(refused), style="red")
            return
        yield Text(f"{self._turning()} {self._stands(timeline)}")
        if trouble:
            yield Text(cut(trouble), style="yellow")

    def _turning(self) -> str:
        return self.frames[int(self.now / _PAUSE) % len(self.frames)]

    def _stands(self, timeline: Timeline) -> str:
        ended = sum(1 for step in timeline.steps.values() if step.result is not None)
        stands = self.words.statuses.get(timeline.status, timeline.status)
        if timeline.planned >= ended > 0:
            stands += f" {ended}/{timeline.planned}"
        return f"{stands}, {self.words.cancelling}" if timeline.cancelling else stands

    def _steps(self, timeline: Timeline, room: int) -> Table:
        """Return the newest steps: a line for each while they move, whole at the end."""
        steps = [*timeline.steps.values()]
        moves = timeline.completed is None
        table = Table(box=None, pad_edge=False)
        for column in self.words.step_columns:
            table.add_column(column, overflow="ellipsis" if moves else "fold", no_wrap=moves)
        if len(steps) > room:
            earlier = self.words.earlier.format(count=len(steps) - room)
            table.add_row("", Text(earlier, style="dim"))
        for step in steps[-room:]:
            table.add_row(*self._cells(step, goes_on=moves and step.result is None))
        return table

    def _cells(self, step: Step, *, goes_on: bool) -> Iterator[Text]:
        style = _STYLES[step.state]
        yield Text(self._turning() if goes_on else _MARKS.get(step.state, "·"), style=style)
        yield Text(f"{label(step)}({arguments_of(step)})")
        yield Text(stands_of(step, self.words), style=style)
        yield Text("" if step.sent is None else short(cut(step.sent.transaction_hash)))
        yield Text(took_of(step, self.now if goes_on else step.ended), style="dim")


def stands_of(step: Step, words: Words) -> str:
    """Return how a step stands, its transaction included."""
    match step.state:
        case State.FAILED | State.IN_DOUBT:
            return error_of(step, words)
        case State.DONE:
            told = [result_of(step, words), *facts_of(step, words)]
            if step.sent is not None and step.sent.last == "finalized":
                told.append(effect_stands(step.sent, words))
            return ", ".join(told)
        case _:
            return words.running if step.sent is None else effect_stands(step.sent, words)
