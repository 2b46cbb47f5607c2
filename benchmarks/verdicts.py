"""What was to be shown, and whether it was."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from attrs import frozen


@frozen
class Goal:
    """A figure with a bound."""

    name: str
    figure: float
    at_least: float | None = None
    at_most: float | None = None

    @property
    def met(self) -> bool:
        """Whether the figure is within its bounds."""
        return (self.at_least is None or self.figure >= self.at_least) and (
            self.at_most is None or self.figure <= self.at_most
        )

    @property
    def bound(self) -> str:
        """The bounds, for people."""
        low = None if self.at_least is None else f"at least {self.at_least:g}"
        high = None if self.at_most is None else f"at most {self.at_most:g}"
        return ", ".join(each for each in (low, high) if each is not None)


def print_verdicts(goals: Sequence[Goal]) -> int:
    """Print each goal, those that are missed in red; return the exit status."""
    print()
    for goal in goals:
        verdict = "met" if goal.met else _red("MISSED")
        print(f"{goal.name}: {goal.figure:.2f} ({goal.bound}): {verdict}")
    return 0 if all(goal.met for goal in goals) else 1


def _red(text: str) -> str:
    return f"\x1b[31m{text}\x1b[0m" if sys.stdout.isatty() else text
