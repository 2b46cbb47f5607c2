"""A client of a server somewhere else: it watches every step, leaves and comes back."""

from .client import Client, connect
from .execution import RemoteExecution
from .link import Status

__all__ = ["Client", "RemoteExecution", "Status", "connect"]
