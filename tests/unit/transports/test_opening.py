"""The first moments of a connection, where a network would be too slow to hit them."""

from __future__ import annotations

import asyncio
import logging

from zephyrus_exec.testing.transports import ManualTimers
from zephyrus_exec.transports.http import HttpRequest, HttpResponse
from zephyrus_exec.transports.opening import Opening, Reception, Refused

from .test_connection import FakeSocket


def _opening(socket: FakeSocket) -> tuple[Opening, Reception]:
    async def respond(request: HttpRequest) -> HttpResponse:
        return HttpResponse(200)

    async def upgrade(request: HttpRequest, socket: object) -> Refused:
        return Refused(b"no")

    reception = Reception(
        respond=respond,
        upgrade=upgrade,
        has_room=lambda: True,
        openings=set(),
        open_timeout=10,
        close_timeout=10,
        timers=ManualTimers(),
        logger=logging.getLogger("test"),
    )
    opening = Opening(reception)
    opening.connection_made(socket)
    return opening, reception


async def test_no_answer_is_written_to_a_socket_that_closes() -> None:
    socket = FakeSocket()
    opening, _ = _opening(socket)
    opening.data_received(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    socket.closing = True
    for _ in range(3):
        await asyncio.sleep(0)
    assert socket.written == []


async def test_a_connection_that_is_lost_is_forgotten() -> None:
    opening, reception = _opening(FakeSocket())
    assert reception.openings == {opening}
    opening.connection_lost(None)
    assert reception.openings == set()
    assert opening.gone.is_set()


async def test_what_follows_an_answer_is_dropped() -> None:
    socket = FakeSocket()
    opening, _ = _opening(socket)
    opening.data_received(b"POST / HTTP/1.1\r\nHost: x\r\n\r\n")
    opening.data_received(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert len(socket.written) == 1
