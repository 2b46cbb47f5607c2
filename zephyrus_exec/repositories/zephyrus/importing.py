"""Putting what was read where agents are kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from attrs import evolve

from ...errors import AgentNotFound, ContractNotFound
from ...interfaces.repositories import WritableRepository
from ...model import Agent, AgentFunction, Contract, FunctionType
from .reader import Reading
from .report import Line, Report, Stored

_V = TypeVar("_V", Agent, Contract)


async def import_into(
    target: WritableRepository, reading: Reading, *, dry_run: bool = False
) -> Report:
    """Keep what was read, all of it or nothing, and return the report of that.

    What only an operator can have said of an agent that is kept already stays: its planner,
    signer and runner, how it fails and overlaps, how many confirmations a function needs.

    Args:
        target: Where to.
        reading: What was read.
        dry_run: Change nothing, and report what would be.

    Raises:
        RepositoryUnavailable: The target cannot be read or written; nothing was changed.
    """
    values: list[Agent | Contract] = []
    fates: dict[tuple[str, str], tuple[Stored, tuple[str, ...]]] = {}
    for contract in reading.contracts:
        found = await _contract_in(target, contract.id)
        values += _if_changed(found, contract)
        fates["contracts", contract.id] = (_fate(found, contract), ())
    contracts = {contract.id for contract in reading.contracts}
    for agent in reading.agents:
        known = await _agent_in(target, agent.id)
        merged = merged_agent(agent, known)
        values += _if_changed(known, merged)
        todo = todo_of(merged)
        if agent.contract_id and agent.contract_id not in contracts:
            todo += await _missing(target, agent.contract_id)
        fates["agents", agent.id] = (_fate(known, merged), todo)
    if values and not dry_run:
        await target.put(values)
    return Report(tuple(_told(line, fates) for line in reading.report.lines))


def merged_agent(read: Agent, known: Agent | None) -> Agent:
    """Return the agent as it was read, with what only an operator can have said of it.

    Args:
        read: As the tables say.
        known: As it was configured; null: it was not.
    """
    if known is None:
        return read
    confirmations = {one.signature: one.confirmations for one in known.functions}
    functions = (
        evolve(one, confirmations=confirmations.get(one.signature)) for one in read.functions
    )
    return evolve(
        read,
        runner=known.runner,
        planner=known.planner,
        signer=known.signer,
        on_failure=known.on_failure,
        max_cycles=known.max_cycles,
        max_concurrent=known.max_concurrent,
        overlap=known.overlap,
        functions=tuple(functions),
    )


def todo_of(agent: Agent) -> tuple[str, ...]:
    """Return what is left to do before the agent can run, a phrase each."""
    todo: list[str] = []
    if agent.planner is None and agent.runner is None:
        todo.append("give it a planner, which no table knows")
    if agent.signer is None and any(_signs(one) for one in agent.functions):
        todo.append("name its signer")
    if not agent.functions:
        todo.append("it has no function it may call")
    return tuple(todo)


def _signs(function: AgentFunction) -> bool:
    return function.enabled and function.type is not FunctionType.READ


async def _agent_in(target: WritableRepository, name: str) -> Agent | None:
    try:
        return await target.get_agent(name)
    except AgentNotFound:
        return None


async def _contract_in(target: WritableRepository, name: str) -> Contract | None:
    try:
        return await target.get_contract(name)
    except ContractNotFound:
        return None


async def _missing(target: WritableRepository, name: str) -> tuple[str, ...]:
    there = await _contract_in(target, name) is not None
    return () if there else (f"its contract {name} was not read, and is not there either",)


def _fate(known: _V | None, value: _V) -> Stored:
    if known is None:
        return Stored.NEW
    return Stored.UNCHANGED if known == value else Stored.CHANGED


def _if_changed(known: _V | None, value: _V) -> list[_V]:
    return [] if known == value else [value]


def _told(line: Line, fates: Mapping[tuple[str, str], tuple[Stored, tuple[str, ...]]]) -> Line:
    if line.problem or (line.table, line.id) not in fates:
        return line
    stored, todo = fates[line.table, line.id]
    return evolve(line, stored=stored, todo=todo)
