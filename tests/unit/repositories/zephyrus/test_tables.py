"""Rows are found in every document they are kept in."""

from __future__ import annotations

from typing import Any

import pytest

from tests.zephyrus import DEPOSIT, TOKEN
from zephyrus_exec.repositories.zephyrus import Tables, Verdict, read_tables
from zephyrus_exec.repositories.zephyrus.rows import Refusal

AGENT = {"agentId": "a", "contractId": TOKEN, "status": "active"}
FUNCTION = {
    "functionName": "deposit",
    "functionSignature": "deposit()",
    "functionType": "payable",
    "abi": DEPOSIT,
}
SCHEDULE = {"scheduleType": "interval", "intervalSeconds": 5}

DOCUMENTS: list[Any] = [
    {
        "agents": [AGENT],
        "agentFunctions": [FUNCTION | {"agentId": "a"}],
        "agent_schedules": [SCHEDULE | {"agent_id": "a"}],
        "users": [{"wallet": 1}],
    },
    {
        "agent": AGENT,
        "functions": [FUNCTION | {"agentId": "a"}],
        "schedule": SCHEDULE | {"agentId": "a"},
    },
    AGENT | {"functions": [FUNCTION], "schedule": SCHEDULE},
    [AGENT | {"functions": [FUNCTION], "schedules": [SCHEDULE]}],
    {"agents": [AGENT | {"functions": [FUNCTION], "schedules": [SCHEDULE]}]},
    {"success": True, "data": [AGENT | {"functions": FUNCTION, "schedules": [SCHEDULE]}]},
]


@pytest.mark.parametrize("document", DOCUMENTS, ids=range(len(DOCUMENTS)))
def test_an_agent_is_found_with_what_belongs_to_it(document: object) -> None:
    reading = read_tables(Tables().with_document(document), chain_id=1)
    [agent] = reading.agents
    assert [one.signature for one in agent.functions] == ["deposit()"]
    assert [one["interval_seconds"] for one in agent.schedules] == [5]
    assert Verdict.REFUSED not in {line.verdict for line in reading.report.lines}


def test_parameters_inside_a_function_belong_to_it_even_if_it_has_no_id() -> None:
    pay = {
        "functionName": "pay",
        "functionSignature": "pay(uint256)",
        "functionType": "write",
        "abi": DEPOSIT | {"name": "pay", "inputs": [{"name": "n", "type": "uint256"}]},
        "parameters": [{"paramName": "n", "defaultValue": 1}],
    }
    other = pay | {"functionSignature": "pay(uint)", "functionId": "", "parameters": None}
    for function in (pay, pay | {"functionId": "f"}):
        tables = Tables().with_document(AGENT | {"functions": [function]})
        [agent] = read_tables(tables, chain_id=1).agents
        assert agent.functions[0].parameters[0].default == "1"
    tables = Tables().with_document(AGENT | {"functions": [pay, other, None]})
    refused = [one for one in read_tables(tables, chain_id=1).report.lines if one.problem]
    assert len(refused) == 2


@pytest.mark.parametrize(
    "document", [7, "agents", [7], {}, {"users": []}, {"success": True, "data": 7}]
)
def test_a_document_without_rows_is_refused(document: object) -> None:
    with pytest.raises(Refusal):
        Tables().with_document(document)


def test_tables_without_rows_are_false() -> None:
    assert not Tables()
    assert not Tables().with_document({"agents": None})
    assert Tables().with_document({"agents": [None]})


def test_tables_add_up() -> None:
    one, other = Tables(agents=(1,), contracts=(2,)), Tables(agents=(3,), agent_schedules=(4,))
    assert one.with_tables(other) == Tables((2,), (1, 3), agent_schedules=(4,))
