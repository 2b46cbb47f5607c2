"""The orders in which the memory store can list the records of one kind."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort

from ..interfaces.store import Record


class RecordIndex:
    """Records of one kind by creation, by group and by due.

    Finding where a list begins costs the logarithm of what is stored; the rest of a scan's cost
    depends on what it returns, or with `due_before` on how many records are due.
    """

    def __init__(self) -> None:
        self._records: dict[int, Record] = {}
        self._numbers: dict[str | None, list[int]] = {}
        self._dues: list[tuple[float, int]] = []

    def replace(self, old: Record | None, new: Record) -> None:
        """Make `new` what scans find in place of `old`, a record with the same number."""
        self._records[new.number] = new
        if old is None:
            self._insert(None, new.number)
        elif old.group == new.group and old.due == new.due:
            return
        else:
            self._forget_place(old)
        self._insert(new.group, new.number)
        if new.due is not None:
            insort(self._dues, (new.due, new.number))

    def remove(self, old: Record) -> None:
        """Make scans no longer find `old`."""
        del self._records[old.number]
        self._remove(None, old.number)
        self._forget_place(old)

    def scan(
        self,
        group: str | None,
        due_before: float | None,
        *,
        after: int,
        newest_first: bool,
        skip: int,
        limit: int,
    ) -> list[Record]:
        """Return what `ExecutionStore.scan` promises, for the one kind this index holds."""
        if due_before is None:
            numbers = self._numbers.get(group, [])
        else:
            numbers = self._due(group, due_before)
        if newest_first:
            end = bisect_left(numbers, after) if after > 0 else len(numbers)
            end = max(0, end - skip)
            page = numbers[max(0, end - limit) : end][::-1]
        else:
            start = bisect_right(numbers, after) + skip
            page = numbers[start : start + limit]
        return [self._records[number] for number in page]

    def _due(self, group: str | None, before: float) -> list[int]:
        past = self._dues[: bisect_left(self._dues, (before,))]
        return sorted(
            number for _, number in past if group is None or self._records[number].group == group
        )

    def _forget_place(self, old: Record) -> None:
        self._remove(old.group, old.number)
        if old.due is not None:
            del self._dues[bisect_left(self._dues, (old.due, old.number))]

    def _insert(self, group: str | None, number: int) -> None:
        insort(self._numbers.setdefault(group, []), number)

    def _remove(self, group: str | None, number: int) -> None:
        numbers = self._numbers[group]
        del numbers[bisect_left(numbers, number)]
        if not numbers:
            del self._numbers[group]
