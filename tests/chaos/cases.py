"""What happens to one execution under test, and which combinations of that are tried."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations, product
from typing import Any, Final, TypeAlias

from attrs import evolve, fields, frozen

MODES: Final = ("plain", "zombie")
"""SIGKILL; or SIGSTOP, and SIGCONT once another process has taken over."""
FAULTS: Final[Mapping[str, tuple[str, ...]]] = {
    "reply": ("ok", "lost", "error", "twice"),
    "reorg": ("0", "1", "3", "8"),
    "pool": ("automine", "dropped", "unmined", "geth"),
    "fees": ("steady", "spike"),
    "endpoints": ("one", "lagging"),
    "foreign": ("nobody", "early", "late", "hidden"),
}
"""Every fault beside death, the harmless value first."""


@frozen
class Case:
    """One execution and everything that happens to it."""

    kills: tuple[str, ...] = ()
    """Where the first process ends, then where the one after it does; empty: none does."""
    mode: str = "plain"
    """How the first one ends."""
    reply: str = "ok"
    """To each transaction's first broadcast and receipt: kept, lost, an error although it was
    sent; or the request arrives twice."""
    reorg: str = "0"
    """How many blocks are replaced by empty ones once the second transaction was seen mined."""
    pool: str = "automine"
    """The node mines at once; or drops each transaction once; or mines blocks at its own pace;
    or does so with geth's rules for replacements."""
    fees: str = "steady"
    """Or the base fee leaps when the second transaction is sent."""
    endpoints: str = "one"
    """Or a second one that is some blocks behind."""
    foreign: str = "nobody"
    """Who else uses the account: before the second transaction is signed, after that, or after
    that without anybody being able to see it."""

    def __str__(self) -> str:
        """Return it as `parse` reads it, harmless values left out."""
        parts = [f"kill={'>'.join(self.kills)}"] if self.kills else []
        parts += [
            f"{a.name}={getattr(self, a.name)}"
            for a in fields(Case)
            if a.name != "kills" and getattr(self, a.name) != a.default
        ]
        return ",".join(parts) or "clean"

    @classmethod
    def parse(cls, text: str) -> Case:
        """Return the case that was shown as this text.

        Raises:
            ValueError: It was not.
        """
        if text == "clean":
            return cls()
        given: dict[str, Any] = dict(part.split("=", 1) for part in text.split(","))
        kills = given.pop("kill", "")
        known = {"mode": MODES, **FAULTS}
        for name, value in given.items():
            if value not in known.get(name, ()):
                raise ValueError(f"{name}={value}: choose from {known.get(name, tuple(known))}")
        return cls(kills=tuple(kills.split(">")) if kills else (), **given)


Row: TypeAlias = Mapping[str, object]


def every_death(points: Iterable[str], base: Case) -> Iterator[Case]:
    """Return one case for each place and mode."""
    for point, mode in product(points, MODES):
        yield evolve(base, kills=(point,), mode=mode)


def second_deaths(first: str, points: Iterable[str]) -> Iterator[Case]:
    """Return one case for each place at which the process that recovers may die, too."""
    for point in points:
        yield Case(kills=(first, point))


def one_fault_each() -> Iterator[Case]:
    """Return the cases with exactly one fault and no death."""
    for name, values in FAULTS.items():
        for value in values[1:]:
            yield _with({name: value})


def full_product(points: Sequence[str]) -> Iterator[Case]:
    """Return every death with every single fault, and every combination of faults without one."""
    for base in (Case(), *one_fault_each()):
        yield from every_death(points, base)
    for values in product(*FAULTS.values()):
        yield _with(dict(zip(FAULTS, values, strict=True)))


def _with(faults: Mapping[str, Any]) -> Case:
    return Case(**faults)


def pairwise(factors: Mapping[str, Sequence[object]], seed: int) -> list[dict[str, object]]:
    """Return rows in which every pair of values of two factors occurs, few of them.

    Greedy: each row is the best of some random ones by pairs that no row has yet.

    Args:
        factors: Values by name; at least two names.
        seed: Decides which rows; the same one gives the same rows.
    """
    chance = random.Random(seed)
    missing = {
        pair
        for one, other in combinations(factors, 2)
        for pair in product(((one, v) for v in factors[one]), ((other, v) for v in factors[other]))
    }
    rows: list[dict[str, object]] = []
    while missing:
        wanted = chance.choice(sorted(missing, key=repr))
        candidates = [
            {name: chance.choice(values) for name, values in factors.items()} | dict(wanted)
            for _ in range(30)
        ]
        best = max(candidates, key=lambda row: len(missing & _pairs(row)))
        missing -= _pairs(best)
        rows.append(best)
    return rows


def _pairs(row: Row) -> set[tuple[tuple[str, object], tuple[str, object]]]:
    return set(combinations(row.items(), 2))


def pairwise_cases(points: Sequence[str], seed: int, *, deaths: int = 8) -> list[Case]:
    """Return cases that combine every two values of faults, deaths at sampled places among them.

    Args:
        points: Where a process may die.
        seed: Decides which places and which combinations.
        deaths: How many places.
    """
    chance = random.Random(seed)
    sample = chance.sample(list(points), min(deaths, len(points)))
    dead: list[object] = [()]
    dead += [(point, mode) for point in sample for mode in MODES]
    rows = pairwise({"death": dead, **FAULTS}, seed)
    return [_case(row) for row in rows]


def _case(row: dict[str, object]) -> Case:
    death = row.pop("death")
    case = _with(row)
    if not isinstance(death, tuple) or not death:
        return case
    return evolve(case, kills=(str(death[0]),), mode=str(death[1]))
