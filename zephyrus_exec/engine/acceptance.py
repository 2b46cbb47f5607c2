"""From a request to an accepted execution, or to none."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from typing import Final

from ..conversion import as_json, dumps, quote_id
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
from ..model import Agent, AgentStatus, Contract, EventKind, Json, Outcome, Principal
from .access import Access
from .conductor import Conductor
from .execution import Ending, RunningExecution, add_started, record_of
from .journal import Journal
from .leases import Leases
from .once import Claim
from .quotas import Quotas
from .roster import Roster
from .snapshots import Snapshots
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
    ) -> str:
        """Return the id of an accepted execution, as `ExecutionEngine.submit` promises.

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
                return running.id
            self._check_open()
        if deadline is not None and not math.isfinite(deadline):
            raise InvalidValue.at("$.deadline", f"is {deadline}", "give seconds since the epoch")
        now = self._clock.now()
        latest = now + self._max_duration
        execution = RunningExecution(
            id=(execution_id := self._new_id()),
            snapshot=self._snapshots.take(agent, contract),
            principal=principal,
            input=None if given is None else as_json(given),
            deadline=latest if deadline is None else min(deadline, latest),
            created_at=now,
            journal=self._journal(execution_id),
            done=asyncio.get_running_loop().create_future(),
        )
        await self._accept(execution, () if claim is None else (claim(execution_id),))
        return execution_id

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
        keep = () if self._snapshots.is_stored(snapshot) else (snapshot.keep,)
        writes = (*claims, *keep)
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
        given = "null" if execution.input is None else dumps(execution.input)
        execution.journal.add_encoded(
            EventKind.ACCEPTED,
            f'{{"agent_id":{quote_id(execution.agent.id)},"snapshot":"{execution.snapshot.keep.key}",'
            f'"principal":{quote_id(execution.principal.id)},"input":{given},'
            f'"deadline":{execution.deadline!r}}}',
        )
        if execution.ticket.running:
            add_started(execution, self._leases.owner)
