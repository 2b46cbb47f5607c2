"""What was read is put where agents are kept, and what an operator said stays."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from attrs import evolve

from tests.zephyrus import DEPOSIT, ROWS, TOKEN
from zephyrus_exec.errors import MissingExtra
from zephyrus_exec.model import Agent, AgentFunction, Component, Contract, OnFailure, Overlap
from zephyrus_exec.repositories import MemoryRepository, zephyrus
from zephyrus_exec.repositories.zephyrus import (
    Line,
    Reading,
    Report,
    Stored,
    Tables,
    import_into,
    merged_agent,
    read_tables,
)


def reading(chain_id: int | None = 57054, **more: Any) -> Reading:
    row = {"agent_id": "a", "contract_id": TOKEN, "status": "active", "name": "A"} | more
    function = {
        "agent_id": "a",
        "function_name": "deposit",
        "function_signature": "deposit()",
        "function_type": "payable",
        "abi": DEPOSIT,
    }
    tables = Tables().plus("agents", [row]).plus("agent_functions", [function])
    return read_tables(tables, chain_id=chain_id)


def line(report: Report, table: str) -> Line:
    (found,) = [one for one in report.lines if one.table == table]
    return found


async def everything_in(repository: MemoryRepository) -> list[Agent | Contract]:
    agents: list[Agent | Contract] = [one async for one in repository.list_agents()]
    return agents + [one async for one in repository.list_contracts()]


async def test_a_second_import_changes_nothing_and_says_so() -> None:
    target = MemoryRepository()
    tables = Tables()
    for table, rows in ROWS.items():
        tables = tables.plus(table, rows)
    read = read_tables(tables, chain_id=57054)
    first = await import_into(target, read)
    kept = await everything_in(target)
    second = await import_into(target, read)
    assert await everything_in(target) == kept
    assert {one.stored for one in first.lines} == {None, Stored.NEW}
    assert {one.stored for one in second.lines} == {None, Stored.UNCHANGED}
    assert [one.text for one in second.lines] == [one.text for one in first.lines]
    assert second.counts == {"taken": 8, "repaired": 11, "refused": 19}


async def test_a_dry_run_puts_nothing() -> None:
    target = MemoryRepository()
    report = await import_into(target, reading(), dry_run=True)
    assert line(report, "agents").stored is Stored.NEW
    assert await everything_in(target) == []


async def test_what_changed_in_the_source_changes_here_and_what_the_operator_said_stays() -> None:
    target = MemoryRepository()
    await import_into(target, reading())
    agent = await target.get_agent("a")
    said = evolve(
        agent,
        planner=Component("steps"),
        runner=Component("cycle"),
        signer="main",
        on_failure=OnFailure.CONTINUE,
        max_cycles=3,
        max_concurrent=2,
        overlap=Overlap.JOIN,
        functions=(evolve(agent.functions[0], confirmations=5),),
    )
    await target.put([said])
    report = await import_into(target, reading(name="B", gas_limit=7))
    assert line(report, "agents").stored is Stored.CHANGED
    assert await target.get_agent("a") == evolve(said, name="B", gas_limit=7)


def test_an_agent_nobody_said_anything_of_is_as_it_was_read() -> None:
    agent = Agent("a", functions=(AgentFunction("f"),))
    assert merged_agent(agent, None) is agent


async def test_what_is_left_to_do_is_told_until_it_is_done() -> None:
    target = MemoryRepository()
    todo = line(await import_into(target, reading()), "agents").todo
    assert todo == ("give it a planner, which no table knows", "name its signer")
    agent = await target.get_agent("a")
    await target.put([evolve(agent, planner=Component("steps"), signer="main")])
    assert line(await import_into(target, reading()), "agents").todo == ()


@pytest.mark.parametrize("there", [False, True])
async def test_a_contract_that_was_not_read_is_told_unless_it_is_there_already(there: bool) -> None:
    target = MemoryRepository([], [Contract(TOKEN, TOKEN, 1)] if there else [])
    report = await import_into(target, reading(chain_id=None))
    told = [one for one in line(report, "agents").todo if TOKEN in one]
    assert bool(told) is not there


async def test_an_agent_without_functions_is_told() -> None:
    read = read_tables(Tables().plus("agents", [{"agent_id": "a", "status": "active"}]))
    todo = line(await import_into(MemoryRepository(), read), "agents").todo
    assert todo == ("give it a planner, which no table knows", "it has no function it may call")


def test_what_asks_the_api_is_loaded_when_it_is_used() -> None:
    assert zephyrus.ZephyrusApi.__name__ == "ZephyrusApi"


def test_without_its_package_the_api_is_refused_with_the_install_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(MissingExtra, match=r"zephyrus-exec\[api\]"):
        _ = zephyrus.ZephyrusApiRepository
