"""The shipped runner: ask a planner, do what it says, until it has nothing more to say."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Final

from ..conversion import structure, unstructure
from ..errors import (
    CycleLimitReached,
    InvalidPlan,
    InvalidValue,
    PlannerError,
    PlannerNotConfigured,
)
from ..interfaces.planner import Plan, Planner, PlanRequest
from ..interfaces.runner import RunContext
from ..model import Agent, Contract, Json, JsonObject, OnFailure
from .results import error_from


class CycleRunner:
    """Runs agents that have a planner.

    Args:
        planners: The registered planners, by the name agents use.
        planner_timeout: Seconds a planner may take for one answer.
    """

    def __init__(self, planners: Mapping[str, Planner], *, planner_timeout: float = 60.0) -> None:
        self._planners = dict(planners)
        self._planner_timeout = planner_timeout

    async def __call__(self, context: RunContext, /) -> Json:
        """Run the agent's cycles to the end.

        Raises:
            PlannerError: There is no planner, or it gave no usable answer.
            CycleLimitReached: After `max_cycles` answers the planner was not done.
            ZephyrusError: An action failed; it has the action's own code.
        """
        planner = self.planner_of(context.agent)
        for cycle in range(1, context.agent.max_cycles + 1):
            plan = await self._decide(planner, context, cycle)
            if not plan.actions:
                return None
            failed = await self._perform(plan, context)
            if plan.final and not failed:
                return None
        raise CycleLimitReached(
            f"the planner was not done after {context.agent.max_cycles} cycles; "
            "raise the agent's max_cycles if that is meant",
            max_cycles=context.agent.max_cycles,
        )

    def foresee(self, agent: Agent, contract: Contract | None, given: Json) -> JsonObject | None:
        """Return the first decision of an execution, if that can be told before it exists.

        It can where the planner is pure, and answers without waiting. What is wrong with its
        answer is told to the execution, which asks again.

        Args:
            agent: Which.
            contract: The agent's.
            given: The input.
        """
        planner = None if agent.planner is None else self._planners.get(agent.planner.name)
        if planner is None or not getattr(planner, "pure", False):
            return None
        try:
            answer = planner.plan(PlanRequest(agent, contract, given, 1, ()))
            decision = _written(_at_once(answer))
            _read(decision)
            return decision
        except (Exception, asyncio.CancelledError):  # noqa: BLE001 - as the docstring says
            return None

    def planner_of(self, agent: Agent) -> Planner:
        """Return the agent's planner.

        Raises:
            PlannerNotConfigured: It names none, or one that is not registered.
        """
        component = agent.planner
        if component is None:
            known = self._known()
            raise PlannerNotConfigured(
                f"agent {agent.id} names no planner; set planner.name to one of: {known}",
                planner=None,
                known=known,
            )
        planner = self._planners.get(component.name)
        if planner is None:
            known = self._known()
            raise PlannerNotConfigured(
                f"agent {agent.id} names the planner {component.name!r}, which is not "
                f"registered; registered: {known}",
                planner=component.name,
                known=known,
            )
        return planner

    def _known(self) -> str:
        return ", ".join(sorted(self._planners)) or "none"

    async def _decide(self, planner: Planner, context: RunContext, cycle: int) -> Plan:
        async def ask() -> JsonObject:
            request = PlanRequest(
                context.agent, context.contract, context.input, cycle, context.history
            )
            if getattr(planner, "pure", False):  # it costs nothing, so there is nothing to wait for
                return _written(await planner.plan(request))
            return _written(await self._ask(planner, request))

        try:
            return _read(await context.decide(ask))
        except InvalidValue as error:
            raise InvalidPlan(f"the planner's answer: {error.message}", **error.details) from error

    async def _ask(self, planner: Planner, request: PlanRequest) -> Plan:
        try:
            async with asyncio.timeout(self._planner_timeout) as limit:
                return await planner.plan(request)
        except TimeoutError as error:
            if not limit.expired():
                raise  # the planner's own
            raise PlannerError(
                f"the planner did not answer within {self._planner_timeout:g} s"
            ) from error

    async def _perform(self, plan: Plan, context: RunContext) -> bool:
        """Do the actions; return whether one failed, which ends the batch."""
        for action in plan.actions:
            result = await context.invoke(action)
            if not result.success:
                if context.agent.on_failure is OnFailure.STOP:
                    raise error_from(result.error or {})
                return True
        return False


def _at_once(answer: Coroutine[object, object, Plan]) -> Plan:
    """Return what a coroutine returns without waiting for anything.

    Raises:
        RuntimeError: It waits.
    """
    try:
        answer.send(None)
    except StopIteration as end:
        plan: Plan = end.value
        return plan
    answer.close()
    raise RuntimeError("a planner that is pure waits for nothing")


def _written(plan: Plan) -> JsonObject:
    """Return a plan as JSON. Every execution ends with one that is empty: that costs no look-up."""
    if type(plan) is Plan and not plan.actions and type(plan.final) is bool:
        return {"actions": [], "final": plan.final}
    answer = unstructure(plan)
    if not isinstance(answer, dict):
        raise InvalidPlan("the planner's answer is no plan; return a Plan", field="$")
    return answer


def _read(decision: JsonObject) -> Plan:
    if decision == _DONE and decision["final"] is True:
        return Plan(final=True)
    return structure(decision, Plan)


_DONE: Final[JsonObject] = {"actions": [], "final": True}
