"""The calls of contract functions that one execution makes."""

from __future__ import annotations

import asyncio

from attrs import define, evolve

from ..errors import (
    ContractNotFound,
    ExecutionCancelled,
    ExecutionInterrupted,
    InvocationError,
    ZephyrusError,
)
from ..interfaces.clock import Clock
from ..interfaces.signer import Signer
from ..model import Action, ActionResult
from .clock import wait_until
from .effect_results import failed, result_of
from .effects import Effects
from .intents import Intent
from .invoker import Invocation, Invoker
from .records import Effect
from .replay import Place
from .steps import Steps


@define
class Tools:
    """What all executions of an engine share."""

    invoker: Invoker
    effects: Effects
    clock: Clock
    settle_timeout: float
    """Seconds a cancelled execution waits for what it has signed."""


class Calls:
    """Makes the calls of one execution, one after the other.

    Args:
        steps: Where they are journaled.
        tools: What they are made with.
    """

    def __init__(self, steps: Steps, tools: Tools) -> None:
        self._steps = steps
        self._execution = steps.execution
        self._tools = tools
        self._serial = asyncio.Lock()
        self._withdrawn = False

    async def invoke(self, action: Action) -> ActionResult:
        """Call a function of the agent's contract, journal what came of it, and return that."""
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
                invocation = self._tools.invoker.prepare(
                    self._execution.agent, self._execution.contract, action
                )
            except (InvocationError, ContractNotFound) as error:
                return await self._refuse(begun, error)
            call = invocation.call
            begun = evolve(begun, function_name=invocation.function.name, parameters=call.arguments)
            place, known = await self._steps.begin(begun, call.arguments, action.parameters)
            if known is not None and known.result is not None:
                return self._steps.remember(known.result)
            try:
                result = await self._perform(invocation, begun, place)
            except (InvocationError, ExecutionCancelled) as error:
                result = failed(begun, error)
            return await self._steps.finish(place, result)

    async def _refuse(self, begun: ActionResult, error: ZephyrusError) -> ActionResult:
        """Journal a call that is not valid; before a take-over it may have been."""
        place, known = await self._steps.begin(begun)
        if known is not None and known.result is not None:
            return self._steps.remember(known.result)
        if self._key(place) in self._execution.effects:
            raise self._steps.overrule(
                ExecutionInterrupted(
                    f"{begun.function_name} was sent, and this process cannot follow it: "
                    f"{error.message}",
                    reason=error.code,
                )
            )
        return await self._steps.finish(place, failed(begun, error))

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
            answer = await invocation.chain.read(invocation.call, min_block=self._steps.min_block)
        except asyncio.CancelledError:
            await self._steps.finish(place, failed(begun, _cancelled(begun)))
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
                await self._steps.finish(place, await self._settle(sending, intent, begun))
            raise

    def _key(self, place: Place) -> str:
        return f"{self._execution.id}:{place.cycle}:{place.step}"

    def _intent(self, invocation: Invocation, place: Place) -> Intent:
        return Intent(
            key=self._key(place),
            execution_id=self._execution.id,
            cycle=place.cycle,
            step=place.step,
            call=invocation.call,
            gas_limit=self._execution.agent.gas_limit,
            max_priority_fee_gwei=self._execution.agent.max_priority_fee_gwei,
            confirmations=invocation.confirmations,
            min_block=self._steps.min_block,
        )

    async def _send(self, intent: Intent, invocation: Invocation, signer: Signer) -> Effect:
        def signed(effect: Effect) -> None:
            self._execution.effects[effect.key] = effect

        effect = await self._tools.effects.perform(
            intent,
            journal=self._execution.journal,
            chain=invocation.chain,
            signer=signer,
            cancelled=self._unwanted,
            signed=signed,
        )
        self._execution.effects[effect.key] = effect
        if effect.receipt is not None:
            self._steps.min_block = effect.receipt.block_number
        return effect

    def _unwanted(self) -> bool:
        return self._withdrawn or self._execution.cause is not None

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
        await self._execution.journal.settle()
        effect = self._execution.effects.get(intent.key)
        if effect is None:
            error = None if sending.cancelled() else sending.exception()
            told = error if isinstance(error, ZephyrusError) else _cancelled(begun)
            return failed(begun, told)
        return result_of(begun, effect)


def _cancelled(begun: ActionResult) -> ExecutionCancelled:
    name = begun.function_name
    return ExecutionCancelled(f"{name} was cancelled before anything was changed", function=name)
