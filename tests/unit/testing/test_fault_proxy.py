"""The proxy in front of a node that counts what reaches it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession, ClientTimeout, ServerDisconnectedError
from attrs import define, field

from zephyrus_exec.testing.fault_proxy import (
    BODIES,
    Exchange,
    Fault,
    FaultProxy,
    Reply,
    delayed,
    error,
    hang,
    hang_although_sent,
    lose_reply,
    lose_request,
    result,
    swallow,
    twice,
)
from zephyrus_exec.testing.loopback import HttpReply, LoopbackServer

RAW = "0x02f8"


@define
class CountingNode:
    """Answers each request with how many there were of its method."""

    asked: list[str] = field(factory=list)

    async def serve(self, body: bytes) -> HttpReply:
        request = json.loads(body)
        method = request["method"]
        self.asked.append(method)
        reply: dict[str, Any] = {"result": self.asked.count(method)}
        if method == "bad":
            reply = {"error": {"code": 1, "message": "bad"}}
        return HttpReply(json.dumps({"jsonrpc": "2.0", "id": 1, **reply}).encode())


@define
class World:
    """A node, the proxy, and somebody who asks."""

    node: CountingNode
    proxy: FaultProxy
    session: ClientSession

    async def ask(self, method: str, *params: object) -> Any:
        """Return the whole reply."""
        message = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
        async with self.session.post(self.proxy.url, json=message) as response:
            reply: dict[str, Any] = await response.json()
        assert reply.pop("id") == 7
        return reply.get("result", reply.get("error"))


@pytest.fixture
async def world() -> AsyncIterator[World]:
    node = CountingNode()
    server = LoopbackServer(node.serve)
    await server.start()
    timeout = ClientTimeout(total=5)
    async with FaultProxy(server.url) as proxy, ClientSession(timeout=timeout) as session:
        yield World(node, proxy, session)
    await server.aclose()


async def test_without_faults_it_is_transparent_and_counts(world: World) -> None:
    assert [await world.ask("a", 1), await world.ask("b"), await world.ask("a", 2)] == [1, 1, 2]
    assert await world.ask("bad") == {"code": 1, "message": "bad"}
    assert world.proxy.calls == {"a": 2, "b": 1, "bad": 1}
    assert world.proxy.requests[:3] == [("a", [1]), ("b", []), ("a", [2])]


async def test_a_fault_hits_the_calls_it_is_meant_for(world: World) -> None:
    world.proxy.inject("a", result("x"), skip=1, times=2)
    assert [await world.ask("a") for _ in range(4)] == [1, "x", "x", 2]
    assert await world.ask("b") == 1


async def test_the_first_fault_that_fits_is_taken_and_a_star_fits_all(world: World) -> None:
    world.proxy.inject("a", result("first"), times=1)
    world.proxy.inject("*", result("any"))
    assert [await world.ask("a"), await world.ask("a"), await world.ask("b")] == [
        "first",
        "any",
        "any",
    ]
    world.proxy.heal()
    assert await world.ask("a") == 1


@pytest.mark.parametrize(("fault", "sent"), [(lose_request, 0), (lose_reply, 1)])
async def test_a_lost_request_never_arrives_and_a_lost_reply_comes_after_it_did(
    world: World, fault: Fault, sent: int
) -> None:
    world.proxy.inject("a", fault)
    with pytest.raises(ServerDisconnectedError):
        await world.ask("a")
    assert len(world.node.asked) == sent


@pytest.mark.parametrize(("fault", "sent"), [(hang, 0), (hang_although_sent, 1)])
async def test_a_node_that_hangs_keeps_its_client_waiting(
    world: World, fault: Fault, sent: int
) -> None:
    world.proxy.inject("a", fault)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await world.ask("a")
    assert len(world.node.asked) == sent


@pytest.mark.parametrize(("sent", "asked"), [(False, []), (True, ["a"])])
async def test_an_error_may_come_although_the_request_arrived(
    world: World, sent: bool, asked: list[str]
) -> None:
    world.proxy.inject("a", error("no", code=-5, sent=sent))
    assert await world.ask("a") == {"code": -5, "message": "no"}
    assert world.node.asked == asked


async def test_a_request_delivered_twice_has_the_first_answer(world: World) -> None:
    world.proxy.inject("a", twice)
    assert await world.ask("a") == 1
    assert world.node.asked == ["a", "a"]


async def test_a_late_request_arrives_all_the_same(world: World) -> None:
    world.proxy.inject("a", delayed(0.01))
    assert await world.ask("a") == 1


async def test_a_swallowed_transaction_has_its_hash_and_never_arrives(world: World) -> None:
    world.proxy.inject("eth_sendRawTransaction", swallow)
    told = await world.ask("eth_sendRawTransaction", "0x")
    assert told == "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert world.node.asked == []


@pytest.mark.parametrize("name", BODIES)
async def test_bodies_reach_the_client_as_they_are(world: World, name: str) -> None:
    world.proxy.inject("a", BODIES[name])
    async with world.session.post(world.proxy.url, json={"method": "a"}) as response:
        body = await response.read()
    assert (response.status == 200) == (name not in ("html", "500", "429"))
    assert b'"result":1' not in body
    assert world.node.asked == []


async def test_one_that_is_down_closes_every_connection(world: World) -> None:
    world.proxy.down = True
    with pytest.raises(ServerDisconnectedError):
        await world.ask("a")
    world.proxy.heal()
    assert await world.ask("a") == 1


async def test_a_fault_may_be_written_by_the_test(world: World) -> None:
    async def plus_hundred(exchange: Exchange) -> Reply:
        reply = await exchange.forward()
        return {"result": int(str(reply["result"])) + 100 * exchange.number}

    world.proxy.inject("a", plus_hundred)
    assert [await world.ask("a"), await world.ask("a")] == [101, 202]


async def test_a_batch_is_refused(world: World) -> None:
    async with world.session.post(world.proxy.url, json=[]) as response:
        assert (await response.json())["error"]["code"] == -32600


async def test_the_node_itself_can_be_asked_past_the_faults(world: World) -> None:
    world.proxy.down = True
    assert await world.proxy.ask("a") == 1
    with pytest.raises(AssertionError, match="bad"):
        await world.proxy.ask("bad")
    assert world.proxy.calls == {}


async def test_a_client_that_leaves_in_the_middle_does_no_harm(world: World) -> None:
    host, port = world.proxy.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")
    writer.close()
    await writer.wait_closed()
    assert await world.ask("a") == 1


async def test_a_server_that_never_started_can_be_closed() -> None:
    server = LoopbackServer(CountingNode().serve)
    await server.aclose()
    assert server.url == ""
