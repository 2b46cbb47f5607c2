"""The frames of events, put together from what the journal has encoded already."""

from __future__ import annotations

from collections.abc import Sequence

from ...conversion import quote_id
from ...interfaces.store import NewEvent
from ...model import Event


def encode_execution_events(
    execution_id: str, first: int, events: Sequence[NewEvent | Event]
) -> list[str]:
    """Return the frames of events of an execution; see `ExecutionEvent`.

    Args:
        execution_id: Which execution.
        first: Number of the first of them.
        events: They follow one another; their data is JSON text already.
    """
    head = f'{{"type":"execution_event","execution_id":{quote_id(execution_id)},"seq":'
    return [
        f'{head}{seq},"at":{event.at!r},"event":{quote_id(event.kind)},"data":{event.body}}}'
        for seq, event in enumerate(events, first)
    ]


def encode_completed_event(execution_id: str, seq: int, at: float, data: str) -> str:
    """Return the frame of an execution's last event; see `ExecutionCompleted`.

    Args:
        execution_id: Which execution.
        seq: Its number.
        at: When it happened.
        data: What is told, a JSON object as text.
    """
    return (
        f'{{"type":"execution_response","execution_id":{quote_id(execution_id)},"seq":{seq},'
        f'"at":{at!r},"data":{data}}}'
    )


def encode_effect_event(effect_key: str, seq: int, at: float, kind: str, body: str) -> str:
    """Return the frame of an event of an effect; see `EffectEvent`.

    Args:
        effect_key: Which effect.
        seq: Its number.
        at: When it happened.
        kind: Of the event.
        body: Its data, a JSON object as text.
    """
    return (
        f'{{"type":"effect_event","effect_key":{quote_id(effect_key)},"seq":{seq},'
        f'"at":{at!r},"event":{quote_id(kind)},"data":{body}}}'
    )
