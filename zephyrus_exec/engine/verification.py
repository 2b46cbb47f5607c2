"""Whether a journal agrees with itself: found by reading, from whatever store."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Final, Protocol, TypeVar

from attrs import define, field, frozen

from ..errors import InvalidValue
from ..interfaces.store import Record
from ..model import Event, EventKind, Execution, Json
from .forgetting import FORGETTING
from .journal import EXECUTION
from .listing import execution_of
from .records import EFFECT, LANE, SLOT, Effect, Lane, effect_stream, lane_stream, slot_key
from .snapshots import SNAPSHOT

_T = TypeVar("_T")
_F = TypeVar("_F", Effect, Lane)

_SCHEMA: Final = 1
"""The newest form of events this release knows."""
_UNREADABLE: Final = (InvalidValue, ValueError, LookupError, TypeError, RecursionError)
"""What is raised for a body that is not as this release writes it."""


class Contents(Protocol):
    """Everything a store holds at one moment."""

    def events(self) -> Iterable[Event]:
        """Return every event, stream by stream, in order within each."""
        ...

    def records(self) -> Iterable[Record]:
        """Return every record."""
        ...


@frozen
class Verified:
    """What a verification came to."""

    events: int
    executions: int
    effects: int
    lanes: int
    problems: tuple[str, ...]
    """What is wrong, a sentence each; none: nothing was found."""


def verify(contents: Contents) -> Verified:
    """Return whether streams have no gaps, bodies can be read, and effects fit their lanes.

    Raises:
        StoreError: It cannot be read to its end.
    """
    verification = _Verification()
    for event in contents.events():
        verification.take_event(event)
    for record in contents.records():
        verification.take_record(record)
    verification.compare()
    return Verified(
        verification.events,
        len(verification.executions),
        len(verification.effects),
        len(verification.lanes),
        tuple(verification.problems),
    )


@define(eq=False)
class _Stream:
    head: int = 0
    """Number of its last event."""
    last: str = ""
    """Kind of that."""
    snapshot: Json = None
    """Key of the agent it was accepted with."""
    ended: int = 0
    """How often it ended."""


@define(eq=False)
class _Verification:
    """Collects what is there, then compares."""

    events: int = 0
    problems: list[str] = field(factory=list)
    streams: dict[str, _Stream] = field(factory=dict)
    signed: dict[str, str] = field(factory=dict)
    """Effect → execution whose journal says that it was signed."""
    executions: dict[str, Execution] = field(factory=dict)
    effects: dict[str, Effect] = field(factory=dict)
    lanes: dict[str, Lane] = field(factory=dict)
    slots: dict[str, str] = field(factory=dict)
    """Slot → effect."""
    snapshots: dict[str, dict[str, Json]] = field(factory=dict)
    forgetting: dict[str, dict[str, Json]] = field(factory=dict)
    """Executions that are forgotten, and of which parts are left."""

    # --- reading

    def take_event(self, event: Event) -> None:
        """Look at one event by itself, and at its place."""
        self.events += 1
        stream = self.streams.setdefault(event.stream, _Stream())
        if event.seq != stream.head + 1:
            self._tell(f"event {event.seq} of {event.stream} follows on {stream.head}")
        stream.head, stream.last = event.seq, event.kind
        if event.schema > _SCHEMA:
            self._tell(f"{_named(event)} has form {event.schema}, which a newer release wrote")
            return
        data = self._read(_named(event), lambda: _object(event.body))
        if data is not None:
            self._take_data(event, stream, data)

    def _take_data(self, event: Event, stream: _Stream, data: dict[str, Json]) -> None:
        match event.kind:
            case EventKind.ACCEPTED:
                stream.snapshot = data.get("snapshot")
            case EventKind.EFFECT_SIGNED:
                self.signed[str(data.get("effect_key"))] = event.stream
            case EventKind.COMPLETED:
                stream.ended += 1

    def take_record(self, record: Record) -> None:
        """Look at one record by itself."""
        if record.kind == EXECUTION:
            self._keep(record, self.executions, lambda: execution_of(record))
        elif record.kind == EFFECT:
            self._take_filed(record, self.effects, lambda: Effect.of(record))
        elif record.kind == LANE:
            self._take_filed(record, self.lanes, lambda: Lane.of(record))
        elif record.kind == SLOT:
            self._keep(record, self.slots, lambda: str(_object(record.body)["effect_key"]))
        elif record.kind == SNAPSHOT:
            self._keep(record, self.snapshots, lambda: _object(record.body))
        elif record.kind == FORGETTING:
            self._keep(record, self.forgetting, lambda: _object(record.body))
        else:
            self._read(f"{record.kind} {record.key}", lambda: _object(record.body))

    def _take_filed(self, record: Record, among: dict[str, _F], read: Callable[[], _F]) -> None:
        """Look at what is found again by its group, too: by the wrong one it would be missed."""
        value = self._keep(record, among, read)
        if value is not None and (value.key, value.put(0).group) != (record.key, record.group):
            self._tell(f"{record.kind} {record.key} is filed under another state or name")

    def _keep(self, record: Record, among: dict[str, _T], read: Callable[[], _T]) -> _T | None:
        value = self._read(f"{record.kind} {record.key}", read)
        if value is not None:
            among[record.key] = value
        return value

    def _read(self, what: str, read: Callable[[], _T]) -> _T | None:
        try:
            return read()
        except _UNREADABLE as error:
            self._tell(f"{what} cannot be read: {error}")
            return None

    def _tell(self, problem: str) -> None:
        self.problems.append(problem)

    # --- comparing

    def compare(self) -> None:
        """Look at what belongs together."""
        for name, stream in self.streams.items():
            if not name.startswith(("effect:", "lane:")):
                self._compare_execution(name, stream)
        for name in self.executions.keys() - self.streams.keys():
            self._tell(f"execution {name} has no events")
        for effect in self.effects.values():
            self._compare_effect(effect)
        for lane in self.lanes.values():
            self._count(f"lane {lane.key}", lane.events, lane_stream(lane.key))
        for slot, key in self.slots.items():
            if key not in self.effects:
                self._tell(f"slot {slot} belongs to effect {key}, which is missing")
        for key, execution in self.signed.items():
            if key not in self.effects and execution not in self.forgetting:
                self._tell(f"execution {execution} signed effect {key}, which is missing")

    def _compare_execution(self, name: str, stream: _Stream) -> None:
        execution = self.executions.get(name)
        if execution is None:
            if name not in self.forgetting:
                self._tell(f"the events of {name} belong to no execution")
            return
        if stream.ended > 1 or (stream.ended == 1 and stream.last != EventKind.COMPLETED):
            self._tell(f"execution {name} goes on behind its end")
        if (execution.outcome is not None) != (stream.ended > 0):
            said = execution.outcome or execution.status
            self._tell(f"execution {name} is filed as {said}, its events say otherwise")
        if stream.snapshot is not None and stream.snapshot not in self.snapshots:
            self._tell(f"execution {name} was accepted with an agent that is missing")

    def _compare_effect(self, effect: Effect) -> None:
        named = f"effect {effect.key}"
        lane, slot = self.lanes.get(effect.lane), slot_key(effect.lane, effect.nonce)
        if lane is None:
            self._tell(f"{named} is in lane {effect.lane}, which is missing")
        elif effect.nonce >= lane.next_nonce:
            self._tell(
                f"{named} has nonce {effect.nonce}, which lane {lane.key} would give out again: "
                f"its next is {lane.next_nonce}"
            )
        if self.slots.get(slot) != effect.key:
            self._tell(f"{named} has slot {slot}, which is {self.slots.get(slot) or 'missing'}'s")
        if not effect.attempts:
            self._tell(f"{named} has no attempt, so it cannot have a slot")
        known = effect.execution_id in self.streams and effect.execution_id not in self.forgetting
        if known and effect.key not in self.signed:
            self._tell(f"{named} is not among the events of execution {effect.execution_id}")
        self._count(named, effect.events, effect_stream(effect.key))

    def _count(self, named: str, events: int, stream: str) -> None:
        head = self.streams[stream].head if stream in self.streams else 0
        if head != events:
            self._tell(f"{named} counts {events} events of its own, and has {head}")


def _named(event: Event) -> str:
    return f"event {event.seq} of {event.stream}"


def _object(text: str) -> dict[str, Json]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise TypeError("it is no object")
    return value
