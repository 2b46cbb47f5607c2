from __future__ import annotations

from benchmarks.tables import table


def test_columns_are_padded_and_numbers_stand_to_the_right() -> None:
    assert table(("who", "1/s"), [("ours", "12,500"), ("a peer", "**9.5**")]) == (
        "| who    |     1/s |\n| ------ | ------: |\n| ours   |  12,500 |\n| a peer | **9.5** |"
    )


def test_a_column_of_words_or_of_nothing_stands_to_the_left() -> None:
    assert table(("a", "b"), [("1", ""), ("x", "")]).splitlines()[1] == "| --- | --- |"
