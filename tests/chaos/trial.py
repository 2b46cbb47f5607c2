"""One case from beginning to end: processes die, others take over, until nothing moves any more."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Final

from attrs import define, field

from tests.chaos.cases import Case
from tests.chaos.journal import Journal
from tests.chaos.node import Node
from tests.chaos.verdict import WRONG, Verdict, judge
from tests.chaos.worker import JOURNAL, LEASE, Task, fork_worker

LIMIT: Final = 30.0
"""Seconds a case may take."""
_END_LIMIT: Final = 10.0
"""Seconds a process may take to end when it is asked to."""
_DEATHS: Final = (signal.SIGKILL, signal.SIGTERM)
"""Where it was told to, or before it had begun."""
_LOOK: Final = 0.01
_SETTLE_LOOK: Final = 0.03
_STOPPED_AT_MOST: Final = 2.5 * LEASE
"""Seconds after which a stopped process goes on although nobody took over from it."""
_PACE: Final = {
    "unmined": 0.15,
    "geth": 0.15,
    "spike": 0.05,
    "lagging": 0.05,
    "early": 0.02,
    "late": 0.02,
    "hidden": 0.02,
    "ended": 0.02,
}
"""Seconds between blocks that are mined from outside, by what asks for them."""


@define
class Trial:
    """Runs a case.

    Args:
        case: What happens.
        node: Where; nobody else uses it meanwhile.
        folder: Empty; afterwards with journal, logs and marks.
    """

    case: Case
    node: Node
    folder: Path
    _began: float = field(factory=time.time)
    _live: set[int] = field(factory=set)
    _stopped: dict[int, float] = field(factory=dict)
    _generations: int = 0
    _problems: list[str] = field(factory=list)
    _mined_at: float = 0.0
    _looked_at: float = 0.0
    _journal: Journal = field(factory=Journal)

    def run(self) -> Verdict:
        """Return what became of it."""
        deadline = time.monotonic() + LIMIT
        try:
            self._fork("always")
            while not self._problems and not self._done():
                if time.monotonic() > deadline:
                    self._problems.append(f"nothing was settled within {LIMIT:g} s")
                self._look_at_processes()
                self._look_at_journal()
                self._mine()
                time.sleep(_LOOK)
        finally:
            self._end_processes()
        self._journal = Journal.read(self.folder / JOURNAL)
        verdict = judge(self.case, self._journal, self.node)
        if self._problems:
            return Verdict(WRONG, (*self._problems, *verdict.problems))
        return verdict

    @property
    def reached(self) -> bool:
        """Whether every place where a process was to end was come by."""
        return self._generations > len(self.case.kills)

    def _fork(self, submit: str) -> None:
        # Each time: a process may die while a fault of its own has stopped the mining.
        self.node.automine(self.case.pool not in ("unmined", "geth"))
        task = Task(self.case, self.folder, self.node.url, self._generations, self._began, submit)
        self._generations += 1
        self._live.add(fork_worker(task))

    def _done(self) -> bool:
        return not self._stopped and bool(self._live) and self._journal.settled

    def _look_at_processes(self) -> None:
        for pid in list(self._live):
            found, status = os.waitpid(pid, os.WNOHANG | os.WUNTRACED)
            if not found:
                continue
            if os.WIFSTOPPED(status):
                self._stopped[pid] = time.monotonic()
                self._fork("never")
                continue
            self._live.discard(pid)
            if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
                self._fork("missing")
            else:
                self._problems.append(f"a process ended by itself: {self._last_words()}")

    def _look_at_journal(self) -> None:
        now = time.monotonic()
        if now - self._looked_at < _SETTLE_LOOK:
            return
        self._looked_at = now
        self._journal = Journal.read(self.folder / JOURNAL)
        for pid, since in list(self._stopped.items()):
            if self._taken_over() or now - since > _STOPPED_AT_MOST:
                del self._stopped[pid]
                os.kill(pid, signal.SIGCONT)

    def _taken_over(self) -> bool:
        return any("taken_over" in self._journal.kinds(one) for one in self._journal.executions)

    def _mine(self) -> None:
        asking = (self.case.pool, self.case.fees, self.case.endpoints, self.case.foreign)
        paces = [_PACE[why] for why in asking if why in _PACE]
        if self._journal.ended:
            paces.append(_PACE["ended"])
        now = time.monotonic()
        if paces and now - self._mined_at >= min(paces):
            self._mined_at = now
            self.node.mine()

    def _end_processes(self) -> None:
        for pid in self._stopped:
            os.kill(pid, signal.SIGCONT)
        for pid in self._live:
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + _END_LIMIT
        while self._live and time.monotonic() < deadline:
            for pid in list(self._live):
                self._look_at_end(pid)
            time.sleep(_LOOK)
        for pid in self._live:
            self._problems.append(f"a process did not end within {_END_LIMIT:g} s after SIGTERM")
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    def _look_at_end(self, pid: int) -> None:
        """Note how a process ended; dying or stopping where it was told to is fine here, too."""
        found, status = os.waitpid(pid, os.WNOHANG | os.WUNTRACED)
        if not found:
            return
        if os.WIFSTOPPED(status):
            os.kill(pid, signal.SIGCONT)
            return
        self._live.discard(pid)
        if status and not (os.WIFSIGNALED(status) and os.WTERMSIG(status) in _DEATHS):
            self._problems.append(f"a process ended badly: {self._last_words()}")

    def _last_words(self) -> str:
        """Return the last line that any process logged: it is an exception, usually."""
        logs = sorted(self.folder.glob("log-*"), key=lambda file: file.stat().st_mtime)
        lines = logs[-1].read_text().splitlines() if logs else []
        return lines[-1] if lines else "nothing was logged"
