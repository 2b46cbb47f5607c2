"""The last events of a journal, kept in memory for those who follow it live."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ..interfaces.store import NewEvent
from ..model import Event, EventKind

if TYPE_CHECKING:
    from .execution import NewExecution

_MOST_EVENTS: Final = 256
"""Events kept of one journal."""
_MOST_CHARACTERS: Final = 128 * 1024
"""Characters of their data."""
_MOST_ENDED: Final = 1024
"""Ended journals of which they are kept."""
_MOST_CHARACTERS_ENDED: Final = 4 * 1024 * 1024
"""Characters of their data, over all of those."""


class Recent:
    """The last committed events of one journal, as many as fit.

    Whoever follows it live finds them here, without a look at the store; whoever is behind reads
    there. The events are shared by all who follow. Their `position` is 0: nobody asked the store.

    Args:
        stream: The journal.
        head: How many events it has already.
    """

    def __init__(self, stream: str, head: int = 0) -> None:
        self.stream = stream
        self.head = head
        """Number of the journal's last event."""
        self.ended = False
        """Whether that is its end."""
        self.ended_at_once: NewExecution | None = None
        """Whose journal it is, where that was written whole."""
        self.characters = 0
        """Of the data of the events that are kept."""
        self._events: list[NewEvent | Event] = []
        self._answer: tuple[int, int, list[NewEvent | Event]] | None = None
        """What was asked for last, `seq` and `limit`, and the answer, while it is still right."""

    @property
    def is_whole(self) -> bool:
        """Whether these are all the events there are."""
        return self.head == len(self._events)

    def add(self, events: Sequence[NewEvent]) -> None:
        """Keep events, at least one, that were committed next, and let go of the oldest."""
        self._answer = None
        self._events += events
        self.head += len(events)
        for new in events:
            self.characters += len(new.body)
        self.ended = events[-1].kind == EventKind.COMPLETED
        while len(self._events) > _MOST_EVENTS or self.characters > _MOST_CHARACTERS:
            self.characters -= len(self._events.pop(0).body)

    def floods(self, seq: int) -> bool:
        """Return whether those behind `seq` are half of what is kept, or of what fits."""
        fresh = self.head - seq
        return 2 * fresh >= _MOST_EVENTS or (
            2 * fresh >= len(self._events) and 2 * self.characters >= _MOST_CHARACTERS
        )

    def after(self, seq: int, limit: int) -> list[NewEvent | Event] | None:
        """Return the events behind `seq`, as they are kept; null: not all of them are.

        At most `limit`, and where there are more, up to the next multiple of it.
        """
        answer = self._answer
        if answer is not None and answer[0] == seq and answer[1] == limit:
            return answer[2]  # many who follow ask the same, one after the other
        missed = self.head - seq
        if missed > len(self._events):
            return None
        if missed <= 0:
            return []
        start = len(self._events) - missed
        end = len(self._events) if missed <= limit else start + limit - seq % limit
        events = self._events[start:end]
        self._answer = (seq, limit, events)
        return events

    def whole(self, seq: int, events: Sequence[NewEvent | Event]) -> list[Event]:
        """Return the events behind `seq` that `after` returned, with all that is known of them."""
        before = len(self._events) - self.head + seq
        return [self._event(before + place) for place in range(len(events))]

    def _event(self, place: int) -> Event:
        """Return an event, made when somebody wants it: most executions are followed by nobody."""
        event = self._events[place]
        if isinstance(event, NewEvent):
            seq = self.head - len(self._events) + place + 1
            event = Event(self.stream, seq, event.at, event.kind, event.body, event.schema)
            self._events[place] = event
        return event


class RecentlyEnded:
    """What is kept of the journals that ended last, for those who have not read their end yet."""

    def __init__(self) -> None:
        self._kept: dict[str, Recent] = {}
        self._order: deque[Recent] = deque()
        self._characters = 0

    def add(self, recent: Recent) -> None:
        """Keep one more, and let go of those that ended first."""
        self._kept[recent.stream] = recent
        self._order.append(recent)
        self._characters += recent.characters
        while len(self._order) > _MOST_ENDED or self._characters > _MOST_CHARACTERS_ENDED:
            first = self._order.popleft()
            del self._kept[first.stream]
            self._characters -= first.characters

    def get(self, stream: str) -> Recent | None:
        """Return what is kept of a journal; null: nothing."""
        return self._kept.get(stream)
