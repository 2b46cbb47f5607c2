"""From a request to an accepted execution, or to none."""

from __future__ import annotations

import asyncio

from ..conversion import dumps, quote
from ..errors import CommitUnknown, ExecutionCancelled, Overloaded, StoreUnavailable
from ..model import EventKind, Outcome
from .conductor import Conductor
from .execution import Ending, RunningExecution, add_started, record_of
from .leases import Leases
from .roster import Roster
from .snapshots import Snapshots
from .tasks import spawn

_WITHDRAWN = Ending(
    Outcome.CANCELLED,
    ExecutionCancelled(
        "the request was withdrawn before it was accepted; nothing was executed",
        reason="withdrawn",
    ),
)


class Acceptance:
    """Journals new executions; only then do they exist.

    Args:
        roster: Where they enter.
        conductor: Runs those that are accepted.
        leases: Nothing is accepted without a lease.
        snapshots: What their agents are.
    """

    def __init__(
        self, roster: Roster, *, conductor: Conductor, leases: Leases, snapshots: Snapshots
    ) -> None:
        self._roster = roster
        self._conductor = conductor
        self._leases = leases
        self._snapshots = snapshots

    async def accept(self, execution: RunningExecution) -> None:
        """Accept a new execution; it is journaled on return, and runs when it is its turn.

        Raises:
            Overloaded: Too much waits already, or the journal cannot be written.
        """
        self._roster.enter(execution, self._conductor.turn_came)
        snapshot = execution.snapshot
        keep = () if self._snapshots.is_stored(snapshot) else (snapshot.keep,)
        try:
            await self._leases.ensure()
            self._add_accepted(execution)
            await self._leases.commit_under(
                lambda lease: execution.journal.commit(
                    keep, record=record_of(execution, self._leases.owner), expect=(lease,)
                )
            )
        except (StoreUnavailable, CommitUnknown) as error:
            self._roster.leave(execution)
            raise Overloaded(
                "the journal cannot be written now; nothing was executed, try later"
            ) from error
        except asyncio.CancelledError:
            execution.ask_to_end(_WITHDRAWN)
            execution.task = spawn(self._withdraw(execution), f"zephyrus {execution.id}")
            raise
        except BaseException:
            self._roster.leave(execution)
            raise
        self._snapshots.stored(snapshot)
        self._conductor.accepted(execution)

    async def _withdraw(self, execution: RunningExecution) -> None:
        """End an execution whose requester was cancelled while its acceptance was journaled."""
        await execution.journal.settle()
        if execution.journal.empty:
            self._roster.leave(execution)
            return
        execution.accepted = True
        await self._conductor.end(execution, execution.cause or _WITHDRAWN)

    def _add_accepted(self, execution: RunningExecution) -> None:
        given = "null" if execution.input is None else dumps(execution.input)
        execution.journal.add_encoded(
            EventKind.ACCEPTED,
            f'{{"agent_id":{quote(execution.agent.id)},"snapshot":"{execution.snapshot.keep.key}",'
            f'"principal":{quote(execution.principal.id)},"input":{given},'
            f'"deadline":{execution.deadline!r}}}',
        )
        if execution.ticket.running:
            add_started(execution, self._leases.owner)
