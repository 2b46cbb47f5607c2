from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.results import (
    Chart,
    Figure,
    Result,
    command_line,
    conclude,
    figures_table,
    median,
    ratio,
    read,
    shown,
    write,
)
from benchmarks.verdicts import Goal
from zephyrus_exec.errors import InvalidValue

RESULT = Result(
    "some",
    "Something",
    (median("50 × 4", "ours", "executions", [3.0, 1.0, 2.0], "1/s"),),
    (Goal("ours", 2.0, at_least=2.5),),
    (Chart("A picture", "executions"),),
    ("A note.",),
)


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    write(RESULT, tmp_path / "result.json")
    assert read(tmp_path / "result.json") == RESULT


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    file.write_text('{"benchmark": "some"}', encoding="utf-8")
    with pytest.raises(InvalidValue, match="title"):
        read(file)


def test_the_median_of_the_rounds_counts_and_all_of_them_are_kept() -> None:
    assert RESULT.figures[0].value == 2.0
    assert RESULT.figures[0].rounds == (3.0, 1.0, 2.0)


def test_a_ratio_is_that_of_each_round() -> None:
    # the medians' ratio would be 1
    assert ratio("", "", "", [10.0, 20.0, 40.0], [20.0, 40.0, 10.0]).value == 0.5


def test_a_row_for_each_case_and_subject_and_a_column_for_each_quantity() -> None:
    figures = (
        *RESULT.figures,
        Figure("50 × 4", "ours", "p50", 7.0, "ms"),
        Figure("1 × 1", "ours", "p50", 5.0, "ms"),
    )
    assert figures_table(figures).splitlines() == [
        "|        |      | executions, 1/s | p50, ms |",
        "| ------ | ---- | --------------: | ------: |",
        "| 50 × 4 | ours |            2.00 |    7.00 |",
        "| 1 × 1  | ours |                 |    5.00 |",
    ]


def test_rows_that_have_nothing_in_common_are_no_table() -> None:
    tables = figures_table((*RESULT.figures, Figure("1 × 1", "ours", "p50", 5.0))).split("\n\n")
    assert len(tables) == 2
    assert "p50" not in tables[0]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (0.0, "0"),
        (12345.6, "12,346"),
        (45.67, "45.7"),
        (1.234, "1.23"),
        (0.01234, "0.0123"),
        (-3.0, "-3.00"),
    ],
)
def test_numbers_have_as_many_digits_as_count(value: float | None, text: str) -> None:
    assert shown(value) == text


def test_a_missed_goal_is_the_exit_status_and_the_result_is_written_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "result.json"
    options = command_line("some", rounds=3).parse_args(["--json", str(file)])
    assert conclude(RESULT, options) == 1
    assert read(file) == RESULT
    assert "ours: 2.00 (at least 2.5): MISSED" in capsys.readouterr().out
