"""JSON-RPC 2.0 over HTTP, in front of a node."""

from __future__ import annotations

import json
import socketserver
import sys
from collections.abc import Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from ...model import Json
from .node import Node
from .shape import RpcError

MAX_BODY_BYTES: Final = 5 << 20
"""Largest request it reads."""


class RpcServer(ThreadingHTTPServer):
    """Listens on a free port of 127.0.0.1.

    Args:
        node: Who answers.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, node: Node) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.node = node

    def server_bind(self) -> None:
        """Bind without asking the name service for our own name, which may take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def handle_error(self, request: object, client_address: object) -> None:
        """Report what went wrong here, but not that a client went away."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # buffered, so that head and body leave together
    server: RpcServer

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        elif self.headers.get_content_type() != "application/json":
            # What a web page may send without asking never has this type.
            self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        else:
            reply = respond(self.server.node, self.rfile.read(int(length)))
            self._send(HTTPStatus.OK, reply)

    def _refuse(self, status: HTTPStatus) -> None:
        self.close_connection = True
        self._send(status, b"")

    def _send(self, status: HTTPStatus, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: standard error is for what went wrong."""


def respond(node: Node, body: bytes) -> bytes:
    """Return the reply to a request or a batch of them; empty where none is due."""
    try:
        request: Json = json.loads(body)
    except (ValueError, RecursionError):
        return _encoded(_reply(None, error=RpcError(-32700, "parse error")))
    if not isinstance(request, list):
        return _encoded(_one(node, request))
    if not request:
        return _encoded(_reply(None, error=RpcError(-32600, "empty batch")))
    replies: list[Json] = [reply for each in request if (reply := _one(node, each)) is not None]
    return _encoded(replies or None)


def _one(node: Node, request: Json) -> Json:
    if not isinstance(request, dict) or not isinstance(request.get("method"), str):
        return _reply(None, error=RpcError(-32600, "invalid request"))
    method, params = request["method"], request.get("params") or []
    try:
        if not isinstance(params, Sequence) or isinstance(params, str):
            raise RpcError(-32602, "non-array args")
        reply = _reply(request.get("id"), result=node.answer(method, params))
    except RpcError as error:
        reply = _reply(request.get("id"), error=error)
    return reply if "id" in request else None


def _reply(request_id: Json, *, result: Json = None, error: RpcError | None = None) -> Json:
    head: dict[str, Json] = {"jsonrpc": "2.0", "id": request_id}
    return {**head, "result": result} if error is None else {**head, "error": error.json()}


def _encoded(reply: Json) -> bytes:
    return b"" if reply is None else json.dumps(reply, separators=(",", ":")).encode()
