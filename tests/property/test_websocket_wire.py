"""The framing under every input and every cut: no surprise, no difference."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from zephyrus_exec.errors import TransportBroken, TransportClosedByPeer
from zephyrus_exec.interfaces.transport import Frame
from zephyrus_exec.transports.farewell import Farewell
from zephyrus_exec.transports.websocket import _ClientProtocol, _LibraryWire, _ServerProtocol

from ..integration.raw_websocket import frame

LIMIT = 2000

frames = st.lists(st.text(max_size=300) | st.binary(max_size=300), max_size=8)
wire_frames = st.builds(
    frame,
    st.sampled_from([0, 1, 2, 3, 8, 9, 10, 11]),
    st.binary(max_size=200) | st.text(max_size=60).map(str.encode),
    fin=st.booleans(),
    rsv=st.sampled_from([0, 0, 0, 1, 4]),
    masked=st.sampled_from([True, True, True, False]),
)
hostile = st.lists(wire_frames | st.binary(max_size=20), max_size=8).map(b"".join)


def server_wire() -> _LibraryWire:
    protocol = _ServerProtocol(state=State.OPEN, max_size=LIMIT)
    assert isinstance(protocol, ServerProtocol)
    return _LibraryWire(protocol)


def client_wire() -> _LibraryWire:
    protocol = _ClientProtocol(parse_uri("ws://localhost"), state=State.OPEN, max_size=LIMIT)
    assert isinstance(protocol, ClientProtocol)
    return _LibraryWire(protocol)


def outcome(data: bytes, cuts: Sequence[int]) -> tuple[list[Frame], bytes, str]:
    """Return messages, answers and end that a server has for bytes cut into pieces."""
    wire = server_wire()
    edges = [0, *sorted({cut % len(data) for cut in cuts} - {0}), len(data)] if data else [0, 0]
    messages = [frame for start, end in pairwise(edges) for frame in wire.feed(data[start:end])]
    return messages, b"".join(wire.output()), repr(wire.end)


@given(hostile, st.lists(st.integers(0, 5000), max_size=30))
def test_how_bytes_are_cut_into_pieces_does_not_matter(data: bytes, cuts: list[int]) -> None:
    assert outcome(data, cuts) == outcome(data, [])


@given(hostile)
def test_whatever_comes_ends_well_or_goes_on(data: bytes) -> None:
    wire = server_wire()
    for message in wire.feed(data):
        assert len(message if isinstance(message, bytes) else message.encode()) <= LIMIT
    assert wire.end is None or type(wire.end) in (TransportBroken, TransportClosedByPeer)
    assert b"\x03\xf3" not in b"".join(wire.output())[:6]  # 1011 would be a failure of ours


@given(frames, st.integers(1000, 1003), st.text(max_size=200))
def test_what_one_side_sends_the_other_gets(sent: list[Frame], code: int, reason: str) -> None:
    for sender, receiver in ((client_wire(), server_wire()), (server_wire(), client_wire())):
        farewell = Farewell.of(code, reason)
        sender.send(sent)
        sender.close(farewell)
        assert receiver.feed(b"".join(sender.output())) == sent
        assert repr(receiver.end) == repr(farewell.said_by_peer())
