"""One JSON-RPC endpoint over HTTP, asked once per question and never believed blindly."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, TypeAlias

from aiohttp import (
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    TCPConnector,
)
from attrs import frozen
from web3 import AsyncHTTPProvider
from web3.types import RPCEndpoint, RPCResponse

from ..model import Json
from . import restore_recursion_limit

restore_recursion_limit()

MAX_RESPONSE_BYTES: Final = 16 * 2**20
"""Enough for a whole block with its transactions."""
_LARGE_BYTES: Final = 2**18
"""Replies from here on are decoded in a thread: it takes some milliseconds."""
_IDLE_SECONDS: Final = 4.0
"""Kept connections are dropped before the usual server (5 s and more) does it."""
_TOO_MANY_REQUESTS: Final = 429
_SERVER_FAULT: Final = 500
_MAX_DEPTH: Final = 64
_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*+"?|(?P<open>[\[{])|(?P<close>[\]}])', re.DOTALL)
"""A string (its end may be missing, so that no input is scanned twice), or a bracket."""
_QUANTITY = re.compile(r"0x[0-9a-fA-F]{1,64}")
_URL = re.compile(r"\b[a-z][a-z0-9+.-]{0,20}://[^\s\"'<>]*", re.IGNORECASE)
"""As gateways put them into their errors; what leads to a node often holds a key."""


@frozen
class Request:
    """One request to one endpoint."""

    method: str
    params: Sequence[Json]
    endpoint: int
    """Number of the endpoint among those of its chain, from 0."""


Send: TypeAlias = Callable[[], Awaitable[Json]]
"""Sends the request, once each time, and returns its result."""
Around: TypeAlias = Callable[[Request, Send], Awaitable[Json]]
"""Awaited in place of each request, with what sends it; returns the result.

It may count, wait, raise `RpcError` or `NodeFailed` as a node's answer would, or end the process
before or after sending.
"""


class NodeState(StrEnum):
    """What an endpoint is good for."""

    OK = "ok"
    UNREACHABLE = "unreachable"
    """No whole reply came in time."""
    GARBAGE = "garbage"
    """Its replies cannot be understood, or contradict each other."""
    WRONG_CHAIN = "wrong_chain"
    """It serves another chain id."""
    BEHIND = "behind"
    """It lacks blocks that are there elsewhere, or that its caller knows."""
    REFUSING = "refusing"
    """It answers a question with an error that no honest node has for it."""


class NodeFailed(Exception):
    """An endpoint is of no use for a question; another may be.

    Args:
        state: In which way.
        problem: What is wrong, as in "the node …"; holds no URL.
    """

    def __init__(self, state: NodeState, problem: str) -> None:
        super().__init__(problem)
        self.state = state
        self.problem = problem


class RpcError(Exception):
    """The node answered a request with an error.

    Args:
        code: Its JSON-RPC code; 0 where it gave none.
        message: Its words, without URLs.
        data: What came with it, in whatever shape.
    """

    def __init__(self, code: int, message: str, data: Json = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.data = data


class HttpProvider(AsyncHTTPProvider):
    """web3's HTTP provider without retries, without CCIP-Read, and safe to cancel.

    web3 8.0 takes a lock shared by all its providers for each request, in a thread; a request
    that is cancelled meanwhile leaves it locked for ever. It also opens a connection for each.
    So requests go through a session of our own.

    Args:
        url: The endpoint.
        request_timeout: Seconds one request may take, connecting included.
    """

    global_ccip_read_enabled = False

    def __init__(self, url: str, *, request_timeout: float) -> None:
        super().__init__(url, exception_retry_configuration=None)
        self._url = url
        self._timeout = ClientTimeout(total=request_timeout)
        self._session: ClientSession | None = None

    async def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """Send one request and return the decoded reply, whatever it is.

        Raises:
            ClientError: Also OSError and TimeoutError: there is no whole reply.
            ValueError: The reply is no JSON, too large, or nested too deeply.
        """
        body = self.encode_rpc_request(method, params)
        session = self._session = self._session or self._open()
        async with session.post(self._url, data=body, allow_redirects=False) as response:
            _check_status(response)
            reply = await _body(response)
        if len(reply) > _LARGE_BYTES:
            return await asyncio.to_thread(self._decoded, reply)
        return self._decoded(reply)

    def _decoded(self, reply: bytes) -> RPCResponse:
        if _is_deep(reply):
            raise ValueError("nested too deeply")
        return self.decode_rpc_response(reply)

    async def disconnect(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            await asyncio.sleep(0)  # the loop closes the sockets in its next turn

    def _open(self) -> ClientSession:
        return ClientSession(
            connector=TCPConnector(keepalive_timeout=_IDLE_SECONDS),
            headers=self.get_request_headers(),
            timeout=self._timeout,
        )


def _check_status(response: ClientResponse) -> None:
    """Raise for a refusal; some nodes tell JSON-RPC errors with a 4xx status: those are read."""
    refused = response.status == _TOO_MANY_REQUESTS or response.status >= _SERVER_FAULT
    if refused or response.content_type != "application/json":
        response.raise_for_status()


async def _body(response: ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_RESPONSE_BYTES:
            response.close()
            raise ValueError("too large")
    return bytes(body)


def _is_deep(body: bytes) -> bool:
    """Return whether JSON is nested so deeply that decoding it could end the process."""
    if body.count(b"[") + body.count(b"{") <= _MAX_DEPTH:
        return False
    depth = 0
    for found in _BRACKET.finditer(body):
        depth += (found.lastgroup == "open") - (found.lastgroup == "close")
        if depth > _MAX_DEPTH:
            return True
    return False


async def straight(_request: Request, send: Send) -> Json:
    """Send the request and do nothing else."""
    return await send()


class RpcConnection:
    """An endpoint that was seen to serve the right chain.

    Args:
        url: The endpoint; it may hold secrets, so it appears in no error.
        chain_id: What it must serve; asked before anything else, and again after a failure.
        request_timeout: Seconds one request may take.
        index: The endpoint's number among those of its chain, from 0.
        around: Awaited in place of every request.
    """

    def __init__(
        self,
        url: str,
        *,
        chain_id: int,
        request_timeout: float,
        index: int = 0,
        around: Around = straight,
    ) -> None:
        self._provider = HttpProvider(url, request_timeout=request_timeout)
        self._chain_id = chain_id
        self._index = index
        self._around = around
        self._checked = False

    async def request(self, method: str, params: Sequence[Json]) -> Json:
        """Return the `result` of one request, sent once.

        Raises:
            RpcError: The node answered with an error.
            NodeFailed: There is no usable answer, or it is another chain's node.
        """
        if not self._checked:
            await self.check_chain()
        return await self._ask(method, params)

    async def check_chain(self) -> None:
        """Return if the endpoint serves the right chain.

        Raises:
            NodeFailed: It does not, or does not tell.
        """
        self._checked = False
        try:
            served = await self._ask("eth_chainId", [])
        except RpcError as error:
            raise NodeFailed(
                NodeState.REFUSING, f"does not tell its chain id ({error.code})"
            ) from None
        if not isinstance(served, str) or not _QUANTITY.fullmatch(served):
            raise NodeFailed(NodeState.GARBAGE, "gave no valid chain id")
        if int(served, 16) != self._chain_id:
            raise NodeFailed(NodeState.WRONG_CHAIN, "serves another chain; correct its RPC URL")
        self._checked = True

    async def aclose(self) -> None:
        """Close the connections."""
        await self._provider.disconnect()

    async def _ask(self, method: str, params: Sequence[Json]) -> Json:
        """Send one request: nothing reaches a node by any other way."""

        async def send() -> Json:
            return await self._exchange(method, params)

        return await self._around(Request(method, params, self._index), send)

    async def _exchange(self, method: str, params: Sequence[Json]) -> Json:
        state = NodeState.UNREACHABLE
        try:
            reply: object = await self._provider.make_request(RPCEndpoint(method), params)
        except TimeoutError:
            problem = "did not answer in time"
        except (ClientError, OSError) as error:
            problem = f"cannot be reached ({type(error).__name__})"
        except ValueError:
            state, problem = NodeState.GARBAGE, "answered with something that cannot be read"
        else:
            return self._result(reply, method)
        self._checked = False
        raise NodeFailed(state, f"{problem} when asked {method}")

    def _result(self, reply: object, method: str) -> Json:
        if isinstance(reply, Mapping):
            error = reply.get("error")
            if isinstance(error, Mapping):
                raise _rpc_error(error)
            if error is None and "result" in reply:
                result: Json = reply["result"]
                return result
        self._checked = False
        raise NodeFailed(
            NodeState.GARBAGE, f"answered {method} with something that is no JSON-RPC reply"
        )


def _rpc_error(error: Mapping[str, Json]) -> RpcError:
    code, message = error.get("code"), error.get("message")
    return RpcError(
        code if isinstance(code, int) else 0,
        _URL.sub("(URL)", message) if isinstance(message, str) else "",
        error.get("data"),
    )
