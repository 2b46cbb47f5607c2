"""One execution while this process runs it, and how its end is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from contextvars import Context, copy_context

from attrs import define, field, frozen

from ..conversion import dumps, quote_id
from ..errors import ExecutionCancelled, ZephyrusError
from ..interfaces.store import Record
from ..model import (
    ActionResult,
    Agent,
    Contract,
    EventKind,
    Execution,
    Json,
    JsonObject,
    Outcome,
    Principal,
)
from .admission import Ticket
from .deadlines import Deadline
from .journal import Journal
from .records import Effect, EffectState
from .replay import Past
from .results import error_object
from .snapshots import Snapshot


@frozen
class Ending:
    """How an execution ends."""

    outcome: Outcome
    error: ZephyrusError | None = None


SUCCEEDED = Ending(Outcome.SUCCEEDED)


def cancelled_by(reason: str) -> Ending:
    """Return how an execution ends that somebody asked to end, for this reason or for none."""
    text = f"cancelled: {reason}" if reason else "cancelled"
    return Ending(Outcome.CANCELLED, ExecutionCancelled(text, reason=reason))


@frozen
class NewExecution:
    """An execution that is about to be accepted."""

    id: str
    snapshot: Snapshot
    principal: Principal
    input: Json
    deadline: float
    """Seconds since the epoch."""
    created_at: float


@define(eq=False)
class RunningExecution:
    """What the engine knows of an execution that this process has and has not ended."""

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
    context: Context = field(factory=copy_context)
    """Of whoever asked for it: its task runs in it, whoever's leaving starts that."""
    agent: Agent = field(init=False)
    """The agent as it was when the execution was accepted."""
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
    past: Past | None = None
    """What the journal has of it from before it was taken over; null: it was not."""
    verdict: Ending | None = None
    """How it ends, whatever its runner makes of it; null: the runner decides."""
    in_doubt: bool = False
    """Whether an action of it may or may not have happened."""
    present: bool = False
    """Whether it has its place in the roster."""
    released: bool = False
    """Whether it is left to the next process: nothing more is journaled here."""
    foreseen: JsonObject | None = None
    """Its first decision, where that was known before it existed; null: its planner is asked."""

    @agent.default
    def _agent(self) -> Agent:
        return self.snapshot.agent

    @property
    def contract(self) -> Contract | None:
        """Its contract, likewise."""
        return self.snapshot.contract

    @property
    def about(self) -> dict[str, str]:
        """What lines of the log are about that tell of it."""
        return {
            "execution": self.id,
            "agent": self.agent.id,
            "principal": self.principal.id,
        }

    @property
    def doubtful(self) -> bool:
        """Whether anything of it may or may not have happened."""
        if not self.effects:
            return self.in_doubt
        return self.in_doubt or any(
            effect.state is EffectState.IN_DOUBT for effect in self.effects.values()
        )

    def add_result(self, result: ActionResult, text: str) -> None:
        """Add a result, and its JSON text."""
        self.results.append(result)
        self.told.append(text)

    def begin(self) -> None:
        """Say that its task runs; if its end was asked for before, that is heard at once.

        At once means at the first await that waits: what a runner only repeats does not.
        """
        self.begun = True
        if self.cause is not None:
            asyncio.get_running_loop().call_soon(self._stop)

    def _stop(self) -> None:
        if self.task is not None and not self.ended:
            self.task.cancel()

    def ask_to_end(self, cause: Ending) -> None:
        """Make it stop at its next await, unless its end was asked for already."""
        if self.cause is None and not self.ended:
            self.cause = cause
            if self.task is not None and self.begun:
                self.task.cancel()


ENDED = "ended"
"""Group of the records of executions that have ended."""


def open_group(owner: str) -> str:
    """Return the group of the records of the executions that this owner has not ended."""
    return f"open:{owner}"


def accepted_body(snapshot: Snapshot, principal: Principal, given: Json, deadline: float) -> str:
    """Return the data of an `accepted` event, as JSON text.

    Args:
        snapshot: What its agent is.
        principal: Who asked for it.
        given: Its input.
        deadline: Seconds since the epoch.
    """
    given_text = "null" if given is None else dumps(given)
    return (
        f'{{"agent_id":{quote_id(snapshot.agent.id)},"snapshot":"{snapshot.keep.key}",'
        f'"principal":{quote_id(principal.id)},"input":{given_text},"deadline":{deadline!r}}}'
    )


def started_body(owner: str) -> str:
    """Return the data of a `started` event, as JSON text: who begins to run it."""
    return f'{{"owner":{quote_id(owner)}}}'


def add_started(execution: RunningExecution, owner: str) -> None:
    """Journal, with the next commit, that this owner begins to run it."""
    execution.started = True
    execution.journal.add_encoded(EventKind.STARTED, started_body(owner))


def record_of(
    execution: RunningExecution, owner: str, ending: Ending | None = None, *, ended_at: float = 0.0
) -> tuple[str, str]:
    """Return body and group of the execution's record.

    Args:
        execution: Which.
        owner: Id of this process.
        ending: How it ends; null: it does not yet.
        ended_at: Seconds since the epoch, where it ends.
    """
    who = _who(execution.agent, execution.principal, owner, execution.created_at)
    if ending is not None:
        return who + _ended(ending, ended_at, plain=_is_plain(execution)), ENDED
    status = "running" if execution.started or execution.ticket.running else "queued"
    stands = f'"status":"{status}","ended_at":null,"outcome":null,"error":null}}'
    return who + stands, open_group(owner)


def record_at_once(
    agent: Agent, principal: Principal, owner: str, at: float, *, characters: int
) -> tuple[str, str]:
    """Return body and group of the record of an execution that ended well when it began.

    Args:
        agent: Of what.
        principal: Who asked for it.
        owner: Id of this process.
        at: Seconds since the epoch.
        characters: How long the data of its longest event are.
    """
    plain = characters < _FEW_CHARACTERS
    return _who(agent, principal, owner, at) + _ended(SUCCEEDED, at, plain=plain), ENDED


def _who(agent: Agent, principal: Principal, owner: str, created_at: float) -> str:
    agent_owner = "" if agent.owner is None else f'"agent_owner":{quote_id(agent.owner)},'
    return (
        f'{{"agent_id":{quote_id(agent.id)},"principal":{quote_id(principal.id)},'
        f'{agent_owner}"owner":{quote_id(owner)},"created_at":{created_at!r},'
    )


def _ended(ending: Ending, ended_at: float, *, plain: bool) -> str:
    error = "null" if ending.error is None else dumps(error_object(ending.error))
    return (
        f'"status":"completed","ended_at":{ended_at!r},"outcome":"{ending.outcome}",'
        f'"error":{error}{_PLAIN if plain else "}"}'
    )


_PLAIN = ',"plain":true}'
_FEW_EVENTS = 64
_FEW_CHARACTERS = 8192


def _is_plain(execution: RunningExecution) -> bool:
    if execution.effects or execution.doubtful:
        return False
    recent = execution.journal.recent
    return recent.is_whole and recent.head < _FEW_EVENTS and recent.characters < _FEW_CHARACTERS


def is_plain(record: Record) -> bool:
    """Return whether the record of an ended execution says that there is little more of it.

    That is: a few events, no effect, and no doubt. Where it does not say so, who knows.
    """
    return record.body.endswith(_PLAIN)


def view_of(execution: RunningExecution) -> Execution:
    """Return what is known of an execution without asking the store: whose it is, and of what."""
    return Execution(
        execution.id,
        agent_id=execution.agent.id,
        principal=execution.principal.id,
        status="running" if execution.ticket.running else "queued",
        created_at=execution.created_at,
        agent_owner=execution.agent.owner,
    )


def view_at_once(new: NewExecution) -> Execution:
    """Return the same of an execution that ended as it began."""
    return Execution(
        new.id,
        agent_id=new.snapshot.agent.id,
        principal=new.principal.id,
        status="completed",
        created_at=new.created_at,
        agent_owner=new.snapshot.agent.owner,
    )


_COUNTS = ("mined", "finalized", "reverted", "pending", "displaced", "in_doubt")
_COUNTED_AS = {
    EffectState.SIGNED: "pending",
    EffectState.CANCELLING: "pending",
    EffectState.MINED_OK: "mined",
    EffectState.MINED_REVERTED: "reverted",
    EffectState.FINAL_OK: "finalized",
    EffectState.FINAL_REVERTED: "reverted",
    EffectState.DISPLACED: "displaced",
    EffectState.IN_DOUBT: "in_doubt",
}
"""A cancelled effect is none: it certainly did not happen, on purpose."""


def completed_body(execution: RunningExecution, ending: Ending) -> str:
    """Return the data of the `completed` event, as JSON text."""
    if ending is SUCCEEDED and not execution.told and not execution.planned:
        return NOTHING_DONE
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
    counts = dict.fromkeys(_COUNTS, 0)
    for state in effects:
        if state in _COUNTED_AS:
            counts[_COUNTED_AS[state]] += 1
    error = error_object(ending.error) if ending.error is not None else None
    return (
        f'{{"outcome":"{ending.outcome}","results":[{",".join(results)}],"error":{dumps(error)},'
        f'"planned":{planned},"effects":{dumps(counts)}}}'
    )


NOTHING_DONE = encode_completed(SUCCEEDED, results=(), planned=0, effects=())
"""The data of `completed` where there was nothing to do."""


def completed_fields(body: str) -> dict[str, Json]:
    """Return the data of a `completed` event, from its text."""
    if body is NOTHING_DONE:  # so often that decoding it would show
        return _nothing_done()
    data: dict[str, Json] = json.loads(body)
    return data


def _nothing_done() -> dict[str, Json]:
    effects: dict[str, Json] = dict.fromkeys(_COUNTS, 0)
    outcome = str(Outcome.SUCCEEDED)
    return {"outcome": outcome, "results": [], "error": None, "planned": 0, "effects": effects}
