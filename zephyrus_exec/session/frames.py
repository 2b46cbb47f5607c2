"""Events as the frames that tell of them: made once, however many watch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from ..conversion import dumps, structure
from ..engine.cursors import Cursor
from ..errors import is_retryable
from ..interfaces.store import NewEvent
from ..interfaces.transport import SharedText, SharedTexts
from ..model import ActionResult, Event, EventKind, Json, Outcome
from ..protocol.messages import result_item
from ..protocol.texts import TEXTS, render_failure
from ..protocol.v2.codec import encode, written
from ..protocol.v2.events import (
    encode_completed_event,
    encode_effect_event,
    encode_execution_events,
)
from ..protocol.v2.messages import CompletedData, EffectCounts, ErrorInfo, ExecutionCompleted
from ..protocol.wording import Language

_KEPT: Final = 2 << 20
"""Characters of frames that are kept, with their bytes, for the next who watches."""
_SHORT: Final = 512
"""Characters of an end that tells little, as those of many executions do in the same words."""


BLOCK: Final = 128
"""Events that go out together at most."""
_NONE: Final = SharedTexts()


class EventFrames:
    """The frames of the events that somebody watched last, for all sessions of a service.

    Args:
        language: Of the texts in them.
    """

    def __init__(self, language: Language) -> None:
        self._language: Language = language
        self._frames: dict[tuple[str, int, int], SharedTexts] = {}
        self._size = 0

    def of_execution(
        self, cursor: Cursor, first: int, events: Sequence[NewEvent | Event]
    ) -> SharedTexts:
        """Return the frames of events of an execution.

        Who follows it takes the same events as all who do, and who is behind takes as many as
        everybody: so events are kept as they were taken, and telling many costs little more than
        telling one.

        Args:
            cursor: Where they were taken.
            first: Number of the first of them.
            events: The events.
        """
        if not events:
            return _NONE
        key = (cursor.stream, first, len(events))
        frames = self._frames.get(key)
        if frames is None:
            texts = self._encode(cursor, first, events)
            # one alone may go out among others: then it is shared by itself
            frames = SharedTexts(map(SharedText, texts) if len(texts) == 1 else texts)
            self._keep(key, frames)
        return frames

    def of_effect(
        self, effect_key: str, first: int, events: Sequence[NewEvent | Event]
    ) -> list[str]:
        """Return the frames of events of an effect, the first of which has this number."""
        return [
            encode_effect_event(effect_key, seq, event.at, event.kind, event.body)
            for seq, event in enumerate(events, first)
        ]

    def _encode(self, cursor: Cursor, first: int, events: Sequence[NewEvent | Event]) -> list[str]:
        *most, last = events
        if last.kind != EventKind.COMPLETED:
            return encode_execution_events(cursor.stream, first, events)
        seq = first + len(most)
        texts = encode_execution_events(cursor.stream, first, most)
        if len(last.body) <= _SHORT:
            data = _short_completed(cursor.agent_id, last.body, self._language)
            return [*texts, encode_completed_event(cursor.stream, seq, last.at, data)]
        whole = completed_data(cursor.agent_id, json.loads(last.body), self._language)
        return [*texts, encode(ExecutionCompleted(cursor.stream, seq, last.at, whole))]

    def _keep(self, key: tuple[str, int, int], frames: SharedTexts) -> None:
        self._frames[key] = frames
        self._size += frames.characters
        while self._size > _KEPT:
            self._size -= self._frames.pop(next(iter(self._frames))).characters


@lru_cache(maxsize=256)
def _short_completed(agent_id: str, body: str, language: Language) -> str:
    """Return `completed_data` as text, from that of the event; once for ends that are alike."""
    return dumps(written(completed_data(agent_id, json.loads(body), language)))


def completed_data(
    agent_id: str, completed: Mapping[str, Json], language: Language
) -> CompletedData:
    """Return what the last frame of an execution tells.

    Args:
        agent_id: Whose execution.
        completed: The data of its `completed` event.
        language: Of the texts for people.
    """
    results = structure(completed["results"], list[ActionResult])
    outcome = structure(completed["outcome"], Outcome)
    error = completed["error"]
    failure = None
    if outcome is not Outcome.SUCCEEDED:
        planned = completed["planned"]
        failure = render_failure(
            error if isinstance(error, Mapping) else {},
            results,
            planned if isinstance(planned, int) and planned else None,
            language,
        )
    return CompletedData(
        success=failure is None,
        results=tuple(result_item(each, language) for each in results),
        error=failure,
        agent_id=agent_id,
        execution_count=len(results),
        message=None if results or failure else TEXTS[language].nothing_done,
        status="completed",
        outcome=outcome,
        error_info=error_info(error),
        effects=structure(completed["effects"], EffectCounts),
    )


def error_info(error: Json) -> ErrorInfo | None:
    """Return an error of the journal, `{code, message, details}`, for programs; null: none."""
    if not isinstance(error, Mapping):
        return None
    details = error.get("details")
    return ErrorInfo(
        code=str(error.get("code")),
        message=str(error.get("message")),
        retryable=is_retryable(str(error.get("code"))),
        details=details if isinstance(details, Mapping) else {},
    )
