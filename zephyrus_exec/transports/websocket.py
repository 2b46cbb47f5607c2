"""WebSocket channels (RFC 6455): a listener, and a client's connection.

The framing and the handshakes are those of the `websockets` library's sans-I/O layer, but for the
commonest of all frames, which are read and written here; sockets, time and flow control are ours.
Only this module imports that library.
"""

from __future__ import annotations

import asyncio
import codecs
import logging
import ssl
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus, InvalidURI
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    ServerPerMessageDeflateFactory,
)
from websockets.frames import Frame as WireFrame
from websockets.frames import Opcode
from websockets.frames import apply_mask as _unmask  # type: ignore[attr-defined] # in C, mostly
from websockets.http11 import Request, Response
from websockets.protocol import Protocol, Side, State
from websockets.server import ServerProtocol
from websockets.typing import Origin, Subprotocol
from websockets.uri import WebSocketURI, parse_uri

from ..errors import (
    ConfigurationError,
    TransportBroken,
    TransportError,
    TransportRefused,
)
from ..interfaces.transport import Accept, Frame, Handshake, Listener, SharedText, SharedTexts
from .connection import ChannelLimits, Timers, WebSocketConnection, Wire
from .endpoints import Endpoint, TcpEndpoint, UnixEndpoint, host_and_port
from .farewell import Farewell
from .http import HttpRequest, HttpResponse
from .opening import Refused, Respond
from .origin import AllowOrigin, loopback_or_none
from .peers import SelectSubprotocol
from .proxies import TrustedProxies
from .server import (
    Admission,
    Authenticate,
    CheckReach,
    Negotiated,
    Server,
    ServerRules,
    peer_name,
)

_log = logging.getLogger(__name__)

# About 40 KiB per connection instead of 300, at nearly the same compression of JSON.
_WINDOW_BITS = 12
_MEMORY_LEVEL = {"memLevel": 5}


# --- framing -------------------------------------------------------------------------------------


class _Messages(Protocol):
    """Puts messages together while frames are parsed, so that UTF-8 is judged in order.

    Judged afterwards, a close frame behind an invalid text would already have been answered.
    """

    __slots__ = ("_decoder", "_parts", "longest", "messages", "unparsed")

    def __init__(self, *args: Any, max_size: int, **kwargs: Any) -> None:
        super().__init__(*args, max_size=max_size, **kwargs)
        self.longest = max_size
        self.unparsed = 0
        """Bytes taken that are part of no frame yet; at least as many as there are."""
        self.debug = False  # the library would log headers, credentials included
        self.messages: list[Frame] = []
        self._parts: bytearray | None = None
        self._decoder: codecs.IncrementalDecoder | None = None

    def recv_frame(self, frame: WireFrame) -> None:
        """Take one frame; a UnicodeDecodeError raised here is answered with 1007."""
        self.unparsed -= _length_of_masked(len(frame.data))
        super().recv_frame(frame)
        if frame.opcode is Opcode.TEXT and frame.fin:
            self.messages.append(str(frame.data, "utf-8"))
        elif frame.opcode is Opcode.BINARY and frame.fin:
            self.messages.append(bytes(frame.data))
        elif frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            self._add_part(frame)
        frame.data = b""  # the library's parser holds on to its last frame, which may be long

    def _add_part(self, part: WireFrame) -> None:
        if part.opcode is not Opcode.CONT:
            text = part.opcode is Opcode.TEXT
            self._decoder = codecs.getincrementaldecoder("utf-8")() if text else None
            self._parts = bytearray()
        assert self._parts is not None  # the library has refused what continues nothing
        if self._decoder is not None:  # only to fail early; the text is made at the end
            self._decoder.decode(bytes(part.data), final=part.fin)
        self._parts += part.data
        if part.fin:
            whole, self._parts = bytes(self._parts), None
            self.messages.append(whole if self._decoder is None else whole.decode())

    @property
    def between_messages(self) -> bool:
        """Whether what comes next begins a message, and the connection goes on."""
        return self.unparsed == 0 and self._parts is None and self.state is State.OPEN


class _ServerProtocol(_Messages, ServerProtocol):
    __slots__ = ()


class _Opening(ServerProtocol):
    """A handshake whose request was read already. Nothing refers to it once it is over.

    Args:
        select: Chooses among the subprotocols that are offered.
        **options: The library's.
    """

    def __init__(
        self, select: Callable[[Sequence[str]], Subprotocol | None], **options: Any
    ) -> None:
        super().__init__(**options)
        self.debug = False  # the library would log headers, credentials included
        self.parser.close()
        self._select = select

    def select_subprotocol(self, subprotocols: Sequence[Subprotocol]) -> Subprotocol | None:
        """Return the chosen one; null: none."""
        return self._select(subprotocols)


class _ClientProtocol(_Messages, ClientProtocol):
    pass


def _length_of_masked(payload: int) -> int:
    """Return how long a client's frame is, with the shortest head that it may have."""
    return payload + (6 if payload < 126 else 8 if payload < 1 << 16 else 14)


def _whole_texts(data: bytes, longest: int) -> tuple[list[Frame], int]:
    """Return the texts that data begins with, each whole in one masked frame; and where they end.

    Nearly all that a server gets is such. Whatever else comes, or is wrong, is left to the library.
    """
    texts: list[Frame] = []
    at, size = 0, len(data)
    while size - at > 8 and data[at] == 0x81 and data[at + 1] & 0x80:
        length, start = data[at + 1] & 0x7F, at + 6
        if length == 126:
            length, start = data[at + 2] << 8 | data[at + 3], at + 8
        end = start + length
        if length == 127 or length > longest or end > size:
            break
        try:
            texts.append(str(_unmask(data[start:end], data[start - 4 : start]), "utf-8"))
        except UnicodeDecodeError:
            break
        at = end
    return texts, at


_HEAD_16 = struct.Struct("!BBH").pack
_HEAD_64 = struct.Struct("!BBQ").pack


def _unmasked(frame: Frame) -> bytes:
    """Return a message as a server sends it, whole and not compressed (RFC 6455 section 5.2)."""
    first, payload = (0x81, frame.encode()) if isinstance(frame, str) else (0x82, frame)
    length = len(payload)
    if length < 126:
        return bytes((first, length)) + payload
    if length < 1 << 16:
        return _HEAD_16(first, 126, length) + payload
    return _HEAD_64(first, 127, length) + payload


def _plain(frame: Frame) -> bytes:
    """Return the same, made once of a message that goes to many."""
    if type(frame) is not SharedText:
        return _unmasked(frame)
    if frame.encoded is None:
        frame.encoded = _unmasked(frame)
    return frame.encoded


def _all_plain(frames: Sequence[Frame]) -> bytes:
    """Return messages as a server sends them; made once of those that go to many together."""
    if type(frames) is not SharedTexts:
        return b"".join(map(_plain, frames))
    if frames.encoded is None:
        frames.encoded = b"".join(map(_unmasked, frames))
    return frames.encoded


class _LibraryWire(Wire):
    __slots__ = ("_plain", "_protocol", "_queued")

    def __init__(self, protocol: _Messages) -> None:
        self._protocol = protocol
        self._queued: list[bytes] = []
        # A server masks nothing. Where nothing is compressed either, a message is the same for
        # every peer, and needs none of the library's care, which costs more than all the rest.
        self._plain = protocol.side is Side.SERVER and not protocol.extensions

    def feed(self, data: bytes) -> list[Frame]:
        protocol = self._protocol
        texts: list[Frame] = []
        if self._plain and protocol.between_messages:
            texts, end = _whole_texts(data, protocol.longest)
            if end == len(data):
                return texts
            data = data[end:]
        protocol.unparsed += len(data)
        protocol.receive_data(data)
        protocol.events_received()
        messages, protocol.messages = protocol.messages, []
        return texts + messages if texts else messages

    def send(self, frames: Sequence[Frame]) -> int:
        # All are encoded before the first is queued: a bad one spoils none.
        if self._plain:
            whole = _all_plain(frames)
            self._queued += self._protocol.data_to_send()  # what was said before goes before
            self._queued.append(whole)
            return len(whole)
        encoded = [(frame, frame.encode() if isinstance(frame, str) else frame) for frame in frames]
        size = 0
        for frame, data in encoded:
            if isinstance(frame, str):
                self._protocol.send_text(data)
            else:
                self._protocol.send_binary(data)
            size += len(data)
        return size

    def ping(self) -> None:
        self._protocol.send_ping(b"")

    def close(self, farewell: Farewell) -> None:
        self._protocol.send_close(farewell.code, farewell.reason)

    def output(self) -> list[bytes]:
        said = self._protocol.data_to_send()
        if self._queued:
            queued, self._queued = self._queued, []
            return queued + said
        return said

    def detach(self) -> None:
        self._protocol.parser.close()  # a generator, which holds the protocol that holds it

    @property
    def end(self) -> TransportError | None:
        protocol = self._protocol
        if protocol.parser_exc is not None:
            return TransportBroken(f"the peer broke RFC 6455: {protocol.parser_exc}")
        if protocol.close_rcvd is not None:
            return Farewell(protocol.close_rcvd.code, protocol.close_rcvd.reason).said_by_peer()
        return None


# --- server --------------------------------------------------------------------------------------


def _server_deflate() -> ServerPerMessageDeflateFactory:
    return ServerPerMessageDeflateFactory(
        server_max_window_bits=_WINDOW_BITS,
        client_max_window_bits=_WINDOW_BITS,
        compress_settings=_MEMORY_LEVEL,
    )


def _not_found(request: HttpRequest) -> HttpResponse:
    return HttpResponse.of(404, "There is nothing here but a WebSocket.")


class WebSocketListener(Listener):
    """Takes WebSockets on a TCP port or a Unix socket, and answers plain HTTP requests there.

    Args:
        host: A host name, an address, several of them, or "" or null for every address.
        port: TCP port, 0 to 65535; 0: a free one, the same on every address.
        unix: Path of a Unix socket to listen on instead; one that nobody listens on is replaced.
        unix_mode: Its permissions.
        limits: What one connection may cost, and its keepalive.
        max_connections: WebSockets at once, at least 1; further ones get HTTP 503.
        open_timeout: Seconds a peer gets for its request, and `respond` for its answer.
        deflate: Whether permessage-deflate (RFC 7692) is agreed to where a peer offers it; costs
            about 40 KiB per connection.
        select_subprotocol: Chooses among the subprotocols a peer offers; null: chooses none.
        respond: Answers GET and HEAD requests that are for no WebSocket; may be a coroutine
            function. Null: every answer is 404.
        allow_origin: Given the Origin header (null: there is none), tells whether that page may
            connect; others get HTTP 403.
        allowed_hosts: What this machine is called besides `localhost`, its loopback addresses and
            `host`. Where only this machine can come, a Host header that names another gets HTTP
            403; elsewhere it is not looked at.
        proxies: Whose word counts for where a request comes from; null: nobody's.
        authenticate: Finds out who a peer is; where it raises `Unauthenticated`, the peer gets HTTP
            401. Null: nobody is asked.
        check_reach: Called with the numeric hosts bound before anybody is let in; what it raises
            ends the start. Null: every address will do.
        ssl_context: For TLS; null: none.
        timers: Time; null: the running loop.
    """

    def __init__(
        self,
        host: str | Sequence[str] | None = "localhost",
        port: int = 8765,
        *,
        unix: str | Path | None = None,
        unix_mode: int = 0o600,
        limits: ChannelLimits | None = None,
        max_connections: int = 10_000,
        open_timeout: float = 10.0,
        deflate: bool = False,
        select_subprotocol: SelectSubprotocol | None = None,
        respond: Respond | None = None,
        allow_origin: AllowOrigin = loopback_or_none,
        allowed_hosts: Iterable[str] = (),
        proxies: TrustedProxies | None = None,
        authenticate: Authenticate | None = None,
        check_reach: CheckReach | None = None,
        ssl_context: ssl.SSLContext | None = None,
        timers: Timers | None = None,
    ) -> None:
        tcp = TcpEndpoint(host, port)
        self._endpoint: Endpoint = tcp if unix is None else UnixEndpoint(Path(unix), unix_mode)
        self._limits = limits or ChannelLimits()
        self._extensions = [_server_deflate()] if deflate else None
        self._select_subprotocol = select_subprotocol
        self._scheme = "ws" if ssl_context is None else "wss"
        self._addresses: tuple[str, ...] = ()
        self._server = Server(
            ServerRules(
                negotiate=self._negotiate,
                respond=respond or _not_found,
                admission=Admission(
                    allow_origin=allow_origin,
                    allowed_hosts=tcp.names | {name.lower() for name in allowed_hosts},
                    proxies=proxies or TrustedProxies(),
                    authenticate=authenticate,
                    check_reach=check_reach,
                ),
                limits=self._limits,
                max_connections=max_connections,
                open_timeout=open_timeout,
                ssl_context=ssl_context,
                timers=timers,
                logger=_log,
            )
        )

    @property
    def addresses(self) -> tuple[str, ...]:
        """URLs such as `ws://127.0.0.1:8765`, one per address bound, or `unix:PATH`.

        None before `start`.
        """
        return self._addresses

    async def start(self, accept: Accept) -> None:
        """Take peers from now on; see `Listener.start`."""
        sockets = await self._server.start(self._endpoint, accept)
        self._addresses = self._endpoint.urls(sockets, self._scheme)

    async def stop_accepting(self) -> None:
        """Close the port; those that are here stay."""
        self._server.stop_accepting()

    async def aclose(self, code: int = 1001, reason: str = "") -> None:
        """Close the port and every channel, and end every accept task; see `Listener.aclose`."""
        await self._server.aclose(code, reason)

    def _negotiate(self, request: HttpRequest) -> Negotiated | Refused:
        opening = _Opening(self._select, extensions=self._extensions, logger=_log)
        response = opening.accept(Request(request.target, Headers(request.headers)))
        if response.status_code != 101:
            return Refused(response.serialize())
        # Another one for the frames, which does not keep for good what the handshake needed.
        protocol = _ServerProtocol(
            state=State.OPEN, max_size=self._limits.max_message_bytes, logger=_log
        )
        protocol.extensions = opening.extensions
        return Negotiated(_LibraryWire(protocol), response.serialize(), opening.subprotocol)

    def _select(self, offered: Sequence[str]) -> Subprotocol | None:
        if self._select_subprotocol is None:
            return None
        selected = self._select_subprotocol(offered)
        return None if selected is None else Subprotocol(selected)


# --- client --------------------------------------------------------------------------------------


def _check_headers(headers: Mapping[str, str]) -> None:
    """Raise where one cannot be sent; its value may be a credential, and is not repeated."""
    for name, value in headers.items():
        if not (value.isascii() and value.isprintable()):
            raise ConfigurationError(
                f"the value of the request header {name} cannot be sent; write printable ASCII"
            )


async def connect_websocket(
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    subprotocols: Sequence[str] = (),
    origin: str | None = None,
    limits: ChannelLimits | None = None,
    open_timeout: float = 10.0,
    deflate: bool = False,
    ssl_context: ssl.SSLContext | None = None,
    timers: Timers | None = None,
) -> WebSocketConnection:
    """Return an open channel to a WebSocket server.

    Args:
        url: `ws://` or `wss://`; redirects are not followed.
        headers: Further request headers, for example `Authorization`.
        subprotocols: What to offer, in order of preference.
        origin: Value of the Origin header; null: none is sent.
        limits: What the connection may cost, and its keepalive.
        open_timeout: Seconds for name look-up, connecting and handshake together.
        deflate: Whether to offer permessage-deflate (RFC 7692).
        ssl_context: For `wss://`; null: the system's certificates.
        timers: Time; null: the running loop.

    Raises:
        ConfigurationError: The URL is none, or a header cannot be sent.
        TransportRefused: The server answered, but not with a WebSocket.
        TransportBroken: It cannot be reached, or did not answer in time.
    """
    uri = _parse_url(url)
    _check_headers(headers or {})
    limits = limits or ChannelLimits()
    protocol = _ClientProtocol(
        uri,
        origin=None if origin is None else Origin(origin),
        extensions=[_client_deflate()] if deflate else None,
        subprotocols=[Subprotocol(name) for name in subprotocols] or None,
        max_size=limits.max_message_bytes,
        logger=_log,
    )
    loop = asyncio.get_running_loop()
    opening = _ClientOpening(protocol, headers or {}, limits, loop if timers is None else timers)
    tls = (ssl_context or ssl.create_default_context()) if uri.secure else None
    where = host_and_port(uri.host, uri.port)
    channel: WebSocketConnection | None = None
    try:
        async with asyncio.timeout(open_timeout):
            await loop.create_connection(lambda: opening, uri.host, uri.port, ssl=tls)
            channel = await opening.opened
    except TimeoutError:
        raise TransportBroken(f"{where} did not answer within {open_timeout:g} seconds") from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise TransportBroken(f"cannot connect to {where}: {reason}") from error
    finally:
        if channel is None:
            opening.abandon()
    return channel


def _client_deflate() -> ClientPerMessageDeflateFactory:
    return ClientPerMessageDeflateFactory(
        client_max_window_bits=True, compress_settings=_MEMORY_LEVEL
    )


def _parse_url(url: str) -> WebSocketURI:
    try:
        return parse_uri(url)
    except (InvalidURI, ValueError):  # the URL may hold a password, so it is not repeated
        raise ConfigurationError(
            "this is no WebSocket URL; write ws://HOST:PORT/PATH or wss://HOST:PORT/PATH"
        ) from None


class _ClientOpening(asyncio.Protocol):
    """Sends the request, reads the answer, and hands the connection over."""

    def __init__(
        self,
        protocol: _ClientProtocol,
        headers: Mapping[str, str],
        limits: ChannelLimits,
        timers: Timers,
    ) -> None:
        self._protocol = protocol
        self._headers = headers
        self._limits = limits
        self._timers = timers
        self._socket: asyncio.Transport | None = None
        self.opened: asyncio.Future[WebSocketConnection] = (
            asyncio.get_running_loop().create_future()
        )

    def abandon(self) -> None:
        """Let go of a connection nobody waits for any more."""
        self.opened.cancel()
        if self._socket is not None:
            self._socket.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        self._socket = cast(asyncio.Transport, transport)
        request = self._protocol.connect()
        for name, value in self._headers.items():
            request.headers[name] = value
        self._socket.write(request.serialize())

    def data_received(self, data: bytes) -> None:
        """Look for the answer."""
        self._protocol.receive_data(data)
        self._look(self._protocol.events_received())

    def eof_received(self) -> None:
        """Look again: an answer without a length ends here."""
        self._protocol.receive_eof()
        self._look(self._protocol.events_received())

    def connection_lost(self, exc: Exception | None) -> None:
        """Give up."""
        self._fail(TransportBroken("the connection was lost during the opening handshake"))

    def _look(self, events: Sequence[object]) -> None:
        problem = self._protocol.handshake_exc
        if problem is not None:
            self._fail(_refusal(problem))
        elif events and isinstance(events[0], Response) and not self.opened.done():
            self._open(events[0])

    def _fail(self, error: TransportError) -> None:
        if not self.opened.done():
            self.opened.set_exception(error)

    def _open(self, response: Response) -> None:
        assert self._socket is not None
        handshake = Handshake(
            path=self._protocol.uri.resource_name,
            headers={name.lower(): value for name, value in response.headers.raw_items()},
            peer=peer_name(self._socket),
            tls=self._protocol.uri.secure,
            subprotocol=self._protocol.subprotocol,
        )
        connection = WebSocketConnection(
            _LibraryWire(self._protocol), handshake, limits=self._limits, timers=self._timers
        )
        self._socket.set_protocol(connection)
        connection.connection_made(self._socket)
        connection.data_received(b"")  # frames may have come together with the answer
        self.opened.set_result(connection)


def _refusal(problem: Exception) -> TransportError:
    if isinstance(problem, InvalidStatus):
        status = problem.response.status_code
        return TransportRefused(f"the server answered HTTP {status}", http_status=status)
    if isinstance(problem.__cause__, EOFError):
        return TransportBroken("the connection was lost during the opening handshake")
    return TransportRefused(f"the server answered no WebSocket handshake: {problem}")
