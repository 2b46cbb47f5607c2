"""The page and the pictures that recorded results make."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from attrs import frozen

from benchmarks.machine import Machine
from benchmarks.pictures import picture
from benchmarks.results import Result, figures_table
from benchmarks.tables import table
from zephyrus_exec.conversion import structure, unstructure


@frozen
class Record:
    """A result, and what it was measured on."""

    measured: str
    """The day, as 2026-01-31."""
    machine: Machine
    result: Result


def write_record(record: Record, folder: Path) -> None:
    """Write it where `read_records` finds it, instead of an older one of that benchmark."""
    text = json.dumps(unstructure(record), indent=1, ensure_ascii=False) + "\n"
    file = folder / f"{record.result.benchmark}.json"
    file.write_text(text, encoding="utf-8", newline="\n")


def read_records(folder: Path, order: Sequence[str]) -> list[Record]:
    """Return the records of a folder in the order of these benchmarks.

    Raises:
        InvalidValue: One is of another format.
    """
    files = (folder / f"{name}.json" for name in order)
    return [
        structure(json.loads(file.read_text(encoding="utf-8")), Record)
        for file in files
        if file.exists()
    ]


def pictures(records: Iterable[Record]) -> dict[str, str]:
    """Return every picture by the name of its file."""
    return {
        _file(record, number): picture(
            chart, record.result.figures, (*record.machine.lines, record.measured)
        )
        for record in records
        for number, chart in enumerate(record.result.charts, start=1)
    }


def _file(record: Record, number: int) -> str:
    return f"{record.result.benchmark}-{number}.svg"


def markdown(records: Sequence[Record], folder: str) -> str:
    """Return what was to be shown, then each benchmark's pictures and figures.

    Args:
        records: In their order.
        folder: That of the pictures, as seen from the page.
    """
    parts = (goals(records), *(_section(record, folder) for record in records))
    return "\n\n".join(filter(None, parts))


def goals(records: Iterable[Record]) -> str:
    """Return a table of all goals; those that are missed stand out, and stay."""
    rows = [
        (
            record.result.title,
            goal.name,
            f"{goal.figure:,.2f}",
            goal.bound,
            "met" if goal.met else "**missed**",
        )
        for record in records
        for goal in record.result.goals
    ]
    return table(("", "goal", "figure", "bound", ""), rows) if rows else ""


def _section(record: Record, folder: str) -> str:
    result = record.result
    images = [
        f"![{chart.title}]({folder}/{_file(record, number)})"
        for number, chart in enumerate(result.charts, start=1)
    ]
    measured = f"Measured on {record.measured}: {'; '.join(record.machine.lines)}."
    return "\n\n".join(
        (f"### {result.title}", *result.notes, *images, figures_table(result.figures), measured)
    )
