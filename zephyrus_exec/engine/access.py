"""What is not allowed looks like what is not there: in its answer, and in the work behind it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from ..errors import AgentNotFound, EffectNotFound, ExecutionNotFound
from ..interfaces.access import Authorizer
from ..interfaces.repositories import AgentRepository
from ..interfaces.store import ExecutionStore
from ..model import Agent, Execution, Principal
from .listing import find_execution
from .records import EFFECT
from .roster import Roster

May: TypeAlias = Callable[[Principal, Execution], Awaitable[bool]]
"""One of the authorizer's questions about executions."""

_log = logging.getLogger(__name__)

_NO_AGENT: Final = Agent("-")
"""Stands in for one that is not there."""


class Access:
    """Looks up first, then asks; whatever comes of it, the same look-ups and questions.

    Args:
        authorizer: Decides.
        agents: Where agents come from.
        store: Where executions are.
        roster: Those of this process.
    """

    def __init__(
        self,
        authorizer: Authorizer,
        *,
        agents: AgentRepository,
        store: ExecutionStore,
        roster: Roster,
    ) -> None:
        self.authorizer = authorizer
        self._agents = agents
        self._store = store
        self._roster = roster

    async def agent(self, agent_id: str, principal: Principal) -> Agent:
        """Return an agent that the principal may execute.

        Raises:
            AgentNotFound: There is none.
            RepositoryUnavailable: It cannot be asked now.
        """
        try:
            agent = await self._agents.get_agent(agent_id)
        except AgentNotFound:
            agent = None
        allowed = await self.authorizer.may_execute(principal, agent or _NO_AGENT)
        if agent is None or not allowed:
            _log.info("%s may not execute agent %.100r, or there is none", principal.id, agent_id)
            raise AgentNotFound(f"there is no agent {agent_id!r}", agent_id=agent_id)
        return agent

    async def execution(self, execution_id: str, principal: Principal, may: May) -> Execution:
        """Return how the execution stood when asked, if the principal may do that with it.

        Raises:
            ExecutionNotFound: There is none.
        """
        seen = self._roster.seen(execution_id)
        if seen is None:
            return await self.stored(execution_id, principal, may)
        if not await may(principal, seen):
            await find_execution(self._store, execution_id)  # as for one that is not there
            raise _no_execution(execution_id, principal)
        return seen

    async def effect(self, effect_key: str, principal: Principal) -> str:
        """Return the agent whose execution an effect is of, if the principal may watch that.

        Where the execution is forgotten, who may operate may still watch its effects.

        Raises:
            EffectNotFound: There is none.
        """
        record = await self._store.get(EFFECT, effect_key)
        execution_id = effect_key if record is None else str(record.data["execution_id"])
        found = await find_execution(self._store, execution_id)
        seen = await self.authorizer.may_watch(principal, found or _stand_in(execution_id))
        operates = await self.authorizer.may_operate(principal)
        if record is None or not (operates if found is None else seen):
            _log.info("%s may not see effect %.100r, or there is none", principal.id, effect_key)
            raise EffectNotFound(f"there is no effect {effect_key}", effect_key=effect_key)
        return "" if found is None else found.agent_id

    async def stored(self, execution_id: str, principal: Principal, may: May) -> Execution:
        """Return how an execution stands by the journal, if the principal may do that with it.

        Raises:
            ExecutionNotFound: There is none.
        """
        found = await find_execution(self._store, execution_id)
        allowed = await may(principal, found or _stand_in(execution_id))
        if found is None or not allowed:
            raise _no_execution(execution_id, principal)
        return found

    async def sees(self, principal: Principal, stream: str) -> bool:
        """Return whether the principal may read this stream of the store.

        Those of effects and lanes are for who may operate.
        """
        found = await find_execution(self._store, stream)
        return found is not None and await self.authorizer.may_watch(principal, found)


def _stand_in(execution_id: str) -> Execution:
    return Execution(execution_id, agent_id="", principal="", status="", created_at=0.0)


def _no_execution(execution_id: str, principal: Principal) -> ExecutionNotFound:
    _log.info("%s may not see execution %.100r, or there is none", principal.id, execution_id)
    return ExecutionNotFound(f"there is no execution {execution_id}", execution_id=execution_id)
