"""A server that answers like the deployed REST API, well or badly."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias
from urllib.parse import unquote

from aiohttp import web

Answer: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]
BASE = "/api/db"


class FakeApi:
    """Serves rows by their table; single paths can be told to misbehave.

    Args:
        rows: By table.
    """

    def __init__(self, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        self.rows = {table: list(every) for table, every in rows.items()}
        self.asked: list[str] = []
        """Every path that was asked for, as it came over the wire."""
        self.misbehaviour: dict[str, Answer] = {}
        """By path below the base: what answers instead; `*` for every path."""
        self.as_list = False
        """Whether one agent is answered as a list."""
        self.not_found_as_200 = False
        self.nested = False
        """Whether functions bring their parameters along, and there is no path for those."""
        self.url = ""

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[FakeApi]:
        """Serve on a free port of loopback, at `url`, until the block ends."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}{BASE}"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.raw_path
        self.asked.append(path)
        below = path.removeprefix(BASE)
        wrong = self.misbehaviour.get(below) or self.misbehaviour.get("*")
        if wrong is not None:
            return await wrong(request)
        parts = [unquote(part) for part in below.split("/")[1:]]
        match parts:
            case ["agents", "getById", name]:
                return self._agent(name)
            case ["agents", name]:
                return web.json_response(self._of("agents", "contract_id", name))
            case ["agents", name, "functions"]:
                return web.json_response([self._function(row) for row in self._functions(name)])
            case ["agents", name, "schedules"]:
                return web.json_response(self._of("agent_schedules", "agent_id", name))
            case ["functions", name, "params"] if not self.nested:
                return web.json_response(self._of("agent_function_params", "function_id", name))
        return web.Response(status=404, text="<pre>Cannot GET it</pre>", content_type="text/html")

    def _agent(self, name: str) -> web.StreamResponse:
        found = self._of("agents", "agent_id", name)
        if not found:
            status = 200 if self.not_found_as_200 else 404
            return web.json_response({"success": False, "error": "Agent not found"}, status=status)
        return web.json_response({"success": True, "data": found if self.as_list else found[0]})

    def _functions(self, name: str) -> list[Mapping[str, Any]]:
        return self._of("agent_functions", "agent_id", name)

    def _function(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        if not self.nested:
            return row
        params = self._of("agent_function_params", "function_id", row["function_id"])
        return {**row, "parameters": params}

    def _of(self, table: str, column: str, value: str) -> list[Mapping[str, Any]]:
        return [row for row in self.rows.get(table, ()) if row.get(column) == value]


# --- misbehaving ---------------------------------------------------------------------------------


def answers(body: object, *, status: int = 200) -> Answer:
    """Return what answers with this, as JSON unless it is text or bytes."""

    async def answer(_request: web.Request) -> web.StreamResponse:
        text = body if isinstance(body, str | bytes) else json.dumps(body)
        data = text.encode() if isinstance(text, str) else text
        return web.Response(status=status, body=data, content_type="application/json")

    return answer


def redirects_to(location: str, *, status: int = 302) -> Answer:
    """Return what answers that it is elsewhere."""

    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers={"Location": location})

    return answer


async def never_answers(_request: web.Request) -> web.StreamResponse:
    """Keep whoever asks waiting."""
    await asyncio.Event().wait()
    raise AssertionError


async def stalls(request: web.Request) -> web.StreamResponse:
    """Begin to answer, and then go on no more."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(b'{"success": true, ')
    await asyncio.Event().wait()
    return response


async def cuts_off(request: web.Request) -> web.StreamResponse:
    """Promise a long answer and close in the middle of it."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"success": true, "data": {"agent_id"')
    assert request.transport is not None
    request.transport.close()
    return response


async def hangs_up(request: web.Request) -> web.StreamResponse:
    """Close without a word."""
    assert request.transport is not None
    request.transport.close()
    return web.Response()
