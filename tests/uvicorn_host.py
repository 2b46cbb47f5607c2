"""A real uvicorn in the test's own event loop, so that both ends of a connection are at hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn

from zephyrus_exec.transports.asgi_transport import AsgiApp


@asynccontextmanager
async def uvicorn_host(app: AsgiApp, *, lifespan: bool = False) -> AsyncIterator[str]:
    """Serve an application on a free port; yields `127.0.0.1:PORT`."""
    config = uvicorn.Config(
        app,
        port=0,
        ws="websockets-sansio",
        lifespan="on" if lifespan else "off",
        log_config=None,
        access_log=False,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    assert server.started, "the application did not start"
    (listening,) = server.servers
    try:
        yield f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        if lifespan:
            await server.shutdown()
        listening.close()
        await _no_task_left(server)


async def _no_task_left(server: uvicorn.Server) -> None:
    """Wait for the applications of connections that have ended."""
    tasks = set(server.server_state.tasks)
    if tasks:
        async with asyncio.timeout(10):
            await asyncio.wait(tasks)
