"""RFC 6455, case by case, over a plain socket."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator

import pytest

from zephyrus_exec.errors import TransportBroken, TransportClosedByPeer, TransportError
from zephyrus_exec.interfaces.transport import Frame, Transport
from zephyrus_exec.testing.transports import end_of, soon
from zephyrus_exec.transports.connection import ChannelLimits
from zephyrus_exec.transports.websocket import WebSocketListener

from .raw_websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    HANDSHAKE,
    PING,
    PONG,
    TEXT,
    close_frame,
    dial,
    exchange,
    frame,
    opened,
    request,
    serving,
)

LIMIT = 1000
ROCKET = "\U0001f680".encode()


class Server:
    """Echoes, and remembers what came and how each connection ended."""

    def __init__(self) -> None:
        self.listener = WebSocketListener(
            "127.0.0.1", 0, limits=ChannelLimits(max_message_bytes=LIMIT, close_timeout=5.0)
        )
        self.received: list[Frame] = []
        self.ends: asyncio.Queue[TransportError] = asyncio.Queue()

    async def accept(self, transport: Transport) -> None:
        try:
            while True:
                frames = await transport.receive()
                self.received += frames
                await transport.send(frames)
        except TransportError:
            self.ends.put_nowait(await end_of(transport))

    async def end(self) -> TransportError:
        return await soon(self.ends.get())


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    async with serving(server.listener, server.accept):
        yield server


@pytest.fixture(params=[False, True], ids=["whole", "byte_by_byte"])
def byte_by_byte(request: pytest.FixtureRequest) -> bool:
    """How bytes are cut into segments must never matter."""
    return bool(request.param)


GOOD: dict[str, tuple[bytes, list[tuple[int, bytes]]]] = {
    "text": (frame(TEXT, b"hi"), [(TEXT, b"hi")]),
    "empty text": (frame(TEXT), [(TEXT, b"")]),
    "empty binary": (frame(BINARY), [(BINARY, b"")]),
    "binary that is no UTF-8": (frame(BINARY, b"\xff\xfe\x00"), [(BINARY, b"\xff\xfe\x00")]),
    "length 125": (frame(TEXT, b"x" * 125), [(TEXT, b"x" * 125)]),
    "length 126, in 16 bits": (frame(TEXT, b"x" * 126), [(TEXT, b"x" * 126)]),
    "length at the limit": (frame(TEXT, b"x" * LIMIT), [(TEXT, b"x" * LIMIT)]),
    "length in more bits than needed": (
        struct.pack("!BBQ", 0x81, 0x80 | 127, 2) + b"\0\0\0\0" + b"hi",
        [(TEXT, b"hi")],
    ),
    "several frames": (
        frame(TEXT, b"a") + frame(BINARY, b"b") + frame(TEXT, b"c"),
        [(TEXT, b"a"), (BINARY, b"b"), (TEXT, b"c")],
    ),
    "fragments": (
        frame(TEXT, b"a", fin=False)
        + frame(CONTINUATION, b"b", fin=False)
        + frame(CONTINUATION, b"c"),
        [(TEXT, b"abc")],
    ),
    "binary fragments": (
        frame(BINARY, b"\xff", fin=False) + frame(CONTINUATION, b"\xfe"),
        [(BINARY, b"\xff\xfe")],
    ),
    "empty fragments": (
        frame(TEXT, fin=False) + frame(CONTINUATION, fin=False) + frame(CONTINUATION),
        [(TEXT, b"")],
    ),
    "fragments up to the limit": (
        frame(TEXT, b"x" * 600, fin=False) + frame(CONTINUATION, b"x" * 400),
        [(TEXT, b"x" * LIMIT)],
    ),
    "a code point split between fragments": (
        frame(TEXT, ROCKET[:1], fin=False)
        + frame(CONTINUATION, ROCKET[1:3], fin=False)
        + frame(CONTINUATION, ROCKET[3:]),
        [(TEXT, ROCKET)],
    ),
    "two fragmented messages": (
        frame(TEXT, b"a", fin=False)
        + frame(CONTINUATION, b"b")
        + frame(BINARY, b"c", fin=False)
        + frame(CONTINUATION, b"d"),
        [(TEXT, b"ab"), (BINARY, b"cd")],
    ),
    "ping": (frame(PING, b"are you there"), [(PONG, b"are you there")]),
    "empty ping": (frame(PING), [(PONG, b"")]),
    "ping of 125 bytes": (frame(PING, b"x" * 125), [(PONG, b"x" * 125)]),
    "pings": (frame(PING, b"1") + frame(PING, b"2"), [(PONG, b"1"), (PONG, b"2")]),
    "unsolicited pong": (frame(PONG, b"?") + frame(TEXT, b"a"), [(TEXT, b"a")]),
    "control frames between fragments": (
        frame(TEXT, b"a", fin=False)
        + frame(PING, b"p")
        + frame(PONG, b"q")
        + frame(CONTINUATION, b"b"),
        [(PONG, b"p"), (TEXT, b"ab")],
    ),
}


@pytest.mark.parametrize("case", GOOD)
async def test_what_is_legal_is_answered(server: Server, case: str, byte_by_byte: bool) -> None:
    data, answers = GOOD[case]
    async with opened(server.listener) as peer:
        await peer.send(data, byte_by_byte=byte_by_byte)
        assert [await peer.receive() for _ in answers] == answers


BAD: dict[str, tuple[bytes, int]] = {
    "unmasked text": (frame(TEXT, b"hi", masked=False), 1002),
    "unmasked ping": (frame(PING, masked=False), 1002),
    "reserved bit 1": (frame(TEXT, b"hi", rsv=4), 1002),
    "reserved bit 2": (frame(TEXT, b"hi", rsv=2), 1002),
    "reserved bit 3": (frame(TEXT, b"hi", rsv=1), 1002),
    "reserved bit in a ping": (frame(PING, rsv=1), 1002),
    "reserved data opcode 3": (frame(0x3), 1002),
    "reserved data opcode 7": (frame(0x7), 1002),
    "reserved control opcode 11": (frame(0xB), 1002),
    "reserved control opcode 15": (frame(0xF), 1002),
    "ping of 126 bytes": (frame(PING, b"x" * 126), 1002),
    "pong of 126 bytes": (frame(PONG, b"x" * 126), 1002),
    "close of 126 bytes": (close_frame(1000, b"x" * 124), 1002),
    "fragmented ping": (frame(PING, fin=False), 1002),
    "fragmented close": (frame(CLOSE, fin=False), 1002),
    "continuation of nothing": (frame(CONTINUATION, b"a"), 1002),
    "continuation after a ping": (frame(PONG) + frame(CONTINUATION), 1002),
    "new message within a fragmented one": (frame(BINARY, b"", fin=False) + frame(TEXT), 1002),
    "close of 1 byte": (frame(CLOSE, b"\x03"), 1002),
    "invalid UTF-8": (frame(TEXT, b"\xff"), 1007),
    "overlong UTF-8": (frame(TEXT, b"\xc0\xaf"), 1007),
    "a surrogate in UTF-8": (frame(TEXT, b"\xed\xa0\x80"), 1007),
    "beyond Unicode": (frame(TEXT, b"\xf4\x90\x80\x80"), 1007),
    "a code point cut off": (frame(TEXT, ROCKET[:3]), 1007),
    "a code point cut off after fragments": (
        frame(TEXT, ROCKET[:1], fin=False) + frame(CONTINUATION, ROCKET[1:3]),
        1007,
    ),
    "invalid UTF-8 in the first of several fragments": (frame(TEXT, b"\xff", fin=False), 1007),
    "invalid UTF-8 in a later fragment": (
        frame(TEXT, b"a", fin=False) + frame(CONTINUATION, b"\xff", fin=False),
        1007,
    ),
    "invalid UTF-8, then a good farewell": (frame(TEXT, b"\xff") + close_frame(1000), 1007),
    "invalid UTF-8 in a close reason": (close_frame(1000, b"\xff"), 1007),
    "one byte too long": (frame(TEXT, b"x" * (LIMIT + 1)), 1009),
    "announced as far too long": (struct.pack("!BBQ", 0x82, 0xFF, 2**62) + b"\0\0\0\0", 1009),
    "fragments too long together": (
        frame(BINARY, b"x" * 600, fin=False) + frame(CONTINUATION, b"x" * 401),
        1009,
    ),
}
BAD |= {
    f"close code {code}": (close_frame(code), 1002)
    for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
}


@pytest.mark.parametrize("case", BAD)
async def test_what_is_illegal_ends_the_connection_with_the_code_the_rfc_names(
    server: Server, case: str, byte_by_byte: bool
) -> None:
    data, code = BAD[case]
    async with opened(server.listener) as peer:
        await peer.send(data, byte_by_byte=byte_by_byte)
        closed, reason = await peer.receive_close()
        assert closed == code
        assert b"Traceback" not in reason
        assert isinstance(await server.end(), TransportBroken)
    assert server.received == []


async def test_messages_before_a_violation_are_delivered(server: Server) -> None:
    async with opened(server.listener) as peer:
        await peer.send(frame(TEXT, b"good") + frame(TEXT, b"\xff") + frame(TEXT, b"dropped"))
        assert (await peer.receive_close())[0] == 1007
        assert isinstance(await server.end(), TransportBroken)
    assert server.received == ["good"]


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1007, 1011, 1012, 1014, 3000, 3999, 4000, 4999])
async def test_a_farewell_is_echoed_and_told(server: Server, code: int, byte_by_byte: bool) -> None:
    async with opened(server.listener) as peer:
        await peer.send(close_frame(code, "adiós".encode()), byte_by_byte=byte_by_byte)
        assert await peer.receive_close() == (code, "adiós".encode())
        end = await server.end()
    assert isinstance(end, TransportClosedByPeer)
    assert end.details == {"close_code": code, "reason": "adiós"}


async def test_a_farewell_without_a_code_is_told_as_1005(server: Server) -> None:
    async with opened(server.listener) as peer:
        await peer.send(frame(CLOSE))
        assert await peer.receive_close() == (None, b"")
        assert (await server.end()).details == {"close_code": 1005, "reason": ""}


async def test_a_farewell_between_fragments_is_one_and_the_fragments_are_dropped(
    server: Server,
) -> None:
    async with opened(server.listener) as peer:
        await peer.send(frame(TEXT, b"unfinished", fin=False) + close_frame(1001))
        # Legal (section 5.4); the library answers 1002, which makes no difference to who leaves.
        assert (await peer.receive_close())[0] in (1001, 1002)
        assert isinstance(await server.end(), TransportError)
    assert server.received == []


async def test_what_follows_a_farewell_is_ignored(server: Server) -> None:
    async with opened(server.listener) as peer:
        await peer.send(frame(TEXT, b"a") + close_frame(1000) + frame(TEXT, b"b") + b"\xff\xff")
        assert await peer.receive_close() == (1000, b"")
        assert isinstance(await server.end(), TransportClosedByPeer)
    assert server.received == ["a"]


async def test_a_peer_that_closes_the_connection_without_a_farewell_broke_it(
    server: Server,
) -> None:
    async with opened(server.listener) as peer:
        peer.writer.write_eof()
        assert isinstance(await server.end(), TransportBroken)
        assert await soon(peer.reader.read()) == b""


async def test_a_peer_that_leaves_in_the_middle_of_a_frame_broke_it(server: Server) -> None:
    async with opened(server.listener) as peer:
        await peer.send(frame(TEXT, b"never finished")[:5])
    assert isinstance(await server.end(), TransportBroken)
    assert server.received == []


async def test_a_reset_connection_is_broken(server: Server) -> None:
    async with opened(server.listener) as peer:
        peer.reset()
        assert isinstance(await server.end(), TransportBroken)


async def test_a_frame_sent_together_with_the_handshake_is_heard(server: Server) -> None:
    async with dial(server.listener) as peer:
        await peer.send(request(HANDSHAKE) + frame(TEXT, b"early"))
        await soon(peer.reader.readuntil(b"\r\n\r\n"))
        assert await peer.receive() == (TEXT, b"early")


async def test_a_handshake_may_come_byte_by_byte(server: Server) -> None:
    async with dial(server.listener) as peer:
        await peer.send(request(HANDSHAKE) + frame(TEXT, b"slow"), byte_by_byte=True)
        answer = await soon(peer.reader.readuntil(b"\r\n\r\n"))
        assert answer.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert await peer.receive() == (TEXT, b"slow")


def _without(name: str) -> dict[str, str]:
    return {key: value for key, value in HANDSHAKE.items() if key != name}


REFUSED: dict[str, tuple[bytes, int]] = {
    "no key": (request(_without("Sec-WebSocket-Key")), 400),
    "short key": (request(HANDSHAKE | {"Sec-WebSocket-Key": "c2hvcnQ="}), 400),
    "key that is no base64": (request(HANDSHAKE | {"Sec-WebSocket-Key": "???"}), 400),
    "two keys": (request(HANDSHAKE | {"sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA=="}), 400),
    "no version": (request(_without("Sec-WebSocket-Version")), 400),
    "old version": (request(HANDSHAKE | {"Sec-WebSocket-Version": "8"}), 426),
    "no host": (request(_without("Host")), 400),
    "two hosts": (request(HANDSHAKE | {"host": "elsewhere"}), 400),
    "no upgrade in Connection": (request(HANDSHAKE | {"Connection": "keep-alive"}), 426),
    "Upgrade to something more": (request(HANDSHAKE | {"Upgrade": "websocket, h2c"}), 426),
    "malformed subprotocols": (request(HANDSHAKE | {"Sec-WebSocket-Protocol": "a b"}), 400),
    "POST": (request(HANDSHAKE, method="POST"), 405),
    "with a body": (request(HANDSHAKE | {"Content-Length": "5"}), 400),
    "with chunks": (request(HANDSHAKE | {"Transfer-Encoding": "chunked"}), 400),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_bad_opening_handshake_is_refused(server: Server, case: str) -> None:
    data, expected = REFUSED[case]
    status, headers, body = await exchange(server.listener, data)
    assert status == expected
    assert headers["connection"] == "close"
    assert headers["content-length"] == str(len(body))
    assert b"Traceback" not in body


async def test_an_unknown_version_is_told_which_one_is_spoken(server: Server) -> None:
    _, headers, _ = await exchange(
        server.listener, request(HANDSHAKE | {"Sec-WebSocket-Version": "99"})
    )
    assert headers["sec-websocket-version"] == "13"


@pytest.mark.parametrize(
    "changes",
    [
        {"Upgrade": "WebSocket"},
        {"Connection": "keep-alive, Upgrade"},
        {"Content-Length": "0"},
        {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"},
        {"Cookie": "x" * 8000},
    ],
)
async def test_unusual_but_good_handshakes_are_accepted(
    server: Server, changes: dict[str, str]
) -> None:
    async with dial(server.listener) as peer:
        await peer.send(request(HANDSHAKE | changes))
        answer = await soon(peer.reader.readuntil(b"\r\n\r\n"))
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert b"Sec-WebSocket-Extensions" not in answer


async def test_http_1_0_cannot_upgrade(server: Server) -> None:
    status, _, _ = await exchange(server.listener, request(HANDSHAKE, version="HTTP/1.0"))
    assert status == 404
