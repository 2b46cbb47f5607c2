"""Texts that come whole are read by us, everything else by the library; nobody can tell."""

from __future__ import annotations

import struct

import pytest
from websockets.protocol import State

from zephyrus_exec.errors import TransportBroken, TransportClosedByPeer
from zephyrus_exec.transports.websocket import _LibraryWire, _ServerProtocol

from ...integration.raw_websocket import frame

LIMIT = 70_000
PING = 9
CLOSE = 8


@pytest.fixture
def protocol() -> _ServerProtocol:
    return _ServerProtocol(state=State.OPEN, max_size=LIMIT)


@pytest.fixture
def wire(protocol: _ServerProtocol) -> _LibraryWire:
    return _LibraryWire(protocol)


def text(content: str) -> bytes:
    return frame(1, content.encode())


@pytest.mark.parametrize("length", [0, 1, 2, 3, 125, 126, 127, 65_535, 65_536, LIMIT])
def test_texts_of_every_length_are_read(wire: _LibraryWire, length: int) -> None:
    assert wire.feed(text("x" * length) + text("ñ and more")) == ["x" * length, "ñ and more"]
    assert wire.end is None


def test_what_is_behind_a_ping_is_read_and_the_ping_answered(wire: _LibraryWire) -> None:
    assert wire.feed(text("before") + frame(PING, b"?") + text("behind")) == ["before", "behind"]
    assert wire.output() == [b"\x8a\x01?"]


def test_a_text_cut_in_two_is_read_and_so_is_the_next(
    wire: _LibraryWire, protocol: _ServerProtocol
) -> None:
    data = text("first") + text("second")
    assert wire.feed(data[:-3]) == ["first"]
    assert not protocol.between_messages
    assert wire.feed(data[-3:]) == ["second"]
    assert protocol.between_messages


def test_what_comes_in_parts_is_put_together_and_the_next_text_read(wire: _LibraryWire) -> None:
    parts = frame(2, b"\xff", fin=False) + frame(PING, b"") + frame(0, b"\xfe")
    assert wire.feed(parts + text("the next")) == [b"\xff\xfe", "the next"]
    assert wire.feed(text("and the one after it")) == ["and the one after it"]


def test_a_text_between_the_parts_of_another_ends_the_connection(wire: _LibraryWire) -> None:
    assert wire.feed(frame(1, b"a part", fin=False)) == []
    assert wire.feed(text("another")) == []
    assert isinstance(wire.end, TransportBroken)


def test_texts_before_one_that_is_no_utf_8_are_read(wire: _LibraryWire) -> None:
    assert wire.feed(text("good") + frame(1, b"not \xff good") + text("lost")) == ["good"]
    assert struct.pack("!H", 1007) in b"".join(wire.output())


def test_a_text_that_is_too_long_ends_the_connection(wire: _LibraryWire) -> None:
    assert wire.feed(text("good") + text("x" * (LIMIT + 1))) == ["good"]
    assert struct.pack("!H", 1009) in b"".join(wire.output())


def test_a_short_limit_holds_for_short_texts() -> None:
    wire = _LibraryWire(_ServerProtocol(state=State.OPEN, max_size=10))
    assert wire.feed(text("x" * 10) + text("x" * 11)) == ["x" * 10]
    assert struct.pack("!H", 1009) in b"".join(wire.output())


def test_what_comes_behind_a_farewell_is_not_read(wire: _LibraryWire) -> None:
    assert wire.feed(text("last") + frame(CLOSE, b"\x03\xe8")) == ["last"]
    assert wire.feed(text("too late")) == []
    assert isinstance(wire.end, TransportClosedByPeer)


def test_a_length_written_longer_than_it_must_be_loses_nothing(wire: _LibraryWire) -> None:
    lavish = b"\x81" + bytes((0x80 | 127,)) + struct.pack("!Q", 4) + b"\0\0\0\0" + b"same"
    assert wire.feed(lavish[:7]) == []
    assert wire.feed(lavish[7:] + text("the next")) == ["same", "the next"]
    assert wire.feed(text("and the one after it")) == ["and the one after it"]
