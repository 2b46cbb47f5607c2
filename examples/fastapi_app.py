"""A FastAPI application with agents: HTTP and WebSocket on one port, with its own users.

    pip install fastapi uvicorn
    uvicorn --app-dir examples fastapi_app:app --workers 2 --timeout-graceful-shutdown 5

What clients do, each with the header `Authorization: Bearer ana-secret`:

    POST /agents/restock/executions    starts the agent, and says where to read on
    GET  /executions/ID/events         its journal as server-sent events, live to the end
    GET  /executions/ID                how it stands
    ws://127.0.0.1:8000/ws/            protocol v1, as on a port of its own; a page that cannot
                                       send headers is known by the cookie `session`

Workers share the journal. If one dies, another one finishes what it had begun. SHOP_JOURNAL names
the file (`shop.db`), SHOP_LEASE the seconds after which a silent worker counts as dead (20),
SHOP_PACE those that the supplier takes for an order (0.2).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Annotated, Any

from fastapi import Body, Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.requests import HTTPConnection

from zephyrus_exec import (
    Agent,
    AsgiListener,
    Component,
    ExecutionEngine,
    Json,
    MemoryRepository,
    Peer,
    Principal,
    RunContext,
    SqliteStore,
    serve,
)
from zephyrus_exec.conversion import unstructure
from zephyrus_exec.errors import ExecutionReleased, ZephyrusError
from zephyrus_exec.protocol import render_error

# --- the agent -----------------------------------------------------------------------------------


async def restock(context: RunContext) -> None:
    """Order what runs low, one thing after the other."""
    wanted = context.input if isinstance(context.input, list) else ["bolts", "nuts", "washers"]
    for item in wanted:
        await context.action("order", partial(order, item), parameters={"item": item})


async def order(item: Json) -> Json:
    """Stand for a supplier who takes a while."""
    await asyncio.sleep(float(os.environ.get("SHOP_PACE", "0.2")))
    return {"ordered": item}


# --- users: the host's own -----------------------------------------------------------------------

USERS = {"ana-secret": "ana", "bob-secret": "bob"}
"""Stands for sessions, OAuth, or whatever a host has."""


def known(connection: HTTPConnection) -> Principal | None:
    """Return who asks, over HTTP and WebSocket alike; null: nobody we know."""
    token = connection.headers.get("authorization", "").removeprefix("Bearer ")
    user = USERS.get(token or connection.cookies.get("session", ""))
    return None if user is None else Principal(user)


def principal(connection: HTTPConnection) -> Principal:
    """Return who asks, or answer with 401."""
    found = known(connection)
    if found is None:
        raise HTTPException(401, "who are you?", {"WWW-Authenticate": "Bearer"})
    return found


Asking = Annotated[Principal, Depends(principal)]


# --- the application -----------------------------------------------------------------------------


async def on_unknown(message: dict[str, Json], peer: Peer) -> dict[str, Json] | None:
    """Answer what clients of this host ask over the same socket, besides executions."""
    if message["type"] != "whoami":
        return None
    return {"type": "you_are", "user": peer.principal.id, "worker": os.getpid()}


sockets = AsgiListener(principal=lambda scope: known(HTTPConnection(scope)))


@asynccontextmanager
async def lifespan(application: FastAPI) -> AsyncIterator[None]:
    """Run the engine as long as the application runs; then let what runs come to its end."""
    agents = MemoryRepository([Agent("restock", runner=Component("restock"), max_concurrent=10)])
    store = await SqliteStore.open(os.environ.get("SHOP_JOURNAL", "shop.db"))
    engine = ExecutionEngine(
        agents=agents,
        contracts=agents,
        store=store,
        runners={"restock": restock},
        lease_duration=float(os.environ.get("SHOP_LEASE", "20")),
    )
    try:
        async with serve(engine, listener=sockets, on_unknown=on_unknown, drain_timeout=5):
            application.state.engine = engine
            yield
    finally:
        await store.aclose()


app = FastAPI(title="Shop", lifespan=lifespan)
app.mount("/ws", sockets)


def engine_of(request: Request) -> ExecutionEngine:
    """Return the engine of this worker."""
    engine: ExecutionEngine = request.app.state.engine
    return engine


Engine = Annotated[ExecutionEngine, Depends(engine_of)]
STATUS = {"agent_not_found": 404, "execution_not_found": 404, "overloaded": 503, "draining": 503}


@app.exception_handler(ZephyrusError)
async def refused(_: Request, error: ZephyrusError) -> JSONResponse:
    """Answer with the error's code, and a text that holds no secret."""
    body = {"code": error.code, "message": render_error(error, "en")}
    return JSONResponse(body, STATUS.get(error.code, 500))


@app.post("/agents/{agent_id}/executions", status_code=202)
async def execute(
    agent_id: str,
    engine: Engine,
    asking: Asking,
    given: Annotated[Any, Body(alias="input", embed=True)] = None,
) -> dict[str, str]:
    """Start an agent."""
    execution_id = await engine.submit(agent_id, principal=asking, input=given)
    return {"execution_id": execution_id, "events": f"/executions/{execution_id}/events"}


@app.get("/executions/{execution_id}")
async def look(execution_id: str, engine: Engine, asking: Asking) -> JSONResponse:
    """Tell how an execution stands."""
    return JSONResponse(unstructure(await engine.get_execution(execution_id, principal=asking)))


@app.get("/executions/{execution_id}/events")
async def events(
    execution_id: str, request: Request, engine: Engine, asking: Asking
) -> StreamingResponse:
    """Tell an execution's journal; a browser that reconnects goes on behind what it has."""
    await engine.get_execution(execution_id, principal=asking)  # a 404 must come before the stream
    after = request.headers.get("last-event-id", "0")

    async def stream() -> AsyncIterator[str]:
        seq = int(after) if after.isdecimal() else 0
        watching = engine.watch(execution_id, after=seq, principal=asking)
        async with aclosing(watching):
            try:
                async for event in watching:
                    yield f"id: {event.seq}\nevent: {event.kind}\ndata: {event.body}\n\n"
            except ExecutionReleased:
                return  # this worker ends; the client's next connection finds another one

    return StreamingResponse(stream(), media_type="text/event-stream")
