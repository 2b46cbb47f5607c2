"""The orders in which the memory store can list the records of one kind."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from typing import Any, Generic, TypeVar

from ..interfaces.store import Record

T = TypeVar("T", bound=Any)


class Ascending(Generic[T]):
    """Values in order, of which the first are removed as cheaply as the last.

    A list would move all that follow: removing the oldest would cost more the more there are.
    """

    _SMALL = 512

    def __init__(self) -> None:
        self._values: list[T] = []
        self._start = 0
        """Place of the first one; what is before it is left over."""

    def __len__(self) -> int:
        return len(self._values) - self._start

    def add(self, value: T) -> None:
        """Add a value."""
        insort(self._values, value, lo=self._start)

    def remove(self, value: T) -> None:
        """Remove a value that is there."""
        values, start = self._values, self._start
        place = bisect_left(values, value, start)
        if place - start > len(values) - place:
            del values[place]
            return
        values[start + 1 : place + 1] = values[start:place]
        self._start += 1
        if self._start > max(self._SMALL, len(values) // 2):
            del values[: self._start]
            self._start = 0

    def from_first(self, after: T, skip: int, limit: int) -> list[T]:
        """Return those behind a value, without so many of them, at most `limit`."""
        start = bisect_right(self._values, after, self._start) + skip
        return self._values[start : start + limit]

    def from_last(self, before: T | None, skip: int, limit: int) -> list[T]:
        """Return those before a value, the last one first, likewise; null: before the end."""
        values, start = self._values, self._start
        end = len(values) if before is None else bisect_left(values, before, start)
        end = max(start, end - skip)
        return values[max(start, end - limit) : end][::-1]

    def below(self, value: T) -> list[T]:
        """Return those that are smaller."""
        return self._values[self._start : bisect_left(self._values, value, self._start)]

    @classmethod
    def of(cls, values: list[T]) -> Ascending[T]:
        """Return these, which are in order already."""
        found: Ascending[T] = cls()
        found._values = values
        return found


class RecordIndex:
    """Records of one kind by creation, by group and by due.

    Finding where a list begins costs the logarithm of what is stored; the rest of a scan's cost
    depends on what it returns, or with `due_before` on how many records are due.
    """

    def __init__(self) -> None:
        self._records: dict[int, Record] = {}
        self._numbers: dict[str | None, Ascending[int]] = {}
        self._dues: Ascending[tuple[float, int]] = Ascending()

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
            self._dues.add((new.due, new.number))

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
        numbers = self._listed(group, due_before)
        if numbers is None:
            return []
        if newest_first:
            page = numbers.from_last(after if after > 0 else None, skip, limit)
        else:
            page = numbers.from_first(after, skip, limit)
        return [self._records[number] for number in page]

    def _listed(self, group: str | None, due_before: float | None) -> Ascending[int] | None:
        if due_before is None:
            return self._numbers.get(group)
        due = (number for _, number in self._dues.below((due_before, -1)))
        chosen = (one for one in due if group is None or self._records[one].group == group)
        return Ascending.of(sorted(chosen))

    def _forget_place(self, old: Record) -> None:
        self._remove(old.group, old.number)
        if old.due is not None:
            self._dues.remove((old.due, old.number))

    def _insert(self, group: str | None, number: int) -> None:
        numbers = self._numbers.get(group)
        if numbers is None:
            numbers = self._numbers[group] = Ascending()
        numbers.add(number)

    def _remove(self, group: str | None, number: int) -> None:
        numbers = self._numbers[group]
        numbers.remove(number)
        if not numbers:
            del self._numbers[group]
