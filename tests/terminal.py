"""What is to be seen on a terminal that was sent this: `pyte` draws it."""

from __future__ import annotations

import pyte

COLUMNS = 100
LINES = 40


def on_screen(sent: str, *, columns: int = COLUMNS, lines: int = LINES) -> list[str]:
    """Return the lines of a terminal, those that scrolled out at its top included.

    Args:
        sent: What was written to it.
        columns: Its width, in characters.
        lines: Its height.
    """
    screen = pyte.HistoryScreen(columns, lines, history=10_000)
    pyte.Stream(screen).feed(sent)
    above = ["".join(row[x].data for x in range(columns)) for row in screen.history.top]
    shown = [line.rstrip() for line in [*above, *screen.display]]
    while shown and not shown[-1]:
        shown.pop()
    return shown
