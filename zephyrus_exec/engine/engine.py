"""The engine: accepts executions, runs them, and lets anybody watch their journals."""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections.abc import AsyncGenerator, Mapping
from types import TracebackType
from typing import Self

from ..conversion import as_json, dumps, quote
from ..errors import (
    AgentBusy,
    AgentStopped,
    CommitUnknown,
    Draining,
    ExecutionCancelled,
    ExecutionInterrupted,
    ExecutionTimedOut,
    InvalidValue,
    NotRunning,
    Overloaded,
    RunnerFailed,
    StoreError,
    StoreFenced,
    StoreUnavailable,
    ZephyrusError,
)
from ..interfaces.chain import Chain
from ..interfaces.clock import Clock, NewId
from ..interfaces.planner import Planner
from ..interfaces.repositories import AgentRepository, ContractRepository
from ..interfaces.runner import Runner
from ..interfaces.signer import Signer
from ..interfaces.store import ExecutionStore
from ..model import (
    ANONYMOUS,
    ActionResult,
    Agent,
    AgentStatus,
    Event,
    EventKind,
    Execution,
    Json,
    Outcome,
    Overlap,
    Principal,
)
from .admission import Admission, Ticket
from .clock import SystemClock, new_id, wait_until
from .context import ExecutionContext, Tools
from .cycle import CycleRunner
from .deadlines import Deadlines
from .effects import Effects
from .execution import SUCCEEDED, Ending, RunningExecution, completed_body
from .health import Health, examine
from .inspection import find_problems
from .invoker import Invoker
from .journal import Journal
from .leases import ENDED, Leases, open_group
from .listing import list_executions, load_execution
from .reconciler import Reconciler
from .registry import runner_of
from .results import error_object, result_object
from .retention import Retention
from .snapshots import Snapshots
from .tasks import finished, spawn
from .wakeups import Wakeups

_log = logging.getLogger(__name__)

_KEPT_IN_MEMORY = 1000

_POLL_FOREIGN = 0.5
"""Seconds between looks at an execution that another process runs."""

_TIMED_OUT = Ending(Outcome.TIMED_OUT, ExecutionTimedOut("the execution's deadline passed"))

_WITHDRAWN = Ending(
    Outcome.CANCELLED,
    ExecutionCancelled(
        "the request was withdrawn before it was accepted; nothing was executed",
        reason="withdrawn",
    ),
)

_SHUT_DOWN = Ending(
    Outcome.INTERRUPTED,
    ExecutionInterrupted(
        "the service was shut down before it was done; look at what was already done "
        "before asking for it again",
        reason="shutdown",
    ),
)


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
        clock: The time; default: the system's.
        new_id: Makes execution ids; default: UUIDv7.
        max_running: Most executions at once.
        max_queued: Most executions that wait their turn; beyond it `overloaded`.
        max_duration: Seconds an execution may take where its request says no less.
        settle_timeout: Seconds an ended execution waits for transactions it has signed.
        lease_duration: Seconds after which a process that says nothing counts as gone.
        planner_timeout: Seconds a planner may take for one answer.
        keep_ended: How many ended executions this process leaves in the store, at least 1; older
            ones are forgotten, unless a transaction of theirs is under way. Null: all where the
            store is durable, otherwise 1,000.
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
        clock: Clock | None = None,
        new_id: NewId = new_id,
        max_running: int = 1000,
        max_queued: int = 10_000,
        max_duration: float = 3600.0,
        settle_timeout: float = 30.0,
        lease_duration: float = 20.0,
        planner_timeout: float = 60.0,
        keep_ended: int | None = None,
    ) -> None:
        self.agents = agents
        self.contracts = contracts
        self.store = store
        self.chains = dict(chains or {})
        self.signers = dict(signers or {})
        self.clock = clock or SystemClock()
        self._new_id = new_id
        self._max_duration = max_duration
        self._runners: dict[str, Runner] = {
            "cycle": CycleRunner(planners or {}, planner_timeout=planner_timeout),
            **(runners or {}),
        }
        self._owner = new_id()
        self._wakeups = Wakeups()
        self._snapshots = Snapshots()
        self._deadlines = Deadlines(self.clock)
        self._admission = Admission(max_running=max_running, max_queued=max_queued)
        self._reconciler = Reconciler(store, self.clock, self.chains)
        self._tools = Tools(
            Invoker(self.chains, self.signers),
            Effects(store, self.clock, self._reconciler),
            self.clock,
            settle_timeout,
        )
        self._leases = Leases(
            store,
            self.clock,
            self._owner,
            duration=lease_duration,
            renew_every=lease_duration / 4,
            ended=self._wakeups.wake,
        )
        if keep_ended is None and not store.durable:
            keep_ended = _KEPT_IN_MEMORY
        self._retention = Retention(store, keep=keep_ended)
        self._running: dict[str, RunningExecution] = {}
        self._of_agent: dict[str, list[RunningExecution]] = {}
        self._background: list[asyncio.Task[None]] = []
        self._idle = asyncio.Event()
        self._idle.set()
        self._started = False
        self._draining = False

    # --- life ------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Take the lease, end what dead processes left, watch open effects; then take work.

        Raises:
            StoreError: The store cannot be used.
        """
        await self._leases.start()
        await self._reconciler.start()
        self._background = [
            spawn(self._deadlines.run(), "zephyrus deadlines"),
            spawn(self._leases.run(), "zephyrus leases"),
            spawn(self._reconciler.run(), "zephyrus reconciler"),
        ]
        self._started = True

    async def drain(self, *, timeout: float | None = None) -> bool:  # noqa: ASYNC109
        """Take no new work and wait for what runs and waits.

        Args:
            timeout: Seconds to wait at most; null: as long as it takes.

        Returns:
            Whether everything ended in time.
        """
        self._draining = True
        if timeout is None:
            await self._idle.wait()
            return True
        idle = asyncio.ensure_future(self._idle.wait())
        try:
            await wait_until(self.clock, self.clock.now() + timeout, idle)
        finally:
            idle.cancel()
        return self._idle.is_set()

    async def aclose(self, *, settle_timeout: float | None = None) -> None:
        """End what still runs as interrupted, and let go of everything. May be called twice.

        What cannot be journaled, since the store does not write, is left to whoever finds this
        process's lease run out; that is decided after three times the settle time-out.

        Args:
            settle_timeout: Seconds to wait for transactions that were signed, instead of the
                engine's own; what is not mined by then is told as pending.
        """
        self._draining = True
        if not self._started:
            return
        self._started = False
        if settle_timeout is not None:
            self._tools.settle_timeout = min(settle_timeout, self._tools.settle_timeout)
        for execution in list(self._running.values()):
            self._end_early(execution, _SHUT_DOWN)
        all_ended = await self.drain(timeout=3 * self._tools.settle_timeout)
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self._reconciler.aclose()
        if all_ended:
            await self._leases.release()
        else:
            self._leave_behind()

    def _leave_behind(self) -> None:
        _log.error(
            "%d executions could not be journaled as ended; whoever opens the store next will end "
            "them as interrupted",
            len(self._running),
        )
        for execution in list(self._running.values()):
            execution.ended = True
            for task in (execution.task, execution.abandoned):
                if task is not None:
                    task.cancel()
            self._leave(execution)

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
        return self._started

    async def health(self) -> Health:
        """Return whether it would take work, and which agents' work would fail."""
        return await examine(
            self.store,
            self.chains,
            draining=self._draining,
            running=self._admission.running,
            queued=self._admission.queued,
        )

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
            AgentNotFound, ContractNotFound: There is none.
            AgentStopped, AgentBusy: The agent does not run now.
            Overloaded: Too much waits already, or the journal cannot be written.
            Draining: The engine is shutting down.
            InvalidValue: The input is no JSON, or the deadline is no time.
        """
        self._check_open()
        agent = await self.agents.get_agent(agent_id)
        if agent.status is AgentStatus.STOPPED:
            raise AgentStopped(f"agent {agent_id} is stopped", agent_id=agent_id)
        contract = (
            await self.contracts.get_contract(agent.contract_id)
            if agent.contract_id is not None
            else None
        )
        self._check_open()
        while (running := self._to_join(agent)) is not None:
            await self._decided(running)
            if running.accepted and running.cause is None:
                return running.id
            self._check_open()
        if deadline is not None and not math.isfinite(deadline):
            raise InvalidValue.at("$.deadline", f"is {deadline}", "give seconds since the epoch")
        now = self.clock.now()
        latest = now + self._max_duration
        execution = RunningExecution(
            id=(execution_id := self._new_id()),
            snapshot=self._snapshots.take(agent, contract),
            principal=principal,
            input=None if input is None else as_json(input),
            deadline=latest if deadline is None else min(deadline, latest),
            created_at=now,
            journal=Journal(self.store, self.clock, execution_id, self._wakeups.wake),
            done=asyncio.get_running_loop().create_future(),
        )
        self._enter(execution)
        await self._accept(execution)
        return execution_id

    def _check_open(self) -> None:
        if self._draining:
            raise Draining("the service is shutting down and takes no new work")
        if not self._started:
            raise NotRunning("the engine is not running; use `async with engine`")

    def _to_join(self, agent: Agent) -> RunningExecution | None:
        """Return the execution to join, if that is the agent's way and there is one."""
        if agent.overlap is Overlap.QUEUE:
            return None
        if not self._admission.occupied(agent.id, agent.max_concurrent):
            return None
        if agent.overlap is Overlap.REFUSE:
            raise AgentBusy(f"agent {agent.id} is running already", agent_id=agent.id)
        siblings = self._of_agent[agent.id]
        return next((one for one in siblings if one.cause is None), None)

    async def _decided(self, execution: RunningExecution) -> None:
        """Return once its acceptance is journaled, or has failed."""
        while not execution.accepted and execution.id in self._running:
            decided = self._wakeups.register(execution.id)
            try:
                await decided
            finally:
                self._wakeups.unregister(execution.id, decided)

    def _enter(self, execution: RunningExecution) -> None:
        execution.ticket = Ticket(
            execution.agent.id,
            execution.agent.max_concurrent,
            lambda: self._start_if_accepted(execution),
        )
        self._admission.enter(execution.ticket)
        self._running[execution.id] = execution
        self._of_agent.setdefault(execution.agent.id, []).append(execution)
        self._idle.clear()

    def _leave(self, execution: RunningExecution) -> None:
        if self._running.pop(execution.id, None) is None:
            return  # it was left behind
        if execution.alarm is not None:
            execution.alarm.cancel()
        siblings = self._of_agent[execution.agent.id]
        siblings.remove(execution)
        if not siblings:
            del self._of_agent[execution.agent.id]
        self._admission.leave(execution.ticket)
        execution.done.cancel()  # unless it has its result: then this changes nothing
        self._wakeups.wake(execution.id)
        if not self._running:
            self._idle.set()

    async def _accept(self, execution: RunningExecution) -> None:
        snapshot = execution.snapshot
        keep = () if self._snapshots.is_stored(snapshot) else (snapshot.keep,)
        try:
            await self._leases.ensure()
            self._add_accepted(execution)
            await execution.journal.commit(keep, record=self._record(execution))
        except (StoreUnavailable, CommitUnknown) as error:
            self._leave(execution)
            raise Overloaded(
                "the journal cannot be written now; nothing was executed, try later"
            ) from error
        except asyncio.CancelledError:
            execution.ask_to_end(_WITHDRAWN)
            execution.task = spawn(self._withdraw(execution), f"zephyrus {execution.id}")
            raise
        except BaseException:
            self._leave(execution)
            raise
        self._snapshots.stored(snapshot)
        self._accepted(execution)

    def _accepted(self, execution: RunningExecution) -> None:
        execution.accepted = True
        if execution.cause is None:
            execution.alarm = self._deadlines.at(
                execution.deadline, lambda: self._end_early(execution, _TIMED_OUT)
            )
        if execution.ticket.running or execution.cause is not None:
            self._start(execution)

    async def _withdraw(self, execution: RunningExecution) -> None:
        """End an execution whose requester was cancelled while its acceptance was journaled."""
        await execution.journal.settle()
        if execution.journal.empty:
            self._leave(execution)
            return
        execution.accepted = True
        await self._end(execution, execution.cause or _WITHDRAWN)

    def _add_accepted(self, execution: RunningExecution) -> None:
        given = "null" if execution.input is None else dumps(execution.input)
        execution.journal.add_encoded(
            EventKind.ACCEPTED,
            f'{{"agent_id":{quote(execution.agent.id)},"snapshot":"{execution.snapshot.keep.key}",'
            f'"principal":{quote(execution.principal.id)},"input":{given},'
            f'"deadline":{execution.deadline!r}}}',
        )
        if execution.ticket.running:
            self._add_started(execution)

    def _add_started(self, execution: RunningExecution) -> None:
        execution.started = True
        execution.journal.add_encoded(EventKind.STARTED, f'{{"owner":{quote(self._owner)}}}')

    def _record(self, execution: RunningExecution, ending: Ending | None = None) -> tuple[str, str]:
        """Return body and group of the execution's record."""
        who = (
            f'{{"agent_id":{quote(execution.agent.id)},"principal":{quote(execution.principal.id)},'
            f'"owner":{quote(self._owner)},"created_at":{execution.created_at!r},'
        )
        if ending is None:
            status = "running" if execution.ticket.running else "queued"
            stands = f'"status":"{status}","ended_at":null,"outcome":null,"error":null}}'
            return who + stands, open_group(self._owner)
        error = "null" if ending.error is None else dumps(error_object(ending.error))
        stands = (
            f'"status":"completed","ended_at":{self.clock.now()!r},'
            f'"outcome":"{ending.outcome}","error":{error}}}'
        )
        return who + stands, ENDED

    # --- run -------------------------------------------------------------------------------------

    def _start_if_accepted(self, execution: RunningExecution) -> None:
        """The ticket's turn has come; one that is not accepted yet is started by `_accept`."""
        if execution.accepted and execution.task is None:
            self._start(execution)

    def _start(self, execution: RunningExecution) -> None:
        execution.task = spawn(self._run(execution), f"zephyrus {execution.id}")

    async def _run(self, execution: RunningExecution) -> None:
        ending = execution.cause or await self._run_agent(execution)
        await self._end(execution, ending)

    async def _run_agent(self, execution: RunningExecution) -> Ending:
        try:
            execution.begun = True
            if not execution.started:
                self._add_started(execution)
                await execution.journal.commit(record=self._record(execution))
            name, runner = runner_of(execution.agent, self._runners)
            value = await runner(ExecutionContext(execution, self._tools))
            if value is not None:
                result = ActionResult(name, {}, as_json(value), success=True)
                execution.add_result(result, dumps(result_object(result)))
        except asyncio.CancelledError:
            return execution.cause or _unasked_end(execution)
        except ZephyrusError as error:
            return Ending(Outcome.FAILED, error)
        except Exception:  # noqa: BLE001 - an agent's code may raise anything; it must not end the engine
            incident = self._new_id()
            _log.exception("execution %s failed, incident %s", execution.id, incident)
            return Ending(
                Outcome.FAILED,
                RunnerFailed(
                    f"the agent's code raised an error; the log has it as incident {incident}",
                    incident=incident,
                ),
            )
        return SUCCEEDED

    async def _end(self, execution: RunningExecution, ending: Ending) -> None:
        """Journal the end, once, whoever comes first, and tell those who wait for it."""
        if execution.ended:
            return
        execution.ended = True
        try:
            await execution.journal.settle()
            body = completed_body(execution, ending)
            execution.journal.add_encoded(EventKind.COMPLETED, body)
            await execution.journal.commit(record=self._record(execution, ending))
        except StoreError as error:
            _log.warning("execution %s is lost to this process: %s", execution.id, error)
        else:
            execution.done.set_result(body)
            if all(effect.receipt is not None for effect in execution.effects.values()):
                await self._retention.ended(execution.id)
        self._leave(execution)

    def _end_early(self, execution: RunningExecution, cause: Ending) -> None:
        """Make it end for this cause: at once where it waits, at its next await where it runs."""
        if execution.cause is not None or execution.ended:
            return
        execution.ask_to_end(cause)
        if execution.alarm is not None:
            execution.alarm.cancel()
        execution.alarm = self._deadlines.at(
            self.clock.now() + 2 * self._tools.settle_timeout,
            lambda: self._abandon(execution, cause),
        )
        if execution.task is None and execution.accepted:
            self._start(execution)

    def _abandon(self, execution: RunningExecution, cause: Ending) -> None:
        """Go on without a runner that ignores its cancellation; its context is closed to it."""
        if not execution.ended:
            _log.error("execution %s does not stop; its runner ignores cancellation", execution.id)
            execution.abandoned = spawn(
                self._end(execution, cause), f"zephyrus {execution.id}, abandoned"
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
            ExecutionNotFound: There is none.
        """
        ended = await self._has_ended(execution_id)
        while True:
            grown = self._wakeups.register(execution_id)
            try:
                events = await self.store.read(execution_id, after=after)
                if not events:
                    if ended:
                        return
                    await self._wait_for_more(execution_id, grown)
                    ended = await self._has_ended(execution_id)
            finally:
                self._wakeups.unregister(execution_id, grown)
            for event in events:
                after = event.seq
                yield event
                if event.kind == EventKind.COMPLETED:
                    return

    async def _has_ended(self, execution_id: str) -> bool:
        """Whether every event it will ever have is stored by now."""
        if execution_id in self._running:
            return False
        return (await load_execution(self.store, execution_id)).outcome is not None

    async def _wait_for_more(self, execution_id: str, grown: asyncio.Future[None]) -> None:
        if execution_id in self._running:
            await grown
        else:
            await wait_until(self.clock, self.clock.now() + _POLL_FOREIGN, grown)

    async def result(
        self, execution_id: str, *, principal: Principal = ANONYMOUS
    ) -> dict[str, Json]:
        """Wait for the execution's end and return the data of its `completed` event.

        Raises:
            ExecutionNotFound: There is none.
        """
        execution = self._running.get(execution_id)
        if execution is not None:
            await finished(execution.done)
            if not execution.done.cancelled():
                body: dict[str, Json] = json.loads(execution.done.result())
                return body
        async for event in self.watch(execution_id, principal=principal):
            last = event
        return last.data

    async def cancel(
        self, execution_id: str, *, principal: Principal = ANONYMOUS, reason: str = ""
    ) -> str:
        """Ask an execution to end; what was signed cannot be recalled.

        Returns:
            `requested`: its outcome will tell whether that came in time. `already_terminal`: it
            has ended. `not_cancellable`: another process runs it.

        Raises:
            ExecutionNotFound: There is none.
        """
        execution = self._running.get(execution_id)
        if execution is not None:
            await self._decided(execution)
        if execution is None or not execution.accepted:
            return await self._not_cancelled(execution_id)
        if execution.ended:
            return "already_terminal"
        execution.journal.add(
            EventKind.CANCEL_REQUESTED, {"principal": principal.id, "reason": reason}
        )
        text = f"cancelled: {reason}" if reason else "cancelled"
        self._end_early(
            execution, Ending(Outcome.CANCELLED, ExecutionCancelled(text, reason=reason))
        )
        try:
            await execution.journal.commit()
        except StoreFenced:
            return await self._not_cancelled(execution_id)
        return "requested"

    async def _not_cancelled(self, execution_id: str) -> str:
        stored = await load_execution(self.store, execution_id)
        return "already_terminal" if stored.outcome is not None else "not_cancellable"

    async def get_execution(
        self, execution_id: str, *, principal: Principal = ANONYMOUS
    ) -> Execution:
        """Return how an execution stands.

        Raises:
            ExecutionNotFound: There is none.
        """
        return await load_execution(self.store, execution_id)

    async def list_executions(
        self, *, principal: Principal = ANONYMOUS, limit: int = 100
    ) -> list[Execution]:
        """Return the newest executions first, at most `limit`."""
        return await list_executions(self.store, limit=limit)


def _unasked_end(execution: RunningExecution) -> Ending:
    """Return how an execution ends that was cancelled although nobody asked the engine for it."""
    if execution.task is not None and execution.task.cancelling():
        interrupted = ExecutionInterrupted("its task was cancelled from outside", reason="task")
        return Ending(Outcome.INTERRUPTED, interrupted)
    return Ending(Outcome.CANCELLED, ExecutionCancelled("the agent cancelled itself", reason=""))
