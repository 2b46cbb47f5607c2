"""A client of a server somewhere else: it watches every step, leaves and comes back."""

from .client import Client
from .execution import RemoteExecution
from .link import Status
from .websocket import connect

__all__ = ["Client", "RemoteExecution", "Status", "connect"]
