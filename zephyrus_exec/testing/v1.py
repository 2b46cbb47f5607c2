"""A client of protocol v1 as the oldest ones are: one execution after the other, nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ..interfaces.transport import Transport
from ..protocol.connection import MAX_REPLY_BYTES, V1Client
from ..protocol.messages import Reply, Started
from ..transports.connection import ChannelLimits
from ..transports.websocket import connect_websocket


class V1Peer:
    """Speaks v1 over one channel; its executions follow one another.

    Args:
        transport: The channel to the server.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._protocol = V1Client()

    async def execute(self, agent_id: str) -> AsyncIterator[Reply]:
        """Ask for one execution, and yield `Started`, then what came of it.

        The last reply is `Completed`, `Failed`, or `Rejected` where the server did not
        understand the request.

        Args:
            agent_id: 1 to 256 characters.

        Raises:
            TransportError: The connection ended; the execution may go on without us.
            RemoteProtocolError: The server answers something that is not v1.
        """
        await self._transport.send([self._protocol.execute(agent_id)])
        while True:
            for frame in await self._transport.receive():
                reply = self._protocol.receive(frame)
                yield reply
                if not isinstance(reply, Started):
                    return


@asynccontextmanager
async def connect_v1(url: str) -> AsyncIterator[V1Peer]:
    """Connect to a server, as a client that offers no subprotocol; closed on leaving.

    Args:
        url: `ws://HOST:PORT` or `wss://…`.

    Raises:
        ConfigurationError: The URL is none.
        TransportError: There is no server, or it does not take us.
    """
    limits = ChannelLimits(max_message_bytes=MAX_REPLY_BYTES)
    transport = await connect_websocket(url, limits=limits)
    try:
        yield V1Peer(transport)
    finally:
        await transport.aclose()
