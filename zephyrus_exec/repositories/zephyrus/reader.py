"""From rows to agents and contracts, and a report of what became of each row."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

from attrs import evolve, field, frozen

from ...conversion import dumps
from ...errors import InvalidValue
from ...model import Agent, AgentFunction, AgentStatus, Contract, FunctionParameter, JsonObject
from .abi import entries_of
from .functions import find_entry, read_function, read_parameter
from .report import Line, Report, Verdict
from .rows import Refusal, Row, shown
from .schedules import read_schedule
from .tables import Tables

_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")
_MOST_GWEI: Final = 1_000_000
"""A priority fee beyond this is one in wei."""
_NAME_CHAIN: Final = "name the chain of those that have none (--chain-id)"
_IDS: Final = {
    "contracts": "contract_id",
    "agents": "agent_id",
    "agent_functions": "function_id",
    "agent_function_params": "param_id",
    "agent_schedules": "schedule_id",
}


@frozen
class Reading:
    """What the rows say."""

    agents: tuple[Agent, ...] = ()
    """By id; none of them has a planner or a signer, since the tables know none."""
    contracts: tuple[Contract, ...] = ()
    """By id."""
    report: Report = field(factory=Report)


def read_tables(tables: Tables, *, chain_id: int | None = None) -> Reading:
    """Return what the rows say; the same rows in any order give the same.

    Args:
        tables: The rows.
        chain_id: The chain of contracts whose rows name none, or which have no row; null: such
            contracts are refused.
    """
    return _Reader(tables, chain_id).read()


_Work: TypeAlias = Callable[[Row, str], None]


class _Reader:
    """Reads all tables, those first that others refer to."""

    def __init__(self, tables: Tables, chain_id: int | None) -> None:
        self._tables = tables
        self._chain_id = chain_id
        self._contracts: dict[str, Contract] = {}
        self._agents: dict[str, Agent] = {}
        self._functions: defaultdict[str, list[AgentFunction]] = defaultdict(list)
        self._schedules: defaultdict[str, list[JsonObject]] = defaultdict(list)
        self._params = _by_function(tables.agent_function_params)
        self._lines: list[Line] = []
        self._seen: set[tuple[str, str]] = set()

    def read(self) -> Reading:
        self._each("contracts", self._tables.contracts, self._contract)
        self._each("agents", self._tables.agents, self._agent)
        self._each("agent_functions", self._tables.agent_functions, self._function)
        self._each("agent_schedules", self._tables.agent_schedules, self._schedule)
        for rows in self._params.values():
            self._each("agent_function_params", rows, self._orphan)
        for name in sorted({agent.contract_id or "" for agent in self._agents.values()} - {""}):
            self._add_missing_contract(name)
        agents = (self._complete(self._agents[name]) for name in sorted(self._agents))
        contracts = (self._contracts[name] for name in sorted(self._contracts))
        return Reading(tuple(agents), tuple(contracts), Report.of(self._lines))

    # --- any row

    def _each(self, table: str, rows: Iterable[object], work: _Work) -> bool:
        """Do something with each row, note what became of it; false: one was refused."""
        lines = [self._line(table, f"row {n}", data, work) for n, data in enumerate(rows, 1)]
        self._lines += lines
        return all(line.verdict is not Verdict.REFUSED for line in lines)

    def _line(self, table: str, row_id: str, data: object, work: _Work) -> Line:
        name = ""
        try:
            row = Row(data)
            row_id, name = row.text(_IDS[table]) or row_id, _name(table, row)
            self._claim(table, row_id)
            work(row, row_id)
        except Refusal as refusal:
            return refused(table, row_id, refusal, name)
        except InvalidValue as error:
            return refused(table, row_id, refusal_of(error), name)
        unread = (name if name.isidentifier() else shown(name) for name in row.unread())
        notes = (f"the column {name} is not kept" for name in unread)
        verdict = Verdict.REPAIRED if row.repairs else Verdict.TAKEN
        return Line(table, row_id, verdict, name, tuple(row.repairs), notes=(*row.notes, *notes))

    def _claim(self, table: str, row_id: str) -> None:
        if (table, row_id) in self._seen and not row_id.startswith("row "):
            raise Refusal("another row has the same id", "delete one of the two")
        self._seen.add((table, row_id))

    # --- each table

    def _contract(self, row: Row, name: str) -> None:
        row.required("contract_id")
        address = row.text("address").strip()
        if not address and _ADDRESS.fullmatch(name):
            address = name
            row.repairs.append("address was empty: it is the id")
        chain_id = row.integer("chain_id") if row.get("chain_id") != "" else None
        if chain_id is None:
            if self._chain_id is None:
                raise Refusal("chain_id is empty", f"write it, or {_NAME_CHAIN}")
            chain_id = self._chain_id
            row.repairs.append(f"chain_id was empty: it is {chain_id}, as you said")
        abi = entries_of(row)
        if not abi:
            row.notes.append("it has no ABI, so its functions need their own")
        self._contracts[name] = Contract(
            name, address, chain_id, name=row.text("name"), type=row.text("type"), abi=abi
        )

    def _agent(self, row: Row, name: str) -> None:
        row.required("agent_id")
        fee = row.decimal("max_priority_fee")
        if fee is not None and fee > _MOST_GWEI:
            raise Refusal(f"max_priority_fee is {fee} gwei", "write it in gwei, such as 1.5")
        self._agents[name] = Agent(
            id=name,
            name=row.text("name"),
            description=row.text("description"),
            contract_id=self._contract_id(row),
            status=_status(row),
            owner=row.text("owner") or None,
            gas_limit=row.integer("gas_limit"),
            max_priority_fee_gwei=fee,
        )

    def _contract_id(self, row: Row) -> str | None:
        """Return the id of the contract; ids that are addresses compare without regard to case."""
        said = row.text("contract_id")
        if said in self._contracts or not _ADDRESS.fullmatch(said):
            return said or None
        same = [name for name in self._contracts if name.lower() == said.lower()]
        if same:
            row.repairs.append(f"contract_id {said} is {same[0]} in its own row")
        return same[0] if same else said

    def _function(self, row: Row, name: str) -> None:
        agent = self._agent_of(row)
        entry, own = find_entry(row, self._contracts.get(agent.contract_id or ""))
        parameters: list[FunctionParameter] = []

        def parameter(below: Row, _id: str) -> None:
            below.required("function_id")
            parameters.append(read_parameter(below, entry))

        if not self._each("agent_function_params", self._params.pop(name, ()), parameter):
            raise Refusal("a row of its parameters was refused", "see there")
        function = read_function(row, entry, own=own, parameters=parameters)
        if function.signature in {one.signature for one in self._functions[agent.id]}:
            raise Refusal(f"the agent has {function.signature} already", "delete one of the rows")
        self._functions[agent.id].append(function)

    def _orphan(self, row: Row, _name: str) -> None:
        name = row.required("function_id")
        if ("agent_functions", name) in self._seen:
            raise Refusal(f"its function {name} was refused", "see there")
        raise Refusal(f"there is no function {name}", "delete the row")

    def _schedule(self, row: Row, _name: str) -> None:
        agent = self._agent_of(row)
        self._schedules[agent.id].append(read_schedule(row))

    def _agent_of(self, row: Row) -> Agent:
        name = row.required("agent_id")
        if name in self._agents:
            return self._agents[name]
        if ("agents", name) in self._seen:
            raise Refusal(f"its agent {name} was refused", "see there")
        raise Refusal(f"there is no agent {name}", "delete the row")

    # --- what belongs together

    def _add_missing_contract(self, name: str) -> None:
        """Make a contract of its id alone, as those have to that come from where no rows are."""
        if ("contracts", name) in self._seen:
            return
        if not _ADDRESS.fullmatch(name):
            why = Refusal("it has no row, and its id is no address", "add its row")
            self._lines.append(refused("contracts", name, why))
        elif self._chain_id is None:
            why = Refusal("it has no row, so its chain is not known", f"add one, or {_NAME_CHAIN}")
            self._lines.append(refused("contracts", name, why))
        else:
            self._contracts[name] = Contract(name, name, self._chain_id)
            repair = f"it has no row: it is at its id, on chain {self._chain_id}, as you said"
            self._lines.append(Line("contracts", name, Verdict.REPAIRED, repairs=(repair,)))

    def _complete(self, agent: Agent) -> Agent:
        found = sorted(self._functions[agent.id], key=lambda one: one.signature)
        names = [one.name for one in found]
        # Overloads are called by their signature: a name has to mean one function.
        functions = (
            evolve(one, name=one.signature) if names.count(one.name) > 1 else one for one in found
        )
        schedules = sorted(self._schedules[agent.id], key=dumps)
        return evolve(agent, functions=tuple(functions), schedules=tuple(schedules))


def _name(table: str, row: Row) -> str:
    """Return what people call a row."""
    match table:
        case "agent_functions":
            return f"{row.text('function_name')} of {row.text('agent_id')}"
        case "agent_function_params":
            return row.text("param_name")
        case "agent_schedules":
            return f"of {row.text('agent_id')}"
        case _:
            return row.text("name")


def refused(table: str, row_id: str, why: Refusal, name: str = "") -> Line:
    """Return the line of a row that was not taken."""
    return Line(table, row_id, Verdict.REFUSED, name, problem=why.problem, remedy=why.remedy)


def refusal_of(error: InvalidValue) -> Refusal:
    """Return what the model says of a value, in the words of a row."""
    field = str(error.details["field"]).removeprefix("$.")
    return Refusal(f"{field} {error.details['problem']}", str(error.details["remedy"]))


def _status(row: Row) -> AgentStatus:
    said = row.text("status")
    if not said:
        row.repairs.append("status was empty: paused, as the tables' default is")
        return AgentStatus.PAUSED
    known = {status.value: status for status in AgentStatus}
    status = known.get(said.strip().lower())
    if status is None:
        raise Refusal(f"status is {shown(said)}", f"write one of {', '.join(known)}")
    if said != status.value:
        row.repairs.append(f"status {shown(said)} is {status.value}")
    return status


def _by_function(rows: Iterable[object]) -> dict[str, list[object]]:
    """Return the rows of parameters by the function they name."""
    found: defaultdict[str, list[object]] = defaultdict(list)
    for data in rows:
        try:
            found[Row(data).text("function_id")].append(data)
        except Refusal:
            found[""].append(data)
    return dict(found)
