"""An ASGI server of a test: what real ones do only now and then, or only others do."""

from __future__ import annotations

import asyncio
from typing import Any

from attrs import define, field

from zephyrus_exec.transports.asgi_transport import Message, Scope


def scope_of(**fields: Any) -> Scope:
    """Return the scope of a WebSocket, with as little in it as the specification allows."""
    return {"type": "websocket", "path": "/", "headers": [], **fields}


@define(eq=False)
class ScriptedServer:
    """Says to the application what a test puts into `incoming`, and notes what that says."""

    incoming: asyncio.Queue[Message | BaseException] = field(factory=asyncio.Queue)
    sent: list[Message] = field(factory=list)
    taking: asyncio.Event = field(factory=asyncio.Event)
    """Cleared: `send` waits, as for a peer that does not read."""
    breaks_with: BaseException | None = None
    """What `send` raises."""
    disconnects: bool = True
    """Whether it confirms a close, as it should."""

    def __attrs_post_init__(self) -> None:
        self.taking.set()

    def say(self, **message: Any) -> None:
        """Let the application receive this."""
        self.incoming.put_nowait(message)

    def frame(self, text: str) -> None:
        """Let the application receive a text frame."""
        self.say(type="websocket.receive", text=text)

    async def receive(self) -> Message:
        """Hand out what comes next."""
        message = await self.incoming.get()
        if isinstance(message, BaseException):
            raise message
        return message

    async def send(self, message: Message) -> None:
        """Take what the application says."""
        await self.taking.wait()
        if self.breaks_with is not None:
            raise self.breaks_with
        self.sent.append(message)
        if message["type"] == "websocket.close" and self.disconnects:
            code, reason = message.get("code", 1000), message.get("reason", "")
            self.say(type="websocket.disconnect", code=code, reason=reason)

    @property
    def said(self) -> list[str]:
        """The types of what was sent."""
        return [message["type"] for message in self.sent]
