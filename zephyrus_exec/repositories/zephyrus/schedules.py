"""Schedules: kept as they are, in one form."""

from __future__ import annotations

from ...model import Json, JsonObject
from .rows import Refusal, Row, shown

_KINDS = {"interval": "interval_seconds", "cron": "cron_expression"}
"""What a schedule of each type is made by."""
_TEXTS = ("schedule_id", "schedule_type", "cron_expression", "next_execution", "last_execution")


def read_schedule(row: Row) -> JsonObject:
    """Return the schedule a row describes, by column in snake case; nothing schedules yet.

    Raises:
        Refusal: It does not say when.
    """
    kept: dict[str, Json] = {name: row.text(name) or None for name in _TEXTS}
    kept["interval_seconds"] = row.integer("interval_seconds")
    kept["is_active"] = row.flag("is_active") is not False
    said = kept["schedule_type"]
    if said not in _KINDS:
        raise Refusal(f"schedule_type is {shown(said)}", f"write {' or '.join(_KINDS)}")
    needed = kept[_KINDS[str(said)]]
    if needed is None or (isinstance(needed, int) and needed < 1):
        raise Refusal(
            f"{_KINDS[str(said)]} is {shown(needed) if needed is not None else 'empty'}, "
            f"and its type is {said}",
            "write when it is due",
        )
    return {name: value for name, value in kept.items() if value is not None}
