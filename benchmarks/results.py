"""What a benchmark found: one small format, which every benchmark writes and the suite reads."""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from attrs import frozen

from benchmarks.tables import table
from benchmarks.verdicts import Goal, print_verdicts
from zephyrus_exec.conversion import structure, unstructure

Kind: TypeAlias = Literal["bars", "lines"]


@frozen
class Figure:
    """One number that was measured."""

    case: str
    """Under what circumstances: "50 × 4", "1,000,000 stored"."""
    subject: str
    """What was measured: "zephyrus_exec, memory", "bare websockets"."""
    quantity: str
    """What the number says: "executions", "p50", "to bare websockets"."""
    value: float
    """The median of the rounds."""
    unit: str = ""
    """Of the value: "1/s", "ms", "KiB"; empty: it is a ratio or a count."""
    rounds: tuple[float, ...] = ()
    """What each round gave, where there were several."""


@frozen
class Chart:
    """A picture worth drawing: one quantity, over the cases, for each subject."""

    title: str
    quantity: str
    kind: Kind = "bars"
    """`lines` where each case begins with a number, like "1,000 stored", over which to draw."""
    logarithmic: bool = False
    """Whether the quantity's axis is."""
    subjects: tuple[str, ...] = ()
    """Which to draw; empty: all."""


@frozen
class Result:
    """All that one benchmark found."""

    benchmark: str
    """The name of its module."""
    title: str
    """For people: a heading."""
    figures: tuple[Figure, ...] = ()
    goals: tuple[Goal, ...] = ()
    charts: tuple[Chart, ...] = ()
    notes: tuple[str, ...] = ()
    """Sentences to be read with the figures: what was run on which loop, what was not measured."""


def median(
    case: str, subject: str, quantity: str, rounds: Iterable[float], unit: str = ""
) -> Figure:
    """Return the figure that several rounds gave."""
    found = tuple(rounds)
    return Figure(case, subject, quantity, statistics.median(found), unit, found)


def ratio(
    case: str, subject: str, quantity: str, ours: Iterable[float], theirs: Iterable[float]
) -> Figure:
    """Return the median of the ratios, round by round: both of one round met the same machine."""
    pairs = zip(ours, theirs, strict=True)
    return median(case, subject, quantity, [mine / other for mine, other in pairs])


def figures_table(figures: Sequence[Figure]) -> str:
    """Return Markdown tables: a row for each case and subject, a column for each quantity.

    Rows that have nothing in common with those before them begin another table.
    """
    tables: list[list[Figure]] = []
    for row in _rows(figures):
        known = {each.quantity for each in tables[-1]} if tables else set()
        if not known & {each.quantity for each in row}:
            tables.append([])
        tables[-1] += row
    return "\n\n".join(map(_table, tables))


def _rows(figures: Sequence[Figure]) -> Iterable[list[Figure]]:
    rows: dict[tuple[str, str], list[Figure]] = {}
    for each in figures:
        rows.setdefault((each.case, each.subject), []).append(each)
    return rows.values()


def _table(figures: Sequence[Figure]) -> str:
    columns = list(dict.fromkeys((each.quantity, each.unit) for each in figures))
    heads = [f"{quantity}, {unit}" if unit else quantity for quantity, unit in columns]
    lines = []
    for row in _rows(figures):
        found = {(each.quantity, each.unit): each.value for each in row}
        cells = (shown(found.get(column)) for column in columns)
        lines.append((row[0].case, row[0].subject, *cells))
    return table(("", "", *heads), lines)


def shown(value: float | None) -> str:
    """Return a number as people read it: three digits that count, or all of a whole number."""
    if not value:
        return "" if value is None else "0"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 0.1 else 4
    return f"{value:,.{digits}f}"


def write(result: Result, file: Path) -> None:
    """Write it as JSON."""
    file.write_text(json.dumps(unstructure(result), indent=1, ensure_ascii=False), "utf-8")


def read(file: Path) -> Result:
    """Return what `write` wrote.

    Raises:
        InvalidValue: It is of another format.
    """
    return structure(json.loads(file.read_text("utf-8")), Result)


def command_line(name: str, *, rounds: int) -> argparse.ArgumentParser:
    """Return the options that every benchmark has; add the others.

    Args:
        name: Of the module.
        rounds: How often to measure by default.
    """
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}")
    parser.add_argument("--rounds", type=int, default=rounds, help=f"how often [{rounds}]")
    parser.add_argument("--quick", action="store_true", help="the smallest form, figures unusable")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there, too")
    return parser


def conclude(result: Result, options: argparse.Namespace) -> int:
    """Print the result, write it where `--json` says, return the exit status: 1, a goal missed."""
    print(f"# {result.title}\n\n{figures_table(result.figures)}")
    for note in result.notes:
        print(f"\n{note}")
    status = print_verdicts(result.goals)
    if options.json is not None:
        write(result, options.json)
    return status
