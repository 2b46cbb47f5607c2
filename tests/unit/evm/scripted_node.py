"""A node that says what a test tells it to, over real HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

from attrs import define, field, frozen

from zephyrus_exec.evm import EvmChain

CHAIN_ID = 57054
HASH = "0x" + "a1" * 32
OTHER_HASH = "0x" + "b2" * 32
TRANSACTION = "0x" + "c3" * 32
ADDRESS = "0x" + "11" * 20


@frozen
class Http:
    """A whole HTTP response."""

    body: bytes = b""
    status: str = "200 OK"
    content_type: str = "application/json"
    headers: str = ""


@frozen
class Failure:
    """A JSON-RPC error."""

    code: int
    message: str = ""
    data: Any = None


@frozen
class Silence:
    """No reply at all, or the connection closed instead of one."""

    close: bool = False


Answer: TypeAlias = Any
"""A result, an `Http`, `Failure`, `Silence`, or a function of the parameters that returns one."""


def block(number: int = 16, **changes: Any) -> dict[str, Any]:
    """Return a block as nodes show it."""
    return {
        "number": hex(number),
        "hash": HASH,
        "timestamp": "0x65",
        "gasLimit": "0x1c9c380",
        "baseFeePerGas": "0x3b9aca00",
        **changes,
    }


def receipt(**changes: Any) -> dict[str, Any]:
    """Return a receipt as nodes show it."""
    return {
        "transactionHash": TRANSACTION,
        "status": "0x1",
        "blockNumber": "0x10",
        "blockHash": HASH,
        "gasUsed": "0x5208",
        "effectiveGasPrice": "0x3b9aca00",
        **changes,
    }


def _by_number(parameters: list[Any]) -> dict[str, Any]:
    which = parameters[0]
    return block(int(which, 16)) if which.startswith("0x") else block()


@define
class ScriptedNode:
    """An honest node at block 16, until `answers` says otherwise."""

    answers: dict[str, Answer] = field(factory=dict)
    asked: list[tuple[str, Any]] = field(factory=list)
    port: int = 0

    def __attrs_post_init__(self) -> None:
        honest: dict[str, Answer] = {
            "eth_chainId": hex(CHAIN_ID),
            "eth_blockNumber": "0x10",
            "eth_getBlockByNumber": _by_number,
            "eth_call": "0x" + (5).to_bytes(32, "big").hex(),
            "eth_estimateGas": "0x5208",
            "eth_getBalance": hex(10**18),
            "eth_getTransactionCount": "0x3",
            "eth_getCode": "0x60",
            "eth_getTransactionReceipt": receipt(),
            "eth_maxPriorityFeePerGas": "0x77359400",
            "eth_gasPrice": "0x4a817c800",
            "eth_sendRawTransaction": TRANSACTION,
        }
        self.answers = {**honest, **self.answers}

    def count(self, method: str) -> int:
        """Return how often a method was asked."""
        return [name for name, _ in self.asked].count(method)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection until it ends."""
        try:
            while body := await _request(reader):
                if not await self._reply(json.loads(body), writer):
                    return
        except ConnectionError:
            return
        finally:
            writer.close()

    async def _reply(self, request: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        method, parameters = request["method"], request["params"]
        self.asked.append((method, parameters))
        answer = self.answers[method]
        if callable(answer):
            answer = answer(parameters)
        if isinstance(answer, Silence):
            if not answer.close:
                await asyncio.Event().wait()
            return False
        writer.write(_bytes(answer, request["id"]))
        await writer.drain()
        return True


def _bytes(answer: Answer, request_id: int) -> bytes:
    if isinstance(answer, Failure):
        error = {"code": answer.code, "message": answer.message, "data": answer.data}
        answer = Http(json.dumps({"jsonrpc": "2.0", "id": request_id, "error": error}).encode())
    elif not isinstance(answer, Http):
        result = {"jsonrpc": "2.0", "id": request_id, "result": answer}
        answer = Http(json.dumps(result).encode())
    reply: Http = answer
    head = (
        f"HTTP/1.1 {reply.status}\r\nContent-Type: {reply.content_type}\r\n{reply.headers}"
        f"Content-Length: {len(reply.body)}\r\n\r\n"
    )
    return head.encode() + reply.body


async def _request(reader: asyncio.StreamReader) -> bytes:
    length = 0
    while (line := await reader.readline()) not in (b"\r\n", b""):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return await reader.readexactly(length) if length else b""


@asynccontextmanager
async def scripted_node(**answers: Answer) -> AsyncIterator[ScriptedNode]:
    """Run a node with these answers."""
    node = ScriptedNode(answers)
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(node.serve(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    node.port = server.sockets[0].getsockname()[1]
    try:
        yield node
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


@asynccontextmanager
async def chain_on(
    node: ScriptedNode, *, sleep: Callable[[float], Any] | None = None, **settings: Any
) -> AsyncIterator[EvmChain]:
    """Return a chain that asks this node; its URL holds a secret."""
    if sleep is not None:
        settings["sleep"] = sleep
    url = f"http://user:secret-password@127.0.0.1:{node.port}/secret-path"
    chain = EvmChain(CHAIN_ID, [url], **{"request_timeout": 5.0, **settings})
    try:
        yield chain
    finally:
        await chain.aclose()


@asynccontextmanager
async def chain_with(**answers: Answer) -> AsyncIterator[tuple[EvmChain, ScriptedNode]]:
    """Return a chain and its node with these answers."""
    async with scripted_node(**answers) as node, chain_on(node) as chain:
        yield chain, node
