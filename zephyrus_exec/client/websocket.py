"""`connect`: a client of a server that is reached by WebSocket."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

from ..interfaces.clock import Clock
from ..interfaces.transport import V1_SUBPROTOCOL, V2_SUBPROTOCOL, Transport
from ..protocol.connection import MAX_REPLY_BYTES
from .client import Client, Token
from .link import OnStatus

_FAREWELL: Final = 2.0
"""Seconds a server gets for its part of the farewell: nothing depends on it."""


@asynccontextmanager
async def connect(
    url: str,
    *,
    token: Token | None = None,
    on_status: OnStatus | None = None,
    clock: Clock | None = None,
    random: Callable[[], float] | None = None,
    offer_v2: bool = True,
    patient: bool = False,
    headers: Mapping[str, str] | None = None,
    ssl_context: ssl.SSLContext | None = None,
    open_timeout: float = 10.0,
) -> AsyncIterator[Client]:
    """Connect to a server; the connection is made again when it ends, and closed on leaving.

    Args:
        url: `ws://HOST:PORT` or `wss://…`.
        token: The credential, or what gives one for each connection; null: none. Goes out as
            `Authorization: Bearer`.
        on_status: Hears how the connection stands; must not raise.
        clock: Time; null: the machine's.
        random: Returns a number in [0, 1), for the waits between attempts.
        offer_v2: Whether v2 may be spoken.
        patient: Whether to try again where there is no server yet; else that is an error.
        headers: Further request headers.
        ssl_context: For `wss://`; null: the system's certificates.
        open_timeout: Seconds for name look-up, connecting and handshake together.

    Raises:
        ConfigurationError: The URL is none.
        TransportError: There is no server, or it does not take us.
        Unauthenticated: It wants a credential, or another one.
        Forbidden: It does not take us, whoever we are.
    """
    from ..transports.connection import ChannelLimits
    from ..transports.websocket import connect_websocket

    async def dial(credential: str | None) -> Transport:
        authorization = {} if credential is None else {"Authorization": f"Bearer {credential}"}
        return await connect_websocket(
            url,
            headers={**(headers or {}), **authorization},
            subprotocols=(V2_SUBPROTOCOL, V1_SUBPROTOCOL) if offer_v2 else (V1_SUBPROTOCOL,),
            limits=ChannelLimits(max_message_bytes=MAX_REPLY_BYTES, close_timeout=_FAREWELL),
            open_timeout=open_timeout,
            ssl_context=ssl_context,
        )

    client = Client(
        dial, token=token, on_status=on_status, clock=clock, random=random, offer_v2=offer_v2
    )
    await client.open(patient=patient)
    try:
        yield client
    finally:
        await client.aclose()
