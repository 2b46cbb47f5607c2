"""Finding out who a peer is: by its token, or since it needs none."""

from __future__ import annotations

from enum import StrEnum

from ..errors import ConfigurationError, Unauthenticated
from ..interfaces.access import Authenticator
from ..interfaces.clock import Clock
from ..interfaces.transport import Handshake
from ..model import ANONYMOUS, OPERATOR, Principal
from .credentials import presented
from .files import TokenFile
from .tokens import Token, digest, find

_SHORTEST = 32


class Anonymous(StrEnum):
    """Who may come without a token, as the principal `anonymous`."""

    NOBODY = "nobody"
    LOCAL = "local"
    """Programs of this machine, unless they come through a proxy."""
    ANYBODY = "anybody"


class TokenAuthenticator(Authenticator):
    """Knows bearer tokens.

    A token that is wrong is refused, also where none would have been needed.

    Args:
        clock: The time, for tokens that expire.
        file: Tokens; null: there are none.
        operator_token: One more, which allows everything, of at least 32 characters; null: none.
        anonymous: Who needs no token; null: programs of this machine where there is no file, else
            nobody.

    Raises:
        ConfigurationError: The operator token is too short.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        file: TokenFile | None = None,
        operator_token: str | None = None,
        anonymous: Anonymous | None = None,
    ) -> None:
        if operator_token is not None and len(operator_token) < _SHORTEST:
            raise ConfigurationError(
                f"the operator token is too short; use at least {_SHORTEST} random characters"
            )
        self.configured = file is not None or anonymous is Anonymous.ANYBODY
        self._clock = clock
        self._file = file
        self._own = () if operator_token is None else (_operator(operator_token),)
        self._anonymous = anonymous or (Anonymous.NOBODY if file else Anonymous.LOCAL)

    async def authenticate(self, handshake: Handshake) -> Principal:
        """Return whose token the peer presents, or `anonymous` where it needs none.

        Raises:
            Unauthenticated: It presents none and needs one, or one that is not valid.
        """
        credential = presented(handshake)
        if credential is None:
            return self._without(handshake)
        found = self._find(credential)
        if found is None:
            raise Unauthenticated("its credential is not valid")
        return found.bearer()

    async def expires_at(self, handshake: Handshake) -> float | None:
        """Return when the peer's token ends; null: it has none, or one that does not end."""
        credential = presented(handshake)
        found = None if credential is None else self._find(credential)
        return None if found is None or found.expires is None else found.expires.timestamp()

    def _find(self, credential: str) -> Token | None:
        tokens = (*self._own, *(() if self._file is None else self._file.tokens))
        return find(tokens, credential, self._clock.now())

    def _without(self, handshake: Handshake) -> Principal:
        local = self._anonymous is Anonymous.LOCAL and handshake.local
        if local or self._anonymous is Anonymous.ANYBODY:
            return ANONYMOUS
        if self._anonymous is Anonymous.NOBODY:
            raise Unauthenticated("it has no credential, and everybody needs one")
        raise Unauthenticated(
            "it has no credential, and only clients of this machine, not through a proxy, may do "
            "without; give it a token (--tokens FILE), or let everybody in (--allow-anonymous)"
        )


def _operator(token: str) -> Token:
    return Token("operator", digest(token), OPERATOR.id, OPERATOR.scopes)
