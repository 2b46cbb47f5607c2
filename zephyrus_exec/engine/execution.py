"""One execution while this process runs it, and how its end is told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from attrs import define, field, frozen

from ..conversion import dumps
from ..errors import ZephyrusError
from ..model import ActionResult, Agent, Contract, Json, Outcome, Principal
from .admission import Ticket
from .deadlines import Deadline
from .journal import Journal
from .records import Effect, EffectState
from .results import error_object
from .snapshots import Snapshot


@frozen
class Ending:
    """How an execution ends."""

    outcome: Outcome
    error: ZephyrusError | None = None


SUCCEEDED = Ending(Outcome.SUCCEEDED)


@define(eq=False)
class RunningExecution:
    """What the engine knows of an execution that this process accepted and has not ended."""

    id: str
    snapshot: Snapshot
    principal: Principal
    input: Json
    deadline: float
    """Seconds since the epoch."""
    created_at: float
    journal: Journal
    done: asyncio.Future[str]
    """Resolves to the body of the `completed` event."""
    ticket: Ticket = field(init=False)
    alarm: Deadline | None = None
    """Fires at the deadline."""
    task: asyncio.Task[None] | None = None
    """Runs it; null: it waits for its turn."""
    accepted: bool = False
    """Whether its acceptance is committed."""
    cause: Ending | None = None
    """Why its end was asked for; null: nobody did."""
    started: bool = False
    """Whether `started` is among its events, or about to be."""
    begun: bool = False
    """Whether its task runs, so that cancelling that is heard."""
    ended: bool = False
    """Whether its end is journaled, or about to be."""
    abandoned: asyncio.Task[None] | None = None
    """Ends it where its runner does not stop."""
    results: list[ActionResult] = field(factory=list)
    told: list[str] = field(factory=list)
    """The results as JSON text, so that nobody can change what was told."""
    effects: dict[str, Effect] = field(factory=dict)
    """By key, as last known."""
    planned: int = 0
    """How many actions planners decided on."""

    @property
    def agent(self) -> Agent:
        """The agent as it was when the execution was accepted."""
        return self.snapshot.agent

    @property
    def contract(self) -> Contract | None:
        """Its contract, likewise."""
        return self.snapshot.contract

    def add_result(self, result: ActionResult, text: str) -> None:
        """Add a result, and its JSON text."""
        self.results.append(result)
        self.told.append(text)

    def ask_to_end(self, cause: Ending) -> None:
        """Make it stop at its next await, unless its end was asked for already."""
        if self.cause is None and not self.ended:
            self.cause = cause
            if self.task is not None and self.begun:
                self.task.cancel()


_COUNTED_AS = {
    EffectState.MINED_OK: "mined",
    EffectState.MINED_REVERTED: "reverted",
    EffectState.SIGNED: "pending",
}


def completed_body(execution: RunningExecution, ending: Ending) -> str:
    """Return the data of the `completed` event, as JSON text."""
    if ending is SUCCEEDED and not execution.told and not execution.planned:
        return _NOTHING_DONE
    return encode_completed(
        ending,
        results=execution.told,
        planned=execution.planned,
        effects=[effect.state for effect in execution.effects.values()],
    )


def encode_completed(
    ending: Ending, *, results: Iterable[str], planned: int, effects: Iterable[EffectState]
) -> str:
    """Return the data of a `completed` event, as JSON text.

    Args:
        ending: How it ended.
        results: Each finished action, as `result_object` gives it, as JSON text.
        planned: How many actions planners decided on.
        effects: Where each effect stands at this moment.
    """
    counts = dict.fromkeys(
        ("mined", "finalized", "reverted", "pending", "displaced", "in_doubt"), 0
    )
    for state in effects:
        counts[_COUNTED_AS[state]] += 1
    error = error_object(ending.error) if ending.error is not None else None
    return (
        f'{{"outcome":"{ending.outcome}","results":[{",".join(results)}],"error":{dumps(error)},'
        f'"planned":{planned},"effects":{dumps(counts)}}}'
    )


_NOTHING_DONE = encode_completed(SUCCEEDED, results=(), planned=0, effects=())
