"""The executions that this process has, and the turn each of them waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from functools import partial

from ..errors import AgentBusy
from ..interfaces.store import NewEvent
from ..model import Agent, Execution, Overlap, Principal
from .admission import Admission, Ticket
from .execution import NewExecution, RunningExecution, view_at_once, view_of
from .recent import Recent, RecentlyEnded
from .wakeups import Wakeups


class Roster:
    """Every execution that this process has accepted, or is about to, and has not ended.

    Args:
        admission: Says whose turn it is.
        wakeups: Told when an execution leaves.
    """

    def __init__(self, admission: Admission, wakeups: Wakeups) -> None:
        self.admission = admission
        self.executions: dict[str, RunningExecution] = {}
        self._wakeups = wakeups
        self._ended = RecentlyEnded()
        self._of_agent: dict[str, dict[RunningExecution, None]] = {}
        self._of_principal: dict[str, set[RunningExecution]] = {}
        self.waits = Wakeups()
        """Futures of those who wait for an execution's end; resolved by that at the latest."""
        self.idle = asyncio.Event()
        """Set while there is no execution."""
        self.idle.set()

    def __len__(self) -> int:
        return len(self.executions)

    def must_wait(self, agent: Agent) -> bool:
        """Return whether a new execution of this agent would have to wait for its turn."""
        return self.admission.must_wait(agent.id, agent.max_concurrent)

    def enter(
        self,
        execution: RunningExecution,
        start: Callable[[RunningExecution], None],
        *,
        bounded: bool = True,
    ) -> None:
        """Give the execution its ticket.

        Args:
            execution: A new one.
            start: Called with it, once, when it is its turn; perhaps at once.
            bounded: False: it is taken however many wait already.

        Raises:
            Overloaded: It would have to wait, and the queue is full.
        """
        agent = execution.agent
        execution.ticket = Ticket(agent.id, agent.max_concurrent, partial(start, execution))
        self.admission.enter(execution.ticket, bounded=bounded)
        self.executions[execution.id] = execution
        execution.present = True
        self._of_agent.setdefault(agent.id, {})[execution] = None
        self._of_principal.setdefault(execution.principal.id, set()).add(execution)
        self.idle.clear()

    def leave(self, execution: RunningExecution) -> None:
        """Give the execution's place to the next, and tell those who wait for it.

        May be called again: it then changes nothing.
        """
        if not execution.present:
            return
        execution.present = False
        if self.executions.get(execution.id) is execution:
            del self.executions[execution.id]
            if execution.journal.recent.ended:
                self._ended.add(execution.journal.recent)
        if execution.alarm is not None:
            execution.alarm.cancel()
        siblings = self._of_agent[execution.agent.id]
        del siblings[execution]
        if not siblings:
            del self._of_agent[execution.agent.id]
        mine = self._of_principal[execution.principal.id]
        mine.remove(execution)
        if not mine:
            del self._of_principal[execution.principal.id]
        self.admission.leave(execution.ticket)
        execution.done.cancel()  # unless it has its result: then this changes nothing
        self._wakeups.wake(execution.id)
        self.waits.wake(execution.id)
        if not self.executions:
            self.idle.set()

    def ended_at_once(self, new: NewExecution, events: Sequence[NewEvent]) -> None:
        """Hear of an execution that was never here: these are all its events."""
        recent = Recent(new.id)
        recent.add(events)
        recent.ended_at_once = new
        self._ended.add(recent)

    def seen(self, execution_id: str) -> Execution | None:
        """Return whose an execution is and of what; null: the store has to be asked."""
        execution = self.executions.get(execution_id)
        if execution is not None:
            return view_of(execution)
        recent = self._ended.get(execution_id)
        if recent is None or recent.ended_at_once is None:
            return None
        return view_at_once(recent.ended_at_once)

    def recent(self, execution_id: str) -> Recent | None:
        """Return what is in memory of the journal of an execution of this process.

        Null: nothing is; another process has it, or it ended some time ago.
        """
        execution = self.executions.get(execution_id)
        return self._ended.get(execution_id) if execution is None else execution.journal.recent

    def of_principal(self, principal_id: str) -> Collection[RunningExecution]:
        """Return those that this principal asked for."""
        return self._of_principal.get(principal_id, ())

    def to_join(self, agent: Agent, principal: Principal) -> RunningExecution | None:
        """Return the execution to join, if that is the agent's way and there is one.

        Only one's own: another's may have had another input, and is not to be seen by everybody.

        Raises:
            AgentBusy: It runs, and refuses overlap.
        """
        if agent.overlap is Overlap.QUEUE:
            return None
        if not self.admission.occupied(agent.id, agent.max_concurrent):
            return None
        if agent.overlap is Overlap.REFUSE:
            raise AgentBusy(f"agent {agent.id} is running already", agent_id=agent.id)
        return next(
            (
                one
                for one in self._of_agent[agent.id]
                if one.cause is None and one.principal.id == principal.id
            ),
            None,
        )

    async def decided(self, execution: RunningExecution) -> None:
        """Return once its acceptance is journaled, or has failed."""
        while not execution.accepted and execution.id in self.executions:
            decided = self._wakeups.register(execution.id)
            try:
                await decided
            finally:
                self._wakeups.unregister(execution.id, decided)
