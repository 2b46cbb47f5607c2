"""Doing an agent's work. The engine knows nothing of an agent but its runner."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Protocol

from ..model import Action, ActionResult, Agent, Contract, Json, JsonObject, Principal


class RunContext(ABC):
    """What a runner may use while it runs one execution."""

    execution_id: str
    agent: Agent
    """The agent as it was when the execution was accepted."""
    contract: Contract | None
    """Its contract, likewise; null: it has none."""
    principal: Principal
    """On whose behalf it runs."""
    input: Json
    """What the request brought along; null: nothing."""
    deadline: float | None
    """Seconds since the epoch after which the engine ends the execution; null: none."""

    @property
    @abstractmethod
    def cancelled(self) -> bool:
        """Whether somebody asked for the end; a runner that looks can stop in good order."""

    @property
    @abstractmethod
    def history(self) -> tuple[ActionResult, ...]:
        """Every action of this execution that finished, in order."""

    @abstractmethod
    async def action(
        self,
        name: str,
        perform: Callable[[], Awaitable[Json]],
        *,
        parameters: JsonObject | None = None,
        message: str = "",
        once: bool = False,
    ) -> Json:
        """Do something and journal it: start before, result after.

        Args:
            name: What the action is called in events and results.
            perform: Does it; its value must be JSON.
            parameters: Shown in events and results.
            message: Why it is done; shown too.
            once: True: it must not happen twice; if the process dies inside, its outcome is in
                doubt. False: it may be repeated then.

        Returns:
            What `perform` returned.

        Raises:
            Exception: What `perform` raised, after it was journaled as failed.
        """

    @abstractmethod
    async def invoke(self, action: Action) -> ActionResult:
        """Call a function of the agent's contract: validate, simulate, read or send, journal.

        A failure is a result with `success=False`, not an exception.
        """

    @abstractmethod
    async def decide(self, ask: Callable[[], Awaitable[JsonObject]]) -> JsonObject:
        """Return a decision that is journaled before it is returned, and never asked for twice.

        Args:
            ask: Makes the decision, as a JSON object.
        """

    @abstractmethod
    async def emit(self, data: JsonObject) -> None:
        """Journal a `progress` event that watchers see."""


class Runner(Protocol):
    """Does an agent's work through its context. A plain coroutine function is a runner."""

    async def __call__(self, context: RunContext, /) -> Json:
        """Run to the end.

        Returns:
            A last result: other than null it is added to the results, under the runner's name.

        Raises:
            ZephyrusError: The execution fails with this error.
            Exception: The execution fails with `runner_failed`; the log has the rest.
        """
        ...
