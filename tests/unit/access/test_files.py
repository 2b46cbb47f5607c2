"""Token files: what is taken, what is refused, and what becomes of changes."""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from zephyrus_exec.access import (
    Token,
    TokenAuthenticator,
    TokenFile,
    append_token,
    digest,
    new_token,
    read_tokens,
)
from zephyrus_exec.access.tokens import find
from zephyrus_exec.errors import ConfigurationError
from zephyrus_exec.testing.clock import ManualClock

HASH = digest("x")
GOOD = f'[[tokens]]\nname = "a"\nprincipal = "p"\nscopes = ["watch"]\nhash = "{HASH}"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tokens.toml"
    path.write_text(GOOD, encoding="utf-8")
    return path


def test_an_entry_is_what_the_file_says(file: Path) -> None:
    assert read_tokens(file) == (Token("a", HASH, "p", frozenset({"watch"})),)


def test_what_is_appended_is_read_back(file: Path) -> None:
    expires = datetime(2030, 1, 31, tzinfo=UTC)
    added = Token('ñ "\\', digest("y"), "q", frozenset({"execute", "operate"}), expires)
    append_token(file, added)
    assert read_tokens(file)[1] == added


def test_an_empty_file_has_no_tokens(file: Path) -> None:
    file.write_text("", encoding="utf-8")
    assert read_tokens(file) == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[[tokens]", "no TOML"),
        ("x = 1", "nothing else"),
        ("tokens = 1", "nothing else"),
        ("tokens = [1]", "token 1 is no table"),
        (GOOD + "hsh = 1", "something unknown: 'hsh'"),
        (GOOD.replace('"a"', '""'), "needs a name"),
        (GOOD.replace('"a"', r'"a\n"'), "needs a name"),
        (GOOD.replace('"p"', "7"), "needs a principal"),
        (GOOD.replace('"p"', f'"{"p" * 257}"'), "needs a principal"),
        (GOOD.replace('["watch"]', "[]"), "needs scopes"),
        (GOOD.replace('["watch"]', '["watch", "all"]'), "needs scopes"),
        (GOOD.replace('["watch"]', '"watch"'), "needs scopes"),
        (GOOD.replace(HASH, "my secret"), "needs a hash"),
        (GOOD.replace(HASH, HASH.upper()), "needs a hash"),
        (GOOD + "expires = 2030-01-31", "expires needs"),
        (GOOD + "expires = 2030-01-31T00:00:00", "expires needs"),
        (GOOD + GOOD, "the same name"),
        (GOOD + GOOD.replace('"a"', '"b"'), "the same hash"),
        ("#" * (4 << 20) + "#", "too large"),
    ],
)
def test_what_is_wrong_is_told_without_a_secret(file: Path, text: str, problem: str) -> None:
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=problem) as refusal:
        read_tokens(file)
    assert "my secret" not in str(refusal.value)
    assert HASH not in str(refusal.value)


def test_a_file_that_is_not_there_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        TokenFile(tmp_path / "none")


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be written"):
        append_token(tmp_path / "no folder" / "t", Token("a", HASH, "p", frozenset({"watch"})))


def test_a_change_that_leaves_the_time_stamp_is_seen(file: Path) -> None:
    """Two writes may fall into one tick of the file system's clock."""
    tokens = TokenFile(file)
    stat = file.stat()
    file.write_text(GOOD.replace('"p"', '"q"'), encoding="utf-8")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert [token.principal for token in tokens.tokens] == ["q"]


def test_a_file_that_has_not_changed_is_not_read_again(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    os.utime(file, (1, 1))
    tokens = TokenFile(file)
    first = tokens.tokens
    assert tokens.tokens is first
    file.write_text(GOOD.replace('"p"', '"q"'), encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        assert tokens.tokens is not first
    assert caplog.messages == ["tokens.toml was changed: it has 1 tokens now"]


def test_a_token_is_worth_nothing_from_the_moment_it_expires() -> None:
    expires = datetime(2030, 1, 1, tzinfo=UTC)
    token = Token("a", digest("t"), "p", frozenset({"watch"}), expires)
    at = expires.timestamp()
    assert find([token], "t", (expires - timedelta(microseconds=1)).timestamp()) is token
    assert find([token], "t", at) is None
    assert find([token], "u", at - 1) is None


def test_tokens_differ_and_show_what_they_are() -> None:
    made = {new_token() for _ in range(100)}
    assert len(made) == 100
    assert {(token[:3], len(token)) for token in made} == {("zx_", 46)}


def test_no_hash_is_in_a_representation() -> None:
    assert HASH not in repr(Token("a", HASH, "p", frozenset({"watch"})))


def test_a_short_operator_token_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="too short"):
        TokenAuthenticator(ManualClock(), operator_token="x" * 31)
