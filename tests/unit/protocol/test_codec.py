"""What a frame must be to be decoded."""

from __future__ import annotations

import pytest

from zephyrus_exec.errors import MalformedMessage, MessageTooBig
from zephyrus_exec.protocol import decode


@pytest.mark.parametrize(
    "frame",
    ['{"a":1}', ' \t\r\n{"a" : 1}\n', b'{"a":1}', '{"\\u0061":1}'],
)
def test_an_object_is_decoded_from_text_and_from_utf8(frame: str | bytes) -> None:
    assert decode(frame) == {"a": 1}


def test_characters_outside_of_ascii_come_back_as_they_are() -> None:
    assert decode('{"ñ":"\\ud83d\\ude00 😀"}') == decode('{"ñ":"😀 😀"}'.encode())


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "{",
        "null",
        "[]",
        '"a"',
        "1",
        "{} {}",
        '{"a":1,}',
        '{"a":NaN}',
        '{"a":Infinity}',
        '{"a":-Infinity}',
        '{"a":1e999}',
        '{"a":-1e999}',
        '{"a":1,"a":1}',
        '{"b":[{"a":1,"\\u0061":2}]}',
        '{"a":"\\ud800"}',
        '{"\\uDFFF":1}',
        '{"a":"\\ude00\\ud83d"}',
        '{"a":"\ud800"}',
        '{"a":"\n"}',
        '{"a":' + "9" * 5000 + "}",
        "\ufeff{}",
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\x00}\x00",
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\xff"}',
    ],
)
def test_what_is_no_strict_json_object_is_malformed(frame: str | bytes) -> None:
    with pytest.raises(MalformedMessage):
        decode(frame)


def test_an_escaped_backslash_before_u_is_no_surrogate() -> None:
    assert decode('{"a":"\\\\ud800"}') == {"a": "\\ud800"}


@pytest.mark.parametrize(
    ("frame", "size"),
    [
        ('{"a":1}', 7),
        (b'{"a":1}', 7),
        ('{"a":"ñ"}', 10),
        ('{"a":"😀"}', 12),
    ],
)
def test_size_is_measured_in_bytes_of_utf8(frame: str | bytes, size: int) -> None:
    assert decode(frame, max_bytes=size)
    with pytest.raises(MessageTooBig) as caught:
        decode(frame, max_bytes=size - 1)
    assert caught.value.details == {"max_bytes": size - 1}


def nested(depth: int) -> str:
    return '{"a":' * (depth - 1) + "{}" + "}" * (depth - 1)


def test_64_levels_are_decoded_and_65_are_not() -> None:
    assert decode(nested(64))
    with pytest.raises(MessageTooBig) as caught:
        decode(nested(65))
    assert caught.value.details == {"max_depth": 64}


def test_brackets_side_by_side_are_not_deep() -> None:
    assert len(str(decode('{"a":[' + "{}," * 1000 + "[]]}"))) > 1000


@pytest.mark.parametrize("text", ["[" * 100, '\\"' + "{" * 100, "\\\\" * 3 + "[" * 100])
def test_brackets_inside_of_strings_are_not_deep(text: str) -> None:
    assert decode('{"a":"' + text + '"}')


@pytest.mark.parametrize("bracket", ["[", '{"a":', '{"\\"":[', "[\\"])
def test_a_bomb_of_brackets_is_refused_without_being_decoded(bracket: str) -> None:
    with pytest.raises((MessageTooBig, MalformedMessage)):
        decode(bracket * 100_000)


def test_nesting_beyond_the_stack_is_malformed_where_the_limit_allows_it() -> None:
    with pytest.raises(MalformedMessage):
        decode('{"a":' + "[" * 500_000, max_depth=1_000_000)


def test_an_error_repeats_nothing_of_the_frame() -> None:
    with pytest.raises(MalformedMessage) as caught:
        decode('{"password":"hunter2"')
    assert "hunter2" not in caught.value.message
