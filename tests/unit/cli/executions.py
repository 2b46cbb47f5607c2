"""Executions as a client gets them: recorded ones of the demo, and pieces of others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from zephyrus_exec.cli.lines import line_of
from zephyrus_exec.cli.timeline import Shown, Timeline
from zephyrus_exec.cli.words import words
from zephyrus_exec.model import EventKind, Json, JsonObject, Outcome
from zephyrus_exec.protocol.codec import decode
from zephyrus_exec.protocol.v2.codec import read_reply
from zephyrus_exec.protocol.v2.messages import (
    CompletedData,
    EffectCounts,
    EffectEvent,
    ErrorInfo,
    ExecutionCompleted,
    ExecutionEvent,
)
from zephyrus_exec.protocol.wording import Language

FRAMES: Final = Path(__file__).parents[2] / "fixtures" / "frames"
ID: Final = "01a2"
KEY: Final = "01a2:1:1"
HASH: Final = "0x" + "ab" * 32
AT: Final = 1795769114.5


def recorded(name: str) -> list[Shown]:
    """Return the frames of `tests.fixtures.make_frames`, read as a client reads them."""
    lines = (FRAMES / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    read = [read_reply(decode(line, max_bytes=1 << 20, max_depth=64)) for line in lines]
    return [one for one in read if isinstance(one, Shown)]


def event(seq: int, kind: EventKind | str, **data: Json) -> ExecutionEvent:
    """Return an event, as many seconds after `AT` as its number says."""
    return ExecutionEvent(ID, seq, AT + seq, str(kind), data)


def effect_event(seq: int, kind: str, **data: Json) -> EffectEvent:
    """Return an event of the effect `KEY`."""
    return EffectEvent(KEY, seq, AT + seq, kind, data)


def started(seq: int, step: int = 1, function: str = "pay") -> ExecutionEvent:
    """Return that a step began."""
    kind = EventKind.ACTION_STARTED
    return event(seq, kind, cycle=1, step=step, function_name=function, parameters={"to": HASH})


def signed(seq: int) -> ExecutionEvent:
    """Return that the first step has its transaction."""
    told: dict[str, Json] = {"effect_key": KEY, "chain_id": 1, "nonce": 7, "transaction_hash": HASH}
    return event(seq, EventKind.EFFECT_SIGNED, cycle=1, step=1, **told)


def finished(seq: int, **result: Json) -> ExecutionEvent:
    """Return that the first step ended, or another one that is named."""
    told: dict[str, Json] = {"cycle": 1, "step": 1, "function_name": "pay"}
    told |= {"parameters": {"to": HASH}, "result": None, "success": True}
    return event(seq, EventKind.ACTION_FINISHED, **{**told, **result})


def completed(
    seq: int,
    outcome: Outcome = Outcome.SUCCEEDED,
    *,
    results: tuple[JsonObject, ...] = (),
    error: ErrorInfo | None = None,
    text: str | None = None,
    effects: Mapping[str, int] | None = None,
) -> ExecutionCompleted:
    """Return the end of an execution."""
    names = ("mined", "finalized", "reverted", "pending", "displaced", "in_doubt")
    data = CompletedData(
        success=outcome is Outcome.SUCCEEDED,
        results=results,
        error=text,
        agent_id="payer",
        execution_count=len(results),
        status="completed",
        outcome=outcome,
        error_info=error,
        effects=EffectCounts(**{**dict.fromkeys(names, 0), **(effects or {})}),
    )
    return ExecutionCompleted(ID, seq, AT + seq, data)


def timeline_of(events: Iterable[Shown]) -> Timeline:
    """Return how an execution stands after these events."""
    timeline = Timeline()
    for one in events:
        timeline.add(one)
    return timeline


def lines_of(events: Iterable[Shown], language: Language = "en") -> list[str]:
    """Return what is printed of these events, without their times."""
    timeline, told = Timeline(), []
    for one in events:
        line = line_of(one, timeline.add(one), words(language))
        told.append(line[:6] + line[27:])
    return told
