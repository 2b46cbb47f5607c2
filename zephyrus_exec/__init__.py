"""Run agents somewhere else and watch every step.

An execution is a journal: the engine writes it, effects on a chain are guarded by it, and clients
read it. `ExecutionEngine` runs agents, `serve` lets clients ask for them over a WebSocket.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .model import (
    ANONYMOUS,
    OPERATOR,
    Action,
    ActionResult,
    Agent,
    AgentFunction,
    AgentStatus,
    Component,
    Contract,
    Event,
    EventKind,
    Execution,
    FunctionParameter,
    FunctionType,
    Json,
    OnFailure,
    Outcome,
    Overlap,
    Principal,
    Rules,
)

if TYPE_CHECKING:
    from .engine import Cursor, CycleRunner, ExecutionEngine, Submission
    from .interfaces.access import Authenticator, Authorizer
    from .interfaces.chain import Chain
    from .interfaces.clock import Clock
    from .interfaces.planner import Plan, Planner, PlanRequest
    from .interfaces.repositories import (
        AgentRepository,
        ContractRepository,
        Repository,
        WritableRepository,
    )
    from .interfaces.runner import RunContext, Runner
    from .interfaces.signer import Signer
    from .interfaces.store import ExecutionStore
    from .interfaces.transport import Handshake, Listener, Transport
    from .planners.steps import StepsPlanner
    from .repositories.files import FilesRepository
    from .repositories.memory import MemoryRepository
    from .repositories.sqlite import SqliteRepository
    from .service import Service, serve
    from .session import OnUnknown, Peer
    from .stores.memory import MemoryStore
    from .stores.sqlite import SqliteStore
    from .transports.asgi import AsgiListener, AsgiTransport

_LAZY = {
    "AgentRepository": "interfaces.repositories",
    "AsgiListener": "transports.asgi",
    "AsgiTransport": "transports.asgi",
    "Authenticator": "interfaces.access",
    "Authorizer": "interfaces.access",
    "Chain": "interfaces.chain",
    "Clock": "interfaces.clock",
    "ContractRepository": "interfaces.repositories",
    "Cursor": "engine",
    "CycleRunner": "engine",
    "ExecutionEngine": "engine",
    "ExecutionStore": "interfaces.store",
    "FilesRepository": "repositories.files",
    "Handshake": "interfaces.transport",
    "Listener": "interfaces.transport",
    "MemoryRepository": "repositories.memory",
    "MemoryStore": "stores.memory",
    "OnUnknown": "session",
    "Peer": "session",
    "Plan": "interfaces.planner",
    "PlanRequest": "interfaces.planner",
    "Planner": "interfaces.planner",
    "Repository": "interfaces.repositories",
    "RunContext": "interfaces.runner",
    "Runner": "interfaces.runner",
    "Service": "service",
    "Signer": "interfaces.signer",
    "SqliteRepository": "repositories.sqlite",
    "SqliteStore": "stores.sqlite",
    "StepsPlanner": "planners.steps",
    "Submission": "engine",
    "Transport": "interfaces.transport",
    "WritableRepository": "interfaces.repositories",
    "serve": "service",
}

__version__ = "0.1.0"

__all__ = [
    # values
    "ANONYMOUS",
    "OPERATOR",
    "Action",
    "ActionResult",
    "Agent",
    "AgentFunction",
    # to plug in
    "AgentRepository",
    "AgentStatus",
    "AsgiListener",
    "AsgiTransport",
    "Authenticator",
    "Authorizer",
    "Chain",
    "Clock",
    "Component",
    "Contract",
    "ContractRepository",
    "Cursor",
    "CycleRunner",
    "Event",
    "EventKind",
    "Execution",
    "ExecutionEngine",
    "ExecutionStore",
    "FilesRepository",
    "FunctionParameter",
    "FunctionType",
    "Handshake",
    "Json",
    "Listener",
    "MemoryRepository",
    "MemoryStore",
    "OnFailure",
    "OnUnknown",
    "Outcome",
    "Overlap",
    "Peer",
    "Plan",
    "PlanRequest",
    "Planner",
    "Principal",
    "Repository",
    "Rules",
    "RunContext",
    "Runner",
    "Service",
    "Signer",
    "SqliteRepository",
    "SqliteStore",
    "StepsPlanner",
    "Submission",
    "Transport",
    "WritableRepository",
    "serve",
]


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_LAZY[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
