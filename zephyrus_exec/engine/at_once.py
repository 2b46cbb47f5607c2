"""Executions that have nothing to do: accepted, run and ended in one commit."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from ..conversion import dumps
from ..errors import CommitUnknown
from ..interfaces.clock import Clock
from ..interfaces.runner import Runner
from ..interfaces.store import Append, ExecutionStore, NewEvent, Put, Write
from ..model import Agent, Contract, EventKind, Json, JsonObject
from .cycle import CycleRunner
from .execution import (
    NOTHING_DONE,
    NewExecution,
    accepted_body,
    record_at_once,
    started_body,
)
from .journal import EXECUTION, patiently
from .leases import Leases
from .registry import DEFAULT_RUNNER
from .retention import Retention
from .roster import Roster

_log = logging.getLogger(__name__)


class AtOnce:
    """Ends executions in the commit that accepts them, where they have nothing to do.

    That is known before anything is journaled where the planner is pure: nothing follows from
    asking it, so if the commit fails, nothing was executed.

    Args:
        store: Where they are journaled.
        clock: The time.
        runners: By name.
        leases: Say who this process is.
        roster: Knows what ended last.
        retention: Told of each that ended.
        committed: Called with its id after each commit.
    """

    def __init__(
        self,
        store: ExecutionStore,
        clock: Clock,
        *,
        runners: Mapping[str, Runner],
        leases: Leases,
        roster: Roster,
        retention: Retention,
        committed: Callable[[str], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._runners = runners
        self._leases = leases
        self._roster = roster
        self._retention = retention
        self._committed = committed

    def foresee(self, agent: Agent, contract: Contract | None, given: Json) -> JsonObject | None:
        """Return an execution's first decision, if that is known; null: its planner is asked."""
        name = DEFAULT_RUNNER if agent.runner is None else agent.runner.name
        runner = self._runners.get(name)
        return runner.foresee(agent, contract, given) if type(runner) is CycleRunner else None

    async def execute(
        self, new: NewExecution, decision: JsonObject, writes: Sequence[Write]
    ) -> str:
        """Journal an execution from its acceptance to its end, together with these writes.

        It needs no lease: nobody will ever have to take it up.

        Args:
            new: What is executed.
            decision: What `foresee` returned, without any actions.
            writes: Further ones.

        Returns:
            The data of its `completed` event, as JSON text.

        Raises:
            StoreConflict: A condition of `writes` does not hold; nothing was executed.
            StoreUnavailable, CommitUnknown: It cannot be written now; nothing was executed.
        """
        owner = self._leases.owner
        events = _events(new, decision, owner)
        body, group = record_at_once(
            new.snapshot.agent,
            new.principal,
            owner,
            new.created_at,
            characters=len(events[0].body),
        )
        record = Put(EXECUTION, new.id, 0, body, group)
        try:
            await self._store.commit((Append(new.id, 1, events), record, *writes))
        except CommitUnknown:
            if not await self._arrived(new.id):
                raise
        self._roster.ended_at_once(new, events)
        self._committed(new.id)
        _tell(new)
        self._retention.ended()
        return NOTHING_DONE

    async def _arrived(self, execution_id: str) -> bool:
        """Return whether a commit of unknown result was written: nobody else has this id."""
        read = partial(self._store.read, execution_id, limit=1)
        return bool(await patiently(self._clock, read))


def _events(new: NewExecution, decision: JsonObject, owner: str) -> tuple[NewEvent, ...]:
    at = new.created_at
    accepted = accepted_body(new.snapshot, new.principal, new.input, new.deadline)
    return (
        NewEvent(at, EventKind.ACCEPTED, accepted),
        NewEvent(at, EventKind.STARTED, started_body(owner)),
        NewEvent(at, EventKind.PLANNED, _PLANNED[decision["final"] is True]),
        NewEvent(at, EventKind.COMPLETED, NOTHING_DONE),
    )


_PLANNED: Final = tuple(
    dumps({"cycle": 1, "actions": [], "final": final}) for final in (False, True)
)


def _tell(new: NewExecution) -> None:
    if _log.isEnabledFor(logging.INFO):
        about = {
            "execution": new.id,
            "agent": new.snapshot.agent.id,
            "principal": new.principal.id,
        }
        _log.info("the execution has nothing to do and ended as it began", extra=about)
