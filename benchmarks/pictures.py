"""Charts as SVG: small, and to be read on a light page and on a dark one."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from attrs import frozen

from benchmarks.results import Chart, Figure, shown

WIDTH: Final = 760
_LETTER: Final = 7.2
"""How wide one is at most, on the average of a name."""
_VALUE: Final = 90
"""To the right of the longest bar."""
_NOTE: Final = 120
"""Letters of a line below."""
_BAR: Final = 18
_GAP: Final = 14
_TOP: Final = 56
_PLOT: Final = (70, 470)
"""Between which the points of lines stand; the subjects' names follow."""
_HEIGHT: Final = 260
"""Of the field that lines are drawn in."""
_NUMBER: Final = re.compile(r"[\d,]+(\.\d+)?")

_STYLE: Final = """
    :root { --ink: #1f2430; --dim: #5b6475; --page: #fafbfd;
      --our0: #2f5fd0; --our1: #7d4bc4; --our2: #0f8390; --our3: #b03a78;
      --peer0: #8b93a3; --peer1: #a97f3d; --peer2: #6d8f58; --peer3: #9c6b6b; }
    @media (prefers-color-scheme: dark) {
      :root { --ink: #e6e9f0; --dim: #9aa4b8; --page: #1b1f27;
        --our0: #7ea2ff; --our1: #bd95f5; --our2: #4fc4d1; --our3: #f08cc0;
        --peer0: #7b8496; --peer1: #c79c56; --peer2: #8bb374; --peer3: #bf8d8d; }
    }
    .page { fill: var(--page); } text { fill: var(--ink); }
    .dim { fill: var(--dim); font-size: 11px; } .title { font-size: 16px; font-weight: 600; }
    .case { font-weight: 600; } .right { text-anchor: end; }
    .axis { stroke: var(--dim); stroke-width: 1; } polyline { fill: none; stroke-width: 2.5; }
"""


def picture(chart: Chart, figures: Sequence[Figure], about: Sequence[str]) -> str:
    """Return the SVG of one chart.

    Args:
        chart: What to draw.
        figures: All that the benchmark found.
        about: Lines about machine and versions, written below.

    Raises:
        ValueError: No figure is of this chart.
    """
    drawn = [
        each
        for each in figures
        if each.quantity == chart.quantity
        and (not chart.subjects or each.subject in chart.subjects)
    ]
    if not drawn:
        raise ValueError(f"no figure for the chart {chart.title!r}: {chart.quantity!r}")
    body, height = (_bars if chart.kind == "bars" else _lines)(chart, drawn)
    unit = f", {drawn[0].unit}" if drawn[0].unit else ""
    return _document(f"{chart.title}{unit}", body, height, about)


def _document(title: str, body: Sequence[str], height: float, about: Sequence[str]) -> str:
    wrapped = [line for text in about for line in textwrap.wrap(text, _NOTE)]
    whole = height + 16 * len(wrapped) + 18
    places = (height + 16 * number + 12 for number in range(len(wrapped)))
    notes = [_text(20, y, line, "dim") for y, line in zip(places, wrapped, strict=True)]
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {whole:.0f}" '
            'role="img" aria-labelledby="title" font-family="system-ui, sans-serif" '
            'font-size="13">',
            f'  <title id="title">{escape(title)}</title>',
            f"  <style>{_STYLE}  </style>",
            f'  <rect class="page" width="{WIDTH}" height="{whole:.0f}" rx="8"/>',
            *(f"  {line}" for line in (_text(20, 30, title, "title"), *body, *notes)),
            "</svg>\n",
        )
    )


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    attribute = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{attribute}>{escape(text)}</text>'


# --- scales --------------------------------------------------------------------------------------


@frozen
class _Scale:
    """From values to places between 0 and 1."""

    low: float
    high: float
    logarithmic: bool

    @classmethod
    def of(cls, values: Sequence[float], *, logarithmic: bool) -> _Scale:
        """Return one from nothing, or between powers of ten, on which all have a place."""
        if not logarithmic or min(values) <= 0:
            return cls(0.0, _round_up(max(values)), logarithmic=False)
        low = math.floor(math.log10(min(values)) - 0.05)
        high = max(low + 1, math.ceil(math.log10(max(values))))
        return cls(low, high, logarithmic=True)

    @classmethod
    def between(cls, values: Sequence[float], *, logarithmic: bool) -> _Scale:
        """Return one from the least to the largest, a little room before that."""
        low, high = (math.log10(of) if logarithmic else of for of in (min(values), max(values)))
        return cls(low - ((high - low) or 1.0) / 16, high, logarithmic)

    def __call__(self, value: float) -> float:
        at = math.log10(value) if self.logarithmic else value
        return (at - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """Return values to write at an axis."""
        if self.logarithmic:
            return [10.0**power for power in range(round(self.low), round(self.high) + 1)]
        return [self.high * quarter / 4 for quarter in range(5)]


def _round_up(value: float) -> float:
    """Return the next number that people count in."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 2.5, 4, 5, 8, 10) if step * power >= value)


def _colours(subjects: Sequence[str]) -> dict[str, str]:
    """Return a colour for each, the same in every picture of them; strong ones are ours."""
    counts = {"our": 0, "peer": 0}
    found: dict[str, str] = {}
    for subject in sorted(subjects):
        side = "our" if subject.startswith("zephyrus_exec") else "peer"
        found[subject] = f"var(--{side}{counts[side] % 4})"
        counts[side] += 1
    return found


def _subjects(figures: Sequence[Figure]) -> list[str]:
    return list(dict.fromkeys(each.subject for each in figures))


# --- bars ----------------------------------------------------------------------------------------


def _bars(chart: Chart, figures: Sequence[Figure]) -> tuple[list[str], float]:
    """Return the elements, and how high they are: a group of bars for each case."""
    scale = _Scale.of([each.value for each in figures], logarithmic=chart.logarithmic)
    colours = _colours(_subjects(figures))
    left = 28 + _LETTER * max(map(len, colours))
    lines: list[str] = []
    y = float(_TOP)
    for case in dict.fromkeys(each.case for each in figures):
        lines.append(_text(20, y + 8, case, "case"))
        y += 16
        for figure in (each for each in figures if each.case == case):
            length = max(0.004, scale(figure.value)) * (WIDTH - _VALUE - left)
            lines += _bar(figure, left, y, length, colours[figure.subject])
            y += _BAR + 3
        y += _GAP
    return lines, y


def _bar(figure: Figure, left: float, y: float, length: float, colour: str) -> Iterator[str]:
    yield _text(left - 8, y + 13, figure.subject, "right")
    yield (
        f'<rect x="{left:.1f}" y="{y:.1f}" width="{length:.1f}" height="{_BAR}" rx="2" '
        f'style="fill: {colour}"/>'
    )
    yield _text(left + length + 6, y + 13, shown(figure.value))


# --- lines ---------------------------------------------------------------------------------------


def _lines(chart: Chart, figures: Sequence[Figure]) -> tuple[list[str], float]:
    """Return the elements, and how high they are: a line for each subject, its name at the end."""
    xs = {each.case: _number(each.case) for each in figures}
    spread = min(xs.values()) > 0 and max(xs.values()) / min(xs.values()) > 50
    across = _Scale.between(list(xs.values()), logarithmic=spread)
    up = _Scale.of([each.value for each in figures], logarithmic=chart.logarithmic)
    (left, right), bottom = _PLOT, _TOP + _HEIGHT
    at = {case: left + across(x) * (right - left) for case, x in xs.items()}
    lines, names = list(_axes(up, at)), _Names([])
    colours = _colours(_subjects(figures))
    for subject in _subjects(figures):
        own = sorted(
            (each for each in figures if each.subject == subject), key=lambda each: xs[each.case]
        )
        places = [(at[each.case], bottom - up(each.value) * _HEIGHT) for each in own]
        lines += _line(places, colours[subject])
        lines += names.put(places[-1][1], f"{subject}: {shown(own[-1].value)}", colours[subject])
    return lines, max(bottom + 34, *names.taken) + 6


@frozen
class _Names:
    """What stands at the lines' ends, none on top of another."""

    taken: list[float]

    def put(self, y: float, name: str, colour: str) -> Iterator[str]:
        while any(abs(y - other) < 15 for other in self.taken):
            y += 3
        self.taken.append(y)
        x = _PLOT[1]
        yield (
            f'<rect x="{x + 14}" y="{y - 5:.1f}" width="10" height="10" style="fill: {colour}"/>'
        )
        yield _text(x + 30, y + 4, name)


def _line(places: Sequence[tuple[float, float]], colour: str) -> Iterator[str]:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    yield f'<polyline points="{points}" style="stroke: {colour}"/>'
    for x, y in places:
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" style="fill: {colour}"/>'


def _axes(up: _Scale, cases: dict[str, float]) -> Iterator[str]:
    left, right = _PLOT
    bottom = _TOP + _HEIGHT
    for tick in up.ticks():
        y = bottom - up(tick) * _HEIGHT
        yield _text(left - 8, y + 4, shown(tick), "dim right")
    yield f'<path class="axis" d="M{left} {_TOP}V{bottom}H{right}" style="fill: none"/>'
    for number, (case, x) in enumerate(sorted(cases.items(), key=lambda each: each[1])):
        yield f'<path class="axis" d="M{x:.1f} {bottom}v4"/>'
        yield (
            f'<text x="{x:.1f}" y="{bottom + 16 + 13 * (number % 2)}" class="dim" '
            f'text-anchor="middle">{escape(case)}</text>'
        )


def _number(case: str) -> float:
    found = _NUMBER.search(case)
    if found is None:
        raise ValueError(f"a case of lines needs a number: {case!r}")
    return float(found[0].replace(",", ""))
