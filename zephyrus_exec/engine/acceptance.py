"""From a request to an accepted execution, or to none."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from typing import Final

from attrs import frozen

from ..conversion import as_json
from ..errors import (
    AgentStopped,
    CommitUnknown,
    ExecutionCancelled,
    InvalidValue,
    Overloaded,
    StoreUnavailable,
)
from ..interfaces.clock import Clock, NewId
from ..interfaces.repositories import ContractRepository
from ..interfaces.store import ExecutionStore, Write
from ..model import (
    Agent,
    AgentStatus,
    Contract,
    EventKind,
    Json,
    JsonObject,
    Outcome,
    Principal,
)
from .access import Access
from .at_once import AtOnce
from .conductor import Conductor
from .execution import (
    Ending,
    NewExecution,
    RunningExecution,
    accepted_body,
    add_started,
    record_of,
)
from .journal import Journal
from .leases import Leases
from .once import Claim
from .quotas import Quotas
from .roster import Roster
from .snapshots import Snapshot, Snapshots
from .tasks import spawn

_log = logging.getLogger(__name__)

_WITHDRAWN = Ending(
    Outcome.CANCELLED,
    ExecutionCancelled(
        "the request was withdrawn before it was accepted; nothing was executed",
        reason="withdrawn",
    ),
)


_NOT_WRITTEN: Final = (StoreUnavailable, CommitUnknown)


def _overloaded() -> Overloaded:
    return Overloaded("the journal cannot be written now; nothing was executed, try later")


@frozen
class Accepted:
    """An execution that is journaled."""

    id: str
    completed: str | None = None
    """Data of its `completed` event, as JSON text, if it has ended already."""


class Acceptance:
    """Journals new executions; only then do they exist.

    Args:
        access: Says which agents there are, for whom.
        contracts: Where contracts come from.
        store: Where they are journaled.
        clock: The time.
        new_id: Makes their ids.
        quotas: What each principal may use.
        roster: Where they enter.
        conductor: Runs those that are accepted.
        leases: Nothing is accepted without a lease.
        snapshots: What their agents are.
        at_once: Executes those that have nothing to do.
        journal: Makes the writer of a journal.
        check_open: Raises where nothing is accepted now.
        max_duration: Seconds an execution may take.
    """

    def __init__(
        self,
        access: Access,
        contracts: ContractRepository,
        store: ExecutionStore,
        clock: Clock,
        new_id: NewId,
        *,
        quotas: Quotas,
        roster: Roster,
        conductor: Conductor,
        leases: Leases,
        snapshots: Snapshots,
        at_once: AtOnce,
        journal: Callable[[str], Journal],
        check_open: Callable[[], None],
        max_duration: float,
    ) -> None:
        self._access = access
        self._contracts = contracts
        self._store = store
        self._clock = clock
        self._new_id = new_id
        self._quotas = quotas
        self._roster = roster
        self._conductor = conductor
        self._leases = leases
        self._snapshots = snapshots
        self._at_once = at_once
        self._journal = journal
        self._check_open = check_open
        self._max_duration = max_duration

    async def submit(
        self,
        agent_id: str,
        *,
        principal: Principal,
        given: Json,
        deadline: float | None,
        claim: Claim | None = None,
    ) -> Accepted:
        """Return an accepted execution, as `ExecutionEngine.submit` promises.

        Args:
            agent_id: Which agent.
            principal: On whose behalf.
            given: The input.
            deadline: Seconds since the epoch.
            claim: Gives a record that is written with the acceptance.

        Raises:
            StoreConflict: There is that record already; nothing was executed.
        """
        self._check_open()
        self._quotas.count_request(principal)
        agent, contract = await self._look_up(agent_id, principal)
        self._check_open()
        while (running := self._roster.to_join(agent, principal)) is not None:
            await self._roster.decided(running)
            if running.accepted and running.cause is None:
                await self._join(running, claim)
                return Accepted(running.id)
            self._check_open()
        if deadline is not None and not math.isfinite(deadline):
            raise InvalidValue.at("$.deadline", f"is {deadline}", "give seconds since the epoch")
        now = self._clock.now()
        latest = now + self._max_duration
        execution_id = self._new_id()
        claims = () if claim is None else (claim(execution_id),)
        new = NewExecution(
            execution_id,
            self._snapshots.take(agent, contract),
            principal,
            None if given is None else as_json(given),
            latest if deadline is None else min(deadline, latest),
            now,
        )
        foreseen = self._foresee(new)
        if foreseen is not None and foreseen["actions"] == []:
            return await self._execute_at_once(new, foreseen, claims)
        await self._accept(self._running(new, foreseen), claims)
        return Accepted(execution_id)

    def _foresee(self, new: NewExecution) -> JsonObject | None:
        """Return the first decision, if the execution would begin now and it is known."""
        agent = new.snapshot.agent
        if new.deadline <= new.created_at or self._roster.must_wait(agent):
            return None
        return self._at_once.foresee(agent, new.snapshot.contract, new.input)

    async def _execute_at_once(
        self, new: NewExecution, decision: JsonObject, claims: Sequence[Write]
    ) -> Accepted:
        self._quotas.check_room(new.principal)
        writes = (*claims, *self._keep(new.snapshot))
        try:
            body = await self._at_once.execute(new, decision, writes)
        except _NOT_WRITTEN as error:
            raise _overloaded() from error
        self._snapshots.stored(new.snapshot)
        return Accepted(new.id, body)

    def _running(self, new: NewExecution, foreseen: JsonObject | None) -> RunningExecution:
        return RunningExecution(
            id=new.id,
            snapshot=new.snapshot,
            principal=new.principal,
            input=new.input,
            deadline=new.deadline,
            created_at=new.created_at,
            journal=self._journal(new.id),
            done=asyncio.get_running_loop().create_future(),
            foreseen=foreseen,
        )

    def _keep(self, snapshot: Snapshot) -> tuple[Write, ...]:
        return () if self._snapshots.is_stored(snapshot) else (snapshot.keep,)

    async def _join(self, execution: RunningExecution, claim: Claim | None) -> None:
        if claim is not None:
            try:
                await self._store.commit([claim(execution.id)])
            except _NOT_WRITTEN as error:
                raise _overloaded() from error

    async def _look_up(self, agent_id: str, principal: Principal) -> tuple[Agent, Contract | None]:
        agent = await self._access.agent(agent_id, principal)
        if agent.status is AgentStatus.STOPPED:
            raise AgentStopped(f"agent {agent_id} is stopped", agent_id=agent_id)
        if agent.contract_id is None:
            return agent, None
        return agent, await self._contracts.get_contract(agent.contract_id)

    async def _accept(self, execution: RunningExecution, claims: Sequence[Write]) -> None:
        self._quotas.check_room(execution.principal)
        self._roster.enter(execution, self._conductor.turn_came)
        snapshot = execution.snapshot
        writes = (*claims, *self._keep(snapshot))
        try:
            await self._leases.ensure()
            self._add_accepted(execution)
            await self._leases.commit_under(
                lambda lease: execution.journal.commit(
                    writes, record=record_of(execution, self._leases.owner), expect=(lease,)
                )
            )
        except asyncio.CancelledError:
            execution.ask_to_end(_WITHDRAWN)
            execution.task = spawn(self._withdraw(execution), f"zephyrus {execution.id}")
            raise
        except BaseException as error:
            self._roster.leave(execution)
            if isinstance(error, _NOT_WRITTEN):
                raise _overloaded() from error
            raise
        self._snapshots.stored(snapshot)
        if _log.isEnabledFor(logging.INFO):
            _log.info("the execution is accepted", extra=execution.about)
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
        execution.journal.add_encoded(
            EventKind.ACCEPTED,
            accepted_body(
                execution.snapshot, execution.principal, execution.input, execution.deadline
            ),
        )
        if execution.ticket.running:
            add_started(execution, self._leases.owner)
