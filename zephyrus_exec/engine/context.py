"""What a runner holds of the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from attrs import define, evolve

from ..conversion import as_json, as_json_object, dumps
from ..errors import (
    CallReverted,
    ContractNotFound,
    EffectUncertain,
    ExecutionCancelled,
    InvocationError,
    NotRunning,
    RunnerFailed,
    ZephyrusError,
)
from ..interfaces.chain import Receipt
from ..interfaces.clock import Clock
from ..interfaces.runner import RunContext
from ..interfaces.signer import Signer
from ..model import Action, ActionResult, EventKind, Json, JsonObject
from .clock import wait_until
from .effects import Effects, Intent
from .execution import RunningExecution
from .invoker import Invocation, Invoker
from .records import Effect, EffectState
from .results import error_object, result_object


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
        self._cycle = 0
        self._step = 0
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
        decision = await ask()
        actions = decision.get("actions")
        self._journal.add(EventKind.PLANNED, {"cycle": self._cycle, **decision})
        if isinstance(actions, list):
            self._execution.planned += len(actions)
        if actions != []:
            await self._journal.commit()
        return decision

    async def emit(self, data: JsonObject) -> None:
        """Journal a `progress` event."""
        self._check_open()
        self._journal.add(EventKind.PROGRESS, as_json_object(data))
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
        step = await self._start(begun, once=once)
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
                await self._finish(step, _failed(begun, failure))
        await self._finish(step, evolve(begun, result=value, success=True))
        return value

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
                return await self._finish(await self._start(begun), _failed(begun, error))
            begun = evolve(
                begun,
                function_name=invocation.function.name,
                parameters=invocation.call.arguments,
            )
            step = await self._start(begun)
            try:
                result = await self._perform(invocation, begun, step)
            except (InvocationError, ExecutionCancelled) as error:
                result = _failed(begun, error)
            return await self._finish(step, result)

    async def _perform(
        self, invocation: Invocation, begun: ActionResult, step: int
    ) -> ActionResult:
        if invocation.signer is None:
            return await self._read(invocation, begun, step)
        return await self._transact(invocation, invocation.signer, begun, step)

    async def _read(self, invocation: Invocation, begun: ActionResult, step: int) -> ActionResult:
        try:
            answer = await invocation.chain.read(invocation.call, min_block=self._min_block)
        except asyncio.CancelledError:
            await self._finish(step, _failed(begun, _cancelled(begun)))
            raise
        return evolve(begun, result=answer.value, success=True, block_number=answer.block_number)

    async def _transact(
        self, invocation: Invocation, signer: Signer, begun: ActionResult, step: int
    ) -> ActionResult:
        self._withdrawn = False
        intent = self._intent(invocation, step)
        sending = asyncio.ensure_future(self._send(intent, invocation, signer))
        try:
            return _mined(begun, await asyncio.shield(sending))
        except asyncio.CancelledError:
            self._withdrawn = True
            await self._finish(step, await self._settle(sending, intent, begun))
            raise

    def _intent(self, invocation: Invocation, step: int) -> Intent:
        return Intent(
            key=f"{self.execution_id}:{self._cycle}:{step}",
            execution_id=self.execution_id,
            cycle=self._cycle,
            step=step,
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
        self._min_block = _receipt(effect).block_number
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
            return _failed(begun, told)
        if effect.receipt is not None:
            return _mined(begun, effect)
        uncertain = EffectUncertain(
            f"{intent.call.function} was sent and is not mined yet",
            transaction_hash=effect.transaction_hash,
            state=effect.state.value,
        )
        return evolve(_failed(begun, uncertain), transaction_hash=effect.transaction_hash)

    async def _start(self, begun: ActionResult, *, once: bool = False) -> int:
        self._check_open()
        self._step += 1
        data: dict[str, Json] = {
            "cycle": self._cycle,
            "step": self._step,
            "function_name": begun.function_name,
            "parameters": begun.parameters,
        }
        if begun.message:
            data["message"] = begun.message
        if once:
            data["once"] = True
        self._journal.add(EventKind.ACTION_STARTED, data)
        step = self._step
        await self._journal.commit()
        return step

    async def _finish(self, step: int, result: ActionResult) -> ActionResult:
        text = dumps(result_object(result))
        place = f'{{"cycle":{self._cycle},"step":{step},'
        self._journal.add_encoded(EventKind.ACTION_FINISHED, place + text[1:])
        self._execution.add_result(result, text)
        await self._journal.commit()
        return result

    def _check_open(self) -> None:
        if self._execution.ended:
            raise NotRunning(
                "this execution has ended; its context is of no use any more",
                execution_id=self.execution_id,
            )


def _cancelled(begun: ActionResult) -> ExecutionCancelled:
    name = begun.function_name
    return ExecutionCancelled(f"{name} was cancelled before anything was changed", function=name)


def _failed(begun: ActionResult, error: ZephyrusError) -> ActionResult:
    transaction_hash = error.details.get("transaction_hash")
    return evolve(
        begun,
        error=error_object(error),
        transaction_hash=str(transaction_hash) if transaction_hash else None,
    )


def _receipt(effect: Effect) -> Receipt:
    assert effect.receipt is not None, "a settled effect has its receipt"
    return effect.receipt


def _mined(begun: ActionResult, effect: Effect) -> ActionResult:
    receipt = _receipt(effect)
    mined = evolve(
        begun,
        transaction_hash=receipt.transaction_hash,
        block_number=receipt.block_number,
        gas_used=receipt.gas_used,
    )
    if effect.state is EffectState.MINED_OK:
        return evolve(mined, result=receipt.transaction_hash, success=True)
    reverted = CallReverted(
        f"{effect.function} was mined in block {receipt.block_number} and reverted",
        function=effect.function,
        reason="",
        error_name="",
        data="0x",
        transaction_hash=receipt.transaction_hash,
    )
    return evolve(mined, error=error_object(reverted))
