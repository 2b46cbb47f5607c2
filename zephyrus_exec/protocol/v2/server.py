"""The server's side of one v2 connection, sans-I/O: frames and the time in, messages out.

    OPENING ──hello──► ASKED ──welcome()──► OPEN
       │ too late, or no hello: Close          │ silence, end of the credential: Close

In OPEN any number of requests may be unanswered. Each gets one answer, by `answer` or `refuse`,
which its `request_id` belongs to; everything else is sent by `encode`.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, TypeAlias

from attrs import frozen

from ...errors import (
    DuplicateRequest,
    InvalidMessage,
    Overloaded,
    ProtocolError,
    RemoteProtocolError,
    UnknownMessageType,
    UnsupportedVersion,
    ZephyrusError,
)
from ...model import Json, JsonObject
from ..codec import decode
from ..connection import Close
from ..texts import render_error
from ..wording import Language
from .codec import encode, read_request
from .messages import (
    HEARTBEAT,
    MAX_REQUEST_ID,
    VERSION,
    Auth,
    AuthAck,
    AuthExpiring,
    CancelAck,
    ClientMessage,
    Error,
    ErrorData,
    ExecutionList,
    ExecutionReport,
    ExecutionStarted,
    Heartbeat,
    Hello,
    HelloAck,
    Identity,
    Limits,
    Ping,
    Pong,
    Subscribed,
    Unsubscribed,
)

ANNOUNCED_BEFORE: Final = 60.0
"""Seconds that a client gets to renew a credential that ends."""

Answer: TypeAlias = (
    AuthAck
    | CancelAck
    | ExecutionList
    | ExecutionReport
    | ExecutionStarted
    | HelloAck
    | Subscribed
    | Unsubscribed
)


class CloseCode:
    """Why v2 connections are closed. 44xx: stop, and tell; 45xx: connect again, and go on."""

    PROTOCOL: Final = 4400
    UNAUTHENTICATED: Final = 4401
    FORBIDDEN: Final = 4403
    VERSION: Final = 4406
    HELLO_TIMEOUT: Final = 4408
    DRAINING: Final = 4503
    SILENT: Final = 4504
    SLOW: Final = 4510


@frozen
class Refused:
    """A frame gets an error, and nothing else happens."""

    frame: str
    """What to send."""
    close: Close | None = None
    """Whether the connection ends with that."""


@frozen
class Foreign:
    """A message of a type that is not ours, which the host may know."""

    message: dict[str, Json]
    refusal: str
    """What to send where it does not."""
    request_id: str | None
    """Its own, where it has one that can be told."""


Received: TypeAlias = ClientMessage | Refused | Foreign
State = Enum("State", ["OPENING", "ASKED", "OPEN"])


class V2Connection:
    """What one client may say, and when.

    Args:
        limits: What is enforced, and told.
        now: Seconds on a clock that does not go back; all times given later are of that clock.
        heartbeat: How silence is understood.
        language: Of the texts for people.
        keep_unknown: Whether messages of other types are `Foreign`, and not refused.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        now: float,
        heartbeat: Heartbeat = HEARTBEAT,
        language: Language = "es",
        keep_unknown: bool = False,
    ) -> None:
        self._limits = limits
        self._heartbeat = heartbeat
        self.language: Language = language
        self._keep_unknown = keep_unknown
        self._state = State.OPENING
        self._heard = now
        self._pinged = False
        self._opened = now
        self._expires_at: float | None = None
        self._announced = False
        self._open: set[str] = set()

    @property
    def state(self) -> State:
        """Whether the client has said hello, and was welcomed."""
        return self._state

    @property
    def unanswered(self) -> int:
        """How many requests have no answer yet."""
        return len(self._open)

    def awaits(self, request_id: str) -> bool:
        """Return whether a request with this id has no answer yet."""
        return request_id in self._open

    # --- receiving -------------------------------------------------------------------------------

    def receive(self, frame: str | bytes, now: float) -> Received | None:
        """Take a frame in; never raises, whatever the frame is.

        Args:
            frame: One whole message.
            now: The time.

        Returns:
            The request; or what to send instead, since it is none or cannot be taken. Null: it
            needs no answer.
        """
        self._heard, self._pinged = now, False
        limits = self._limits
        try:
            message = decode(
                frame, max_bytes=limits.max_message_bytes, max_depth=limits.max_message_depth
            )
        except RemoteProtocolError as error:
            return self._refusal(None, error)
        return self._take(message)

    def _take(self, message: dict[str, Json]) -> Received | None:
        try:
            request = read_request(message)
        except UnknownMessageType as error:
            request_id = _request_id(message)
            refused = self._refusal(request_id, error)
            foreign = self._keep_unknown and self._state is State.OPEN
            return Foreign(message, refused.frame, request_id) if foreign else refused
        except RemoteProtocolError as error:
            return self._refusal(_request_id(message), error)
        if isinstance(request, Pong):
            return None if self._state is State.OPEN else self._no_hello(None)
        return self._admit(request)

    def _admit(self, request: ClientMessage) -> Received:
        assert not isinstance(request, Pong)
        request_id = request.request_id
        if isinstance(request, Hello) is not (self._state is State.OPENING):
            return self._no_hello(request_id)
        if isinstance(request, Hello) and VERSION not in request.versions:
            unsupported = UnsupportedVersion("only version 2 is spoken here", supported=VERSION)
            frame = self.refusal(request_id, unsupported)
            return Refused(frame, Close(CloseCode.VERSION, "unsupported version"))
        if request_id in self._open:
            duplicate = DuplicateRequest("that request is unanswered", request_id=request_id)
            return Refused(self.refusal(request_id, duplicate))
        if len(self._open) >= self._limits.max_requests:
            return Refused(self.refusal(request_id, Overloaded("too many requests are unanswered")))
        self._open.add(request_id)
        if isinstance(request, Hello):
            self._state = State.ASKED
        return request

    def _no_hello(self, request_id: str | None) -> Refused:
        if self._state is State.OPENING:
            remedy = "say hello first"
        else:
            remedy = "say hello once, and wait for hello_ack"
        error = InvalidMessage(
            f"came at the wrong time @ $.type; {remedy}",
            field="$.type",
            problem="came at the wrong time",
            remedy=remedy,
        )
        return self._refusal(request_id, error)

    def _refusal(self, request_id: str | None, error: ProtocolError) -> Refused:
        frame = self.refusal(request_id, error)
        if self._state is State.OPEN:
            return Refused(frame)
        return Refused(frame, Close(CloseCode.PROTOCOL, "hello was expected"))

    # --- answering -------------------------------------------------------------------------------

    def welcome(
        self,
        request: Hello,
        *,
        server: str,
        connection_id: str,
        store_epoch: str,
        principal: Identity,
    ) -> str:
        """Return the frame that answers `hello`: the connection is open."""
        self._state = State.OPEN
        self._trust(principal)
        return self.answer(
            HelloAck(
                request_id=request.request_id,
                version=VERSION,
                server=server,
                connection_id=connection_id,
                store_epoch=store_epoch,
                principal=principal,
                limits=self._limits,
                heartbeat=self._heartbeat,
            )
        )

    def renewed(self, request: Auth, principal: Identity) -> str:
        """Return the frame that says that the new credential counts."""
        self._trust(principal)
        return self.answer(AuthAck(request.request_id, principal))

    def _trust(self, principal: Identity) -> None:
        self._expires_at = principal.expires_at
        self._announced = False

    def answer(self, message: Answer) -> str:
        """Return the frame of an answer; its request is answered with that."""
        self._open.discard(message.request_id)
        return encode(message)

    def refuse(self, request_id: str, error: ZephyrusError) -> str:
        """Return the frame that refuses a request; it is answered with that."""
        self._open.discard(request_id)
        return self.refusal(request_id, error)

    def refusal(self, request_id: str | None, error: ZephyrusError) -> str:
        """Return the frame that tells an error, about a request or none."""
        return encode(Error(request_id=request_id, data=error_data(error, self.language)))

    # --- time ------------------------------------------------------------------------------------

    @property
    def due(self) -> float:
        """When `poll` has something to say at the earliest."""
        if self._state is not State.OPEN:
            return self._opened + self._limits.hello_timeout
        beat = self._heartbeat
        life = self._heard + (beat.lost_after if self._pinged else beat.ping_after)
        if self._expires_at is None:
            return life
        return min(life, self._expires_at - (0 if self._announced else ANNOUNCED_BEFORE))

    def poll(self, now: float) -> list[str] | Close:
        """Return what to send now that it is so late, or the order to close."""
        if self._state is not State.OPEN:
            late = now >= self._opened + self._limits.hello_timeout
            return Close(CloseCode.HELLO_TIMEOUT, "no hello came in time") if late else []
        if now >= self._heard + self._heartbeat.lost_after:
            return Close(CloseCode.SILENT, "nothing was heard of you")
        if self._expires_at is not None and now >= self._expires_at:
            return Close(CloseCode.UNAUTHENTICATED, "the credential has ended")
        return [*self._ping(now), *self._announce(now)]

    def _ping(self, now: float) -> list[str]:
        if self._pinged or now < self._heard + self._heartbeat.ping_after:
            return []
        self._pinged = True
        return [encode(Ping(now))]

    def _announce(self, now: float) -> list[str]:
        if self._expires_at is None or self._announced:
            return []
        if now < self._expires_at - ANNOUNCED_BEFORE:
            return []
        self._announced = True
        return [encode(AuthExpiring(self._expires_at))]


def error_data(error: ZephyrusError, language: Language) -> ErrorData:
    """Return what a client is told of an error."""
    details: JsonObject = {
        name: value for name, value in error.details.items() if name != "retry_after"
    }
    retry_after = error.details.get("retry_after")
    return ErrorData(
        message=render_error(error, language),
        code=error.code,
        retryable=error.retryable,
        retry_after=float(retry_after) if isinstance(retry_after, int | float) else None,
        details=details or None,
    )


def _request_id(message: JsonObject) -> str | None:
    found = message.get("request_id")
    return found if isinstance(found, str) and 1 <= len(found) <= MAX_REQUEST_ID else None
