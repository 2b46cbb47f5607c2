"""What a terminal shows of an execution: how it stands after the events so far."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeAlias

from attrs import define, evolve, field, frozen

from ..errors import ActionInDoubt, EffectCancelled, EffectDisplaced, EffectInDoubt
from ..model import EventKind, Json, JsonObject
from ..protocol.v2.messages import CompletedData, EffectEvent, ExecutionCompleted, ExecutionEvent

Shown: TypeAlias = ExecutionEvent | ExecutionCompleted | EffectEvent
"""What a display is given."""


class State(StrEnum):
    """How a step stands, as far as it is known here."""

    RUNNING = "running"
    SENT = "sent"
    """Its transaction may be in a block by now."""
    DONE = "done"
    FAILED = "failed"
    IN_DOUBT = "in_doubt"


@frozen
class Sent:
    """The transaction of a step."""

    effect_key: str
    """Empty: it is not known."""
    transaction_hash: str
    chain_id: Json = None
    nonce: Json = None
    last: str = "signed"
    """The last that happened to the effect, as an event of it says so."""
    data: JsonObject = field(factory=dict)
    """What that said."""

    @property
    def reverted(self) -> bool:
        """Whether it is in a block, and the contract refused."""
        return self.last in ("mined", "finalized") and self.data.get("success") is False

    @property
    def failed(self) -> bool:
        """Whether it is known not to have happened."""
        return self.reverted or self.last in ("cancelled", "displaced")

    def after(self, event: EffectEvent) -> Sent:
        """Return it as it stands once this has happened to it."""
        told = event.data.get("transaction_hash") if event.event in _CALLED else None
        changed = evolve(self, last=event.event, data=event.data)
        return evolve(changed, transaction_hash=str(told)) if told else changed

    def ended(self, result: JsonObject) -> Sent:
        """Return it as the result of its step leaves it, unless more is known of it."""
        if self.last not in _OPEN:
            return self
        told = str(result.get("transaction_hash") or self.transaction_hash)
        if result.get("block_number") is not None:
            return evolve(self, transaction_hash=told, last="mined", data=result)
        last = _ENDINGS.get(error_code(result), self.last)
        return evolve(self, transaction_hash=told, last=last, data=result)


_CALLED: Final = frozenset({"signed", "bumped", "mined", "finalized"})
"""Events of an effect that name the transaction which makes the call."""

_OPEN: Final = frozenset({"signed", "bumped", "reorged", "nonce_used", "nonce_free", "cancelling"})
"""Events of an effect after which it is under way."""

_ENDINGS: Final = {
    EffectCancelled.code: "cancelled",
    EffectDisplaced.code: "displaced",
    EffectInDoubt.code: "in_doubt",
}
"""What happened to an effect, by the code of its step's error."""


@frozen
class Step:
    """One action of an execution."""

    place: tuple[int, int]
    """Its cycle and its number in there."""
    function: str
    parameters: JsonObject
    began: float
    """Seconds since the epoch, by the server's clock; 0: that is not known."""
    message: str = ""
    """Why the planner chose it; may be empty."""
    ended: float | None = None
    """Seconds since the epoch; null: it goes on."""
    sent: Sent | None = None
    """Its transaction, if it has one."""
    result: JsonObject | None = None
    """The fields of its `ActionResult`; null: it goes on."""

    @property
    def number(self) -> str:
        """What it is called by: CYCLE.STEP, or its number where nothing has cycles."""
        cycle, step = self.place
        return f"{cycle}.{step}" if cycle else str(step)

    @property
    def state(self) -> State:
        """How it stands."""
        if self.result is None:
            return State.RUNNING if self.sent is None else State.SENT
        if self.result.get("success"):
            return State.DONE
        return State.IN_DOUBT if error_code(self.result) in _DOUBTS else State.FAILED


_DOUBTS: Final = frozenset({EffectInDoubt.code, ActionInDoubt.code})


@define
class Timeline:
    """Everything that the events so far have told; it does not matter from where they begin."""

    execution_id: str = ""
    agent_id: str = ""
    status: str = "queued"
    head: int = 0
    """The last event that was seen."""
    steps: dict[tuple[int, int], Step] = field(factory=dict)
    planned: int = 0
    """How many steps planners decided on so far."""
    cancelling: bool = False
    """Whether somebody asked it to end."""
    completed: CompletedData | None = None
    untold: bool = False
    """Whether its steps are known from its end only, as where the server speaks v1."""

    def add(self, shown: Shown) -> Step | None:
        """Take the next event in, and return the step it tells of, as it stands now."""
        if isinstance(shown, EffectEvent):
            return self._add_effect(shown)
        self.execution_id = shown.execution_id or self.execution_id
        self.head = shown.seq
        if isinstance(shown, ExecutionCompleted):
            self._end(shown.data)
            return None
        return self._add_event(shown)

    def step_of(self, effect_key: str) -> Step | None:
        """Return the step whose effect this is."""
        sent = ((one.sent, one) for one in self.steps.values())
        return next((one for its, one in sent if its and its.effect_key == effect_key), None)

    def _add_event(self, event: ExecutionEvent) -> Step | None:
        if event.event != EventKind.ACCEPTED:
            self.status = "running"
        match event.event:
            case EventKind.ACCEPTED:
                self.agent_id = str(event.data.get("agent_id", ""))
            case EventKind.PLANNED:
                actions = event.data.get("actions")
                self.planned += len(actions) if isinstance(actions, list | tuple) else 0
            case EventKind.CANCEL_REQUESTED:
                self.cancelling = True
            case EventKind.ACTION_STARTED | EventKind.EFFECT_SIGNED | EventKind.ACTION_FINISHED:
                return self._put(_changed(self._step(event), event))
        return None

    def _end(self, data: CompletedData) -> None:
        """Take the end in; where nothing was told of the steps, it tells of all of them."""
        self.status, self.completed, self.agent_id = "completed", data, data.agent_id
        if not self.steps:
            self.untold = True
            for number, result in enumerate(data.results, 1):
                step = _named(Step((0, number), "", {}, 0.0), result)
                self.steps[step.place] = _ended(step, result, 0.0)

    def _add_effect(self, event: EffectEvent) -> Step | None:
        step = self.step_of(event.effect_key)
        if step is None or step.sent is None:
            return None
        return self._put(evolve(step, sent=step.sent.after(event)))

    def _step(self, event: ExecutionEvent) -> Step:
        """Return the step that an event is of; a new one if it began before what was seen."""
        place = (_integer(event.data.get("cycle")), _integer(event.data.get("step")))
        if place in self.steps:
            return self.steps[place]
        return Step(place, "", {}, event.at)

    def _put(self, step: Step) -> Step:
        self.steps[step.place] = step
        return step


def _changed(step: Step, event: ExecutionEvent) -> Step:
    data = event.data
    if event.event == EventKind.EFFECT_SIGNED:
        key, told = str(data.get("effect_key", "")), str(data.get("transaction_hash", ""))
        return evolve(step, sent=Sent(key, told, data.get("chain_id"), data.get("nonce")))
    named = _named(step, data)
    return named if event.event == EventKind.ACTION_STARTED else _ended(named, data, event.at)


def _named(step: Step, data: JsonObject) -> Step:
    parameters = data.get("parameters")
    return evolve(
        step,
        function=str(data.get("function_name", "")),
        parameters=parameters if isinstance(parameters, Mapping) else {},
        message=str(data.get("message") or ""),
    )


def _ended(step: Step, result: JsonObject, at: float) -> Step:
    told = result.get("transaction_hash")
    sent = step.sent or (Sent("", str(told)) if told else None)
    return evolve(step, ended=at, result=result, sent=sent and sent.ended(result))


def error_code(result: JsonObject) -> str:
    """Return the code of what an action failed with; empty: none is known."""
    error = result.get("error")
    return str(error.get("code", "")) if isinstance(error, Mapping) else ""


def _integer(value: Json) -> int:
    return value if isinstance(value, int) else 0
