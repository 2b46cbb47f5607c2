"""`.env`: what it sets, and how it is told what it does not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from zephyrus_exec.config import find_misfits, read_dotenv
from zephyrus_exec.config.values import SCALARS, flag_of
from zephyrus_exec.config.variables import RETIRED, VARIABLES, is_known
from zephyrus_exec.errors import ConfigurationError

SECRET = "sup3r-secret"


def written(folder: Path, text: str) -> Path:
    file = folder / ".env"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=1", "1"),
        ("A = 1  ", "1"),
        ("export A=1", "1"),
        ("A=", ""),
        ("A=1 # one", "1"),
        ("A=a#b", "a#b"),
        ("A='two words # no comment'", "two words # no comment"),
        ('A="two \\" words"', 'two " words'),
        ("A=https://x/y?z=$HOME", "https://x/y?z=$HOME"),
        ("A='${HOME}'", "${HOME}"),
        ("\ufeffA=1", "1"),
        ("# A=2\n\nA=1\r\n", "1"),
    ],
)
def test_a_line_sets_a_variable_and_expands_nothing(tmp_path: Path, line: str, value: str) -> None:
    assert read_dotenv(written(tmp_path, line)) == {"A": value}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (SECRET, 1),
        (f"A=1\n\n# x\n{SECRET}\nB=2", 4),
        (f"A=1\n{SECRET} {SECRET}", 2),
        (f"A='{SECRET}", 1),
        (f"\n\n=={SECRET}\n", 3),
    ],
)
def test_a_line_that_sets_nothing_is_told_by_its_number_and_not_shown(
    tmp_path: Path, text: str, line: int
) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        read_dotenv(written(tmp_path, text))
    assert f".env, line {line}: " in refusal.value.message
    assert SECRET not in refusal.value.message


def test_a_name_that_is_set_twice_contradicts_itself(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="line 3: A was set in line 1; keep one"):
        read_dotenv(written(tmp_path, f"A=1\nB=2\nA={SECRET}\n"))


@pytest.mark.parametrize("content", [None, b"A=\xff"])
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "other.env"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"other\.env"):
        read_dotenv(file)


# --- names that mean nothing


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("ZEPHYRUS_STROE", "ZEPHYRUS_STORE"),
        ("ZEPHRYUS_STORE", "ZEPHYRUS_STORE"),
        ("zephyrus_store", "ZEPHYRUS_STORE"),
        ("WS_PROT", "WS_PORT"),
        ("WS_HOSTS", "WS_HOST"),
        ("ZEPHYRUS_RCP_57054", "ZEPHYRUS_RPC_57054"),
        ("ZEPHYRUS_KEYSTRE_MAIN", "ZEPHYRUS_KEYSTORE_MAIN"),
    ],
)
def test_a_slip_is_told_with_the_name_that_was_meant(name: str, meant: str) -> None:
    (sentence,) = find_misfits({name: SECRET}, {})
    assert f"did you mean {meant}?" in sentence
    assert SECRET not in sentence


def test_what_nobody_could_have_meant_is_told_too_where_it_claims_to_be_ours() -> None:
    assert list(find_misfits({"ZEPHYRUS_FRIEND": "x"}, {})) == [
        "ZEPHYRUS_FRIEND is no variable of ours and ignored"
    ]


@pytest.mark.parametrize(
    "name",
    ["PATH", "LOGLEVEL", "AWS_PORT", "DNS_HOST", "PORTS", "WS", "NEWS_HOST", "LOG_LEVELS"],
)
def test_variables_of_other_programs_are_none_of_our_business(name: str) -> None:
    assert not list(find_misfits({name: "x"}, {}))


def test_in_a_dotenv_a_slip_of_any_name_of_ours_is_meant_for_us() -> None:
    (sentence,) = find_misfits({}, {"LOGLEVEL": "info"})
    assert "did you mean LOG_LEVEL?" in sentence


@pytest.mark.parametrize("name", sorted(RETIRED))
def test_a_variable_of_the_original_service_is_told_with_what_does_its_work_now(name: str) -> None:
    (sentence,) = find_misfits({}, {name: SECRET})
    assert sentence.startswith(f"{name} is of the original service and ignored: ")
    assert SECRET not in sentence
    in_environment = list(find_misfits({name: SECRET}, {}))
    assert in_environment == ([] if RETIRED[name].generic else [sentence])


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda one: one.name)
def test_our_own_variables_are_no_misfits(variable: object) -> None:
    name = re.sub("<[A-Z]+>", "7", getattr(variable, "name"))  # noqa: B009
    assert is_known(name)
    assert not list(find_misfits({name: "x"}, {name: "x"}))


def test_the_list_of_variables_has_every_setting_that_is_one_value() -> None:
    """The documentation is made of that list, so nothing can be read that is not documented."""
    listed = {one.name: (one.key, one.flag) for one in VARIABLES}
    for setting, (variables, _) in SCALARS.items():
        for variable in variables:
            assert listed[variable] == (setting, flag_of(setting))


def test_a_variable_is_ours_or_was_the_original_s_and_never_both() -> None:
    assert not {one.name for one in VARIABLES} & RETIRED.keys()
