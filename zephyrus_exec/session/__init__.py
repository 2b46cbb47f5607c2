"""One peer: a channel to it, its protocol connection, and the engine."""

from .peer import Grant, Holds, Identify, OnUnknown, Peer, SessionLimits, may_identify_later
from .session import Session, SessionSetup

__all__ = [
    "Grant",
    "Holds",
    "Identify",
    "OnUnknown",
    "Peer",
    "Session",
    "SessionLimits",
    "SessionSetup",
    "may_identify_later",
]
