"""What both suites have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from unittest import SkipTest

from ...interfaces.transport import Transport
from .peer import Peer


class ServerConformance(ABC):
    """Tests of a server that is somewhere. Subclasses say where, and which agents it has."""

    agent_id: str
    """An agent that ends within seconds, and may be executed again and again."""
    slow_agent_id: str | None = None
    """One that takes some seconds, so that it can be left, or cancelled, meanwhile; null: there is
    none, and what needs one is skipped."""
    patience: float = 10.0
    """Seconds after which what must come is held not to come."""
    thorough: bool = False
    """Whether to wait for the server's time-outs, too."""
    token: str | None = None
    """A bearer token that is good; null: none, and what needs one is skipped."""
    closed: bool = False
    """Whether keys and types that this release does not know are violations."""

    @abstractmethod
    def connect(self, subprotocols: Sequence[str] = ()) -> AbstractAsyncContextManager[Transport]:
        """Return a context with a new connection, which offered these subprotocols."""

    def connect_unknown(
        self, subprotocols: Sequence[str] = ()
    ) -> AbstractAsyncContextManager[Transport]:
        """Return a context with a new connection whose handshake shows no credential.

        Raises:
            SkipTest: Nobody said how.
        """
        raise SkipTest("no token was named")

    @asynccontextmanager
    async def peer(
        self, subprotocols: Sequence[str] = (), *, patience: float | None = None
    ) -> AsyncIterator[Peer]:
        """Return a context with somebody on a new connection."""
        async with self.connect(subprotocols) as transport:
            yield Peer(transport, patience or self.patience, self.closed)

    def slow_agent(self) -> str:
        """Return the slow agent's id.

        Raises:
            SkipTest: There is none.
        """
        if self.slow_agent_id is None:
            raise SkipTest("no slow agent was named")
        return self.slow_agent_id

    def wait_for_time_outs(self, seconds: float) -> float:
        """Return how long to wait for something that takes so long.

        Raises:
            SkipTest: It is not to be waited for.
        """
        if not self.thorough:
            raise SkipTest(f"takes {seconds:g} s, and is done where it is asked for only")
        return seconds + self.patience
