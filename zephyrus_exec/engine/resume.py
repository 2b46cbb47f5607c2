"""Making a running execution from its journal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from attrs import frozen

from ..conversion import dumps, structure
from ..errors import ExecutionInterrupted, InvalidValue, RunnerNotConfigured
from ..interfaces.runner import Runner
from ..interfaces.store import ExecutionStore, Record
from ..model import Event, EventKind, Json, Principal
from .execution import Ending, RunningExecution, cancelled_by, encode_completed
from .journal import SCHEMA, Journal
from .records import EFFECT, Effect, EffectState
from .registry import runner_of
from .replay import Past, result_data
from .snapshots import load_snapshot


@frozen
class _Accepted:
    """The data of an `accepted` event."""

    agent_id: str
    snapshot: str
    principal: str
    input: Json
    deadline: float


class Resume:
    """Makes executions from what their journals hold.

    Args:
        store: Where the journals are.
        runners: By name.
        journal: Makes the writer of a journal: of which execution, behind how many events, over
            which version of its record.
    """

    def __init__(
        self,
        store: ExecutionStore,
        *,
        runners: Mapping[str, Runner],
        journal: Callable[[str, int, int], Journal],
    ) -> None:
        self._store = store
        self._runners = runners
        self._journal = journal

    async def execution(self, record: Record, events: Sequence[Event]) -> RunningExecution:
        """Return the execution as its journal leaves it.

        Args:
            record: How it stands.
            events: Its whole journal.

        Raises:
            ExecutionInterrupted: Nobody here can go on with it; details name the reason.
            StoreError: The store cannot be read now.
        """
        _check_schema(events)
        try:
            accepted = structure(events[0].data, _Accepted)
            past = Past.of(events)
            created_at = structure(record.data["created_at"], float)
        except (InvalidValue, LookupError, ValueError) as error:
            raise ExecutionInterrupted(
                "its journal is not as this release writes it, so nobody can go on with it",
                reason="journal_unreadable",
            ) from error
        snapshot = await load_snapshot(self._store, accepted.snapshot)
        try:
            runner_of(snapshot.agent, self._runners)
        except RunnerNotConfigured as error:
            raise ExecutionInterrupted(
                f"nobody can go on with it: {error.message}", reason=error.code
            ) from error
        effects = await _effects(self._store, events)
        return RunningExecution(
            id=record.key,
            snapshot=snapshot,
            principal=Principal(accepted.principal),
            input=accepted.input,
            deadline=accepted.deadline,
            created_at=created_at,
            journal=self._journal(record.key, len(events), record.version),
            done=asyncio.get_running_loop().create_future(),
            cause=_cause(events),
            started=any(event.kind == EventKind.STARTED for event in events),
            told=_told(events),
            effects={key: effect for key, effect in effects.items() if effect is not None},
            planned=_planned(events),
            past=past,
            in_doubt=past.in_doubt,
        )


async def summary(store: ExecutionStore, events: Sequence[Event], ending: Ending) -> str:
    """Return the data of a `completed` event for a journal that nobody goes on with."""
    effects = (await _effects(store, events)).values()
    return encode_completed(
        ending,
        results=_told(events),
        planned=_planned(events),
        effects=[EffectState.SIGNED if one is None else one.state for one in effects],
    )


def _check_schema(events: Sequence[Event]) -> None:
    newest = max((event.schema for event in events), default=SCHEMA)
    if newest > SCHEMA:
        raise ExecutionInterrupted(
            f"a newer release wrote its journal (form {newest}, this one reads {SCHEMA}); "
            "nobody here can go on with it",
            reason="newer_journal",
        )


def _cause(events: Sequence[Event]) -> Ending | None:
    """Return how it was asked to end, first."""
    for event in events:
        if event.kind == EventKind.CANCEL_REQUESTED:
            return cancelled_by(str(event.data.get("reason", "")))
    return None


def _told(events: Sequence[Event]) -> list[str]:
    finished = [event for event in events if event.kind == EventKind.ACTION_FINISHED]
    return [dumps(result_data(event)) for event in finished]


def _planned(events: Sequence[Event]) -> int:
    plans = [event.data.get("actions") for event in events if event.kind == EventKind.PLANNED]
    return sum(len(actions) for actions in plans if isinstance(actions, list))


async def _effects(store: ExecutionStore, events: Sequence[Event]) -> dict[str, Effect | None]:
    """Return each effect that was signed, as it stands now; null: it is not recorded."""
    keys = [str(e.data["effect_key"]) for e in events if e.kind == EventKind.EFFECT_SIGNED]
    records = {key: await store.get(EFFECT, key) for key in keys}
    return {key: None if one is None else Effect.of(one) for key, one in records.items()}
