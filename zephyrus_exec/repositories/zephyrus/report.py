"""What became of every row that was read."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from attrs import frozen

from ...model import Json

TABLES: Final = (
    "contracts",
    "agents",
    "agent_functions",
    "agent_function_params",
    "agent_schedules",
)
"""The tables that are read, in the order of the report."""


class Verdict(StrEnum):
    """What became of a row."""

    TAKEN = "taken"
    """It was read as it is."""
    REPAIRED = "repaired"
    """It was read, and says something else now: what, is told."""
    REFUSED = "refused"
    """It was not read: why and what to do, is told."""


class Stored(StrEnum):
    """What became of an agent or contract where it was put."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


@frozen
class Line:
    """One row of the report."""

    table: str
    id: str
    """The row's id; `row 3` where it has none, counted from 1."""
    verdict: Verdict
    name: str = ""
    """What people call it: an agent's name, `transfer of AGENT` for a function."""
    repairs: tuple[str, ...] = ()
    """What it says now, a phrase each."""
    problem: str = ""
    """Why it was refused."""
    remedy: str = ""
    """What to do about that."""
    notes: tuple[str, ...] = ()
    """What was left out, a phrase each."""
    todo: tuple[str, ...] = ()
    """What is left to do before the agent can run, a phrase each."""
    stored: Stored | None = None
    """For agents and contracts that were put somewhere."""

    @property
    def text(self) -> str:
        """All of it in one line."""
        refusal = (f"{self.problem}; {self.remedy}",) if self.problem else ()
        todo = tuple(f"to do: {one}" for one in self.todo)
        return "; ".join((*refusal, *self.repairs, *self.notes, *todo))


@frozen
class Report:
    """What became of every row, in the order of `TABLES` and then of the ids."""

    lines: tuple[Line, ...] = ()

    @classmethod
    def of(cls, lines: Iterable[Line]) -> Report:
        """Return the report of these lines, put in order: the same rows, the same report."""
        return cls(
            tuple(sorted(lines, key=lambda one: (TABLES.index(one.table), one.id, one.text)))
        )

    @property
    def counts(self) -> dict[str, Json]:
        """How many rows had each verdict."""
        verdicts = [line.verdict for line in self.lines]
        return {verdict.value: verdicts.count(verdict) for verdict in Verdict}
