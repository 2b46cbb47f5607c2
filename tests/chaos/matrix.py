"""The crash matrix: `python -m tests.chaos.matrix`, on Linux.

Runs an execution with two reads and three transactions against a real node, once for each place at
which its process may die, as found by a run in which nothing happens; then with other faults, in
combinations. This process has everything imported, so that each process of a case is a fork that
begins at once.

Exit status 0: nothing was wrong. Each wrong case is printed with the command that repeats it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, NoReturn, TextIO

from attrs import frozen

from tests.anvil import CHAIN_ID, KEYS, running_anvil
from tests.chaos.cases import (
    Case,
    every_death,
    full_product,
    one_fault_each,
    pairwise_cases,
    second_deaths,
)
from tests.chaos.node import ANVIL_OPTIONS, Node, runtime_of
from tests.chaos.trial import Trial
from tests.chaos.verdict import VERDICTS, WRONG
from tests.counter import deploy_counter
from zephyrus_exec.evm import EvmChain, KeySigner

_FIRST_DEATHS: Final = (
    "commit:action_started#2:after",
    "rpc:eth_sendRawTransaction#2:before",
    "rpc:eth_sendRawTransaction#2:after",
)
"""From here on others recover while they may die, too: before signing, before sending, after."""
_SECOND_DEATHS: Final = 60
"""How many of the places where who recovers may die are tried, unless all are asked for."""


@frozen
class Row:
    """How one case went."""

    case: str
    verdict: str
    problems: tuple[str, ...]
    reached: bool
    """Whether every place of death was come by."""
    seconds: float


@frozen
class Place:
    """Where a worker of the pool runs its cases."""

    url: str
    folder: Path
    runtime: str
    """Code of the counter."""

    def run(self, case: Case) -> tuple[Row, list[list[str]]]:
        """Run a case; also return the places that each of its processes came by."""
        node = Node(self.url)
        node.begin(self.runtime)
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        began = time.monotonic()
        trial = Trial(case, node, folder)
        verdict = trial.run()
        row = Row(
            str(case), verdict.name, verdict.problems, trial.reached, time.monotonic() - began
        )
        points = [json.loads(p.read_text()) for p in sorted(folder.glob("points-*"))]
        if verdict.name != WRONG:
            shutil.rmtree(folder)
        return row, points


_place: Place | None = None
"""This worker's own, once it is one."""


def _settle_in(places: Any) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    global _place
    _place = places.get()


def _run(text: str) -> tuple[Row, list[list[str]]]:
    assert _place is not None
    return _place.run(Case.parse(text))


class Matrix:
    """Runs cases on several nodes at once, and adds up what became of them.

    Args:
        run: Runs many cases, in any order.
        table: Where rows go as they come; rows that are there already are not run again.
        show: Where progress goes.
    """

    def __init__(
        self,
        run: Callable[[Sequence[str]], Iterator[tuple[Row, list[list[str]]]]],
        table: Path | None,
        show: TextIO,
    ) -> None:
        self._run = run
        self._table = table
        self._show = show
        self.rows: dict[str, Row] = {row.case: row for row in _rows(table)}

    def points(self, case: Case) -> list[str]:
        """Return the places that the last process of a case comes by, as recorded once."""
        kept = None if self._table is None else self._table.with_suffix(".points")
        known = json.loads(kept.read_text()) if kept is not None and kept.exists() else {}
        if str(case) not in known:
            known[str(case)] = self._record(case)
        if kept is not None:
            kept.write_text(json.dumps(known))
        return list(known[str(case)])

    def _record(self, case: Case) -> list[str]:
        ((row, points),) = self._run([str(case)])
        if row.verdict == WRONG:
            self._tell(row)
            raise SystemExit("the recording run went wrong already")
        return list(dict.fromkeys(points[-1]))

    def run(self, title: str, cases: Sequence[Case]) -> None:
        """Run the cases that are not in the table yet."""
        left = [text for text in dict.fromkeys(map(str, cases)) if text not in self.rows]
        print(f"{title}: {len(cases)} cases, {len(left)} to run", file=self._show, flush=True)
        began = time.monotonic()
        for done, (row, _) in enumerate(self._run(left), start=1):
            self._add(row)
            if done % 50 == 0 or done == len(left):
                rest = (time.monotonic() - began) / done * (len(left) - done)
                print(f"  {done}/{len(left)}, {rest:.0f} s left", file=self._show, flush=True)

    def _add(self, row: Row) -> None:
        self.rows[row.case] = row
        if self._table is not None:
            with self._table.open("a") as file:
                parts = [row.case, row.verdict, row.problems, row.reached, round(row.seconds, 2)]
                file.write(json.dumps(parts) + "\n")
        if row.verdict == WRONG:
            self._tell(row)

    def _tell(self, row: Row) -> None:
        print(f"WRONG {row.case}", file=self._show)
        for problem in row.problems:
            print(f"  {problem}", file=self._show)
        print(f"  python -m tests.chaos.matrix --case '{row.case}'", file=self._show, flush=True)

    def summary(self) -> str:
        """Return the table: how many cases, and what became of them."""
        counts = Counter(row.verdict for row in self.rows.values())
        missed = sum(not row.reached for row in self.rows.values())
        slowest = max((row.seconds for row in self.rows.values()), default=0.0)
        columns = {"cases": len(self.rows), **{name: counts[name] for name in VERDICTS}}
        return (
            f"{' | '.join(columns)}\n"
            f"{' | '.join(f'{n:>{len(name)}}' for name, n in columns.items())}\n"
            f"(in {missed} cases a place of death was not come by; slowest case {slowest:.1f} s)"
        )

    @property
    def wrong(self) -> bool:
        """Whether any case was."""
        return any(row.verdict == WRONG for row in self.rows.values())


def _rows(table: Path | None) -> Iterator[Row]:
    if table is None or not table.exists():
        return
    for line in table.read_text().splitlines():
        case, verdict, problems, reached, seconds = json.loads(line)
        yield Row(case, verdict, tuple(problems), reached, seconds)


async def _runtime(url: str) -> str:
    chain = EvmChain(CHAIN_ID, [url])
    try:
        contract = await deploy_counter(chain, KeySigner.from_key(KEYS[1]))
    finally:
        await chain.aclose()
    return runtime_of(Node(url), contract)


def _record(matrix: Matrix) -> list[str]:
    return matrix.points(Case())


def run_sample(matrix: Matrix, options: argparse.Namespace) -> None:
    """Run a few cases of each kind, for a look that takes seconds."""
    chance = random.Random(options.seed)
    deaths = list(every_death(_record(matrix), Case()))
    matrix.run(
        "a sample", [*chance.sample(deaths, options.sample), *one_fault_each()][: options.sample]
    )


def run_default(matrix: Matrix, options: argparse.Namespace) -> None:
    """Run every death, some deaths of who recovers, every fault alone, and all pairs."""
    points = _record(matrix)
    matrix.run("a process dies", list(every_death(points, Case())))
    _run_second_deaths(matrix, options, at_most=_SECOND_DEATHS)
    matrix.run("one fault", list(one_fault_each()))
    matrix.run("pairs of faults", pairwise_cases(points, options.seed))


def run_full(matrix: Matrix, options: argparse.Namespace) -> None:
    """Run every death with every fault, every death of who recovers, and all combinations."""
    run_default(matrix, options)
    _run_second_deaths(matrix, options, at_most=sys.maxsize)
    matrix.run("the full product", list(full_product(_record(matrix))))


def _run_second_deaths(matrix: Matrix, options: argparse.Namespace, *, at_most: int) -> None:
    chance = random.Random(options.seed)
    for first in _FIRST_DEATHS:
        again = matrix.points(Case(kills=(first,)))
        again = chance.sample(again, min(at_most, len(again)))
        matrix.run(f"who recovers after {first} dies", list(second_deaths(first, again)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the matrix and print its table; return the exit status."""
    options = _options(arguments)
    signal.signal(signal.SIGTERM, _leave)
    folder = Path(tempfile.mkdtemp(prefix="zephyrus-matrix-"))
    print(f"seed {options.seed}; wrong cases leave journal and logs in {folder}", flush=True)
    with ExitStack() as stack:
        jobs = 1 if options.case else options.jobs
        nodes = [stack.enter_context(running_anvil(*ANVIL_OPTIONS)) for _ in range(jobs)]
        runtime = asyncio.run(_runtime(nodes[0].url))
        context = multiprocessing.get_context("fork")
        places = context.SimpleQueue()
        for node in nodes:
            places.put(Place(node.url, folder, runtime))
        pool = context.Pool(jobs, _settle_in, (places,))
        stack.callback(pool.terminate)
        matrix = Matrix(lambda cases: pool.imap_unordered(_run, cases), options.table, sys.stdout)
        if options.case:
            matrix.run("as asked for", [Case.parse(text) for text in options.case])
        elif options.sample:
            run_sample(matrix, options)
        elif options.full:
            run_full(matrix, options)
        else:
            run_default(matrix, options)
        pool.close()
        pool.join()
    print(matrix.summary())
    if not matrix.wrong:
        folder.rmdir()
    return 1 if matrix.wrong else 0


def _leave(*_: object) -> NoReturn:
    """End in good order, and the nodes with it."""
    sys.exit(1)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.chaos.matrix", description=__doc__)
    parser.add_argument("--case", action="append", help="run this case only; may be repeated")
    parser.add_argument("--sample", type=int, help="run so many cases only")
    parser.add_argument("--full", action="store_true", help="run the full product, for hours")
    parser.add_argument("--table", type=Path, help="file of rows, to stop and go on from")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--jobs", type=int, default=3, help="nodes at once")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
