"""The last events in memory: as many as fit, and never a gap."""

from __future__ import annotations

from zephyrus_exec.engine.recent import Recent, RecentlyEnded
from zephyrus_exec.interfaces.store import NewEvent


def new(count: int, *, size: int = 2, kind: str = "progress") -> list[NewEvent]:
    return [NewEvent(float(n), kind, "x" * size) for n in range(count)]


def seqs(recent: Recent, after: int, limit: int = 1000) -> list[int] | None:
    events = recent.after(after, limit)
    return None if events is None else [event.seq for event in recent.whole(after, events)]


def test_what_was_just_added_is_there_in_order() -> None:
    recent = Recent("s")
    recent.add(new(2))
    recent.add(new(3))
    assert (recent.head, recent.ended) == (5, False)
    assert seqs(recent, 0) == [1, 2, 3, 4, 5]
    assert seqs(recent, 3) == [4, 5]
    assert seqs(recent, 2, limit=2) == [3, 4]
    assert seqs(recent, 5) == []
    assert seqs(recent, 9) == []


def test_where_there_are_more_all_who_are_behind_get_the_same_next() -> None:
    recent = Recent("s")
    recent.add(new(20))
    assert seqs(recent, 3, limit=8) == [4, 5, 6, 7, 8]
    assert seqs(recent, 8, limit=8) == list(range(9, 17))
    assert seqs(recent, 13, limit=8) == list(range(14, 21))


def test_who_asks_the_same_gets_the_same_until_there_is_more() -> None:
    recent = Recent("s")
    recent.add(new(3))
    answer = recent.after(1, 8)
    assert recent.after(1, 8) is answer
    assert seqs(recent, 1, limit=1) == [2]
    recent.add(new(1))
    assert seqs(recent, 1, limit=8) == [2, 3, 4]


def test_half_of_what_is_kept_being_new_is_a_flood() -> None:
    many = Recent("s", 1000)
    many.add(new(127))
    assert not many.floods(1000)
    many.add(new(1))
    assert many.floods(1000)
    assert not many.floods(1001)
    long = Recent("s")
    long.add(new(10, size=4000))
    assert not long.floods(0)
    long.add(new(30, size=4000))
    assert long.floods(16)
    assert not long.floods(39)


def test_what_was_there_before_is_not_known() -> None:
    recent = Recent("s", 7)
    assert seqs(recent, 7) == []
    assert seqs(recent, 6) is None
    recent.add(new(1))
    assert seqs(recent, 7) == [8]
    assert seqs(recent, 6) is None


def test_many_events_push_the_oldest_out() -> None:
    recent = Recent("s")
    for _ in range(30):
        recent.add(new(10))
    assert seqs(recent, 43) is None
    assert seqs(recent, 44) == list(range(45, 301))
    assert recent.characters == 2 * 256


def test_large_events_push_the_oldest_out_and_perhaps_all() -> None:
    recent = Recent("s")
    recent.add(new(3, size=60_000))
    assert seqs(recent, 0) is None
    assert seqs(recent, 1) == [2, 3]
    recent.add(new(1, size=200_000))
    assert seqs(recent, 3) is None
    assert seqs(recent, 4) == []
    assert recent.characters == 0


def test_the_end_is_known() -> None:
    recent = Recent("s")
    recent.add(new(1, kind="completed"))
    assert recent.ended


def test_of_those_that_ended_the_last_are_kept() -> None:
    ended = RecentlyEnded()
    for n in range(1100):
        ended.add(Recent(f"s{n}"))
    assert ended.get("s75") is None
    assert ended.get("s76") is not None
    assert ended.get("s1099") is not None


def test_of_those_that_ended_with_much_data_fewer_are_kept() -> None:
    ended = RecentlyEnded()
    for n in range(100):
        recent = Recent(f"s{n}")
        recent.add(new(1, size=60_000))
        ended.add(recent)
    kept = [n for n in range(100) if ended.get(f"s{n}") is not None]
    assert kept == list(range(31, 100))
