"""One line of text for each event of an execution, and what is to be said at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from attrs import asdict

from ..errors import ExecutionError
from ..model import EventKind, Json, JsonObject, Outcome
from ..protocol.texts import TEXTS, cut, render_error
from ..protocol.v2.messages import CompletedData, EffectEvent, ExecutionCompleted, ExecutionEvent
from .output import moment, short, shown
from .timeline import Sent, Shown, State, Step, Timeline, error_code
from .words import Words

_Tell: TypeAlias = Callable[[ExecutionEvent, Step | None, Words], str]


def line_of(event: Shown, step: Step | None, words: Words) -> str:
    """Return the line that tells of an event, without anything that could steer a terminal.

    Args:
        event: What happened.
        step: The step it is of, as it stands now; null: of none.
        words: Of the language.
    """
    if isinstance(event, EffectEvent):
        number, text = "", _effect_line(event, step, words)
    else:
        number, text = str(event.seq or ""), _text(event, step, words)
    return f"{number:>4}  {moment(event.at)}  {text}"


def _text(event: ExecutionEvent | ExecutionCompleted, step: Step | None, words: Words) -> str:
    if isinstance(event, ExecutionCompleted):
        return end_of(event.data, words)
    return _TOLD.get(event.event, _other)(event, step, words)


# --- the events ----------------------------------------------------------------------------------


def _accepted(event: ExecutionEvent, _: Step | None, words: Words) -> str:
    return words.accepted.format(
        agent=cut(event.data.get("agent_id")), execution=cut(event.execution_id)
    )


def _started(_: ExecutionEvent, __: Step | None, words: Words) -> str:
    return words.started


def _taken_over(_: ExecutionEvent, __: Step | None, words: Words) -> str:
    return words.taken_over


def _planned(event: ExecutionEvent, _: Step | None, words: Words) -> str:
    actions = event.data.get("actions")
    named = [_function(each) for each in actions] if isinstance(actions, Sequence) else []
    return words.planned.format(actions=cut(", ".join(named))) if named else words.planned_nothing


def _function(action: Json) -> str:
    return str(action.get("function")) if isinstance(action, Mapping) else shown(action)


def _progress(event: ExecutionEvent, _: Step | None, words: Words) -> str:
    return words.progress.format(data=cut(shown(event.data)))


def _cancel_requested(event: ExecutionEvent, _: Step | None, words: Words) -> str:
    principal, reason = cut(event.data.get("principal")), event.data.get("reason")
    if not reason:
        return words.cancel_requested.format(principal=principal)
    return words.cancel_requested_why.format(principal=principal, reason=cut(reason))


def _action_started(_: ExecutionEvent, step: Step | None, words: Words) -> str:
    assert step is not None
    call = words.action_started.format(step=label(step), arguments=arguments_of(step))
    return f"{call} – {cut(step.message)}" if step.message else call


def _effect_signed(_: ExecutionEvent, step: Step | None, words: Words) -> str:
    assert step is not None
    assert step.sent is not None
    return words.effect_signed.format(
        step=label(step),
        transaction=cut(step.sent.transaction_hash),
        chain=cut(step.sent.chain_id),
        nonce=cut(step.sent.nonce),
    )


def _action_finished(_: ExecutionEvent, step: Step | None, words: Words) -> str:
    assert step is not None
    return ended(step, words)


def ended(step: Step, words: Words) -> str:
    """Return what came of a step that ended."""
    if step.state is State.DONE:
        facts = ", ".join(filter(None, (*facts_of(step, words), took_of(step, step.ended))))
        result = f"{result_of(step, words)} ({facts})" if facts else result_of(step, words)
        return words.action_done.format(step=label(step), result=result)
    return words.action_failed.format(step=label(step), error=error_of(step, words))


def _other(event: ExecutionEvent, _: Step | None, __: Words) -> str:
    return cut(f"{event.event}: {shown(event.data)}")


_TOLD: Final[Mapping[str, _Tell]] = {
    EventKind.ACCEPTED: _accepted,
    EventKind.STARTED: _started,
    EventKind.TAKEN_OVER: _taken_over,
    EventKind.PLANNED: _planned,
    EventKind.ACTION_STARTED: _action_started,
    EventKind.EFFECT_SIGNED: _effect_signed,
    EventKind.ACTION_FINISHED: _action_finished,
    EventKind.PROGRESS: _progress,
    EventKind.CANCEL_REQUESTED: _cancel_requested,
}


def _effect_line(event: EffectEvent, step: Step | None, words: Words) -> str:
    if step is None or step.sent is None:
        return cut(f"{event.effect_key}: {event.event}")
    return effect_of(step, step.sent, words)


# --- parts of a line -----------------------------------------------------------------------------


def label(step: Step) -> str:
    """Return what a step is called."""
    return f"{step.number} {cut(step.function)}".rstrip()


def arguments_of(step: Step) -> str:
    """Return the arguments of a step, long ones shortened."""
    named = (f"{name} = {short(shown(value))}" for name, value in step.parameters.items())
    return cut(", ".join(named))


def result_of(step: Step, words: Words) -> str:
    """Return what a step that was done returned."""
    result = step.result or {}
    value = result.get("result")
    if value is None or value == result.get("transaction_hash"):
        return words.done
    return cut(short(shown(value)))


def facts_of(step: Step, words: Words) -> Iterator[str]:
    """Yield where a step happened, and what it used."""
    result = step.result or {}
    if (block := result.get("block_number")) is not None:
        yield words.block.format(number=cut(block))
    if (gas := result.get("gas_used")) is not None:
        yield words.gas.format(amount=cut(gas))


def took_of(step: Step, until: float | None) -> str:
    """Return how long a step took, or has taken until then; empty: that is not known."""
    if until is None or not step.began:
        return ""
    return f"{max(0.0, until - step.began):.2f} s"


def error_of(step: Step, words: Words) -> str:
    """Return why a step failed, in our language where its code has a text there."""
    error = (step.result or {}).get("error")
    if not isinstance(error, Mapping):
        return cut(error)
    return _rendered(error_code(step.result or {}), error, str(error.get("message", "")), words)


def _rendered(code: str, error: JsonObject, otherwise: str, words: Words) -> str:
    """Return an error in our language; or in the server's words, as where it speaks v1."""
    known = code in TEXTS[words.language].errors and code != ExecutionError.code
    return render_error(error, words.language) if known else cut(otherwise)


def effect_of(step: Step, sent: Sent, words: Words) -> str:
    """Return which transaction a step has, in full, and how it stands."""
    transaction = cut(sent.transaction_hash)
    return words.effect.format(
        step=label(step), transaction=transaction, what=effect_stands(sent, words)
    )


def effect_stands(sent: Sent, words: Words) -> str:
    """Return how a transaction stands."""
    block = cut(sent.data.get("block_number", "?"))
    if sent.reverted:
        return words.reverted.format(block=block)
    return words.effects.get(sent.last, cut(sent.last)).format(block=block)


# --- the end -------------------------------------------------------------------------------------


def end_of(data: CompletedData, words: Words) -> str:
    """Return how an execution ended, and why."""
    done = sum(1 for item in data.results if item.get("success"))
    parts = {
        "outcome": words.outcomes[data.outcome],
        "agent": cut(data.agent_id),
        "done": _done(done, words),
    }
    info = data.error_info
    if data.outcome is Outcome.SUCCEEDED:
        return words.ended.format(**parts)
    error = asdict(info) if info is not None else {}
    why = _rendered(info.code if info else "", error, data.error or "", words)
    return words.ended_why.format(**parts, error=why) if why else words.ended.format(**parts)


def _done(count: int, words: Words) -> str:
    if not count:
        return words.none_done
    return words.one_done if count == 1 else words.some_done.format(count=count)


def counts_of(data: CompletedData, words: Words) -> str:
    """Return where the effects of an execution stood at its end; empty: it had none."""
    counted = asdict(data.effects)
    told = [words.counted[name].format(count=count) for name, count in counted.items() if count]
    return words.counts.format(counts=", ".join(told)) if told else ""


def advice_for(timeline: Timeline, words: Words, *, watch: str) -> Iterator[str]:
    """Yield what somebody should do next, if anything.

    Args:
        timeline: Of an execution that has ended.
        words: Of the language.
        watch: The command that watches its effects.
    """
    data = timeline.completed
    assert data is not None
    doubtful = [one for one in timeline.steps.values() if one.state is State.IN_DOUBT]
    for step in doubtful:
        if step.sent is not None:
            transaction = cut(step.sent.transaction_hash)
            yield words.look_in_doubt.format(transaction=transaction)
    touched = any(one.get("success") or one.get("transaction_hash") for one in data.results)
    if data.outcome is not Outcome.SUCCEEDED and (touched or doubtful):
        yield words.look_first
    if data.effects.pending:
        yield words.still_pending.format(command=watch)
