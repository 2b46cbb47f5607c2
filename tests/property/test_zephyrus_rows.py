"""Whatever rows hold, each of them is told of, and what is taken can be stored."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.zephyrus import DEPOSIT, GET_A, GET_B, PLACE, SUM, TOKEN, TRANSFER
from zephyrus_exec.repositories import MemoryRepository
from zephyrus_exec.repositories.zephyrus import (
    Stored,
    Tables,
    Verdict,
    import_into,
    merged_agent,
    read_tables,
)

_ENTRIES = [TRANSFER, DEPOSIT, SUM, PLACE, GET_A, GET_B]
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.binary(max_size=3),
    st.sampled_from(["", "0", "1", "0x1", "1.5", "{}", "[]", "null", '"{}"', "\ud800", "NaN"]),
)
_ANY = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
_RULES = st.one_of(
    _ANY,
    st.dictionaries(
        st.sampled_from(["min", "max", "enum", "regex", "minLength", "required", "default", "x"]),
        _SCALARS | st.lists(_SCALARS, max_size=2),
        max_size=3,
    ),
)
_NAMES = st.sampled_from(["transfer", "deposit", "sum", "place", "get"])
_IDS = st.sampled_from(["a", "b", "", None])
_COLUMNS: dict[str, st.SearchStrategy[Any]] = {
    "agent_id": _IDS | _SCALARS,
    "contract_id": st.sampled_from([TOKEN, TOKEN.upper(), "c", "", None]) | _SCALARS,
    "function_id": _IDS | _SCALARS,
    "address": st.sampled_from([TOKEN, ""]) | _SCALARS,
    "chain_id": st.sampled_from([1, "1", "", None]) | _SCALARS,
    "name": _ANY,
    "status": st.sampled_from(["active", "Paused", ""]) | _SCALARS,
    "gas_limit": _ANY,
    "max_priority_fee": _ANY,
    "owner": _SCALARS,
    "function_name": _NAMES | _SCALARS,
    "function_signature": st.sampled_from(["", "get()", "get(uint)", "sum(uint256"]) | _SCALARS,
    "function_type": st.sampled_from(["read", "write", "payable", "pure"]) | _SCALARS,
    "is_enabled": _ANY,
    "abi": st.one_of(
        _ANY,
        st.sampled_from(_ENTRIES),
        st.lists(st.sampled_from([*_ENTRIES, None]), max_size=3),
        st.sampled_from(_ENTRIES).map(json.dumps),
    ),
    "validation_rules": st.one_of(
        _RULES, st.dictionaries(st.sampled_from(["to", "amount", "a", "key"]), _RULES, max_size=2)
    ),
    "param_name": st.sampled_from(["to", "amount", "a", "key", "0"]) | _SCALARS,
    "param_type": _SCALARS,
    "default_value": _ANY,
    "schedule_type": st.sampled_from(["cron", "interval"]) | _SCALARS,
    "interval_seconds": _ANY,
    "cron_expression": _SCALARS,
    "is_active": _SCALARS,
}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


_GOOD: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "contracts": {
        "contract_id": st.just(TOKEN),
        "address": st.just(TOKEN),
        "chain_id": st.just(1),
        "abi": st.just(_ENTRIES),
    },
    "agents": {
        "agent_id": st.sampled_from(["a", "b"]),
        "contract_id": st.just(TOKEN),
        "status": st.just("active"),
    },
    "agent_functions": {
        "function_id": st.sampled_from(["f", "g", "h"]),
        "agent_id": st.sampled_from(["a", "b"]),
        "function_name": _NAMES,
        "function_signature": st.just("get()"),
        "function_type": st.just("write"),
    },
    "agent_function_params": {
        "function_id": st.sampled_from(["f", "g", "h"]),
        "param_name": st.sampled_from(["to", "amount", "a"]),
    },
    "agent_schedules": {
        "agent_id": st.sampled_from(["a", "b"]),
        "schedule_type": st.just("cron"),
        "cron_expression": st.just("* * * * *"),
    },
}
"""What rows are like before something is wrong with them."""


@st.composite
def _row(draw: st.DrawFn, table: str) -> Any:
    if draw(st.integers(0, 19)) == 0:
        return draw(_ANY)
    row = {name: draw(good) for name, good in _GOOD[table].items()}
    wrong = draw(st.lists(st.sampled_from(sorted(_COLUMNS)), max_size=2))
    row |= {name: draw(_COLUMNS[name]) for name in wrong}
    return {_camel(name): value for name, value in row.items()} if draw(st.booleans()) else row


@st.composite
def _rows(draw: st.DrawFn) -> dict[str, list[Any]]:
    return {table: draw(st.lists(_row(table), max_size=3)) for table in _GOOD}


@given(rows=_rows(), chain_id=st.sampled_from([None, 57054]))
def test_every_row_is_told_of_and_what_is_taken_can_be_stored(
    rows: dict[str, list[Any]], chain_id: int | None
) -> None:
    tables = Tables(**{table: tuple(every) for table, every in rows.items()})
    reading = read_tables(tables, chain_id=chain_id)
    for table, every in rows.items():
        lines = [line for line in reading.report.lines if line.table == table]
        assert len(lines) >= len(every)
        assert len(lines) == len(every) or table == "contracts"
    for line in reading.report.lines:
        assert bool(line.problem) == bool(line.remedy) == (line.verdict is Verdict.REFUSED)
        assert bool(line.repairs) == (line.verdict is Verdict.REPAIRED)
    target = MemoryRepository()
    first = asyncio.run(import_into(target, reading))
    second = asyncio.run(import_into(target, reading))
    assert Stored.CHANGED not in {line.stored for line in first.lines}
    assert {line.stored for line in second.lines} <= {None, Stored.UNCHANGED}
    for agent in reading.agents:
        assert merged_agent(agent, agent) == agent
