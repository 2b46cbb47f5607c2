"""The table that moves: what is to be seen at one moment."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterable
from typing import NoReturn

import pytest
from rich.console import Console

from zephyrus_exec.cli.live import Look, open_live
from zephyrus_exec.cli.timeline import Shown, Timeline
from zephyrus_exec.cli.words import words
from zephyrus_exec.model import EventKind, Json, Outcome
from zephyrus_exec.protocol.wording import Language

from ...terminal import on_screen
from .executions import (
    AT,
    HASH,
    completed,
    effect_event,
    event,
    finished,
    recorded,
    signed,
    started,
    timeline_of,
)


def seen(
    events: Iterable[Shown],
    *,
    room: int = 20,
    trouble: str = "",
    now: float = AT + 6,
    language: Language = "en",
) -> list[str]:
    """Return the lines on a wide terminal, without the blanks they end with."""
    out = Console(file=io.StringIO(), width=200, color_system=None)
    for part in Look(words(language), now, "*").at(timeline_of(events), room=room, trouble=trouble):
        out.print(part)
    assert isinstance(out.file, io.StringIO)
    return [line.rstrip() for line in out.file.getvalue().splitlines()]


def test_a_recorded_execution_is_a_table_and_how_it_ended() -> None:
    title, head, *rows, end = seen(recorded("mints"))
    assert title.startswith("8191feef-546d-46a8-a26f-b92073882f5c  ")
    assert head.split() == ["step", "state", "transaction", "took"]
    text = " ".join(" ".join(rows).split())
    assert "✓ 1.1 balanceOf(account = 0x70997970…17dc79C8) 0, block 1" in text
    assert "done, block 2, gas 68457," in text
    assert "0x73ce55af…e37adb65" in text
    assert end == "succeeded: agent 8191feef-546d-46a8-a26f-b92073882f5c, 2 actions done"


def test_a_step_that_goes_on_turns_and_its_time_runs() -> None:
    begun = [event(3, EventKind.PLANNED, actions=["pay", "pay"]), started(4)]
    _, _, row, stands = seen(begun, now=AT + 9.5)
    assert row.split()[:2] == ["*", "1.1"]
    assert row.endswith("5.50 s")
    assert "running" in row
    assert stands == "* running"


def test_a_clock_behind_the_servers_shows_no_negative_time() -> None:
    assert seen([started(4)], now=AT)[2].endswith("0.00 s")


def test_a_transaction_shows_how_it_stands_while_it_is_waited_for() -> None:
    sent: list[Shown] = [started(4), signed(5)]
    assert " sent " in seen(sent)[2]
    bumped = [*sent, effect_event(2, "bumped", transaction_hash="0x" + "cd" * 32)]
    text = " ".join(seen(bumped)[2].split())
    assert "sent again, at a higher fee 0xcdcdcdcd…cdcdcdcd" in text


@pytest.mark.parametrize(
    ("code", "mark", "said"),
    [
        ("action_in_doubt", "?", "nobody knows whether it happened"),
        ("brand_new", "✗", "a new reason"),
    ],
)
def test_a_step_that_failed_says_why(code: str, mark: str, said: str) -> None:
    error: dict[str, Json] = {"code": code, "message": "a new reason", "details": {}}
    row = seen([started(4), finished(6, success=False, error=error)])[2]
    assert row.split()[0] == mark
    assert said in row


def test_progress_and_the_wish_to_end_are_below_the_table() -> None:
    plan = event(3, EventKind.PLANNED, actions=["pay"] * 3)
    asked = event(7, EventKind.CANCEL_REQUESTED, principal="ana")
    *_, stands = seen([plan, started(4), finished(6), asked])
    assert stands == "* running 1/3, asked to end"


def test_before_anything_is_known_it_is_queued() -> None:
    assert seen([])[-1] == "* queued"


def test_trouble_is_the_last_line_until_it_ends() -> None:
    assert seen([started(4)], trouble="lost [bold]")[-1] == "lost [bold]"
    assert "lost" not in seen([started(4), completed(9)], trouble="lost")[-1]


def test_where_there_is_no_room_the_newest_steps_are_shown() -> None:
    steps = [finished(n, step=n, function_name=f"step{n}") for n in range(1, 31)]
    _, _, earlier, *rows, _ = seen(steps, room=5)
    assert earlier.strip() == "… 25 earlier"
    assert [row.split()[2].partition("(")[0] for row in rows] == [f"step{n}" for n in range(26, 31)]


def test_what_a_server_writes_is_no_markup_and_steers_nothing() -> None:
    steering = "[red]a[/red]\x1b[2J\x07b"
    lines = seen(
        [event(1, EventKind.ACCEPTED, agent_id=steering), finished(2, function_name=steering)]
    )
    assert all(line.isprintable() for line in lines)
    assert "[red]a[/red]" in lines[0]
    assert "[red]a[/red]" in lines[2]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `rich` draw although nobody looks."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LINES", "40")


@pytest.mark.parametrize("ended", [False, True])
def test_a_step_is_one_line_while_it_moves_and_whole_at_the_end(ended: bool) -> None:
    long = {"to": "x" * 250}
    steps = [finished(n, step=n, parameters=long) for n in range(1, 4)]
    _, _, *rows, _ = seen([*steps, completed(9)] if ended else steps)
    assert (len(rows) > 3, sum(row.count("x") for row in rows) == 750) == (ended, ended)


@pytest.mark.usefixtures("terminal")
async def test_a_terminal_that_has_gone_ends_the_display(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    looked = asyncio.Event()

    def gone(*_: object) -> NoReturn:
        looked.set()
        raise BrokenPipeError

    async def follow() -> None:
        async with open_live(Timeline(), words("en")) as display:
            monkeypatch.setattr(display, "look", gone)
            await looked.wait()

    with pytest.raises(BrokenPipeError):
        await follow()


@pytest.mark.usefixtures("terminal")
async def test_the_last_look_stays_and_what_to_do_next_is_below_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    timeline = Timeline()
    async with open_live(timeline, words("en")) as display:
        display.trouble("connection lost")
        events: list[Shown] = [started(4), signed(5)]
        for one in [*events, completed(9, Outcome.TIMED_OUT, effects={"pending": 1})]:
            display.show(one, timeline.add(one))
        display.recovered("connected again")
        display.end("watch it")
    written = capsys.readouterr()
    *_, step, end, effect, counts = on_screen(written.out.replace("\n", "\r\n"))
    assert step.split()[:2] == ["·", "1.1"], "it turns although nothing goes on"
    assert end == "timed out: agent payer, nothing was done"
    assert effect == f"1.1 pay: transaction {HASH}: sent"
    assert counts == "effects when it ended: 1 not in a block yet"
    assert written.err.endswith("watch it\n")


@pytest.mark.usefixtures("terminal")
async def test_who_leaves_before_the_end_leaves_the_look_and_nothing_more(
    capsys: pytest.CaptureFixture[str],
) -> None:
    timeline = timeline_of([started(4)])
    async with open_live(timeline, words("en")):
        pass
    written = capsys.readouterr()
    assert on_screen(written.out.replace("\n", "\r\n"))[-1].endswith(" running")
    assert written.err == ""
