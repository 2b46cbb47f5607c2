"""Two workers of one uvicorn share a journal; one of them is killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.deploy.nginx import nginx, trusting
from zephyrus_exec import Execution, Outcome, SqliteStore
from zephyrus_exec.engine.listing import list_executions, read_all
from zephyrus_exec.errors import TransportError
from zephyrus_exec.protocol.messages import Completed, Reply, Started
from zephyrus_exec.testing.v1 import V1Peer
from zephyrus_exec.transports.connection import WebSocketConnection

from .processes import PATIENCE
from .uvicorn_process import sent_events, soon_socket_to, uvicorn_of

ANA = {"Authorization": "Bearer ana-secret"}
ORDERS = 3
Connect: TypeAlias = Callable[[], Awaitable[WebSocketConnection]]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="kills processes by POSIX signals"),
]


async def _worker(socket: WebSocketConnection) -> int:
    """Return the id of the process at the other end."""
    await socket.send(['{"type":"whoami"}'])
    (answer,) = await socket.receive()
    return int(json.loads(answer)["worker"])


async def _one_socket_per_worker(
    stack: AsyncExitStack, connect: Connect
) -> dict[int, WebSocketConnection]:
    """Connect until two different workers have answered."""
    found: dict[int, WebSocketConnection] = {}
    async with asyncio.timeout(PATIENCE):
        while len(found) < 2:
            socket = await connect()
            stack.push_async_callback(socket.aclose)
            found.setdefault(await _worker(socket), socket)
    return found


async def _replies(socket: WebSocketConnection) -> list[Reply]:
    """Ask for an execution; return what came until its end, or the connection's."""
    replies: list[Reply] = []
    try:
        async for reply in V1Peer(socket).execute("restock"):
            replies += [reply]
    except TransportError:
        pass
    return replies


async def _both_in_the_middle(store: SqliteStore) -> list[Execution]:
    """Return the executions once each has done something and has something left to do."""
    async with asyncio.timeout(PATIENCE):
        while True:
            executions = [*await list_executions(store, limit=10)]
            done = [await _finished(store, one.id) for one in executions]
            if len(executions) == 2 and all(done):
                assert max(done) < ORDERS
                return executions
            await asyncio.sleep(0.02)


async def _finished(store: SqliteStore, execution_id: str) -> int:
    kinds = [event.kind for event in await read_all(store, execution_id)]
    return kinds.count("action_finished")


async def _front(stack: AsyncExitStack, url: str, folder: Path, *, behind_nginx: bool) -> Connect:
    """Return how clients connect."""
    if not behind_nginx:
        return partial(soon_socket_to, url, "/ws/", ANA)
    front = await stack.enter_async_context(nginx(folder, url.removeprefix("http://")))
    return partial(soon_socket_to, front, "/ws/agent/restock", ANA, tls=trusting())


@pytest.mark.parametrize("behind_nginx", [False, True], ids=["alone", "behind nginx"])
async def test_what_a_killed_worker_left_is_completed_once_by_another(
    tmp_path: Path, behind_nginx: bool
) -> None:
    journal = tmp_path / "shop.db"
    settings = {"SHOP_JOURNAL": str(journal), "SHOP_LEASE": "1", "SHOP_PACE": "0.7"}
    async with (
        uvicorn_of("fastapi_app:app", "--workers", "2", **settings) as (host, http),
        AsyncExitStack() as stack,
    ):
        connect = await _front(stack, host.url, tmp_path, behind_nginx=behind_nginx)
        sockets = await _one_socket_per_worker(stack, connect)
        store = await SqliteStore.open(journal)
        stack.push_async_callback(store.aclose)
        asking = {pid: asyncio.create_task(_replies(one)) for pid, one in sockets.items()}
        executions = await _both_in_the_middle(store)

        victim, survivor = sockets
        os.kill(victim, signal.SIGKILL)

        # the other worker's client notices nothing; the victim's loses its connection
        others = await asking[survivor]
        assert isinstance(others[-1], Completed)
        assert len(others[-1].results) == ORDERS
        assert await asking[victim] == [Started("restock")]

        # the client comes back, to whoever is there, and reads on to the end of both
        histories = []
        for execution in executions:
            async with http.get(f"/executions/{execution.id}/events", headers=ANA) as stream:
                histories.append([event async for event in sent_events(stream)])
        for events in histories:
            kinds = [event["event"] for event in events]
            assert [event["id"] for event in events] == [str(n + 1) for n in range(len(events))]
            assert kinds.count("completed") == 1
            assert kinds.count("action_finished") == ORDERS
            end = json.loads(events[-1]["data"])
            assert end["outcome"] == Outcome.SUCCEEDED
            assert [one["result"] for one in end["results"]] == [
                {"ordered": item} for item in ("bolts", "nuts", "washers")
            ]
        taken = [[event["event"] for event in events].count("taken_over") for events in histories]
        assert sorted(taken) == [0, 1]

        again = await connect()
        stack.push_async_callback(again.aclose)
        assert await _worker(again) != victim
        assert isinstance((await _replies(again))[-1], Completed)
