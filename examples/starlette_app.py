"""A Starlette application with an agent: its middleware decides who may talk to it.

    pip install starlette uvicorn
    uvicorn --app-dir examples starlette_app:app --timeout-graceful-shutdown 5

    GET  /                             who you are
    POST /reports                      run the agent, and get what it found
    GET  /journal                      all that happens here, live, as server-sent events; for root
    ws://127.0.0.1:8000/ws/agent/ID    protocol v1, at the path that front ends of old use

Clients send `Authorization: Bearer ana-secret`, or `Bearer root-secret`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

from starlette.applications import Starlette
from starlette.authentication import (
    AuthCredentials,
    AuthenticationBackend,
    BaseUser,
    SimpleUser,
    requires,
)
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute

from zephyrus_exec import (
    Agent,
    AsgiListener,
    Component,
    ExecutionEngine,
    Json,
    MemoryRepository,
    MemoryStore,
    Principal,
    RunContext,
    serve,
)
from zephyrus_exec.transports.asgi_transport import Scope

USERS = {"ana-secret": "ana", "root-secret": "root"}
VISITORS = {"monday": 12, "tuesday": 30}


async def report(context: RunContext) -> None:
    """Count the visitors of each day."""

    async def count() -> Json:
        return sum(VISITORS.values())

    await context.action("count", count, parameters={"days": list(VISITORS)})


class Tokens(AuthenticationBackend):
    """Stands for what a host has: its middleware runs before any route, WebSockets included."""

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser] | None:
        """Return who comes, and what for; null: a stranger."""
        token = conn.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in USERS:
            return None
        scopes = ["run", "operate"] if USERS[token] == "root" else ["run"]
        return AuthCredentials(scopes), SimpleUser(USERS[token])


def principal(scope: Scope) -> Principal | None:
    """Return on whose behalf a connection asks, as the middleware found out."""
    if "run" not in scope["auth"].scopes:
        return None
    return Principal(scope["user"].username)


async def home(request: Request) -> Response:
    """Tell who asks."""
    return JSONResponse({"user": request.user.display_name or None})


@requires("run")
async def run_report(request: Request) -> Response:
    """Run the agent, and wait for it."""
    engine: ExecutionEngine = request.app.state.engine
    asking = principal(request.scope)
    assert asking is not None
    execution_id = await engine.submit("report", principal=asking)
    return JSONResponse(await engine.result(execution_id, principal=asking))


@requires("operate")
async def journal(request: Request) -> Response:
    """Tell everything that happens, of all executions, in one order."""
    engine: ExecutionEngine = request.app.state.engine
    operator = Principal("root", frozenset({"operate"}))

    async def stream() -> AsyncIterator[str]:
        async with aclosing(engine.tail(principal=operator)) as events:
            async for event in events:
                yield f"id: {event.position}\nevent: {event.kind}\ndata: {event.body}\n\n"

    return StreamingResponse(stream(), media_type="text/event-stream")


sockets = AsgiListener(principal=principal)


@asynccontextmanager
async def lifespan(application: Starlette) -> AsyncIterator[None]:
    """Run the engine as long as the application runs."""
    agents = MemoryRepository([Agent("report", runner=Component("report"))])
    engine = ExecutionEngine(
        agents=agents, contracts=agents, store=MemoryStore(), runners={"report": report}
    )
    async with serve(engine, listener=sockets, drain_timeout=5):
        application.state.engine = engine
        yield


app = Starlette(
    routes=[
        Route("/", home),
        Route("/reports", run_report, methods=["POST"]),
        Route("/journal", journal),
        WebSocketRoute("/ws/agent/{agent_id}", sockets),
    ],
    middleware=[Middleware(AuthenticationMiddleware, backend=Tokens())],
    lifespan=lifespan,
)
