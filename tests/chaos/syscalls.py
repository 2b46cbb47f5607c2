"""Reads what `strace -f -y` saw."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from attrs import define, frozen

CALLS: Final = ("pwrite64", "fdatasync", "fsync", "sendto", "sendmsg", "write", "writev")
"""What has to be traced."""

_BEGUN: Final = re.compile(r"(?P<pid>\d+) +(?P<name>\w+)\((?P<arguments>.*)")
_RESUMED: Final = re.compile(r"(?P<pid>\d+) +<\.\.\. (?P<name>\w+) resumed>")
_RAW: Final = re.compile(r"0x02[0-9a-f]{100,}")


@define
class Call:
    """One system call."""

    name: str
    arguments: str
    begun: int
    """Line on which it began; the trace is in the order of time."""
    ended: int
    """Line on which it ended."""


def read_trace(file: Path) -> Iterator[Call]:
    """Yield the calls of a trace; one that did not end is left out."""
    open_calls: dict[str, Call] = {}
    for number, line in enumerate(file.read_text("utf-8", "replace").splitlines()):
        if found := _RESUMED.match(line):
            call = open_calls.pop(found["pid"], None)
            if call is not None:
                call.ended = number
                yield call
        elif found := _BEGUN.match(line):
            call = Call(found["name"], found["arguments"], number, number)
            if line.endswith("<unfinished ...>"):
                open_calls[found["pid"]] = call
            else:
                yield call


@frozen
class Sending:
    """Signed bytes on their way to a node."""

    raw: str
    """`0x…`"""
    begun: int


def sendings(calls: list[Call]) -> list[Sending]:
    """Return every first broadcast, in order: the call that hands its bytes to the socket."""
    found: dict[str, Sending] = {}
    for call in sorted(calls, key=lambda one: one.begun):
        if call.name != "pwrite64" and "eth_sendRawTransaction" in call.arguments:
            raw = _RAW.search(call.arguments)
            assert raw is not None, "request and bytes are in one call"
            found.setdefault(raw[0], Sending(raw[0], call.begun))
    return list(found.values())


def written_at(calls: list[Call], raw: str) -> int:
    """Return the line at which bytes were first in the write-ahead log; -1: never."""
    parts = [raw[start : start + 40] for start in range(10, len(raw) - 40, 40)]
    lines = (
        call.ended
        for call in calls
        if call.name == "pwrite64"
        and "-wal>" in call.arguments
        and any(part in call.arguments for part in parts)
    )
    return min(lines, default=-1)


def flushed_between(calls: list[Call], after: int, before: int) -> bool:
    """Whether the write-ahead log was flushed, from begin to end, between two lines."""
    return any(
        call.name in ("fdatasync", "fsync")
        and "-wal>" in call.arguments
        and after < call.begun
        and call.ended < before
        for call in calls
    )
