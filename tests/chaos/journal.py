"""What the journal of a case holds, read as any other program would read the file."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from attrs import field, frozen

_EVENTS: Final = "SELECT stream, seq, kind, body FROM zx_event ORDER BY stream, seq"
_UNDECIDED: Final = ("open:", "mined:")
"""How the groups of effects begin that are still looked after."""
_RECORDS: Final = "SELECT kind, key, grp, body FROM zx_record"


@frozen
class Journal:
    """Everything in the file at one moment."""

    events: Mapping[str, list[tuple[int, str, dict[str, Any]]]] = field(factory=dict)
    """By stream: number, kind and data of each event, in order."""
    records: Mapping[str, Mapping[str, tuple[str, dict[str, Any]]]] = field(factory=dict)
    """By kind and key: group and body."""

    @classmethod
    def read(cls, file: Path) -> Journal:
        """Return what is in the file; nothing, where there is no journal yet."""
        try:
            with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
                connection.execute("BEGIN")
                events = connection.execute(
                    "SELECT stream, seq, kind, body FROM zx_event ORDER BY stream, seq"
                ).fetchall()
                records = connection.execute(
                    "SELECT kind, key, grp, body FROM zx_record"
                ).fetchall()
        except sqlite3.OperationalError:
            return cls()
        streams: dict[str, list[tuple[int, str, dict[str, Any]]]] = defaultdict(list)
        for stream, seq, kind, body in events:
            streams[stream].append((seq, kind, json.loads(body)))
        kinds: dict[str, dict[str, tuple[str, dict[str, Any]]]] = defaultdict(dict)
        for kind, key, group, body in records:
            kinds[kind][key] = (group, json.loads(body))
        return cls(streams, kinds)

    def bodies(self, kind: str) -> list[dict[str, Any]]:
        """Return the bodies of all records of a kind."""
        return [body for _, body in self.records.get(kind, {}).values()]

    @property
    def executions(self) -> list[str]:
        """Ids of the executions that were accepted."""
        return list(self.records.get("execution", {}))

    @property
    def ended(self) -> bool:
        """Whether there is an execution, and each has ended."""
        executions = self.bodies("execution")
        return bool(executions) and all(one["status"] == "completed" for one in executions)

    @property
    def open_effects(self) -> list[str]:
        """Keys of the effects whose outcome is not final."""
        effects = self.records.get("effect", {})
        return [key for key, (group, _) in effects.items() if group.startswith(_UNDECIDED)]

    @property
    def settled(self) -> bool:
        """Whether nothing is left to do."""
        return self.ended and not self.open_effects

    def kinds(self, stream: str) -> list[str]:
        """Return the kinds of a stream's events, in order."""
        return [kind for _, kind, _ in self.events.get(stream, [])]
