"""Somebody who says frames, and finds what was meant for whom among those that come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

from attrs import define, field

from ...conversion import dumps
from ...errors import TransportClosedByPeer
from ...interfaces.transport import Frame, Transport
from ...model import Json, JsonObject
from ...protocol.v2.messages import VERSION
from ...transports.connection import ChannelLimits
from ...transports.websocket import connect_websocket
from ..frame_checker import Conversation

_LIMITS = ChannelLimits(max_message_bytes=64 << 20)


@asynccontextmanager
async def connected(
    url: str, subprotocols: Sequence[str] = (), *, headers: Mapping[str, str] | None = None
) -> AsyncIterator[Transport]:
    """Connect to a server over a WebSocket; the connection is closed on leaving.

    Args:
        url: `ws://HOST:PORT` or `wss://…`.
        subprotocols: What to offer.
        headers: Further headers of the handshake, for example `Authorization`.

    Raises:
        TransportError: There is no server, or it does not take us.
    """
    transport = await connect_websocket(
        url, subprotocols=subprotocols, headers=headers, limits=_LIMITS
    )
    try:
        yield transport
    finally:
        await transport.aclose()


@define(eq=False)
class Peer:
    """One connection. Whatever comes is checked: its schema, its order, whom it answers.

    Args:
        transport: The channel.
        patience: Seconds after which what must come is held not to come.
        closed: Whether keys and types that this release does not know are violations.
    """

    transport: Transport
    patience: float = 10.0
    closed: bool = False
    frames: list[Frame] = field(factory=list)
    """Everything that came, in order."""
    messages: list[JsonObject] = field(factory=list)
    """The same, decoded."""
    _talk: Conversation = field(init=False)
    _waiting: list[JsonObject] = field(factory=list)
    _unread: list[Frame] = field(factory=list)
    _numbers: count[int] = field(factory=lambda: count(1))

    @_talk.default
    def _make_talk(self) -> Conversation:
        return Conversation(self.transport.handshake.subprotocol, closed=self.closed)

    # --- saying ----------------------------------------------------------------------------------

    async def say(self, kind: str, **members: Json) -> str:
        """Say one message; return its new request id."""
        (request_id,) = await self.say_all(kind, [members])
        return request_id

    async def say_all(self, kind: str, requests: Sequence[JsonObject]) -> list[str]:
        """Say several messages of a type at once; return their new request ids."""
        ids = [f"q{next(self._numbers)}" for _ in requests]
        messages = zip(ids, requests, strict=True)
        await self.send(
            *(dumps({"type": kind, "request_id": id, **members}) for id, members in messages)
        )
        return ids

    async def send(self, *frames: Frame) -> None:
        """Send frames, whatever they are, so that they arrive together."""
        for frame in frames:
            self._talk.asked(frame)
        await self.transport.send(frames)

    async def ask(self, kind: str, **members: Json) -> JsonObject:
        """Say one message; return its answer, be it an error."""
        return await self.answer(await self.say(kind, **members))

    async def ask_for(self, wanted: str, kind: str, **members: Json) -> dict[str, Any]:
        """Say one message; return its answer.

        Raises:
            AssertionError: The answer is not of the wanted type.
        """
        answer = await self.ask(kind, **members)
        assert answer["type"] == wanted, f"{kind} {members} gets {answer}"
        return dict(answer)

    async def hello(self, **members: Json) -> JsonObject:
        """Say hello; return the answer."""
        return await self.ask("hello", **{"versions": [VERSION], **members})

    # --- hearing ---------------------------------------------------------------------------------

    async def answer(self, request_id: str) -> JsonObject:
        """Return what answers a request."""
        return await self.find(lambda one: one.get("request_id") == request_id)

    async def terminal(self, execution_id: str) -> JsonObject:
        """Return the terminal frame of an execution that is watched."""
        return await self.find(
            lambda one: (
                one["type"] == "execution_response"
                and one.get("execution_id") == execution_id
                and "request_id" not in one
            )
        )

    async def find(self, wanted: Callable[[JsonObject], bool]) -> JsonObject:
        """Return the first message that is wanted and was not returned before; wait for it.

        Raises:
            TimeoutError: It does not come.
            TransportError: The connection ended first.
            StreamViolation: Something came that must not.
        """
        for message in self._waiting:
            if wanted(message):
                self._waiting.remove(message)
                return message
        async with asyncio.timeout(self.patience):
            while not wanted(message := await self._next()):
                self._waiting.append(message)
        return message

    async def close_code(self) -> int:
        """Return the code that the server closes the connection with.

        Raises:
            AssertionError: It ends without one.
            TimeoutError: It does not end.
        """
        try:
            async with asyncio.timeout(self.patience):
                while True:
                    self._waiting.append(await self._next())
        except TransportClosedByPeer as end:
            code = end.details["close_code"]
            assert isinstance(code, int), "the connection ends without a code"
            return code

    def events(self, execution_id: str) -> list[Frame]:
        """Return the frames of an execution's events that have come, the terminal one included."""
        return [
            frame
            for frame, message in zip(self.frames, self.messages, strict=True)
            if message.get("execution_id") == execution_id and is_event(message)
        ]

    def finish(self) -> None:
        """Return if everything that is watched has ended; see `Conversation.finish`."""
        self._talk.finish()

    async def _next(self) -> JsonObject:
        while not self._unread:
            self._unread += await self.transport.receive()
        frame = self._unread.pop(0)
        message = self._talk.told(frame)
        self.frames.append(frame)
        self.messages.append(message)
        return message


def is_event(message: JsonObject) -> bool:
    """Return whether a message of v2 tells an event of an execution."""
    kind = message["type"]
    return kind == "execution_event" or (
        kind == "execution_response" and "request_id" not in message
    )
