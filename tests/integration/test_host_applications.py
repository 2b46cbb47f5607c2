"""The example applications run under a real uvicorn, and their clients get what they ask for."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from zephyrus_exec.errors import TransportRefused
from zephyrus_exec.protocol.messages import Completed, Started
from zephyrus_exec.testing.v1 import V1Peer

from .processes import ServerProcess
from .uvicorn_process import sent_events, socket_to, uvicorn_of

ANA = {"Authorization": "Bearer ana-secret"}

pytestmark = pytest.mark.skipif(os.name == "nt", reason="ends processes by POSIX signals")


def ended_well(host: ServerProcess) -> None:
    """Nothing failed, and what had to be closed was."""
    said = "".join(host.stderr)
    assert "Traceback" not in said
    assert "Application shutdown complete" in said


async def test_the_fastapi_example_serves_http_and_websockets_on_one_port(tmp_path: Path) -> None:
    journal = str(tmp_path / "shop.db")
    async with uvicorn_of("fastapi_app:app", SHOP_JOURNAL=journal, SHOP_PACE="0.01") as (
        host,
        http,
    ):
        # over HTTP: started, watched to the end, and again from the middle
        body = {"input": ["bolts", "nuts"]}
        async with http.post("/agents/restock/executions", json=body, headers=ANA) as reply:
            assert reply.status == 202
            started = await reply.json()
        async with http.get(started["events"], headers=ANA) as stream:
            events = [event async for event in sent_events(stream)]
        assert [event["event"] for event in events] == [
            *("accepted", "started"),
            *("action_started", "action_finished") * 2,
            "completed",
        ]
        assert [event["id"] for event in events] == [str(n) for n in range(1, 8)]
        results = json.loads(events[-1]["data"])["results"]
        assert [one["result"] for one in results] == [{"ordered": "bolts"}, {"ordered": "nuts"}]
        async with http.get(started["events"], headers={**ANA, "Last-Event-ID": "6"}) as stream:
            assert [event async for event in sent_events(stream)] == events[6:]
        async with http.get(f"/executions/{started['execution_id']}", headers=ANA) as reply:
            assert (await reply.json())["outcome"] == "succeeded"

        # over a WebSocket: the same agent, and a message of the host's own
        socket = await socket_to(host.url, "/ws/", {"cookie": "session=bob-secret"})
        await socket.send(['{"type":"whoami"}'])
        assert json.loads((await socket.receive())[0])["user"] == "bob"
        replies = [reply async for reply in V1Peer(socket).execute("restock")]
        assert replies[0] == Started("restock")
        assert isinstance(replies[1], Completed)
        assert len(replies[1].results) == 3
        await socket.aclose()

        # strangers, and what is not there
        for path in ("/executions/x", "/executions/x/events"):
            async with http.get(path) as reply:
                assert reply.status == 401
            async with http.get(path, headers=ANA) as reply:
                assert (reply.status, (await reply.json())["code"]) == (404, "execution_not_found")
        async with http.post("/agents/nobody/executions", headers=ANA) as reply:
            assert (reply.status, await reply.json()) == (
                404,
                {"code": "agent_not_found", "message": "Agent not found: nobody"},
            )
        for header in ({}, {"authorization": "Bearer wrong"}, {**ANA, "origin": "https://evil"}):
            with pytest.raises(TransportRefused) as refused:
                await socket_to(host.url, "/ws/", header)
            assert refused.value.details["http_status"] == 403
    ended_well(host)


async def test_the_starlette_example_lets_its_middleware_decide() -> None:
    root = {"Authorization": "Bearer root-secret"}
    async with uvicorn_of("starlette_app:app") as (host, http):
        async with http.get("/") as reply:
            assert await reply.json() == {"user": None}
        async with http.post("/reports") as reply:
            assert reply.status == 403
        async with http.post("/reports", headers=ANA) as reply:
            (counted,) = (await reply.json())["results"]
            assert counted["result"] == 42
        socket = await socket_to(host.url, "/ws/agent/7", ANA)
        replies = [reply async for reply in V1Peer(socket).execute("report")]
        assert isinstance(replies[-1], Completed)
        await socket.aclose()
        with pytest.raises(TransportRefused):
            await socket_to(host.url, "/ws/agent/7", {})

        # the operator sees both executions, in one order
        async with http.get("/journal", headers=ANA) as reply:
            assert reply.status == 403
        kinds: list[str] = []
        async with http.get("/journal", headers=root) as stream:
            async for event in sent_events(stream):
                kinds.append(event["event"])
                if kinds.count("completed") == 2:
                    break
        assert kinds.count("accepted") == 2
    ended_well(host)
