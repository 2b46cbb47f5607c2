"""Everything the journal knows of one effect, in a form that others can check."""

from __future__ import annotations

from ..conversion import unstructure
from ..interfaces.store import ExecutionStore
from ..model import Event, EventKind, Json, JsonObject
from .accounts import load_effect
from .journal import EXECUTION
from .listing import read_all
from .records import LANE, Effect, EffectState, effect_stream, lane_stream, slot_key
from .snapshots import SNAPSHOT

FORM = "zephyrus-exec effect evidence 1"
"""What the bundle calls itself; the number grows with its form."""

_FINAL = frozenset({EffectState.FINAL_OK, EffectState.FINAL_REVERTED, EffectState.CANCELLED})


async def evidence(store: ExecutionStore, name: str) -> JsonObject:
    """Return an effect's evidence bundle, as `docs/effects.md` describes it.

    Its parts are in the order in which they came to be. What the journal has forgotten, such as
    an execution beyond its retention, is null or empty.

    Args:
        store: Where.
        name: The effect's key, or the hash of one of its attempts.

    Raises:
        OperationRefused: There is none.
    """
    effect = await load_effect(store, name)
    journal = await read_all(store, effect.execution_id)
    history = await read_all(store, effect_stream(effect.key))
    return {
        "form": FORM,
        "effect_key": effect.key,
        "state": effect.state.value,
        "intent": _intent(effect),
        "decision": await _decision(store, effect, journal),
        "simulation": effect.simulation or None,
        "attempts": unstructure(effect.attempts),
        "receipt": unstructure(effect.receipt),
        "block": _block(effect),
        "finality": _finality(effect, history),
        "displacement": effect.evidence,
        "history": [_told(event) for event in history],
        "lane": await _lane(store, effect),
        "resolution": effect.resolution,
    }


def _intent(effect: Effect) -> JsonObject:
    return {
        "hash": effect.intent_hash,
        "chain_id": effect.chain_id,
        "sender": effect.sender,
        "to": effect.to,
        "function": effect.function,
        "arguments": effect.arguments,
        "value_wei": effect.value_wei,
    }


async def _decision(store: ExecutionStore, effect: Effect, journal: list[Event]) -> dict[str, Json]:
    """Return who asked, what decided, and the action that the effect is: the journal's own words.

    Runners that are plain code decide without `planned` events.
    """
    execution = await store.get(EXECUTION, effect.execution_id)
    accepted = _first(journal, EventKind.ACCEPTED)
    planned = _first(journal, EventKind.PLANNED, cycle=effect.cycle)
    place = {"cycle": effect.cycle, "step": effect.step}
    return {
        "execution_id": effect.execution_id,
        **place,
        "agent_id": None if execution is None else execution.data["agent_id"],
        "accepted": accepted,
        "snapshot": await _snapshot(store, accepted),
        "planned": planned,
        "started": _first(journal, EventKind.ACTION_STARTED, **place),
        "signed": _first(journal, EventKind.EFFECT_SIGNED, **place),
        "finished": _first(journal, EventKind.ACTION_FINISHED, **place),
    }


def _first(journal: list[Event], kind: EventKind, **wanted: Json) -> JsonObject | None:
    for event in journal:
        if event.kind == kind and wanted.items() <= event.data.items():
            return _told(event)
    return None


async def _snapshot(store: ExecutionStore, accepted: JsonObject | None) -> Json:
    """Return the agent and contract as they were accepted; their hash is in `accepted`."""
    data = None if accepted is None else accepted["data"]
    if not isinstance(data, dict):
        return None
    record = await store.get(SNAPSHOT, str(data["snapshot"]))
    return None if record is None else record.data


def _block(effect: Effect) -> JsonObject | None:
    """Return the block whose receipt counted."""
    receipt = effect.receipt
    if receipt is None:
        return None
    return {"number": receipt.block_number, "hash": receipt.block_hash}


def _finality(effect: Effect, history: list[Event]) -> JsonObject:
    """Return whether the block was final, and when that was seen."""
    kinds = ("finalized", "cancelled")
    seen = [event.at for event in history if event.kind in kinds]
    final = effect.state in _FINAL
    return {"final": final, "seen_at": seen[-1] if final and seen else None}


async def _lane(store: ExecutionStore, effect: Effect) -> dict[str, Json]:
    record = await store.get(LANE, effect.lane)
    return {
        "key": effect.lane,
        "nonce": effect.nonce,
        "slot": slot_key(effect.lane, effect.nonce),
        "record": None if record is None else record.data,
        "history": [_told(event) for event in await read_all(store, lane_stream(effect.lane))],
    }


def _told(event: Event) -> dict[str, Json]:
    return {"seq": event.seq, "at": event.at, "event": event.kind, "data": event.data}
