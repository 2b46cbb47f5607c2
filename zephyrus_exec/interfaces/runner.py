"""Doing an agent's work. The engine knows nothing of an agent but its runner."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Protocol

from ..model import Action, ActionResult, Agent, Contract, Json, JsonObject, Principal


class RunContext(ABC):
    """What a runner may use while it runs one execution.

    Where its process ends, another one runs the runner again from its beginning: what is journaled
    is then not done again but told again, and what follows is new. So a runner must ask for the
    same things when it is told the same things: what depends on the time, on chance or on the
    world belongs into `action` or `decide`, and its code must not change while executions are
    under way. One that asks for something else ends as interrupted, with `replay_mismatch`. Parts
    that run side by side are fine; parts of one name and the same parameters are told apart by
    their order only.
    """

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

        After a take-over, an action that had finished is not done again; one that was cut off is,
        unless it is `once`.

        Args:
            name: What the action is called in events and results.
            perform: Does it; its value must be JSON.
            parameters: Shown in events and results.
            message: Why it is done; shown too.
            once: True: it must not happen twice; if the process dies inside, its outcome is in
                doubt, and so is the execution's. False: it is repeated then.

        Returns:
            What `perform` returned.

        Raises:
            ActionInDoubt: It is `once`, and a process ended inside.
            Exception: What `perform` raised, after it was journaled as failed. After a take-over
                an error that is none of this library's comes back as `RunnerFailed`.
        """

    @abstractmethod
    async def invoke(self, action: Action) -> ActionResult:
        """Call a function of the agent's contract: validate, simulate, read or send, journal.

        A failure is a result with `success=False`, not an exception. After a take-over, a call
        that has its transaction is watched to its end, and never sent anew under another nonce.
        """

    @abstractmethod
    async def decide(self, ask: Callable[[], Awaitable[JsonObject]]) -> JsonObject:
        """Return a decision that is journaled before it is returned, and never asked for twice.

        Args:
            ask: Makes the decision, as a JSON object without the key `cycle`.
        """

    @abstractmethod
    async def emit(self, data: JsonObject) -> None:
        """Journal a `progress` event that watchers see; after a take-over, only what is new."""


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
