"""The frames of events, put together from what the journal has encoded already."""

from __future__ import annotations

from ...conversion import quote_id


def encode_execution_event(execution_id: str, seq: int, at: float, kind: str, body: str) -> str:
    """Return the frame of an event of an execution; see `ExecutionEvent`.

    Args:
        execution_id: Which execution.
        seq: Its number.
        at: When it happened.
        kind: Of the event.
        body: Its data, a JSON object as text.
    """
    return (
        f'{{"type":"execution_event","execution_id":{quote_id(execution_id)},"seq":{seq},'
        f'"at":{at!r},"event":{quote_id(kind)},"data":{body}}}'
    )


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
