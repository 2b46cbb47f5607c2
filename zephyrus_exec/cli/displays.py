"""Where the events of an execution are shown: a terminal, or lines that a program reads."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from attrs import evolve, frozen

from ..errors import ZephyrusError
from ..protocol.v2.codec import encode
from ..protocol.v2.messages import EffectEvent, Error
from ..protocol.v2.server import error_data
from .lines import advice_for, counts_of, effect_of, ended, line_of
from .output import note
from .timeline import Shown, Step, Timeline
from .words import Words


class Display(Protocol):
    """Shows an execution as its events come."""

    @property
    def follows_effects(self) -> bool:
        """Whether it shows how transactions stand while the execution runs."""
        ...

    def show(self, event: Shown, step: Step | None) -> None:
        """Show an event, which the timeline has taken in, and the step it is of."""

    def trouble(self, text: str) -> None:
        """Say that nothing comes at the moment, and why."""

    def recovered(self, text: str) -> None:
        """Say that this is over."""

    def refused(self, error: ZephyrusError, text: str) -> None:
        """Say that the server refuses to execute, or to tell; `text` is for people."""

    def end(self, watch: str) -> None:
        """Say how it ended and what to do next; `watch` is the command that comes back to it."""


@asynccontextmanager
async def open_display(timeline: Timeline, words: Words, *, json: bool) -> AsyncIterator[Display]:
    """Give the display that fits where output goes; it is left as it should stand.

    Args:
        timeline: Of the execution; whoever shows an event has it taken in before.
        words: Of the language.
        json: Whether a program reads.
    """
    if json:
        yield JsonDisplay()
        return
    if not is_live():
        yield LineDisplay(timeline, words)
        return
    try:
        from .live import open_live
    except ImportError:  # without the extra there are lines
        yield LineDisplay(timeline, words)
        return
    async with open_live(timeline, words) as live:
        yield live


def is_live() -> bool:
    """Whether somebody looks, at something that can be drawn on."""
    if os.environ.get("NO_COLOR") or os.environ.get("CI") or os.environ.get("TERM") == "dumb":
        return False
    return sys.stdout.isatty()


@frozen
class JsonDisplay:
    """The frames of the protocol, a line each."""

    follows_effects: bool = False

    def show(self, event: Shown, step: Step | None) -> None:
        """Print the frame of an event."""
        print(encode(event), flush=True)

    def trouble(self, text: str) -> None:
        """Tell whoever looks at stderr."""
        note(text)

    def recovered(self, text: str) -> None:
        """Likewise."""
        note(text)

    def refused(self, error: ZephyrusError, text: str) -> None:
        """Print the frame of an error that says so."""
        code = str(error.details.get("refusal", error.code))
        data = evolve(error_data(error, "en"), message=text, code=code)
        print(encode(Error(data=data)), flush=True)

    def end(self, watch: str) -> None:
        """Say nothing: the last frame said everything."""


@frozen
class LineDisplay:
    """A line for each event; advice on stderr."""

    timeline: Timeline
    words: Words
    follows_effects: bool = False

    def show(self, event: Shown, step: Step | None) -> None:
        """Print the line of an event; an effect's first event is one of the execution, too."""
        if not (isinstance(event, EffectEvent) and event.event == "signed"):
            print(line_of(event, step, self.words), flush=True)

    def trouble(self, text: str) -> None:
        """Tell whoever looks at stderr."""
        note(text)

    def recovered(self, text: str) -> None:
        """Likewise."""
        note(text)

    def refused(self, error: ZephyrusError, text: str) -> None:
        """Tell whoever looks at stderr."""
        note(text)

    def end(self, watch: str) -> None:
        """Print what no event told, where the effects stood, and what to do next."""
        for step in self.timeline.steps.values() if self.timeline.untold else ():
            told = () if step.sent is None else (effect_of(step, step.sent, self.words),)
            print(ended(step, self.words), *told, sep="\n", flush=True)
        print_end(self.timeline, self.words, watch)


def print_end(timeline: Timeline, words: Words, watch: str) -> None:
    """Print where the effects stood at the end, and on stderr what to do next."""
    if timeline.completed is None:
        return
    if counts := counts_of(timeline.completed, words):
        print(counts, flush=True)
    for advice in advice_for(timeline, words, watch=watch):
        note(advice)
