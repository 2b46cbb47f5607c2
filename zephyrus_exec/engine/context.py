"""What a runner holds of the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import cached_property

from attrs import evolve

from ..conversion import as_json, as_json_object
from ..errors import (
    ActionInDoubt,
    ExecutionCancelled,
    InvalidValue,
    RunnerFailed,
    ZephyrusError,
)
from ..interfaces.runner import RunContext
from ..model import Action, ActionResult, EventKind, Json, JsonObject
from .calls import Calls, Tools
from .effect_results import failed
from .execution import RunningExecution
from .replay import Place
from .results import error_from
from .steps import Steps


class ExecutionContext(RunContext):
    """The context of one running execution; of no use once that has ended."""

    def __init__(self, execution: RunningExecution, tools: Tools) -> None:
        self._execution = execution
        self._journal = execution.journal
        self._past = execution.past
        self._steps = Steps(execution, tools.clock)
        self._tools = tools
        self.execution_id = execution.id
        self.agent = execution.agent
        self.contract = execution.contract
        self.principal = execution.principal
        self.input = execution.input
        self.deadline = execution.deadline

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked for the end."""
        return self._execution.cause is not None

    @property
    def history(self) -> tuple[ActionResult, ...]:
        """Every action that finished, in order."""
        return tuple(self._execution.results)

    async def decide(self, ask: Callable[[], Awaitable[JsonObject]]) -> JsonObject:
        """Return a decision, journaled before anything is done with it.

        To do nothing is journaled with whatever comes next: nothing follows from it.
        """
        self._steps.check_open()
        self._steps.cycle += 1
        if self._past is not None:
            if (known := self._past.decision()) is not None:
                return known
            await self._steps.wait_until_over("decision")
        decision, self._execution.foreseen = self._execution.foreseen, None
        if decision is None:
            decision = await ask()
        if "cycle" in decision:
            raise InvalidValue.at("$.cycle", "is the journal's own", "choose another name")
        actions = decision.get("actions")
        self._journal.add(EventKind.PLANNED, {"cycle": self._steps.cycle, **decision})
        if isinstance(actions, list):
            self._execution.planned += len(actions)
        if actions != []:
            await self._journal.commit()
        return decision

    async def emit(self, data: JsonObject) -> None:
        """Journal a `progress` event, unless it was before the execution was taken over."""
        self._steps.check_open()
        checked = as_json_object(data)
        if self._past is not None and self._past.emitted():
            return
        self._journal.add(EventKind.PROGRESS, checked)
        await self._journal.commit()

    async def action(
        self,
        name: str,
        perform: Callable[[], Awaitable[Json]],
        *,
        parameters: JsonObject | None = None,
        message: str = "",
        once: bool = False,
    ) -> Json:
        """Do something and journal it: start before, result after."""
        shown = as_json_object(parameters or {})
        begun = ActionResult(name, shown, None, success=False, message=message)
        place, known = await self._steps.begin(begun, shown, once=once)
        if known is not None and known.result is not None:
            return await self._once_more(known.result)
        if known is not None and known.once:
            raise await self._doubt(place, begun)
        failure: ZephyrusError | None = RunnerFailed(f"{name} raised an error", function=name)
        try:
            value = as_json(await perform())
            failure = None
        except ZephyrusError as error:
            failure = error
            raise
        except asyncio.CancelledError:
            failure = ExecutionCancelled(f"{name} was cancelled", function=name)
            raise
        finally:
            if failure is not None:
                await self._steps.finish(place, failed(begun, failure))
        await self._steps.finish(place, evolve(begun, result=value, success=True))
        return value

    async def _once_more(self, result: ActionResult) -> Json:
        """Let an action end as it ended before."""
        self._steps.remember(result)
        if result.error is None:
            return result.result
        if result.error.get("code") == ExecutionCancelled.code:
            # Whatever cancelled it then, a time-out of the runner for example, does so again.
            await asyncio.Event().wait()
        raise error_from(result.error)

    async def _doubt(self, place: Place, begun: ActionResult) -> ActionInDoubt:
        name = begun.function_name
        self._execution.in_doubt = True
        error = ActionInDoubt(
            f"the process ended inside {name}, which must not happen twice; look whether it "
            "happened before asking for it again",
            function=name,
        )
        await self._steps.finish(place, failed(begun, error))
        return error

    async def invoke(self, action: Action) -> ActionResult:
        """Call a function of the agent's contract, and journal what came of it."""
        return await self._calls.invoke(action)

    @cached_property
    def _calls(self) -> Calls:
        """The calls, once there is one."""
        return Calls(self._steps, self._tools)
