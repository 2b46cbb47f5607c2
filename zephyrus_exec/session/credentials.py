"""On whose behalf a v2 peer asks, from its hello to its end."""

from __future__ import annotations

from attrs import evolve

from ..errors import Forbidden, Unauthenticated
from ..interfaces.transport import V2_SUBPROTOCOL, Handshake
from ..model import Principal
from ..protocol.v2.messages import Auth, Credential, Identity
from .peer import Grant, Identify


class Credentials:
    """What a peer has shown, and whether that still counts.

    Args:
        handshake: What it said when it came.
        grant: What that was good for; null: its `hello` has to say more.
        identify: Finds out who brings a credential later; null: nobody can, and what it was granted
            when it came is all there is.
    """

    def __init__(
        self, handshake: Handshake, grant: Grant | None, identify: Identify | None
    ) -> None:
        self._handshake = handshake
        self._grant = grant
        self._identify = identify

    @property
    def principal(self) -> Principal:
        """On whose behalf it asks, once it was welcomed."""
        assert self._grant is not None
        return self._grant.principal

    @property
    def identity(self) -> Identity:
        """The same as the peer is told."""
        assert self._grant is not None
        scopes = tuple(sorted(self._grant.principal.scopes))
        return Identity(self._grant.principal.id, scopes, self._grant.expires_at)

    async def welcome(self, shown: Credential | None) -> None:
        """Find out who the peer is, by its handshake and what it shows with `hello`.

        Raises:
            Unauthenticated: That is not known.
        """
        if shown is not None:
            self._grant = await self._granted(shown)
        elif self._grant is None:
            raise Unauthenticated("it has no credential, neither in its handshake nor in hello")

    async def renew(self, shown: Auth) -> None:
        """Let another credential of the same principal count from now on.

        Raises:
            Unauthenticated: It is not valid.
            Forbidden: It is somebody else's.
        """
        grant = await self._granted(shown)
        if grant.principal != self.principal:
            raise Forbidden("a connection stays its principal's; connect anew for another one")
        self._grant = grant

    async def hold(self) -> bool:
        """Return whether what the peer has shown, if it had to, still counts."""
        return self._grant is None or self._grant.holds is None or await self._grant.holds()

    async def _granted(self, shown: Credential | Auth) -> Grant:
        if self._identify is None:
            assert self._grant is not None
            return self._grant
        instead = {
            "authorization": f"{shown.scheme} {shown.token}",
            "sec-websocket-protocol": V2_SUBPROTOCOL,  # without a credential that came with it
        }
        headers = {**self._handshake.headers, **instead}
        return await self._identify(evolve(self._handshake, headers=headers, principal=None))
