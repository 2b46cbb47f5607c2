"""What a runner holds of the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from attrs import define, evolve

from ..conversion import as_json, as_json_object, dumps
from ..errors import (
    ActionInDoubt,
    ContractNotFound,
    ExecutionCancelled,
    ExecutionInterrupted,
    InvalidValue,
    InvocationError,
    NotRunning,
    ReplayMismatch,
    RunnerFailed,
    ZephyrusError,
)
from ..interfaces.clock import Clock
from ..interfaces.runner import RunContext
from ..interfaces.signer import Signer
from ..model import Action, ActionResult, EventKind, Json, JsonObject, Outcome
from .clock import wait_until
from .effect_results import failed, result_of
from .effects import Effects, Intent
from .execution import Ending, RunningExecution
from .invoker import Invocation, Invoker
from .records import Effect
from .replay import Place, Step
from .results import error_from, result_object


@define
class Tools:
    """What all executions of an engine share."""

    invoker: Invoker
    effects: Effects
    clock: Clock
    settle_timeout: float
    """Seconds a cancelled execution waits for what it has signed."""


class ExecutionContext(RunContext):
    """The context of one running execution; of no use once that has ended."""

    def __init__(self, execution: RunningExecution, tools: Tools) -> None:
        self._execution = execution
        self._journal = execution.journal
        self._tools = tools
        self._past = execution.past
        self._cycle = 0
        self._step = 0 if execution.past is None else execution.past.last_step
        self._min_block: int | None = None
        self._serial = asyncio.Lock()
        self._withdrawn = False
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
        self._check_open()
        self._cycle += 1
        if self._past is not None:
            if (known := self._past.decision()) is not None:
                return known
            await self._wait_until_over("decision")
        decision = await ask()
        if "cycle" in decision:
            raise InvalidValue.at("$.cycle", "is the journal's own", "choose another name")
        actions = decision.get("actions")
        self._journal.add(EventKind.PLANNED, {"cycle": self._cycle, **decision})
        if isinstance(actions, list):
            self._execution.planned += len(actions)
        if actions != []:
            await self._journal.commit()
        return decision

    async def emit(self, data: JsonObject) -> None:
        """Journal a `progress` event, unless it was before the execution was taken over."""
        self._check_open()
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
        place, known = await self._begin(begun, shown, once=once)
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
                await self._finish(place, failed(begun, failure))
        await self._finish(place, evolve(begun, result=value, success=True))
        return value

    async def _once_more(self, result: ActionResult) -> Json:
        """Let an action end as it ended before."""
        self._remember(result)
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
        await self._finish(place, failed(begun, error))
        return error

    async def invoke(self, action: Action) -> ActionResult:
        """Call a function of the agent's contract, and journal what came of it."""
        async with self._serial:
            begun = ActionResult(
                action.function,
                action.parameters,
                None,
                success=False,
                name=action.name,
                message=action.message,
            )
            try:
                invocation = self._tools.invoker.prepare(self.agent, self.contract, action)
            except (InvocationError, ContractNotFound) as error:
                return await self._refuse(begun, error)
            call = invocation.call
            begun = evolve(begun, function_name=invocation.function.name, parameters=call.arguments)
            place, known = await self._begin(begun, call.arguments, action.parameters)
            if known is not None and known.result is not None:
                return self._remember(known.result)
            try:
                result = await self._perform(invocation, begun, place)
            except (InvocationError, ExecutionCancelled) as error:
                result = failed(begun, error)
            return await self._finish(place, result)

    async def _refuse(self, begun: ActionResult, error: ZephyrusError) -> ActionResult:
        """Journal a call that is not valid; before a take-over it may have been."""
        place, known = await self._begin(begun)
        if known is not None and known.result is not None:
            return self._remember(known.result)
        if self._key(place) in self._execution.effects:
            raise self._overrule(
                ExecutionInterrupted(
                    f"{begun.function_name} was sent, and this process cannot follow it: "
                    f"{error.message}",
                    reason=error.code,
                )
            )
        return await self._finish(place, failed(begun, error))

    async def _perform(
        self, invocation: Invocation, begun: ActionResult, place: Place
    ) -> ActionResult:
        if invocation.signer is None:
            return await self._read(invocation, begun, place)
        return await self._transact(invocation, invocation.signer, begun, place)

    async def _read(
        self, invocation: Invocation, begun: ActionResult, place: Place
    ) -> ActionResult:
        try:
            answer = await invocation.chain.read(invocation.call, min_block=self._min_block)
        except asyncio.CancelledError:
            await self._finish(place, failed(begun, _cancelled(begun)))
            raise
        return evolve(begun, result=answer.value, success=True, block_number=answer.block_number)

    async def _transact(
        self, invocation: Invocation, signer: Signer, begun: ActionResult, place: Place
    ) -> ActionResult:
        self._withdrawn = False
        intent = self._intent(invocation, place)
        sending = asyncio.ensure_future(self._send(intent, invocation, signer))
        try:
            return result_of(begun, await asyncio.shield(sending))
        except asyncio.CancelledError:
            self._withdrawn = True
            if self._execution.released:
                sending.cancel()
                await asyncio.wait({sending})
            else:
                await self._finish(place, await self._settle(sending, intent, begun))
            raise

    def _key(self, place: Place) -> str:
        return f"{self.execution_id}:{place.cycle}:{place.step}"

    def _intent(self, invocation: Invocation, place: Place) -> Intent:
        return Intent(
            key=self._key(place),
            execution_id=self.execution_id,
            cycle=place.cycle,
            step=place.step,
            call=invocation.call,
            gas_limit=self.agent.gas_limit,
            max_priority_fee_gwei=self.agent.max_priority_fee_gwei,
            confirmations=invocation.confirmations,
            min_block=self._min_block,
        )

    async def _send(self, intent: Intent, invocation: Invocation, signer: Signer) -> Effect:
        def signed(effect: Effect) -> None:
            self._execution.effects[effect.key] = effect

        effect = await self._tools.effects.perform(
            intent,
            journal=self._journal,
            chain=invocation.chain,
            signer=signer,
            cancelled=lambda: self._withdrawn or self.cancelled,
            signed=signed,
        )
        self._execution.effects[effect.key] = effect
        if effect.receipt is not None:
            self._min_block = effect.receipt.block_number
        return effect

    async def _settle(
        self, sending: asyncio.Future[Effect], intent: Intent, begun: ActionResult
    ) -> ActionResult:
        """Wait for what cannot be recalled, and say how far it got."""
        clock = self._tools.clock
        try:
            await wait_until(clock, clock.now() + self._tools.settle_timeout, sending)
        finally:
            sending.cancel()
        await asyncio.wait({sending})
        await self._journal.settle()
        effect = self._execution.effects.get(intent.key)
        if effect is None:
            error = None if sending.cancelled() else sending.exception()
            told = error if isinstance(error, ZephyrusError) else _cancelled(begun)
            return failed(begun, told)
        return result_of(begun, effect)

    async def _begin(
        self, begun: ActionResult, *parameters: JsonObject, once: bool = False
    ) -> tuple[Place, Step | None]:
        """Return the action's place, and what the journal has of it from before a take-over.

        Args:
            begun: What is about to be done.
            *parameters: Where the action is in the journal, any of these are its parameters.
            once: Whether it must not happen twice.
        """
        self._check_open()
        if self._past is not None:
            known = self._past.step(begun.function_name, *parameters)
            if known is not None:
                return known.place, known
            await self._wait_until_over(begun.function_name)
        return await self._start(begun, once=once), None

    async def _start(self, begun: ActionResult, *, once: bool) -> Place:
        self._step += 1
        place = Place(self._cycle, self._step)
        data: dict[str, Json] = {
            "cycle": place.cycle,
            "step": place.step,
            "function_name": begun.function_name,
            "parameters": begun.parameters,
        }
        if begun.message:
            data["message"] = begun.message
        if once:
            data["once"] = True
        self._journal.add(EventKind.ACTION_STARTED, data)
        await self._journal.commit()
        return place

    async def _finish(self, place: Place, result: ActionResult) -> ActionResult:
        if self._execution.released:
            return result  # whoever takes the execution up finds out by itself
        text = dumps(result_object(result))
        head = f'{{"cycle":{place.cycle},"step":{place.step},'
        self._journal.add_encoded(EventKind.ACTION_FINISHED, head + text[1:])
        self._execution.add_result(result, text)
        await self._journal.commit()
        return result

    def _remember(self, result: ActionResult) -> ActionResult:
        """Add what was journaled before a take-over to what the runner knows."""
        self._execution.results.append(result)
        if result.transaction_hash is not None and result.block_number is not None:
            self._min_block = result.block_number
        return result

    async def _wait_until_over(self, asked: str) -> None:
        """Return once the journal has nothing more to tell; only then is anything new done."""
        if self._past is None or self._past.over:
            return
        try:
            await self._past.wait_until_over(asked, self._tools.clock)
        except ReplayMismatch as error:
            raise self._overrule(error) from None
        self._check_open()

    def _overrule(self, error: ZephyrusError) -> ZephyrusError:
        """End the execution as interrupted by this error, even if the runner goes on."""
        self._execution.verdict = Ending(Outcome.INTERRUPTED, error)
        return error

    def _check_open(self) -> None:
        if self._execution.ended:
            raise NotRunning(
                "this execution has ended; its context is of no use any more",
                execution_id=self.execution_id,
            )


def _cancelled(begun: ActionResult) -> ExecutionCancelled:
    name = begun.function_name
    return ExecutionCancelled(f"{name} was cancelled before anything was changed", function=name)
