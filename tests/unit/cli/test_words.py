"""In which language a terminal is spoken to."""

from __future__ import annotations

import argparse
import string
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs
import pytest

from zephyrus_exec.cli.words import words, words_of
from zephyrus_exec.errors import ConfigurationError
from zephyrus_exec.model import Outcome
from zephyrus_exec.protocol.v2.messages import EffectCounts

NAMES = ("ZEPHYRUS_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")


def language(
    monkeypatch: pytest.MonkeyPatch, folder: Path, env: Mapping[str, str], flag: str | None = None
) -> str:
    monkeypatch.chdir(folder)
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    return words_of(argparse.Namespace(language=flag, env_file=None)).language


@pytest.mark.parametrize(
    ("env", "flag", "spoken"),
    [
        ({}, None, "en"),
        ({"LANG": "C.UTF-8"}, None, "en"),
        ({"LANG": "est_EE"}, None, "en"),
        ({"LANG": "es_AR.UTF-8"}, None, "es"),
        ({"LANG": "es.UTF-8"}, None, "es"),
        ({"LC_MESSAGES": "en_GB", "LANG": "es_ES"}, None, "en"),
        ({"LC_ALL": "es_ES", "LC_MESSAGES": "en_GB"}, None, "es"),
        ({"LC_ALL": "es_ES", "ZEPHYRUS_LANGUAGE": "en"}, None, "en"),
        ({"ZEPHYRUS_LANGUAGE": "en"}, "es", "es"),
    ],
)
def test_the_flag_the_setting_and_the_system_say_which(
    env: dict[str, str],
    flag: str | None,
    spoken: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    assert language(monkeypatch, tmp_path, env, flag) == spoken


def test_a_language_that_is_not_spoken_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="ZEPHYRUS_LANGUAGE: 'fr' is no language here"):
        language(monkeypatch, tmp_path, {"ZEPHYRUS_LANGUAGE": "fr"})


def templates(value: object, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield f"{name}.{key}", each
    elif isinstance(value, tuple):
        for place, each in enumerate(value):
            yield f"{name}.{place}", each


def placeholders(language: str) -> dict[str, list[str]]:
    spoken = words("es" if language == "es" else "en")
    fields = attrs.asdict(spoken, recurse=False).items()
    found = (each for name, value in fields for each in templates(value, name))
    return {
        name: sorted(field for _, field, _, _ in string.Formatter().parse(text) if field)
        for name, text in found
    }


def test_both_languages_say_the_same_things() -> None:
    assert placeholders("es") == placeholders("en")


def test_every_outcome_and_count_has_its_words() -> None:
    assert set(words("en").outcomes) == set(Outcome)
    assert set(words("en").counted) == {field.name for field in attrs.fields(EffectCounts)}
