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
    from .engine import CycleRunner, ExecutionEngine
    from .interfaces.access import Authenticator, Authorizer
    from .interfaces.chain import Chain
    from .interfaces.clock import Clock
    from .interfaces.planner import Plan, Planner, PlanRequest
    from .interfaces.repositories import AgentRepository, ContractRepository
    from .interfaces.runner import RunContext, Runner
    from .interfaces.signer import Signer
    from .interfaces.store import ExecutionStore
    from .interfaces.transport import Handshake, Listener, Transport
    from .planners.steps import StepsPlanner
    from .repositories.memory import MemoryRepository
    from .service import Service, serve
    from .stores.memory import MemoryStore
    from .stores.sqlite import SqliteStore

_LAZY = {
    "AgentRepository": "interfaces.repositories",
    "Authenticator": "interfaces.access",
    "Authorizer": "interfaces.access",
    "Chain": "interfaces.chain",
    "Clock": "interfaces.clock",
    "ContractRepository": "interfaces.repositories",
    "CycleRunner": "engine",
    "ExecutionEngine": "engine",
    "ExecutionStore": "interfaces.store",
    "Handshake": "interfaces.transport",
    "Listener": "interfaces.transport",
    "MemoryRepository": "repositories.memory",
    "MemoryStore": "stores.memory",
    "Plan": "interfaces.planner",
    "PlanRequest": "interfaces.planner",
    "Planner": "interfaces.planner",
    "RunContext": "interfaces.runner",
    "Runner": "interfaces.runner",
    "Service": "service",
    "Signer": "interfaces.signer",
    "SqliteStore": "stores.sqlite",
    "StepsPlanner": "planners.steps",
    "Transport": "interfaces.transport",
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
    "Authenticator",
    "Authorizer",
    "Chain",
    "Clock",
    "Component",
    "Contract",
    "ContractRepository",
    "CycleRunner",
    "Event",
    "EventKind",
    "Execution",
    "ExecutionEngine",
    "ExecutionStore",
    "FunctionParameter",
    "FunctionType",
    "Handshake",
    "Json",
    "Listener",
    "MemoryRepository",
    "MemoryStore",
    "OnFailure",
    "Outcome",
    "Overlap",
    "Plan",
    "PlanRequest",
    "Planner",
    "Principal",
    "Rules",
    "RunContext",
    "Runner",
    "Service",
    "Signer",
    "SqliteStore",
    "StepsPlanner",
    "Transport",
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
