from __future__ import annotations

from collections.abc import Iterable

import pytest

from benchmarks.dialects import COMPLETED, Dialect, masked_text_frame, v1, v2
from benchmarks.load import Connection, Load, Measurement

UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
STARTED = b'..{"data":{"status":"started"}}'
DONE = b'..{"data":{"status":"completed"}}'
ACCEPTED = b'..{"event":"accepted"}'


class Wire:
    """Keeps what was written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)


def _open(dialect: Dialect, until: bytes = COMPLETED) -> tuple[Connection, Wire]:
    connection, wire = Connection(dialect, until), Wire()
    connection.connection_made(wire)
    connection.data_received(UPGRADED)
    return connection, wire


def _feed(connection: Connection, chunks: Iterable[bytes]) -> None:
    for chunk in chunks:
        connection.data_received(chunk)


def test_each_end_of_an_execution_asks_for_another() -> None:
    connection, wire = _open(v1("a"))
    connection.ask(2)
    connection.data_received(STARTED + DONE + STARTED + DONE + STARTED)
    (request,) = v1("a").requests
    assert wire.written[1:] == [request * 2, request * 2]
    assert (connection.ended, connection.waiting, len(connection.latencies)) == (2, 2, 2)


@pytest.mark.parametrize("size", [1, 2, 7, 30])
@pytest.mark.parametrize("until", [COMPLETED, v1("a").first])
def test_frames_that_are_cut_anywhere_count_once(size: int, until: bytes) -> None:
    connection, _ = _open(v1("a"), until)
    connection.ask(3)
    replies = (STARTED + DONE) * 3
    _feed(connection, [replies[at : at + size] for at in range(0, len(replies), size)])
    assert connection.ended == 3
    assert len(connection.latencies) == 3


def test_what_has_stopped_asks_for_no_more() -> None:
    connection, wire = _open(v1("a"))
    connection.ask(1)
    connection.stopped = True
    connection.data_received(STARTED + DONE)
    assert connection.waiting == 0
    assert len(wire.written) == 2


def test_v2_is_open_once_hello_was_answered() -> None:
    connection, wire = _open(v2("a", 1))
    assert not connection.open.is_set()
    connection.data_received(b'..{"type":"hello_ack"}')
    assert connection.open.is_set()
    assert wire.written[1:] == [v2("a", 1).opening]


def test_the_first_event_ends_the_time_and_the_last_one_asks_again() -> None:
    dialect = v2("a", 1)
    connection, wire = _open(dialect, dialect.first)
    connection.data_received(b'..{"type":"hello_ack"}')
    connection.ask(1)
    connection.data_received(STARTED + ACCEPTED)
    assert (len(connection.latencies), connection.ended) == (1, 0)
    connection.data_received(DONE)
    assert (len(connection.latencies), connection.ended) == (1, 1)
    assert wire.written[-2:] == [*dialect.requests]


def test_a_server_that_refuses_is_no_figure() -> None:
    connection = Connection(v1("a"), COMPLETED)
    connection.connection_made(Wire())
    with pytest.raises(AssertionError, match="403"):
        connection.data_received(b"HTTP/1.1 403 Forbidden\r\n\r\n")


def test_a_connection_that_ends_with_executions_unanswered_is_no_figure() -> None:
    connection, _ = _open(v1("a"))
    connection.ask(1)
    with pytest.raises(AssertionError, match="closed"):
        connection.connection_lost(None)


def test_a_frame_is_masked_with_zeros() -> None:
    assert masked_text_frame("hi") == b"\x81\x82\0\0\0\0hi"


def test_a_percentile_is_what_that_share_did_not_exceed() -> None:
    measured = Measurement(1.0, tuple(map(float, range(1000))), busy=0.1, cpu=0.1)
    assert [measured.percentile(share) for share in (0.5, 0.99, 0.999, 1.0)] == [
        *(500.0, 990.0, 999.0, 999.0),
    ]


def test_a_load_reads_as_people_write_it() -> None:
    assert str(Load(5_000, 1)) == "5,000 × 1"
