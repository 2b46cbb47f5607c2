"""Rows of all tables, as whatever held them gives them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from attrs import evolve, frozen

from .report import TABLES
from .rows import Refusal, snake

_NESTED = {
    "functions": "agent_functions",
    "schedules": "agent_schedules",
    "schedule": "agent_schedules",
    "params": "agent_function_params",
    "parameters": "agent_function_params",
}
"""Under what rows of one table stand inside those of another."""
_INSIDE = {
    "agents": ("agent_id", ("functions", "schedules", "schedule")),
    "agent_functions": ("function_id", ("parameters", "params")),
}
"""By table: what the rows inside a row refer to it by, and under what they stand."""
_ALONE = {
    "agent": "agents",
    "contract": "contracts",
    "function": "agent_functions",
    **_NESTED,
}
"""What a document may call a table besides the table's name."""

_ID = frozenset({"agent_id", "agentId"})


@frozen
class Tables:
    """What was found, row by row, nothing of it judged."""

    contracts: tuple[object, ...] = ()
    agents: tuple[object, ...] = ()
    agent_functions: tuple[object, ...] = ()
    agent_function_params: tuple[object, ...] = ()
    agent_schedules: tuple[object, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is any row at all."""
        return any(getattr(self, table) for table in TABLES)

    def plus(self, table: str, rows: Iterable[object]) -> Tables:
        """Return these, and further rows of one table; rows inside them go to their own tables."""
        found: defaultdict[str, list[object]] = defaultdict(list)
        _spread(table, rows, found)
        return evolve(self, **{name: (*getattr(self, name), *more) for name, more in found.items()})

    def with_tables(self, other: Tables) -> Tables:
        """Return the rows of both."""
        return Tables(*((*getattr(self, name), *getattr(other, name)) for name in TABLES))

    def with_document(self, document: object) -> Tables:
        """Return these, and the rows of one JSON document.

        It is an object with lists of rows by table, one with an agent and what belongs to it, an
        agent with its functions inside, a list of such, or any of them as an API answers it.

        Raises:
            Refusal: It is none of these.
        """
        tables = self
        for one in _documents(document):
            for table, rows in _sections(one):
                tables = tables.plus(table, rows)
        return tables


def _sections(document: Mapping[str, object]) -> Iterable[tuple[str, Iterable[object]]]:
    """Return a document's rows by table."""
    named = {key: table for key in document if (table := _table(str(key)))}
    if _ID & document.keys():
        return [("agents", (document,))]
    if not named:
        raise Refusal("it holds no rows", f"write lists of rows under {', '.join(TABLES)}")
    return [(table, _listed(document[key])) for key, table in named.items()]


def _documents(document: object) -> Iterable[Mapping[str, object]]:
    for one in _listed(document):
        if not isinstance(one, Mapping):
            raise Refusal("it is no object", f"write one with lists under {', '.join(TABLES)}")
        if "data" in one and "success" in one:
            yield from _documents(one["data"])
        else:
            yield one


def _listed(value: object) -> Iterable[object]:
    if value is None:
        return ()
    return value if isinstance(value, list | tuple) else (value,)


def _table(key: str) -> str:
    """Return the table a key means; empty: none."""
    name = snake(key)
    return name if name in TABLES else _ALONE.get(name, "")


def _spread(table: str, rows: Iterable[object], found: dict[str, list[object]]) -> None:
    """Add each row, and the rows inside it, to its table's."""
    for data in rows:
        row, inside = _apart(table, data)
        found[table].append(row)
        for name, below in inside:
            _spread(name, below, found)


def _apart(table: str, data: object) -> tuple[object, list[tuple[str, Iterable[object]]]]:
    """Return a row without the rows inside it, and those, which refer to it."""
    if table not in _INSIDE or not isinstance(data, Mapping):
        return data, []
    id_name, nested = _INSIDE[table]
    below = {key: _NESTED[key] for key in data if key in nested}
    row = {key: value for key, value in data.items() if key not in below}
    found = [row[key] for key in row if snake(str(key)) == id_name]
    row_id = next((one for one in found if one), None) or _made_up_id(row)
    if below and not found:
        row[id_name] = row_id
    inside: list[tuple[str, Iterable[object]]] = [
        (name, [_child(one, id_name, row_id) for one in _listed(data[key])])
        for key, name in below.items()
    ]
    return row, inside


def _made_up_id(row: Mapping[str, object]) -> str:
    """Return an id for a function that has none: its agent and signature."""
    said = {snake(str(key)): value for key, value in row.items()}
    names = ("agent_id", "function_signature", "function_name")
    return "/".join(str(said[name]) for name in names if said.get(name))


def _child(data: object, id_name: str, row_id: object) -> object:
    """Return a row inside another, which refers to that; one that is none becomes an empty one."""
    if not isinstance(data, Mapping):
        return {id_name: row_id}
    if any(snake(str(key)) == id_name for key in data):
        return data
    return {id_name: row_id, **data}
