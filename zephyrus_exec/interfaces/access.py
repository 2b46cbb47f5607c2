"""Who somebody is, and what they may do."""

from __future__ import annotations

from abc import ABC, abstractmethod

from ..errors import Unauthenticated
from ..model import Agent, Execution, Principal
from .transport import Handshake


class Authenticator(ABC):
    """Finds out who a peer is, from what it said when it came."""

    configured: bool = True
    """Whether somebody decided who may come. Where nobody did, a service that can sign is not
    offered beyond the machine's own loopback."""

    @abstractmethod
    async def authenticate(self, handshake: Handshake) -> Principal:
        """Return on whose behalf the peer asks.

        How long it takes does not tell what is wrong with a credential.

        Raises:
            Unauthenticated: That is not known; the message is for logs and shows no secret.
        """

    async def expires_at(self, handshake: Handshake) -> float | None:
        """Return when what the peer shows ends, in seconds since the epoch; null: not by itself.

        A peer that speaks v2 is told in time to show something new.

        Args:
            handshake: What it said, for which `authenticate` returned a principal.
        """
        return None

    async def holds(self, handshake: Handshake, principal: Principal) -> bool:
        """Return whether what a peer was granted still holds; asked before each of its requests.

        Args:
            handshake: What it said when it came.
            principal: What `authenticate` returned then.
        """
        try:
            return await self.authenticate(handshake) == principal
        except Unauthenticated:
            return False


class Authorizer(ABC):
    """Decides what a principal may do. The engine answers a no as if there were no such thing.

    It is also asked about what is not there, with a stand-in that has the same id: so the time it
    takes does not tell the one from the other.
    """

    @abstractmethod
    async def may_execute(self, principal: Principal, agent: Agent) -> bool:
        """Return whether it may run this agent, and know that it is there."""

    @abstractmethod
    async def may_watch(self, principal: Principal, execution: Execution) -> bool:
        """Return whether it may read this execution's events and outcome."""

    @abstractmethod
    async def may_cancel(self, principal: Principal, execution: Execution) -> bool:
        """Return whether it may ask this execution to end."""

    @abstractmethod
    async def may_operate(self, principal: Principal) -> bool:
        """Return whether it may act on lanes, and settle what is in doubt."""
