"""Deciding what an agent does next."""

from __future__ import annotations

from typing import Protocol

from attrs import frozen

from ..model import Action, ActionResult, Agent, Contract, Json


@frozen
class PlanRequest:
    """All a planner gets to decide by."""

    agent: Agent
    """The agent as it was when the execution was accepted; its settings are `agent.planner`."""
    contract: Contract | None
    """The agent's contract, likewise."""
    input: Json
    """What the request for the execution brought along; null: nothing."""
    cycle: int
    """1 for the first question of the execution, at most `agent.max_cycles`."""
    history: tuple[ActionResult, ...]
    """Everything done so far in this execution, in order."""


@frozen
class Plan:
    """What a planner decided."""

    actions: tuple[Action, ...] = ()
    """What to do next, in this order; none: the agent is done."""
    final: bool = False
    """True: after these there is nothing more to decide, so the planner is not asked again."""


class Planner(Protocol):
    """Decides; never touches a chain. The answer is journaled before anything is done with it.

    One whose answers depend on the request alone, and cost nothing, may say so by an attribute
    `pure` that is True: it is asked, too, when an agent is only inspected, and before an execution
    is accepted, and no time-out watches over its answers. Executions for which it has nothing to
    do at first are accepted and ended in one commit.
    """

    async def plan(self, request: PlanRequest) -> Plan:
        """Return the next actions.

        Raises:
            PlannerError: It cannot decide; the execution fails with this error.
        """
        ...
