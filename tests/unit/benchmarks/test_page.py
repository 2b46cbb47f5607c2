from __future__ import annotations

import platform
from pathlib import Path

from benchmarks.machine import Machine, this_machine
from benchmarks.page import Record, goals, markdown, pictures, read_records, write_record
from benchmarks.results import Chart, Figure, Result
from benchmarks.verdicts import Goal

MACHINE = Machine(2, "a CPU", "Linux", "CPython 3.11", ("websockets 17.4",))
RECORD = Record(
    "2026-01-31",
    MACHINE,
    Result(
        "some",
        "Something",
        (Figure("1 × 1", "ours", "p50", 7.0, "ms"),),
        (Goal("rate", 3.0, at_least=2.5), Goal("latency", 3.0, at_most=2.0)),
        (Chart("Latency", "p50"),),
        ("Read this.",),
    ),
)


def test_records_are_read_in_the_order_of_the_page(tmp_path: Path) -> None:
    other = Record("2026-01-30", MACHINE, Result("other", "Else"))
    for record in (other, RECORD):
        write_record(record, tmp_path)
    assert read_records(tmp_path, ("some", "missing", "other")) == [RECORD, other]


def test_a_missed_goal_stays_in_the_table_and_stands_out() -> None:
    met, missed = goals([RECORD]).splitlines()[2:]
    assert met.split(" | ")[1:] == ["rate   ", "  3.00", "at least 2.5", "met        |"]
    assert "| latency |   3.00 | at most 2    | **missed** |" in missed


def test_a_section_has_the_notes_the_pictures_the_figures_and_the_machine() -> None:
    page = markdown([RECORD], "benchmarks")
    places = [
        page.index(part)
        for part in (
            "## Something",
            "Read this.",
            "![Latency](benchmarks/some-1.svg)",
            "| 1 × 1 | ours |    7.00 |",
            "Measured on 2026-01-31: 2 cores, a CPU, Linux; CPython 3.11, websockets 17.4.",
        )
    ]
    assert places == sorted(places)


def test_every_chart_has_a_picture_that_tells_the_machine() -> None:
    ((name, text),) = pictures([RECORD]).items()
    assert name == "some-1.svg"
    assert "2 cores, a CPU, Linux" in text


def test_nothing_recorded_makes_an_empty_page() -> None:
    assert markdown([], "benchmarks").strip() == ""


def test_the_machine_is_told_without_its_name() -> None:
    machine = this_machine()
    text = " ".join(machine.lines)
    assert platform.python_version() in text
    assert machine.cores >= 1
    assert any(each.startswith("websockets ") for each in machine.libraries)
    assert platform.node() not in text
