"""What the doctor found, and how it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from attrs import frozen

from ..conversion import unstructure
from .output import print_json, print_table


class Status(StrEnum):
    """How bad a finding is."""

    GREEN = "green"
    """As it should be."""
    YELLOW = "yellow"
    """The server would start; somebody should look at this."""
    RED = "red"
    """The server would not start, or some agents would fail."""


@frozen
class Finding:
    """One line of the doctor's."""

    check: str
    """What was looked at, for example `store`."""
    status: Status
    found: str
    remedy: str = ""
    """What to do; empty where nothing is to be done."""


def green(check: str, found: str) -> Finding:
    """Return that all is well."""
    return Finding(check, Status.GREEN, found)


def yellow(check: str, found: str, remedy: str) -> Finding:
    """Return that somebody should look at it."""
    return Finding(check, Status.YELLOW, found, remedy)


def red(check: str, found: str, remedy: str) -> Finding:
    """Return that it must be mended."""
    return Finding(check, Status.RED, found, remedy)


_MARKS: Final = {Status.GREEN: "ok", Status.YELLOW: "look", Status.RED: "MEND"}


def print_findings(findings: Sequence[Finding], *, as_json: bool) -> None:
    """Print them: a table, or an object a line."""
    if as_json:
        for finding in findings:
            print_json(unstructure(finding))
        return
    rows = (
        (one.check, _MARKS[one.status], one.found + (f"\n→ {one.remedy}" if one.remedy else ""))
        for one in findings
    )
    print_table("", ("check", "", "found"), rows)
    count = {status: sum(one.status is status for one in findings) for status in Status}
    print(
        f"{count[Status.GREEN]} ok, {count[Status.YELLOW]} to look at, {count[Status.RED]} to mend"
    )
