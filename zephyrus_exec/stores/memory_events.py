"""The events the memory store holds, by stream and in the order of their commits."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import chain, islice
from operator import attrgetter

from attrs import define

from ..interfaces.store import Append, NewEvent
from ..model import Event


@define(eq=False)
class _Batch:
    """What one commit appended to a stream; its events are made when somebody reads them."""

    stream: str
    events: tuple[NewEvent, ...]
    seq: int
    """Number of the last of them in its stream."""
    position: int
    """Of the last of them."""
    forgotten: bool = False

    @property
    def first(self) -> int:
        """Number of the first of them in its stream."""
        return self.seq - len(self.events) + 1

    def cut(self, after: int) -> None:
        """Drop its last events, those behind this number, but not all of them."""
        self.position -= self.seq - after
        self.events = self.events[: after - self.first + 1]
        self.seq = after

    def after(self, number: int, last: int) -> Iterator[Event]:
        """Yield the events behind `number`, on a scale on which the last of them is `last`."""
        before = max(0, number - last + len(self.events))
        seq = self.seq - len(self.events) + before
        position = self.position - len(self.events) + before
        for new in self.events[before:]:
            seq, position = seq + 1, position + 1
            yield Event(self.stream, seq, new.at, new.kind, new.body, new.schema, position)


_seq = attrgetter("seq")
_position = attrgetter("position")


def _from(batches: list[_Batch], start: int) -> Iterator[_Batch]:
    """Yield batches from a place on; a slice would copy them all, `islice` count up to it."""
    return map(batches.__getitem__, range(start, len(batches)))


class EventLog:
    """Every event, reachable by stream and by position.

    What is forgotten leaves its stream at once, and the order of commits when it is half of that:
    so forgetting costs no search.
    """

    _SMALL = 512

    def __init__(self) -> None:
        self._streams: dict[str, list[_Batch]] = {}
        self._all: list[_Batch] = []
        self.position = 0
        """That of the last event that was ever added."""
        self._forgotten = 0
        """Batches that are still in the order of commits, though their stream is forgotten."""

    def head(self, stream: str) -> int:
        """Return the number of the stream's last event; 0 where there is none."""
        batches = self._streams.get(stream)
        return batches[-1].seq if batches else 0

    def append(self, write: Append) -> int:
        """Add the events and return the position of the last; 0 where there are none."""
        count = len(write.events)
        if not count:
            return 0
        self.position += count
        batch = _Batch(write.stream, write.events, write.seq + count - 1, self.position)
        batches = self._streams.get(write.stream)
        if batches is None:
            self._streams[write.stream] = [batch]
        else:
            batches.append(batch)
        self._all.append(batch)
        return self.position

    def forget(self, stream: str, after: int = 0) -> None:
        """Drop the events of a stream with `seq > after`."""
        batches = self._streams.get(stream, [])
        dropped = 0
        while batches and batches[-1].first > after:
            batches.pop().forgotten = True
            dropped += 1
        if not batches:
            self._streams.pop(stream, None)
        elif batches[-1].seq > after:
            batches[-1].cut(after)
        self._forgotten += dropped
        if self._forgotten > max(self._SMALL, len(self._all) // 2):
            self._all = [batch for batch in self._all if not batch.forgotten]
            self._forgotten = 0

    def read(self, stream: str, after: int, limit: int) -> list[Event]:
        """Return at most `limit` events of the stream with `seq > after`."""
        batches = self._streams.get(stream, [])
        found = _from(batches, bisect_right(batches, after, key=_seq))
        events = chain.from_iterable(batch.after(after, batch.seq) for batch in found)
        return list(islice(events, limit))

    def tail(self, position: int, limit: int) -> list[Event]:
        """Return at most `limit` events of all streams after `position`."""
        found = _from(self._all, bisect_right(self._all, position, key=_position))
        kept = (batch for batch in found if not batch.forgotten)
        events = chain.from_iterable(batch.after(position, batch.position) for batch in kept)
        return list(islice(events, limit))
