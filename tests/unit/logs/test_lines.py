"""What a log line looks like, and what it is about."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from zephyrus_exec.logs import FIELDS, AboutFilter, JsonLines, TextLines, about, write_to

LOG = logging.getLogger("zephyrus_exec.testing_lines")


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("zephyrus_exec")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


def record(message: str = "hello %s", *args: object, **extra: str) -> logging.LogRecord:
    made = LOG.makeRecord(LOG.name, logging.INFO, "f.py", 1, message, args, None, extra=extra)
    made.created = 1_700_000_000.25
    return made


def test_a_line_of_json_has_stable_keys_and_an_iso_time_in_utc() -> None:
    line = JsonLines().format(record("hello %s", "you", execution="e1", incident="i1"))
    assert line == (
        '{"time":"2023-11-14T22:13:20.250Z","level":"info",'
        '"logger":"zephyrus_exec.testing_lines","message":"hello you",'
        '"execution":"e1","incident":"i1"}'
    )


def test_a_line_of_text_ends_with_what_it_is_about() -> None:
    line = TextLines().format(record("hello %s", "you", transaction="0xab", execution="e1"))
    assert line == (
        "2023-11-14T22:13:20.250Z INFO zephyrus_exec.testing_lines: hello you"
        " execution=e1 transaction=0xab"
    )


@pytest.mark.parametrize("evil", ["a\nb", "a\r\nb", "\x1b[2J", "a\u2028b", "a\x85b"])
def test_what_a_peer_sent_cannot_forge_a_line_nor_move_the_cursor(evil: str) -> None:
    for line in (
        TextLines().format(record("agent %s", evil, agent=evil)),
        JsonLines().format(record("agent %s", evil, agent=evil)),
    ):
        assert len(line.splitlines()) == 1 or "\u2028" in evil or "\x85" in evil
        assert "\n" not in line
        assert "\x1b" not in line
    assert json.loads(JsonLines().format(record("%s", evil)))["message"] == evil


def test_halves_of_surrogate_pairs_do_not_end_the_log() -> None:
    line = json.loads(JsonLines().format(record("agent %s", "\ud800")))
    assert line["message"] == "agent \\ud800"


def failure(text: str) -> logging.LogRecord:
    try:
        raise ValueError(text)
    except ValueError:
        made = record("failed")
        made.exc_info = sys.exc_info()
        return made


def test_a_traceback_is_a_key_of_json_and_lines_below_the_text() -> None:
    assert json.loads(JsonLines().format(failure("why")))["traceback"].endswith("ValueError: why")
    first, *rest = TextLines().format(failure("why")).splitlines()
    assert first.endswith("failed")
    assert rest[-1] == "ValueError: why"


async def test_a_task_and_those_it_starts_are_about_the_same_and_others_are_not() -> None:
    seen: dict[str, dict[str, str]] = {}

    def note(name: str) -> None:
        made = record()
        AboutFilter().filter(made)
        seen[name] = {field: vars(made)[field] for field in FIELDS if field in vars(made)}

    async def child() -> None:
        about(execution="e1")
        note("child")

    async def parent() -> None:
        about(connection="c1", principal="p1")
        await asyncio.create_task(child())
        note("parent")

    await asyncio.create_task(parent())
    note("outside")
    assert seen == {
        "child": {"connection": "c1", "principal": "p1", "execution": "e1"},
        "parent": {"connection": "c1", "principal": "p1"},
        "outside": {},
    }


async def test_what_a_line_says_itself_beats_what_its_task_says() -> None:
    async def say() -> str:
        about(execution="e1")
        made = record(execution="e2")
        AboutFilter().filter(made)
        return str(vars(made)["execution"])

    assert await asyncio.create_task(say()) == "e2"


def logged(level: str, form: str = "json") -> list[dict[str, Any]]:
    stream = io.StringIO()
    write_to(stream, level=level, form=form)
    for name in ("zephyrus_exec.x", "other.library"):
        for threshold in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
            logging.getLogger(name).log(threshold, "said")
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("level", "ours", "others"),
    [("debug", 4, 2), ("info", 3, 2), ("warning", 2, 2), ("error", 1, 1), ("critical", 0, 0)],
)
def test_a_level_bounds_our_lines_and_those_of_others_never_below_warnings(
    level: str, ours: int, others: int
) -> None:
    lines = logged(level)
    assert sum(line["logger"] == "zephyrus_exec.x" for line in lines) == ours
    assert sum(line["logger"] == "other.library" for line in lines) == others


def test_asking_again_replaces_the_stream() -> None:
    first, second = io.StringIO(), io.StringIO()
    write_to(first)
    write_to(second)
    LOG.warning("once")
    assert (first.getvalue(), second.getvalue().count("once")) == ("", 1)
