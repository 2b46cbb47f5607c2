from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import pytest

from benchmarks.pictures import WIDTH, picture
from benchmarks.results import Chart, Figure

_SVG = "{http://www.w3.org/2000/svg}"
ABOUT = ("2 cores, a <CPU>", "CPython 3.11, " + "a library 1.0, " * 20)
BARS = [
    Figure(case, subject, "executions", value, "1/s")
    for case, subject, value in (
        ("1 × 1", "bare & simple", 2_000.0),
        ("1 × 1", "zephyrus_exec, memory", 1_000.0),
        ("50 × 4", "bare & simple", 20_000.0),
        ("50 × 4", "zephyrus_exec, memory", 40_000.0),
    )
]
LINES = [
    Figure(f"{number:,} stored", "zephyrus_exec, memory", "submit", 150.0, "µs")
    for number in (10, 1_000, 1_000_000)
]


def _drawn(chart: Chart, figures: list[Figure]) -> ElementTree.Element:
    return ElementTree.fromstring(picture(chart, figures, ABOUT))


def _texts(svg: ElementTree.Element) -> list[str]:
    return [each.text or "" for each in svg.iter(f"{_SVG}text")]


def _lengths(svg: ElementTree.Element) -> list[float]:
    bars = (each for each in svg.iter(f"{_SVG}rect") if each.get("rx") == "2")
    return [float(each.attrib["width"]) for each in bars]


def test_a_bar_is_as_long_as_its_value_and_says_it() -> None:
    svg = _drawn(Chart("Rate", "executions"), BARS)
    first, second, third, fourth = _lengths(svg)
    assert first == pytest.approx(2 * second, rel=0.01)
    assert fourth == pytest.approx(2 * third, rel=0.01)
    assert {"Rate, 1/s", "1 × 1", "bare & simple", "40,000"} <= {*_texts(svg)}


def test_bars_of_a_logarithmic_axis_differ_by_their_powers_of_ten() -> None:
    first, second, third, _ = _lengths(_drawn(Chart("Rate", "executions", logarithmic=True), BARS))
    tenfold, twofold = third - first, first - second
    assert twofold / tenfold == pytest.approx(0.301, abs=0.01)


def test_only_the_chosen_subjects_are_drawn() -> None:
    svg = _drawn(Chart("Rate", "executions", subjects=("bare & simple",)), BARS)
    assert len(_lengths(svg)) == 2


def test_points_of_a_line_stand_where_the_numbers_of_their_cases_do() -> None:
    svg = _drawn(Chart("Submit", "submit", "lines"), LINES)
    a, b, c = (float(each.attrib["cx"]) for each in svg.iter(f"{_SVG}circle"))
    assert (b - a) / (c - a) == pytest.approx(2 / 5, abs=0.01)
    assert len({each.attrib["cy"] for each in svg.iter(f"{_SVG}circle")}) == 1


def test_names_at_the_ends_of_lines_do_not_cover_one_another() -> None:
    figures = [Figure("10", f"peer {n}", "submit", 100.0) for n in range(4)]
    svg = _drawn(Chart("Submit", "submit", "lines"), figures)
    ys = sorted(
        float(each.attrib["y"]) for each in svg.iter(f"{_SVG}text") if "peer" in (each.text or "")
    )
    assert all(below - above >= 15 for above, below in pairwise(ys))


def test_a_subject_has_the_same_colour_wherever_it_stands() -> None:
    there, back = (
        [
            (each.attrib["width"], each.attrib["style"])
            for each in _drawn(Chart("Rate", "executions"), figures).iter(f"{_SVG}rect")
            if each.get("rx") == "2"
        ]
        for figures in (BARS, BARS[::-1])
    )
    assert sorted(there) == sorted(back)


def test_a_value_of_nothing_is_drawn_too() -> None:
    assert "0" in _texts(_drawn(Chart("Grown", "grown"), [Figure("1", "ours", "grown", 0.0)]))


def test_machine_and_versions_stand_below_and_stay_inside() -> None:
    svg = _drawn(Chart("Rate", "executions"), BARS)
    notes = [each for each in svg.iter(f"{_SVG}text") if each.get("class") == "dim"]
    assert " ".join(each.text or "" for each in notes) == " ".join(" ".join(ABOUT).split())
    assert all(len(each.text or "") * 6 < WIDTH for each in notes)
    assert float(notes[-1].attrib["y"]) < float(svg.attrib["viewBox"].split()[-1])


def test_colours_change_on_a_dark_page_and_nothing_is_loaded() -> None:
    text = picture(Chart("Rate", "executions"), BARS, ABOUT)
    assert "prefers-color-scheme: dark" in text
    assert "href" not in text


def test_a_chart_of_nothing_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="'Rate'"):
        picture(Chart("Rate", "p50"), BARS, ABOUT)


def test_a_case_of_lines_needs_a_number() -> None:
    with pytest.raises(ValueError, match="'many'"):
        picture(Chart("Rate", "p50", "lines"), [Figure("many", "ours", "p50", 1.0)], ABOUT)
