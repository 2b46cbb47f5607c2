"""Who may do what where nobody says otherwise: scopes, and what belongs to whom."""

from __future__ import annotations

from ..interfaces.access import Authorizer
from ..model import Agent, Execution, Principal

EXECUTE = "execute"
WATCH = "watch"
OPERATE = "operate"


class OwnerRule(Authorizer):
    """An agent with an owner is its owner's; an execution is its requester's and the owner's.

    | scope | what it allows |
    |---|---|
    | `execute` | run agents without an owner and one's own; cancel one's executions |
    | `watch` | read one's executions, and those of one's agents |
    | `operate` | all of that whoever it belongs to, and lanes |

    Who asked for an execution may read how it went with either of the first two scopes.
    """

    async def may_execute(self, principal: Principal, agent: Agent) -> bool:
        """Return whether it has the scope, and the agent is its own or nobody's."""
        if OPERATE in principal.scopes:
            return True
        return EXECUTE in principal.scopes and agent.owner in (None, principal.id)

    async def may_watch(self, principal: Principal, execution: Execution) -> bool:
        """Return whether it asked for the execution, or owns the agent."""
        if OPERATE in principal.scopes:
            return True
        if execution.principal == principal.id:
            return bool(principal.scopes & {EXECUTE, WATCH})
        return WATCH in principal.scopes and execution.agent_owner == principal.id

    async def may_cancel(self, principal: Principal, execution: Execution) -> bool:
        """Return whether it asked for the execution, or owns the agent."""
        if OPERATE in principal.scopes:
            return True
        concerned = (execution.principal, execution.agent_owner)
        return EXECUTE in principal.scopes and principal.id in concerned

    async def may_operate(self, principal: Principal) -> bool:
        """Return whether it has the scope."""
        return OPERATE in principal.scopes
