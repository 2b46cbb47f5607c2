"""The events the memory store holds, by stream and in the order of their commits."""

from __future__ import annotations

from bisect import bisect_right
from itertools import islice
from operator import attrgetter

from ..interfaces.store import Append
from ..model import Event

_position = attrgetter("position")


class EventLog:
    """Every event, reachable by stream and by position.

    What is forgotten leaves its stream at once, and the order of commits when it is half of that:
    so forgetting costs no search.
    """

    _SMALL = 1024

    def __init__(self) -> None:
        self._streams: dict[str, list[Event]] = {}
        self._all: list[Event] = []
        self.position = 0
        """That of the last event that was ever added."""
        self._forgotten: set[int] = set()
        """Positions that are still in the order of commits, though their events are forgotten."""

    def head(self, stream: str) -> int:
        """Return the number of the stream's last event; 0 where there is none."""
        events = self._streams.get(stream)
        return events[-1].seq if events else 0

    def append(self, write: Append) -> int:
        """Add the events and return the position of the last; 0 where there are none."""
        if not write.events:
            return 0
        stream, position = write.stream, self.position
        added = [
            Event(stream, seq, new.at, new.kind, new.body, new.schema, position := position + 1)
            for seq, new in enumerate(write.events, write.seq)
        ]
        events = self._streams.get(stream)
        if events is None:
            self._streams[stream] = added
        else:
            events += added
        self._all += added
        self.position = position
        return position

    def forget(self, stream: str) -> None:
        """Drop a stream."""
        dropped = self._streams.pop(stream, [])
        self._forgotten.update(event.position for event in dropped)
        if len(self._forgotten) > max(self._SMALL, len(self._all) // 2):
            self._all = [event for event in self._all if event.position not in self._forgotten]
            self._forgotten.clear()

    def read(self, stream: str, after: int, limit: int) -> list[Event]:
        """Return at most `limit` events of the stream with `seq > after`."""
        events = self._streams.get(stream)
        if not events:
            return []
        start = max(0, after - events[0].seq + 1)
        return events[start : start + limit]

    def tail(self, position: int, limit: int) -> list[Event]:
        """Return at most `limit` events of all streams after `position`."""
        start = bisect_right(self._all, position, key=_position)
        if not self._forgotten:
            return self._all[start : start + limit]
        kept = (e for e in islice(self._all, start, None) if e.position not in self._forgotten)
        return list(islice(kept, limit))
