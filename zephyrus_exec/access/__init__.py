"""Who may come: bearer tokens, and those who need none."""

from .authenticator import Anonymous, TokenAuthenticator
from .files import TokenFile
from .tokens import SCOPES, Token, digest, new_token

__all__ = [
    "SCOPES",
    "Anonymous",
    "Token",
    "TokenAuthenticator",
    "TokenFile",
    "digest",
    "new_token",
]
