"""`FaultProxy`: stands in front of a JSON-RPC node and misbehaves as it is told.

    async with FaultProxy(node_url) as proxy:
        proxy.inject("eth_sendRawTransaction", lose_reply, times=1)
        chain = EvmChain(31337, [proxy.url])

A fault is a coroutine function that gets the `Exchange` and says what is answered; those here are
the common ones. It needs the extra `evm`.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Self, TypeAlias

from aiohttp import ClientSession
from attrs import define, frozen

from ..evm.transactions import transaction_hash
from ..model import Json, JsonObject
from .loopback import HttpReply, LoopbackServer
from .node_manners import Ask, Lag, ReplacementRule

Reply: TypeAlias = JsonObject
"""What a node answers: an object with `result`, or with `error`."""
Answer: TypeAlias = Reply | HttpReply | None
"""A reply, a whole HTTP response, or none: the connection is closed."""


@frozen
class Exchange:
    """One request on its way."""

    method: str
    params: Sequence[Json]
    number: int
    """How many requests of this method there were, itself included."""
    forward: Callable[[], Awaitable[Reply]]
    """Sends it to the node and returns the reply; may be called never, once or often."""


Fault: TypeAlias = Callable[[Exchange], Awaitable[Answer]]
"""Decides what is answered."""


# --- faults --------------------------------------------------------------------------------------


async def lose_request(_exchange: Exchange) -> Answer:
    """Close the connection; the node is not asked."""
    return None


async def lose_reply(exchange: Exchange) -> Answer:
    """Close the connection after the node has answered."""
    await exchange.forward()
    return None


async def hang(_exchange: Exchange) -> Answer:
    """Answer nothing, and keep the connection, until the client gives up; the node is not asked."""
    never: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    return await never


async def hang_although_sent(exchange: Exchange) -> Answer:
    """Answer nothing, and keep the connection, although the node has answered."""
    await exchange.forward()
    return await hang(exchange)


async def twice(exchange: Exchange) -> Answer:
    """Deliver the request two times; the first reply is the answer."""
    first = await exchange.forward()
    await exchange.forward()
    return first


async def swallow(exchange: Exchange) -> Answer:
    """Answer a raw transaction with its hash, without telling the node."""
    raw = bytes.fromhex(str(exchange.params[0])[2:])
    return {"result": transaction_hash(raw)}


def result(value: Json) -> Fault:
    """Return the fault of answering with this; the node is not asked."""

    async def fault(_exchange: Exchange) -> Answer:
        return {"result": value}

    return fault


def error(message: str, *, code: int = -32000, sent: bool = False) -> Fault:
    """Return the fault of answering with an error.

    Args:
        message: The node's words.
        code: JSON-RPC code.
        sent: Whether the node gets the request all the same.
    """

    async def fault(exchange: Exchange) -> Answer:
        if sent:
            await exchange.forward()
        return {"error": {"code": code, "message": message}}

    return fault


def delayed(seconds: float) -> Fault:
    """Return the fault of handing the request on late."""

    async def fault(exchange: Exchange) -> Answer:
        await asyncio.sleep(seconds)
        return await exchange.forward()

    return fault


def body(content: bytes, *, status: str = "200 OK", kind: str = "application/json") -> Fault:
    """Return the fault of answering with this HTTP response; the node is not asked."""

    async def fault(_exchange: Exchange) -> Answer:
        return HttpReply(content, status, kind)

    return fault


BODIES: Final[Mapping[str, Fault]] = {
    "html": body(b"<html>bad gateway</html>", status="502 Bad Gateway", kind="text/html"),
    "html with status 200": body(b"<html>log in first</html>", kind="text/html"),
    "500": body(b'{"error":"text"}', status="500 Internal Server Error"),
    "429": body(b"slow down", status="429 Too Many Requests", kind="text/plain"),
    "empty": body(b""),
    "no UTF-8": body(b"\xff\xfe\x00"),
    "cut off": body(b'{"jsonrpc":"2.0","id":1,"resu'),
    "null": body(b"null"),
    "no reply": body(b'{"jsonrpc":"2.0","id":1}'),
    "deep": body(b"[" * 100_000),
    "huge": body(b'{"result":"0x' + b"0" * 2**25 + b'"}'),
}
"""Responses that are no answer, by name."""


# --- the proxy -----------------------------------------------------------------------------------


@define
class _Rule:
    method: str
    fault: Fault
    skip: int
    times: int | None

    def takes(self, method: str) -> bool:
        """Return whether this request is one to fail, and count it."""
        if self.method not in ("*", method) or self.times == 0:
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


class FaultProxy:
    """A JSON-RPC endpoint on a free port of 127.0.0.1 that hands requests on to a node.

    Batches are refused. As long as nothing is injected, it is transparent.

    Args:
        node_url: The node behind it.
    """

    def __init__(self, node_url: str) -> None:
        self._node_url = node_url
        self._rules: list[_Rule] = []
        self._server = LoopbackServer(self._serve)
        self._session: ClientSession | None = None
        self._replacement = ReplacementRule()
        self.calls: Counter[str] = Counter()
        """Requests so far, by method."""
        self.requests: list[tuple[str, Sequence[Json]]] = []
        """Requests so far: methods and parameters, in order."""
        self.down = False
        """Whether every connection is closed as soon as something is asked."""
        self.lag_blocks = 0
        """How many blocks behind the node it shows the chain."""
        self.geth_replacement = False
        """Whether a pending transaction is only replaced by one that pays 10 % more, as in geth."""

    @property
    def url(self) -> str:
        """Where it listens."""
        return self._server.url

    async def __aenter__(self) -> Self:
        self._session = ClientSession()
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.aclose()
        assert self._session is not None
        await self._session.close()
        await asyncio.sleep(0)  # the loop closes the sockets in its next turn

    def inject(self, method: str, fault: Fault, *, skip: int = 0, times: int | None = None) -> None:
        """Fail requests from now on; of several faults that fit, the first injected is taken.

        Args:
            method: Which; `*`: all.
            fault: How.
            skip: So many requests of the method are let through first.
            times: So many are failed then; null: all.
        """
        self._rules.append(_Rule(method, fault, skip, times))

    def heal(self) -> None:
        """Forget everything injected, and be up, at the head, and easy on replacements."""
        self._rules.clear()
        self.down, self.lag_blocks, self.geth_replacement = False, 0, False

    async def ask(self, method: str, *params: Json) -> Json:
        """Return what the node itself answers, whatever is injected; it is not counted.

        Raises:
            AssertionError: The node answers with an error.
        """
        reply = await self._to_node(method, params)
        assert "error" not in reply, f"{method}: {reply['error']}"
        return reply["result"]

    async def _serve(self, request: bytes) -> HttpReply | None:
        message = json.loads(request)
        if not isinstance(message, dict):
            return _encoded({"error": {"code": -32600, "message": "one request at a time"}}, None)
        method, params = str(message["method"]), message.get("params", [])
        self.calls[method] += 1
        self.requests.append((method, params))
        if self.down:
            return None
        answer = await self._answer(method, params)
        if answer is None or isinstance(answer, HttpReply):
            return answer
        return _encoded(answer, message.get("id"))

    async def _answer(self, method: str, params: Sequence[Json]) -> Answer:
        async def forward() -> Reply:
            return await self._mannered(method, params)

        rule = next((rule for rule in self._rules if rule.takes(method)), None)
        if rule is None:
            return await forward()
        return await rule.fault(Exchange(method, params, self.calls[method], forward))

    async def _mannered(self, method: str, params: Sequence[Json]) -> Reply:
        ask: Ask = self._to_node
        if self.lag_blocks:
            return await Lag(self.lag_blocks).ask(ask, method, params)
        if self.geth_replacement and method == "eth_sendRawTransaction":
            return await self._replacement.ask(ask, method, params)
        return await ask(method, params)

    async def _to_node(self, method: str, params: Sequence[Json]) -> Reply:
        assert self._session is not None, "enter the proxy's block first"
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        async with self._session.post(self._node_url, json=message) as response:
            reply: dict[str, Json] = await response.json()
        return {key: reply[key] for key in ("result", "error") if key in reply}


def _encoded(reply: Reply, request_id: Json) -> HttpReply:
    return HttpReply(json.dumps({"jsonrpc": "2.0", "id": request_id, **reply}).encode())
