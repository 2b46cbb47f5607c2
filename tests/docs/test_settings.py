"""No variable and no flag without a test that shows what it does."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from zephyrus_exec.config.variables import RETIRED, VARIABLES

from .commands import FLAGS
from .markdown import ROOT


@cache
def shown() -> frozenset[str]:
    """Return everything that a mark `shows` of a test names."""
    return frozenset(
        name for file in (ROOT / "tests").rglob("test_*.py") for name in _marks_in(file)
    )


def _marks_in(file: Path) -> Iterator[str]:
    text = file.read_text(encoding="utf-8")
    if "mark.shows(" not in text:
        return
    for node in ast.walk(ast.parse(text)):
        decorators = getattr(node, "decorator_list", [])
        calls = (one for one in decorators if isinstance(one, ast.Call))
        for call in calls:
            if ast.unparse(call.func) == "pytest.mark.shows":
                yield from (str(ast.literal_eval(argument)) for argument in call.args)


@pytest.mark.parametrize("name", [one.name for one in VARIABLES])
def test_every_variable_has_a_test_of_what_it_does(name: str) -> None:
    assert name in shown()


@pytest.mark.parametrize(
    ("command", "flag"), [(path, flag) for path, flags in FLAGS.items() for flag in sorted(flags)]
)
def test_every_flag_has_a_test_of_what_it_does(command: str, flag: str) -> None:
    """`* --flag` is a test that runs every command that has the flag."""
    assert f"{command} {flag}" in shown() or f"* {flag}" in shown()


def test_no_mark_names_what_is_not_there() -> None:
    flags = {f"{path} {flag}" for path, some in FLAGS.items() for flag in some}
    flags |= {f"* {flag}" for some in FLAGS.values() for flag in some}
    assert shown() - flags - {one.name for one in VARIABLES} == {"--version"}


@pytest.mark.parametrize("page", ["migration.md", "es/migration.md"])
def test_both_pages_on_moving_here_name_every_variable_that_is_left_behind(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert [name for name in RETIRED if f"`{name}`" not in text] == []
