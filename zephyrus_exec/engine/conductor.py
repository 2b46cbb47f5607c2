"""Running accepted executions to their end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from ..conversion import as_json, dumps
from ..errors import (
    ActionInDoubt,
    ExecutionCancelled,
    ExecutionInterrupted,
    ExecutionTimedOut,
    ReplayMismatch,
    RunnerFailed,
    StoreError,
    ZephyrusError,
)
from ..interfaces.clock import Clock, NewId
from ..interfaces.runner import Runner
from ..logs import about
from ..model import ActionResult, EventKind, Outcome
from .calls import Tools
from .context import ExecutionContext
from .deadlines import Deadlines
from .execution import SUCCEEDED, Ending, RunningExecution, add_started, completed_body, record_of
from .leases import Leases
from .registry import runner_of
from .results import result_object
from .retention import Retention
from .roster import Roster
from .tasks import spawn

_log = logging.getLogger(__name__)

_TIMED_OUT = Ending(Outcome.TIMED_OUT, ExecutionTimedOut("the execution's deadline passed"))


class Conductor:
    """Starts executions when it is their turn, ends each once, and journals how.

    Args:
        roster: The executions.
        runners: By name.
        tools: What their contexts work with.
        leases: Say who this process is.
        deadlines: Where their time is watched.
        retention: Told of each that ended.
        clock: The time.
        new_id: Makes incident ids.
    """

    def __init__(
        self,
        roster: Roster,
        *,
        runners: Mapping[str, Runner],
        tools: Tools,
        leases: Leases,
        deadlines: Deadlines,
        retention: Retention,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._roster = roster
        self._runners = runners
        self._tools = tools
        self._leases = leases
        self._deadlines = deadlines
        self._retention = retention
        self._clock = clock
        self._new_id = new_id

    def accepted(self, execution: RunningExecution) -> None:
        """Run an execution whose acceptance is journaled, now or when it is its turn."""
        execution.accepted = True
        if execution.released:
            self._roster.leave(execution)
            return
        if execution.cause is None:
            execution.alarm = self._deadlines.at(
                execution.deadline, lambda: self.end_early(execution, _TIMED_OUT)
            )
        if execution.ticket.running or execution.cause is not None:
            self._start(execution)

    def turn_came(self, execution: RunningExecution) -> None:
        """Start an execution whose turn has come; else `accepted` does once it is accepted."""
        if execution.accepted and execution.task is None:
            self._start(execution)

    def _start(self, execution: RunningExecution) -> None:
        execution.task = spawn(
            self._run(execution), f"zephyrus {execution.id}", context=execution.context
        )

    async def _run(self, execution: RunningExecution) -> None:
        taken_up = execution.past is not None and execution.started
        about(**execution.about)
        if execution.cause is not None and not taken_up:
            await self.end(execution, execution.cause)
        else:
            _log.info("the execution %s", "goes on" if taken_up else "starts")
            await self.end(execution, await self._run_agent(execution))

    async def _run_agent(self, execution: RunningExecution) -> Ending:
        try:
            execution.begin()
            if not execution.started:
                add_started(execution, self._leases.owner)
                await execution.journal.commit(record=record_of(execution, self._leases.owner))
            name, runner = runner_of(execution.agent, self._runners)
            value = await runner(ExecutionContext(execution, self._tools))
            if value is not None:
                result = ActionResult(name, {}, as_json(value), success=True)
                execution.add_result(result, dumps(result_object(result)))
            if execution.past is not None:
                execution.past.check_over("its end")
        except ReplayMismatch as error:
            return Ending(Outcome.INTERRUPTED, error)
        except asyncio.CancelledError:
            return execution.cause or _unasked_end(execution)
        except ZephyrusError as error:
            return Ending(Outcome.FAILED, error)
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException:  # noqa: BLE001 - an agent's code may raise anything; it must not end the engine
            incident = self._new_id()
            _log.exception(
                "execution %s failed, incident %s",
                execution.id,
                incident,
                extra={"incident": incident},
            )
            return Ending(
                Outcome.FAILED,
                RunnerFailed(
                    f"the agent's code raised an error; the log has it as incident {incident}",
                    incident=incident,
                ),
            )
        return SUCCEEDED

    async def end(self, execution: RunningExecution, ending: Ending) -> None:
        """Journal the end, once, whoever comes first, and tell those who wait for it."""
        if execution.ended:
            return
        execution.ended = True
        try:
            await execution.journal.settle()
            if execution.effects:
                await self._tools.effects.refresh(execution.effects)
            ending = _told(execution, ending)
            body = completed_body(execution, ending)
            execution.journal.add_encoded(EventKind.COMPLETED, body)
            now = self._clock.now()
            record = record_of(execution, self._leases.owner, ending, ended_at=now)
            await execution.journal.commit(record=record)
        except StoreError as error:
            _log.warning("execution %s is lost to this process: %s", execution.id, error)
        else:
            _tell_end(execution, ending, now)
            execution.done.set_result(body)
            self._roster.waits.wake(execution.id)
            self._retention.ended()
        self._roster.leave(execution)

    def end_early(self, execution: RunningExecution, cause: Ending) -> None:
        """Make it end for this cause: at once where it waits, at its next await where it runs."""
        if execution.cause is not None or execution.ended:
            return
        execution.ask_to_end(cause)
        if execution.alarm is not None:
            execution.alarm.cancel()
        execution.alarm = self._deadlines.at(
            self._clock.now() + 2 * self._tools.settle_timeout,
            lambda: self.abandon(execution, cause),
        )
        if execution.task is None and execution.accepted:
            self._start(execution)

    def abandon(self, execution: RunningExecution, cause: Ending) -> None:
        """Go on without a runner that ignores its cancellation; its context is closed to it."""
        if not execution.ended:
            _log.error(
                "execution %s does not stop; its runner ignores cancellation",
                execution.id,
                extra=execution.about,
            )
            execution.abandoned = spawn(
                self.end(execution, cause), f"zephyrus {execution.id}, abandoned"
            )

    def release(self, execution: RunningExecution) -> None:
        """Stop working on it without an end: the next process goes on where its journal stands."""
        if execution.ended:
            return
        execution.released = execution.ended = True
        execution.journal.close()
        if execution.task is not None:
            execution.task.add_done_callback(lambda _: self._roster.leave(execution))
            execution.task.cancel()
        elif execution.accepted:
            self._roster.leave(execution)

    def leave_behind(self) -> None:
        """Let go of every execution as it stands; nothing more is journaled."""
        for execution in list(self._roster.executions.values()):
            execution.released = execution.ended = True
            execution.journal.close()
            for task in (execution.task, execution.abandoned):
                if task is not None:
                    task.cancel()
            self._roster.leave(execution)


def _tell_end(execution: RunningExecution, ending: Ending, now: float) -> None:
    if _log.isEnabledFor(logging.INFO):
        _log.info(
            "the execution ended as %s after %.3f s, %d actions%s",
            ending.outcome,
            now - execution.created_at,
            len(execution.results),
            "" if ending.error is None else f": {ending.error.code}",
            extra=execution.about,
        )


def _told(execution: RunningExecution, ending: Ending) -> Ending:
    """Return how it ends, whatever was asked for or its runner makes of it."""
    ending = execution.verdict or ending
    if not execution.doubtful:
        return ending
    doubt = ActionInDoubt("something of it may or may not have happened; look before repeating it")
    return Ending(Outcome.IN_DOUBT, ending.error or doubt)


def _unasked_end(execution: RunningExecution) -> Ending:
    """Return how an execution ends that was cancelled although nobody asked the engine for it."""
    if execution.task is not None and execution.task.cancelling():
        interrupted = ExecutionInterrupted("its task was cancelled from outside", reason="task")
        return Ending(Outcome.INTERRUPTED, interrupted)
    return Ending(Outcome.CANCELLED, ExecutionCancelled("the agent cancelled itself", reason=""))
