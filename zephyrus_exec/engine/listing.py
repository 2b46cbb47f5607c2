"""What the record of an execution says."""

from __future__ import annotations

from ..conversion import structure
from ..interfaces.store import Record
from ..model import Execution


def execution_of(record: Record) -> Execution:
    """Return the execution that a record describes."""
    data = {name: value for name, value in record.data.items() if name != "owner"}
    return structure({"id": record.key, **data}, Execution)
