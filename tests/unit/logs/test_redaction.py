"""Secrets do not leave with a log line."""

from __future__ import annotations

import json
import logging
import sys
import time

import pytest

from zephyrus_exec.cli.logs import redaction_of
from zephyrus_exec.config import load_settings
from zephyrus_exec.logs import JsonLines, Redaction, TextLines

KEY = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
URL = "https://user:p%40ss-word@rpc.example.org/v2/0123456789abcdef0123?key=querysecret"
HASH = "0x" + "ab" * 32

SETTINGS = load_settings({"rpc": [f"1={URL}"]}, {"ZEPHYRUS_KEY_MAIN": KEY})


@pytest.mark.parametrize(
    "leak",
    [
        f"the key is 0x{KEY}",
        f"the key is {KEY.upper()}",
        f"Cannot connect to {URL}",
        "GET /v2/0123456789abcdef0123?key=querysecret failed",
        "project 0123456789abcdef0123 is over its limit",
        "password p@ss-word was refused",
        "Authorization: Bearer abc.def-ghi",
        "Authorization: basic dXNlcjpwYXNz",
        "protocols zephyrus.auth.bearer.c2VjcmV0, chat",
        "postgres://admin:hunter2@db/zephyrus",
        "https://other.example/x?token=hunter2",
    ],
)
def test_secrets_are_taken_out_of_messages_tracebacks_and_fields(leak: str) -> None:
    redact = redaction_of(SETTINGS)
    record = logging.LogRecord("x", logging.ERROR, "f", 1, "%s", (leak,), None)
    record.agent = leak
    try:
        raise ValueError(leak)
    except ValueError:
        record.exc_info = sys.exc_info()
    for written in (JsonLines(redact).format(record), TextLines(redact).format(record)):
        lower = written.lower()
        for secret in (KEY, "0123456789abcdef", "querysecret", "ss-word", "abc.def", "dXNlcjp",
                       "c2VjcmV0", "hunter2"):  # fmt: skip
            assert secret.lower() not in lower, written
        assert "[redacted]" in written


def test_what_is_no_secret_stays() -> None:
    redact = redaction_of(SETTINGS)
    for text in (
        f"transaction {HASH} of 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
        "chain 1: endpoint 1 of 2 is unreachable: https://rpc.example.org/…",
        "listening on ws://127.0.0.1:8765",
        "the bearer",
    ):
        assert redact(text) == text


def test_short_secrets_do_not_eat_ordinary_words() -> None:
    assert Redaction(["a", "key"])("a key of any kind") == "a key of any kind"


def test_a_redacted_line_is_still_json() -> None:
    record = logging.LogRecord("x", logging.INFO, "f", 1, 'a "quoted" %s', (KEY,), None)
    line = json.loads(JsonLines(redaction_of(SETTINGS)).format(record))
    assert line["message"] == 'a "quoted" [redacted]'


@pytest.mark.parametrize("piece", ["a.", "a://", "a://b?", "bearer ", "a://u@"])
def test_text_that_is_made_to_be_slow_to_search_is_not(piece: str) -> None:
    begun = time.process_time()
    redaction_of(SETTINGS)(piece * (100_000 // len(piece)))
    assert time.process_time() - begun < 2.0
