"""Tables in Markdown, that can be read as they stand, too."""

from __future__ import annotations

from collections.abc import Sequence


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return one, its columns padded; those of numbers to the right."""
    columns = list(zip(heads, *rows, strict=True))
    widths = [max(3, *map(len, column)) for column in columns]
    right = [all(map(_is_number, column[1:])) and any(column[1:]) for column in columns]
    rule = [
        "-" * (width - 1) + ":" if number else "-" * width
        for width, number in zip(widths, right, strict=True)
    ]
    return "\n".join(_line(cells, widths, right) for cells in (heads, rule, *rows))


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = [
        cell.rjust(width) if number else cell.ljust(width)
        for cell, width, number in zip(cells, widths, right, strict=True)
    ]
    return f"| {' | '.join(padded)} |"


def _is_number(cell: str) -> bool:
    plain = cell.strip("*").replace(",", "").replace(".", "").lstrip("-")
    return not plain or plain.isdigit()
