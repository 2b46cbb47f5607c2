"""Who may come: bearer tokens, and those who need none."""

from .authenticator import Anonymous, TokenAuthenticator
from .files import TokenFile, append_token, read_tokens
from .tokens import SCOPES, Token, digest, new_token

__all__ = [
    "SCOPES",
    "Anonymous",
    "Token",
    "TokenAuthenticator",
    "TokenFile",
    "append_token",
    "digest",
    "new_token",
    "read_tokens",
]
