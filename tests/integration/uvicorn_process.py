"""A real uvicorn in a process of its own, with the examples in it, and clients of it."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from zephyrus_exec.errors import TransportError
from zephyrus_exec.transports.connection import WebSocketConnection
from zephyrus_exec.transports.websocket import connect_websocket

from .processes import PATIENCE, ServerProcess, server

EXAMPLES = Path(__file__).parents[2] / "examples"


@asynccontextmanager
async def uvicorn_of(
    app: str, *options: str, **environ: str
) -> AsyncIterator[tuple[ServerProcess, aiohttp.ClientSession]]:
    """Run uvicorn with an example until somebody answers; yield it, and an HTTP client of it.

    It is asked to end on leaving, for its workers would outlive it if it were killed.
    """
    command: tuple[str, ...] = ("-m", "uvicorn", "--app-dir", str(EXAMPLES), app, "--port", "0")
    command += ("--ws", "websockets-sansio", "--timeout-graceful-shutdown", "5", *options)
    environment = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent), **environ}
    async with server(*command, env=environment, scheme="http") as running:
        try:
            async with aiohttp.ClientSession(running.url) as client:
                await _answers(client)
                yield running, client
        finally:
            running.terminate()
            await running.exit_code()


async def _answers(client: aiohttp.ClientSession) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                async with client.get("/"):
                    return
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)


async def socket_to(
    url: str, path: str, headers: Mapping[str, str], *, tls: ssl.SSLContext | None = None
) -> WebSocketConnection:
    """Return a WebSocket to a path of the host."""
    address = url.replace("http://", "ws://") + path
    return await connect_websocket(address, headers=headers, ssl_context=tls)


async def soon_socket_to(
    url: str, path: str, headers: Mapping[str, str], *, tls: ssl.SSLContext | None = None
) -> WebSocketConnection:
    """Return a WebSocket as a client gets one that tries again, and again."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await socket_to(url, path, headers, tls=tls)
            except TransportError:
                await asyncio.sleep(0.05)


async def sent_events(response: aiohttp.ClientResponse) -> AsyncIterator[Mapping[str, str]]:
    """Yield server-sent events, each as its fields, until the stream ends."""
    event: dict[str, str] = {}
    async for line in response.content:
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if name:
            event[name] = value
        else:
            yield event
            event = {}
