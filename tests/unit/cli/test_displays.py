"""Where an execution is shown, and what is written there."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable

import pytest

from zephyrus_exec.cli.displays import Display, JsonDisplay, LineDisplay, open_display
from zephyrus_exec.cli.live import LiveDisplay
from zephyrus_exec.cli.timeline import Shown, Timeline
from zephyrus_exec.cli.words import words

from .executions import FRAMES, completed, recorded


def show(display: Display, timeline: Timeline, events: Iterable[Shown]) -> None:
    for event in events:
        display.show(event, timeline.add(event))


async def display_here(*, as_json: bool = False) -> str:
    async with open_display(Timeline(), words("en"), json=as_json) as display:
        return type(display).__name__


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("NO_COLOR", "CI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    return monkeypatch


async def test_a_terminal_gets_the_table_that_moves(terminal: pytest.MonkeyPatch) -> None:
    assert await display_here() == LiveDisplay.__name__


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("CI", "true"), ("TERM", "dumb")])
async def test_a_terminal_that_cannot_or_shall_not_be_drawn_on_gets_lines(
    name: str, value: str, terminal: pytest.MonkeyPatch
) -> None:
    terminal.setenv(name, value)
    assert await display_here() == LineDisplay.__name__


async def test_a_pipe_gets_lines() -> None:
    assert await display_here() == LineDisplay.__name__


async def test_a_program_gets_frames_even_on_a_terminal(terminal: pytest.MonkeyPatch) -> None:
    assert await display_here(as_json=True) == JsonDisplay.__name__


def test_frames_are_written_as_they_came(capsys: pytest.CaptureFixture[str]) -> None:
    show(JsonDisplay(), Timeline(), recorded("mints"))
    JsonDisplay().end("watch it")
    written = capsys.readouterr()
    assert written.out == (FRAMES / "mints.jsonl").read_text(encoding="utf-8")
    assert written.err == ""
    assert all(json.loads(line)["type"] for line in written.out.splitlines())


def test_lines_are_events_then_counts_and_advice_is_beside_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    timeline = Timeline()
    display = LineDisplay(timeline, words("en"))
    show(display, timeline, [*recorded("mints")[:8], completed(9, effects={"pending": 1})])
    display.end("watch it")
    written = capsys.readouterr()
    *lines, counts = written.out.splitlines()
    assert [line[:4] for line in lines] == [f"{n:>4}" for n in range(1, 10)]
    assert counts == "effects when it ended: 1 not in a block yet"
    assert written.err.endswith(": watch it\n")


def test_an_effect_that_begins_is_no_second_line(capsys: pytest.CaptureFixture[str]) -> None:
    timeline = Timeline()
    show(LineDisplay(timeline, words("en")), timeline, recorded("mints"))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 11
    assert [line.rpartition(": ")[2] for line in lines[-2:]] == ["in block 2", "final, in block 2"]


@pytest.mark.parametrize("display", [JsonDisplay(), LineDisplay(Timeline(), words("en"))])
def test_trouble_is_told_beside_the_output(
    display: Display, capsys: pytest.CaptureFixture[str]
) -> None:
    display.trouble("connection lost")
    display.recovered("connected again")
    assert capsys.readouterr() == ("", "connection lost\nconnected again\n")


def test_who_left_before_the_end_gets_no_last_word(capsys: pytest.CaptureFixture[str]) -> None:
    LineDisplay(Timeline(), words("en")).end("watch it")
    assert capsys.readouterr() == ("", "")
