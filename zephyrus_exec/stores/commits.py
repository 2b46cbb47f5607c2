"""What every store asks of a commit before it looks at its own content."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import StoreConflict, StoreError, StoreUnavailable
from ..interfaces.store import Append, Forget, Put, Write


def check_shape(writes: Sequence[Write]) -> None:
    """Return if the writes can mean only one thing: no record or stream twice, no `due` of NaN.

    Raises:
        StoreError: They cannot; the caller has to be changed.
    """
    if len(writes) == 1 and not isinstance(writes[0], Put):
        return
    places: set[str | tuple[str, str]] = set()
    for write in writes:
        if isinstance(write, (Append, Forget)):
            places.add(write.stream)
            continue
        places.add((write.kind, write.key))
        if isinstance(write, Put) and write.due != write.due:
            raise StoreError("the due of a record must be a number: it is NaN")
    if len(places) != len(writes):
        raise StoreError("a commit may write a record or stream once: make one write of the two")


def stream_conflict(stream: str, seq: int) -> StoreConflict:
    """Return the error of an `Append` whose stream ends elsewhere than at `seq - 1`."""
    return StoreConflict(f"stream {stream} does not end before event {seq}", what=stream)


def record_conflict(kind: str, key: str, version: int) -> StoreConflict:
    """Return the error of a condition on a record that has another version."""
    return StoreConflict(f"{kind} {key} is not at version {version}", what=f"{kind} {key}")


def closed() -> StoreUnavailable:
    """Return the error of using a store after `aclose`."""
    return StoreUnavailable("the store is closed: open it again")
