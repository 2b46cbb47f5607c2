"""Which web pages may open a WebSocket."""

from __future__ import annotations

import pytest

from zephyrus_exec.transports.origin import loopback_or_none, shown


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "http://localhost",
        "http://localhost:3000",
        "https://localhost:8443",
        "http://127.0.0.1",
        "http://127.1.2.3:5000",
        "http://[::1]",
        "https://[::1]:3000",
    ],
)
def test_no_origin_and_this_machine_are_allowed(origin: str | None) -> None:
    assert loopback_or_none(origin)


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "null",
        "https://example.com",
        "http://localhost.example.com",
        "http://localhost@example.com",
        "http://me@localhost",
        "http://localhost/path",
        "http://localhost, http://localhost",
        "http://127.0.0.1.example.com",
        "http://128.0.0.1",
        "http://0.0.0.0",
        "http://[::2]",
        "http://[::1",
        "http://localhost:99999",
        "http://localhost:0",
        "http://localhost:port",
        "file://",
        "file://localhost",
        "chrome-extension://localhost",
        "localhost",
        "//localhost",
        "http:localhost",
        "http://",
        "http://local\thost",
        " http://localhost",
    ],
)
def test_everything_else_is_not(origin: str) -> None:
    assert not loopback_or_none(origin)


def test_what_a_peer_sent_is_shown_without_control_characters() -> None:
    assert shown("a\r\nb\x1b[31m") == r"a\r\nb\x1b[31m"


def test_what_a_peer_sent_is_shown_cut() -> None:
    assert shown("x" * 1000) == "x" * 97 + "..."
