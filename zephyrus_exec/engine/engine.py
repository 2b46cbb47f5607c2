"""The engine: accepts executions, runs them, and lets anybody watch their journals."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from types import TracebackType
from typing import Self

from ..conversion import as_json
from ..interfaces.access import Authorizer
from ..interfaces.chain import Chain
from ..interfaces.clock import Clock, NewId
from ..interfaces.planner import Planner
from ..interfaces.repositories import AgentRepository, ContractRepository
from ..interfaces.runner import Runner
from ..interfaces.signer import Signer
from ..interfaces.store import ExecutionStore
from ..model import (
    ANONYMOUS,
    Agent,
    Event,
    Execution,
    Json,
    Principal,
)
from .acceptance import Acceptance, Accepted
from .access import Access
from .admission import Admission
from .at_once import AtOnce
from .calls import Tools
from .cancels import Cancels
from .clock import SystemClock, new_id
from .conductor import Conductor
from .cursors import Cursor, Cursors, Source
from .cycle import CycleRunner
from .deadlines import Deadlines
from .effects import Effects
from .fees import FeePolicy
from .funds import Funds, LowBalance
from .health import Health, examine
from .inspection import find_problems
from .invoker import Invoker
from .journal import Journal
from .lanes import Lanes
from .leases import Leases
from .lifecycle import Lifecycle
from .listing import ExecutionPage, is_place, list_executions
from .neighbours import Neighbours
from .offers import Offers
from .once import Claim, Once, Request, Submission
from .owner_rule import OwnerRule
from .quotas import Quota, Quotas
from .reconciler import Reconciler
from .resume import Resume
from .retention import Retention
from .roster import Roster
from .snapshots import Snapshots
from .takeover import TakeOver
from .wakeups import Wakeups
from .watching import Watching

_log = logging.getLogger(__name__)

_KEPT_IN_MEMORY = 1000
_KEYS_KEPT = 86_400.0
_KEYS_KEPT_IN_MEMORY = 3600.0


class ExecutionEngine:
    """Runs agents, journaling every step.

    Use it as an async context manager, or call `start` and `aclose`. It closes nothing that was
    handed in: store, chains and repositories stay their owner's.

    Args:
        agents: Where agents come from.
        contracts: Where contracts come from.
        store: Where executions are journaled.
        runners: Registered runners by name; `cycle` is registered unless you do.
        planners: Registered planners by name, for the cycle runner.
        chains: Configured chains by chain id.
        signers: Configured signers by name.
        fee_policies: How waiting transactions are paid for, by chain id.
        authorizer: Who may do what; default: scopes, and owners of agents (`OwnerRule`).
        quota: What each principal may use of it; default: all there is.
        clock: The time; default: the system's.
        new_id: Makes execution ids; default: UUIDv7.
        max_running: Most executions at once.
        max_queued: Most executions that wait their turn; beyond it `overloaded`.
        max_duration: Seconds an execution may take where its request says no less.
        settle_timeout: Seconds an ended execution waits for transactions it has signed.
        lease_duration: Seconds after which a process that says nothing counts as gone.
        planner_timeout: Seconds a planner may take for one answer.
        store_grace: Seconds an execution may wait for a store that cannot write before `result`
            says so; it goes on by itself once the store can.
        low_balance_factor: A signer that has less than so many times what its last transaction
            could cost is told to be low; 0: never.
        max_in_flight: Most transactions of one account under way at once; further effects wait.
            More than nodes keep for one sender is of no use.
        keep_ended: How many ended executions stay in the store, at least 1; older ones are
            forgotten, whoever executed them, unless a transaction of theirs is not final, or they
            are in doubt. Null: all where the store is durable, otherwise 1,000.
        keep_ended_for: Seconds they stay there; null: for ever.
        key_retention: Seconds for which `submit_once` knows its keys, at least; the same for every
            process on one store. Null: a day where the store is durable, otherwise an hour, since
            a key takes some 400 bytes of memory.
    """

    def __init__(
        self,
        *,
        agents: AgentRepository,
        contracts: ContractRepository,
        store: ExecutionStore,
        runners: Mapping[str, Runner] | None = None,
        planners: Mapping[str, Planner] | None = None,
        chains: Mapping[int, Chain] | None = None,
        signers: Mapping[str, Signer] | None = None,
        fee_policies: Mapping[int, FeePolicy] | None = None,
        authorizer: Authorizer | None = None,
        quota: Quota | None = None,
        clock: Clock | None = None,
        new_id: NewId = new_id,
        max_running: int = 1000,
        max_queued: int = 10_000,
        max_duration: float = 3600.0,
        settle_timeout: float = 30.0,
        lease_duration: float = 20.0,
        planner_timeout: float = 60.0,
        store_grace: float = 30.0,
        low_balance_factor: float = 10.0,
        max_in_flight: int = 64,
        keep_ended: int | None = None,
        keep_ended_for: float | None = None,
        key_retention: float | None = None,
    ) -> None:
        self.agents = agents
        self.contracts = contracts
        self.store = store
        self.chains = dict(chains or {})
        self.signers = dict(signers or {})
        self.clock = clock or SystemClock()
        if keep_ended is None and not store.durable:
            keep_ended = _KEPT_IN_MEMORY
        self.keep_ended = keep_ended
        """How many ended executions are kept; null: all."""
        self.keep_ended_for = keep_ended_for
        """Seconds they are kept; null: for ever."""
        if key_retention is None:
            key_retention = _KEYS_KEPT if store.durable else _KEYS_KEPT_IN_MEMORY
        self.key_retention = key_retention
        """Seconds for which keys are known, at least."""
        self.max_duration = max_duration
        """Seconds an execution may take."""
        self._runners: dict[str, Runner] = {
            "cycle": CycleRunner(planners or {}, planner_timeout=planner_timeout),
            **(runners or {}),
        }
        self._wakeups = Wakeups()
        self._snapshots = Snapshots()
        self._deadlines = Deadlines(self.clock)
        admission = Admission(max_running=max_running, max_queued=max_queued)
        self._roster = Roster(admission, self._wakeups)
        self._access = Access(
            authorizer or OwnerRule(), agents=agents, store=store, roster=self._roster
        )
        self._may = self._access.authorizer
        offers = Offers(
            store, self.clock, signers=self.signers.values(), policies=fee_policies or {}
        )
        self._reconciler = Reconciler(store, self.clock, self.chains, offers=offers)
        self.lanes = Lanes(
            store,
            self.clock,
            self.chains,
            offers=offers,
            reconciler=self._reconciler,
            authorizer=self._may,
        )
        """What operators may do."""
        self._tools = Tools(
            Invoker(self.chains, self.signers),
            Effects(
                store, self.clock, self._reconciler, offers=offers, max_in_flight=max_in_flight
            ),
            self.clock,
            settle_timeout,
        )
        self._funds = Funds(
            store,
            self.clock,
            self.chains,
            [signer.address for signer in self.signers.values()],
            factor=low_balance_factor,
        )
        self._watching = Watching(
            store, self.clock, self._roster, self._wakeups, store_grace=store_grace
        )
        self._cursors = Cursors(store, self.clock, self._roster, self._wakeups)
        self._once = Once(store, self.clock, retention=key_retention)
        self._leases = Leases(
            store,
            self.clock,
            new_id,
            duration=lease_duration,
            failing=self._watching.failing,
        )
        retention = Retention(store, self.clock, keep=keep_ended, keep_for=keep_ended_for)
        self._conductor = Conductor(
            self._roster,
            runners=self._runners,
            tools=self._tools,
            leases=self._leases,
            deadlines=self._deadlines,
            retention=retention,
            clock=self.clock,
            new_id=new_id,
        )
        self._cancels = Cancels(
            store,
            self.clock,
            roster=self._roster,
            conductor=self._conductor,
            leases=self._leases,
            takes_over=lambda: self._life.open,
        )
        self._takeover = TakeOver(
            store,
            self.clock,
            leases=self._leases,
            neighbours=Neighbours(store, self.clock, duration=lease_duration),
            resume=Resume(store, runners=self._runners, journal=self._journal),
            roster=self._roster,
            conductor=self._conductor,
            ended=self._wakeups.wake,
        )
        self._life = Lifecycle(
            self.clock,
            {
                "deadlines": self._deadlines.run,
                "leases": self._leases.run,
                "reconciler": self._reconciler.run,
                "funds": self._funds.run,
                "cursors": self._cursors.run,
                "retention": retention.run,
                "cancels": self._cancels.run,
            },
            durable=store.durable,
            tools=self._tools,
            roster=self._roster,
            conductor=self._conductor,
            leases=self._leases,
            reconciler=self._reconciler,
            takeover=self._takeover,
            watching=self._watching,
            cursors=self._cursors,
        )

        self._acceptance = Acceptance(
            self._access,
            contracts,
            store,
            self.clock,
            new_id,
            quotas=Quotas(quota or Quota(), self.clock, self._roster),
            roster=self._roster,
            conductor=self._conductor,
            leases=self._leases,
            snapshots=self._snapshots,
            at_once=AtOnce(
                store,
                self.clock,
                runners=self._runners,
                leases=self._leases,
                roster=self._roster,
                retention=retention,
                committed=self._wakeups.wake,
            ),
            journal=self._journal,
            check_open=self._life.check_open,
            max_duration=max_duration,
        )

    # --- life ------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Take the lease, watch open effects, take up what others released; then take work.

        What dead processes left is taken up as soon as they are known to be dead.

        Raises:
            StoreError: The store cannot be used.
        """
        await self._life.start()

    async def drain(self, *, timeout: float | None = None) -> bool:  # noqa: ASYNC109
        """Take no new work and wait for what runs and waits.

        Args:
            timeout: Seconds to wait at most; null: as long as it takes.

        Returns:
            Whether everything ended in time.
        """
        return await self._life.drain(timeout)

    async def aclose(self, *, settle_timeout: float | None = None) -> None:
        """Let go of everything. May be called twice.

        What still runs is released: the next process that opens the store goes on with it. A
        store that is not durable has no next process: there it ends as interrupted. What cannot be
        journaled, since the store does not write, is left to whoever finds this process's lease
        run out; that is decided after three times the settle time-out.

        Args:
            settle_timeout: Seconds to wait for transactions that were signed, instead of the
                engine's own; what is not mined by then is told as pending.
        """
        await self._life.aclose(settle_timeout)

    def kill(self) -> None:
        """End as its process would by `kill -9`; for tests, on a store that is cut off.

        Nobody is told and nothing is journaled; agents are cancelled where they are. `aclose` does
        nothing afterwards.
        """
        self._life.kill()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    @property
    def running(self) -> bool:
        """Whether it was started and not closed yet."""
        return self._life.started

    async def health(self) -> Health:
        """Return whether it would take work, and which agents' work would fail."""
        return await examine(
            self.store,
            self.chains,
            draining=self._life.draining,
            running=self._roster.admission.running,
            queued=self._roster.admission.queued,
            low=self._funds.low,
            unusable=len(self.agents.problems),
        )

    async def look_at_balances(self) -> tuple[LowBalance, ...]:
        """Return the signers' accounts that are low now, by `low_balance_factor`.

        Raises:
            StoreError: The lanes cannot be read.
        """
        return await self._funds.look()

    async def find_problems(self, agent: Agent) -> list[str]:
        """Return what would keep an agent from running, a sentence each."""
        return await find_problems(
            agent,
            contracts=self.contracts,
            runners=self._runners,
            invoker=self._tools.invoker,
        )

    # --- submit ----------------------------------------------------------------------------------

    async def submit(
        self,
        agent_id: str,
        *,
        principal: Principal = ANONYMOUS,
        input: Json = None,
        deadline: float | None = None,
    ) -> str:
        """Accept an execution, journaled, and return its id; it runs when it is its turn.

        Args:
            agent_id: Which agent.
            principal: On whose behalf.
            input: For the agent's runner and planner.
            deadline: Seconds since the epoch at which it must end; the engine's `max_duration`
                bounds it in any case.

        Returns:
            The execution's id; where the agent's overlap is `join`, perhaps that of one that was
            running already.

        Raises:
            AgentNotFound, ContractNotFound: There is none, or it is not the principal's to run.
            AgentStopped, AgentBusy: The agent does not run now.
            RateLimited: The principal asks too fast.
            Overloaded: The principal has as many executions as it may have, too much waits
                already, or the journal cannot be written.
            Draining: The engine is shutting down.
            InvalidValue: The input is no JSON, or the deadline is no time.
        """
        accepted = await self.accept(agent_id, principal=principal, input=input, deadline=deadline)
        return accepted.id

    async def accept(
        self,
        agent_id: str,
        *,
        principal: Principal = ANONYMOUS,
        input: Json = None,
        deadline: float | None = None,
    ) -> Accepted:
        """Accept an execution as `submit` does, and say if it has ended with that."""
        return await self._acceptance.submit(
            agent_id, principal=principal, given=input, deadline=deadline
        )

    async def submit_once(
        self,
        agent_id: str,
        idempotency_key: str,
        *,
        principal: Principal = ANONYMOUS,
        input: Json = None,
        deadline: float | None = None,
        store_epoch: str | None = None,
    ) -> Submission:
        """Accept an execution as `submit` does, once, however often it is asked for with this key.

        That holds for every process that has the store. A key that is known is answered whatever
        became of agent, quota or engine meanwhile. Keys are each principal's own.

        Args:
            agent_id: Which agent.
            idempotency_key: Names the request, at most 256 characters; a UUIDv7 (`new_id`) is best,
                since it tells its age.
            principal: On whose behalf.
            input: For the agent's runner and planner.
            deadline: As for `submit`; that of the first request counts.
            store_epoch: `store.epoch` as it was when this was first asked for; give it with
                repetitions, so that none is taken for new by a store that lost events.

        Raises:
            IdempotencyConflict: The key was given with another agent or input before.
            OutcomeUnknown: It may have been executed before; now it was not.
            InvalidValue: The key is empty or too long, too.
            StoreUnavailable: The keys cannot be read now.
            ZephyrusError: What `submit` raises; then nothing was executed now.
        """
        given = None if input is None else as_json(input)
        request = Request.of(idempotency_key, principal, agent_id, given, store_epoch)

        async def accept(claim: Claim) -> str:
            accepted = await self._acceptance.submit(
                agent_id, principal=principal, given=given, deadline=deadline, claim=claim
            )
            return accepted.id

        return await self._once.submit(request, accept)

    def _journal(self, execution_id: str, seq: int = 0, version: int = 0) -> Journal:
        return Journal(
            self.store,
            self.clock,
            execution_id,
            self._cursors.grew,
            stalled=self._watching.stalled,
            seq=seq,
            version=version,
        )

    # --- watch and steer -------------------------------------------------------------------------

    async def watch(
        self, execution_id: str, *, after: int = 0, principal: Principal = ANONYMOUS
    ) -> AsyncGenerator[Event, None]:
        """Yield the execution's events in order, from the journal and then live, to the last.

        A watcher is a cursor: nothing is kept for it while it does not ask. One that starts behind
        the last event of an ended execution gets none.

        Args:
            execution_id: Which.
            after: Start behind this `seq`; 0: from the beginning.
            principal: Who watches.

        Raises:
            ExecutionNotFound: There is none, or it is not the principal's to see.
            ExecutionReleased: It goes on, but this process ends.
        """
        await self._access.execution(execution_id, principal, self._may.may_watch)
        async for event in self._watching.watch(execution_id, after=after):
            yield event

    async def open_cursor(
        self,
        execution_id: str,
        *,
        after: int = 0,
        principal: Principal = ANONYMOUS,
        ready: Callable[[Cursor], None],
    ) -> Cursor:
        """Return a cursor in the execution's journal, to take events from when it suits.

        `watch` for who serves many watchers from one place: it needs no task of its own.

        Args:
            execution_id: Which.
            after: Begin behind this `seq`; 0: at the beginning.
            principal: Who watches.
            ready: Called from the loop when there may be more, once after each `take` that
                returned nothing.

        Raises:
            ExecutionNotFound: There is none, or it is not the principal's to see.
            ExecutionLost: Its journal ends before `after`.
            StoreUnavailable: The store cannot be read now.
        """
        execution = await self._access.execution(execution_id, principal, self._may.may_watch)
        source = Source.execution(execution_id)
        return await self._cursors.open(
            source, agent_id=execution.agent_id, after=after, ready=ready
        )

    async def open_effect_cursor(
        self,
        effect_key: str,
        *,
        after: int = 0,
        principal: Principal = ANONYMOUS,
        ready: Callable[[Cursor], None],
    ) -> Cursor:
        """Return a cursor in the journal of an effect, which goes on after its execution's end.

        It ends once nothing can change the effect any more.

        Args:
            effect_key: Which.
            after: Begin behind this `seq`; 0: at the beginning.
            principal: Who watches.
            ready: As for `open_cursor`.

        Raises:
            EffectNotFound: There is none, or its execution is not the principal's to see.
            ExecutionLost: Its journal ends before `after`.
            StoreUnavailable: The store cannot be read now.
        """
        agent_id = await self._access.effect(effect_key, principal)
        source = Source.effect(effect_key)
        return await self._cursors.open(source, agent_id=agent_id, after=after, ready=ready)

    async def tail(
        self, position: int = 0, *, principal: Principal = ANONYMOUS
    ) -> AsyncGenerator[Event, None]:
        """Yield the events of all executions that the principal may watch, then live.

        They come in the order of the store. Like a watcher it is a cursor: who keeps the
        `position` of the last event goes on behind it, in another process too. Who may operate
        gets everything, the streams of effects and lanes too, whose names begin with `effect:`
        and `lane:`.

        It ends with the engine.

        Args:
            position: Start behind this one; 0: from the beginning.
            principal: Who watches.

        Raises:
            StoreError: The store cannot be read.
        """
        operates = await self._may.may_operate(principal)
        async for event in self._watching.tail(position):
            if operates or await self._access.sees(principal, event.stream):
                yield event

    async def result(
        self, execution_id: str, *, principal: Principal = ANONYMOUS
    ) -> dict[str, Json]:
        """Wait for the execution's end and return the data of its `completed` event.

        Raises:
            ExecutionNotFound: There is none, or it is not the principal's to see.
            ExecutionReleased: It goes on, but this process ends.
            StoreUnavailable: It has been waiting for the store for `store_grace`; it goes on once
                that writes again.
        """
        await self._access.execution(execution_id, principal, self._may.may_watch)
        return await self._watching.result(execution_id)

    async def cancel(
        self, execution_id: str, *, principal: Principal = ANONYMOUS, reason: str = ""
    ) -> str:
        """Ask an execution to end; what was signed cannot be recalled.

        Returns:
            `requested`: its outcome will tell whether that came in time. `already_terminal`: it
            has ended. `not_cancellable`: nobody would hear of it; this process ends, and no other
            one runs it. One that another process runs hears of it within a second.

        Raises:
            ExecutionNotFound: There is none, or it is not the principal's to see.
            StoreError: Another process runs it and could not be asked now; ask again.
        """
        await self._access.execution(execution_id, principal, self._may.may_cancel)
        return await self._cancels.ask(execution_id, principal, reason)

    async def get_execution(
        self, execution_id: str, *, principal: Principal = ANONYMOUS
    ) -> Execution:
        """Return how an execution stands.

        Raises:
            ExecutionNotFound: There is none, or it is not the principal's to see.
        """
        return await self._access.stored(execution_id, principal, self._may.may_watch)

    async def head(self, execution_id: str, *, principal: Principal = ANONYMOUS) -> int:
        """Return the number of the last event in the execution's journal.

        Raises:
            ExecutionNotFound: There is none, or it is not the principal's to see.
        """
        await self._access.execution(execution_id, principal, self._may.may_watch)
        return await self._cursors.head(execution_id)

    async def list_executions(
        self,
        *,
        principal: Principal = ANONYMOUS,
        limit: int = 100,
        before: str | None = None,
        agent_id: str | None = None,
    ) -> ExecutionPage:
        """Return the newest executions that the principal may watch first, a page at a time.

        One call looks at 1,000 executions or `limit` at most, whoever they belong to. So a page may
        have fewer than `limit`, or none, and a `next` all the same.

        Args:
            principal: Who asks.
            limit: At most so many.
            before: Go on behind this: the `next` of the page before, or an execution's id; null:
                begin with the newest.
            agent_id: Only those of this agent; null: of any.

        Raises:
            ExecutionNotFound: There is none with the id `before`, or it is not the principal's to
                see.
        """

        async def seen(execution: Execution) -> bool:
            if agent_id not in (None, execution.agent_id):
                return False
            return await self._may.may_watch(principal, execution)

        if before is not None and not is_place(before):
            await self._access.stored(before, principal, self._may.may_watch)
        return await list_executions(self.store, limit=limit, before=before, chosen=seen)
