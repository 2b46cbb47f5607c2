"""One request head in, one answer out."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zephyrus_exec.transports.http import (
    MAX_HEAD_BYTES,
    MAX_HEADERS,
    MAX_LINE_BYTES,
    BadRequest,
    HttpRequest,
    HttpResponse,
    RequestReader,
)

GOOD = b"GET /a?b=c HTTP/1.1\r\nHost: x\r\nX-Y:  z \r\nx-y: \xe9\r\nEmpty:\r\n\r\n"


def test_a_request_is_read_with_header_names_in_lower_case_and_repeated_ones_joined() -> None:
    assert RequestReader().feed(GOOD + b"rest") == (
        HttpRequest("GET", "/a?b=c", "1.1", {"host": "x", "x-y": "z, é", "empty": ""}),
        b"rest",
    )


@given(st.lists(st.integers(1, len(GOOD) - 1), max_size=5))
def test_how_a_request_is_cut_into_pieces_does_not_matter(cuts: list[int]) -> None:
    reader = RequestReader()
    edges = [0, *sorted(set(cuts)), len(GOOD)]
    pieces = [GOOD[start:end] for start, end in pairwise(edges)]
    results = [reader.feed(piece) for piece in pieces]
    assert results[:-1] == [None] * (len(pieces) - 1)
    assert results[-1] == RequestReader().feed(GOOD)


@given(st.binary(max_size=300))
def test_whatever_comes_is_a_request_or_a_bad_request_or_not_over(data: bytes) -> None:
    for tail in (b"", b"\r\n\r\n"):
        with suppress(BadRequest):
            RequestReader().feed(data + tail)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02", 400),
        (b"\r\nGET / HTTP/1.1\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"GET / HTTP/1.1 \r\n\r\n", 400),
        (b"GET /\xc3\xb1 HTTP/1.1\r\n\r\n", 400),
        (b"G<T / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nSpace : b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 505),
        (b"GET /" + b"a" * MAX_LINE_BYTES + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET /" + b"a" * MAX_HEAD_BYTES, 414),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * MAX_LINE_BYTES + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * (MAX_HEADERS + 1) + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"X: aaaa\r\n" * (MAX_HEAD_BYTES // 9), 431),
        (b"GET / HTTP/1.1\r\n" + b"X: aaaa\r\n" * (MAX_HEAD_BYTES // 9) + b"\r\n", 431),
    ],
)
def test_what_cannot_be_read_is_refused(data: bytes, status: int) -> None:
    with pytest.raises(BadRequest) as caught:
        RequestReader().feed(data)
    assert caught.value.response.status == status


def test_http_1_0_needs_no_host() -> None:
    result = RequestReader().feed(b"GET / HTTP/1.0\r\n\r\n")
    assert result == (HttpRequest("GET", "/", "1.0", {}), b"")


def test_the_path_has_no_query() -> None:
    assert HttpRequest("GET", "/health?verbose=1").path == "/health"


def test_a_token_is_found_in_a_list_whatever_its_case() -> None:
    request = HttpRequest("GET", "/", headers={"connection": "keep-alive, Upgrade"})
    assert request.lists("connection", "upgrade")
    assert not request.lists("connection", "grade")
    assert not request.lists("upgrade", "websocket")


def test_an_answer_tells_its_length_and_that_it_is_the_last() -> None:
    head, _, body = HttpResponse(200, b"{}", "application/json").serialize().partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 200 OK"
    assert b"Content-Length: 2" in lines
    assert b"Content-Type: application/json" in lines
    assert b"Connection: close" in lines
    assert body == b"{}"


def test_a_status_without_a_name_has_none() -> None:
    assert HttpResponse(599).serialize().startswith(b"HTTP/1.1 599 \r\n")
