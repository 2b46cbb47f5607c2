"""Handlers that keep no record: they read a request, answer `started` and `completed`, that is all.

Each is written as its library recommends, and as fast as that goes.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from benchmarks.dialects import masked_text_frame


def _started(agent_id: str) -> dict[str, Any]:
    data = {"success": True, "message": f"Iniciando {agent_id}", "status": "started"}
    return {"type": "execution_response", "data": data}


def _completed(agent_id: str) -> dict[str, Any]:
    data = {
        "success": True,
        "results": [],
        "agent_id": agent_id,
        "execution_count": 0,
        "status": "completed",
    }
    return {"type": "execution_response", "data": data}


@asynccontextmanager
async def bare_websockets() -> AsyncIterator[int]:
    """Serve by `websockets`' own server."""
    from websockets.asyncio.server import ServerConnection, serve

    async def handle(connection: ServerConnection) -> None:
        async for frame in connection:
            agent_id = json.loads(frame)["agent_id"]
            for reply in (_started(agent_id), _completed(agent_id)):
                await connection.send(json.dumps(reply, separators=(",", ":")))

    async with serve(handle, "127.0.0.1", 0, compression=None) as server:
        yield next(iter(server.sockets)).getsockname()[1]


@asynccontextmanager
async def bare_fastapi() -> AsyncIterator[int]:
    """Serve by FastAPI on uvicorn; pydantic reads the requests and writes the replies."""
    import uvicorn

    from benchmarks.fastapi_handler import app

    config = uvicorn.Config(
        app, port=0, ws="websockets-sansio", lifespan="off", log_config=None, access_log=False
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    (listening,) = server.servers
    yield listening.sockets[0].getsockname()[1]
    listening.close()


@asynccontextmanager
async def bare_picows() -> AsyncIterator[int]:
    """Serve by picows, which calls the handler with each frame; there is no task."""
    from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server

    class Handler(WSListener):
        def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
            if frame.msg_type == WSMsgType.CLOSE:
                transport.send_close(frame.get_close_code(), frame.get_close_message())
                transport.disconnect()
                return
            agent_id = json.loads(frame.get_payload_as_utf8_text())["agent_id"]
            for reply in (_started(agent_id), _completed(agent_id)):
                transport.send(WSMsgType.TEXT, json.dumps(reply, separators=(",", ":")).encode())

    server = await ws_create_server(lambda _: Handler(), "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


_REQUEST_ENDS: Final = masked_text_frame('{"agent_id":""}')[-2:]
"""`"}`: what every request ends with, and holds nowhere else."""


class _Raw(asyncio.Protocol):
    """Answers every request with the same bytes, and reads none."""

    reply: bytes = b""

    def connection_made(self, transport: Any) -> None:
        self._socket = transport
        self._is_open = False

    def data_received(self, data: bytes) -> None:
        if not self._is_open:
            self._is_open = True
            self._socket.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
            )
            return
        self._socket.write(self.reply * data.count(_REQUEST_ENDS))


@asynccontextmanager
async def raw_protocol() -> AsyncIterator[int]:
    """Serve what the load generator is tried with: no server can cost less than this."""
    from benchmarks.peers import AGENT

    texts = [json.dumps(each(AGENT), separators=(",", ":")) for each in (_started, _completed)]
    handler = type("Handler", (_Raw,), {"reply": b"".join(map(_server_text_frame, texts))})
    server = await asyncio.get_running_loop().create_server(handler, "127.0.0.1", 0, backlog=1024)
    yield server.sockets[0].getsockname()[1]
    server.close()


def _server_text_frame(text: str) -> bytes:
    payload = text.encode()
    head = bytes((0x81, len(payload))) if len(payload) < 126 else b"\x81\x7e"
    return head + (b"" if len(payload) < 126 else len(payload).to_bytes(2, "big")) + payload
