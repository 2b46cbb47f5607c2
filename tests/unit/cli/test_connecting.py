"""Who asks a server, and how the connection to it is told."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from zephyrus_exec.cli.connecting import DEFAULT_URL, StatusTeller, token_of, url_of
from zephyrus_exec.cli.displays import LineDisplay
from zephyrus_exec.cli.timeline import Timeline
from zephyrus_exec.cli.words import words
from zephyrus_exec.client import Status
from zephyrus_exec.errors import ConfigurationError


def told(capsys: pytest.CaptureFixture[str], *statuses: Status) -> list[str]:
    teller = StatusTeller(words("en"))
    teller(Status("waiting", 9.0, "before there is a display"))
    teller.display = LineDisplay(Timeline(), words("en"))
    for status in statuses:
        teller(status)
    return capsys.readouterr().err.splitlines()


def test_a_lost_connection_is_told_with_the_time_until_the_next_attempt(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert told(capsys, Status("waiting", 0.2, "it\x1b[2J ended"), Status("waiting", 3.0)) == [
        "connection lost (it [2J ended), trying again in 1 s",
        "connection lost, trying again in 3 s",
    ]


def test_a_connection_is_told_to_be_back_once_and_only_if_it_was_lost(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lost, back = Status("waiting", 1.0), Status("open")
    statuses = (
        Status("connecting"),
        back,
        lost,
        Status("connecting"),
        back,
        back,
        Status("closed"),
    )
    assert told(capsys, *statuses)[1:] == ["connected again"]


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> argparse.Namespace:
    monkeypatch.chdir(tmp_path)
    for name in ("ZEPHYRUS_TOKEN", "ZEPHYRUS_TOKEN_FILE", "WS_URL"):
        monkeypatch.delenv(name, raising=False)
    return argparse.Namespace(token_file=None, env_file=None, url=None)


def test_without_anything_said_it_is_the_server_of_this_machine_and_nobody_asks(
    options: argparse.Namespace,
) -> None:
    assert (url_of(options), token_of(options)) == (DEFAULT_URL, None)


def test_a_file_that_is_named_beats_the_variable_which_beats_its_file(
    options: argparse.Namespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("named", "other"):
        (tmp_path / name).write_text(f"{name} token\r\n", encoding="utf-8")
    monkeypatch.setenv("ZEPHYRUS_TOKEN_FILE", "other")
    assert token_of(options) == "other token"
    monkeypatch.setenv("ZEPHYRUS_TOKEN", "a token")
    assert token_of(options) == "a token"
    options.token_file = tmp_path / "named"
    assert token_of(options) == "named token"


def test_a_file_that_is_no_text_is_refused_without_showing_it(
    options: argparse.Namespace, tmp_path: Path
) -> None:
    options.token_file = tmp_path / "binary"
    options.token_file.write_bytes(b"\xff\xfesecret")
    with pytest.raises(ConfigurationError, match="is no UTF-8 text") as refusal:
        token_of(options)
    assert "secret" not in refusal.value.message
