"""Every row of a deployed system's tables is taken, repaired or refused, and told so."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest

from tests.zephyrus import BARE, DEPOSIT, GET_A, GET_B, OWNER, ROWS, SUM, TOKEN, TRANSFER
from zephyrus_exec.model import Agent, AgentStatus, FunctionType
from zephyrus_exec.repositories.zephyrus import Line, Reading, Tables, Verdict, read_tables


def read(chain_id: int | None = None, **rows: list[Any]) -> Reading:
    tables = Tables()
    for table, every in rows.items():
        tables = tables.plus(table, every)
    return read_tables(tables, chain_id=chain_id)


def contract(**more: Any) -> dict[str, Any]:
    return {"contract_id": TOKEN, "address": TOKEN, "chain_id": 1, "abi": [TRANSFER, SUM]} | more


def agent(**more: Any) -> dict[str, Any]:
    return {"agent_id": "a", "contract_id": TOKEN, "status": "active"} | more


def function(**more: Any) -> dict[str, Any]:
    return {
        "function_id": "f",
        "agent_id": "a",
        "function_name": "transfer",
        "function_signature": "transfer(address,uint256)",
        "function_type": "write",
    } | more


def one(reading: Reading, table: str) -> Line:
    (line,) = [line for line in reading.report.lines if line.table == table]
    return line


def with_function(**more: Any) -> tuple[Agent, Line]:
    reading = read(contracts=[contract()], agents=[agent()], agent_functions=[function(**more)])
    return reading.agents[0], one(reading, "agent_functions")


def test_the_same_rows_in_any_order_give_the_same() -> None:
    rows = {
        table: [row for row in every if row.get("function_id") != "good-transfer-2"]
        for table, every in ROWS.items()
    }  # of two rows for one thing, the first counts
    whole = read(57054, **rows)
    for seed in range(5):
        shuffled = {
            table: random.Random(seed).sample(rows[table], len(rows[table]))
            for table in random.Random(seed).sample(list(rows), len(rows))
        }
        assert read(57054, **shuffled) == whole


def test_both_spellings_mean_the_same() -> None:
    snake = read(
        contracts=[contract()],
        agents=[agent(gas_limit="7", max_priority_fee="2")],
        agent_functions=[function(is_enabled=0, validation_rules={"amount": {"max_value": 9}})],
        agent_function_params=[
            {"param_id": "p", "function_id": "f", "param_name": "to", "default_value": OWNER}
        ],
        agent_schedules=[
            {"agent_id": "a", "schedule_type": "interval", "interval_seconds": 5, "is_active": 0}
        ],
    )
    camel = read(
        contracts=[{"contractId": TOKEN, "address": TOKEN, "chainId": 1, "abi": [TRANSFER, SUM]}],
        agents=[
            {
                "agentId": "a",
                "contractId": TOKEN,
                "status": "active",
                "gasLimit": 7,
                "maxPriorityFee": 2.0,
            }
        ],
        agent_functions=[
            {
                "functionId": "f",
                "agentId": "a",
                "functionName": "transfer",
                "functionSignature": "transfer(address,uint256)",
                "functionType": "write",
                "isEnabled": False,
                "validationRules": {"amount": {"maxValue": 9}},
            }
        ],
        agent_function_params=[
            {"paramId": "p", "functionId": "f", "paramName": "to", "defaultValue": OWNER}
        ],
        agent_schedules=[
            {"agentId": "a", "scheduleType": "interval", "intervalSeconds": 5, "isActive": False}
        ],
    )
    assert camel == snake
    assert {line.verdict for line in camel.report.lines} == {Verdict.TAKEN}
    [found] = camel.agents
    assert (found.gas_limit, found.max_priority_fee_gwei) == (7, Decimal(2))
    assert len(found.schedules) == 1
    assert [p.name for p in found.functions[0].parameters] == ["to", "amount"]


def test_a_row_with_two_values_for_one_thing_is_refused_and_with_one_value_twice_it_is_not() -> (
    None
):
    assert one(read(agents=[agent(agentId="b")]), "agents").problem.startswith("it has two values")
    assert read(agents=[agent(agentId="a", contractId=None)]).agents[0].contract_id == TOKEN


@pytest.mark.parametrize("row", [None, [], "agent", 7, b"x"])
def test_what_is_no_row_is_refused(row: object) -> None:
    line = one(read(agents=[row]), "agents")
    assert (line.id, line.verdict) == ("row 1", Verdict.REFUSED)


@pytest.mark.parametrize("table", ["contracts", "agents"])
def test_a_row_without_id_is_refused(table: str) -> None:
    rows: dict[str, Any] = {table: [{"name": "x"}]}
    line = one(read(**rows), table)
    assert (line.id, line.problem) == ("row 1", f"{table[:-1]}_id is empty")


def test_of_two_rows_with_one_id_the_second_is_refused() -> None:
    reading = read(agents=[agent(name="first", contract_id=""), agent(name="second")])
    assert [one.name for one in reading.agents] == ["first"]
    problems = {line.name: line.problem for line in reading.report.lines}
    assert problems == {"first": "", "second": "another row has the same id"}


def test_columns_nobody_knows_are_noted_and_do_no_harm() -> None:
    line = one(read(agents=[agent(contract_id=None, mood="blue", created_at="now")]), "agents")
    assert (line.verdict, line.notes) == (Verdict.TAKEN, ("the column mood is not kept",))


# --- contracts -----------------------------------------------------------------------------------


def test_a_contract_without_chain_or_without_row_is_on_the_chain_that_is_named() -> None:
    without = contract(contract_id=BARE, address=BARE, chain_id=None)
    named = read(5, contracts=[without], agents=[agent()])
    assert {one.id: (one.address, one.chain_id) for one in named.contracts} == {
        BARE: (BARE, 5),
        TOKEN: (TOKEN, 5),
    }
    unnamed = read(contracts=[without], agents=[agent()])
    assert unnamed.contracts == ()
    remedies = [line.remedy for line in unnamed.report.lines if line.table == "contracts"]
    assert all("name the chain" in remedy for remedy in remedies)
    assert len(remedies) == 2


@pytest.mark.parametrize(
    ("abi", "entries", "said"),
    [
        ([TRANSFER], 1, ""),
        ([TRANSFER, None, "x"], 1, "2 of 3 ABI entries were no objects"),
        (TRANSFER, 1, ""),
        ({}, 0, "it has no ABI"),
        ([], 0, "it has no ABI"),
        (None, 0, "it has no ABI"),
        ("", 0, "abi was empty: taken as absent"),
        ('"[]"', 0, "abi was JSON inside a JSON string"),
        (7, None, "abi is 7, no list of entries"),
        ("{", None, "abi is '{', no JSON"),
        ("[NaN]", None, "abi is '[NaN]', no JSON"),
        ("[" * 100_000, None, "no JSON"),
        ('["\\ud800"]', None, "no JSON"),
        (b"[]", None, "no JSON"),
    ],
)
def test_an_abi_in_any_form_is_read_or_refused(abi: object, entries: int | None, said: str) -> None:
    reading = read(contracts=[contract(abi=abi)])
    assert said in one(reading, "contracts").text
    found = [len(contract.abi) for contract in reading.contracts]
    assert found == ([] if entries is None else [entries])


# --- agents --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("active", AgentStatus.ACTIVE),
        (" Stopped", AgentStatus.STOPPED),
        (None, AgentStatus.PAUSED),
        ("on", None),
        (True, None),
    ],
)
def test_a_status_is_read_or_refused(said: object, status: AgentStatus | None) -> None:
    found = [one.status for one in read(agents=[agent(status=said)]).agents]
    assert found == ([] if status is None else [status])


@pytest.mark.parametrize("said", [0, -1, "0", "1e6", "1.5", True, [], "9" * 90])
def test_a_gas_limit_that_is_none_refuses_the_agent_and_never_lifts_the_limit(said: object) -> None:
    reading = read(agents=[agent(gas_limit=said)])
    assert reading.agents == ()
    assert "gas_limit" in one(reading, "agents").problem


@pytest.mark.parametrize(
    ("said", "limit"), [(None, None), ("", None), (7, 7), ("7", 7), ("0x10", 16), ("7.0", 7)]
)
def test_a_gas_limit_is_read_in_every_way_of_writing(said: object, limit: int | None) -> None:
    assert read(agents=[agent(gas_limit=said)]).agents[0].gas_limit == limit


@pytest.mark.parametrize("said", ["fast", "-1", True, [], "1e3", "NaN"])
def test_a_fee_that_is_none_refuses_the_agent(said: object) -> None:
    reading = read(agents=[agent(max_priority_fee=said)])
    assert reading.agents == ()
    assert "no number" in one(reading, "agents").problem


# --- functions -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "enabled"),
    [
        *((said, False) for said in (0, "0", False, "FALSE")),
        *((said, True) for said in (1, "1", True, "true", None, "")),
    ],
)
def test_is_enabled_is_read_in_every_way_of_writing(said: object, enabled: bool) -> None:
    found, _ = with_function(is_enabled=said)
    assert found.functions[0].enabled is enabled


def test_is_enabled_that_is_neither_refuses_the_function_and_not_the_agent() -> None:
    found, line = with_function(is_enabled="perhaps")
    assert found.functions == ()
    assert line.problem == "is_enabled is 'perhaps', neither true nor false"


@pytest.mark.parametrize(
    ("said", "view", "kind"),
    [
        ("read", "view", FunctionType.READ),
        ("view", "view", FunctionType.READ),
        ("write", "pure", FunctionType.READ),
        ("payable", "view", FunctionType.READ),
        ("Write", "nonpayable", FunctionType.WRITE),
        ("nonpayable", "nonpayable", FunctionType.WRITE),
        ("payable", "nonpayable", FunctionType.WRITE),
        ("write", "payable", FunctionType.WRITE),
        ("payable", "payable", FunctionType.PAYABLE),
        ("read", "nonpayable", None),
        ("pure", "payable", None),
        ("call", "view", None),
        ("", "view", None),
        ("write", "sideways", None),
    ],
)
def test_a_type_never_allows_more_than_row_and_abi_do(
    said: str, view: str, kind: FunctionType | None
) -> None:
    found, line = with_function(function_type=said, abi=TRANSFER | {"stateMutability": view})
    assert [one.type for one in found.functions] == ([] if kind is None else [kind])
    assert (line.verdict is Verdict.TAKEN) == (kind is not None and said.lower() == kind.value)


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ("transfer(address,uint256)", Verdict.TAKEN),
        ("transfer(address,uint)", Verdict.REPAIRED),
        ("transfer( address to, uint256 amount )", Verdict.REPAIRED),
        ("transfer", Verdict.REPAIRED),
        ("", Verdict.REPAIRED),
        ("transfer(tuple)", Verdict.REPAIRED),
    ],
)
def test_a_signature_is_computed_from_the_abi(said: str, verdict: Verdict) -> None:
    found, line = with_function(function_signature=said)
    assert found.functions[0].signature == "transfer(address,uint256)"
    assert line.verdict is verdict


@pytest.mark.parametrize(
    ("said", "signature"),
    [("get(uint)", "get(uint256)"), ("get()", "get()"), ("get", None), ("get(bool)", None)],
)
def test_a_signature_chooses_among_overloads(said: str, signature: str | None) -> None:
    found, line = with_function(
        function_name="get", function_signature=said, function_type="read", abi=[GET_A, GET_B]
    )
    assert [one.signature for one in found.functions] == ([signature] if signature else [])
    assert ("get(), get(uint256)" in line.remedy) == (signature is None)


def test_overloads_are_called_by_their_signatures() -> None:
    get = {"function_name": "get", "function_type": "read", "abi": [GET_A, GET_B]}
    rows = [
        function(function_id=signature, function_signature=signature, **get)
        for signature in ("get(uint256)", "get()")
    ]
    functions = read(agents=[agent()], agent_functions=[*rows, function(abi=TRANSFER)])
    names = [(one.name, one.signature) for one in functions.agents[0].functions]
    assert names == [
        ("get()", "get()"),
        ("get(uint256)", "get(uint256)"),
        ("transfer", "transfer(address,uint256)"),
    ]


def test_an_abi_that_is_malformed_refuses_the_function() -> None:
    broken = TRANSFER | {"inputs": [{"name": "to", "type": "adress"}]}
    found, line = with_function(abi=broken)
    assert found.functions == ()
    assert "'adress' is no type" in line.problem


def test_a_function_keeps_its_own_abi_and_otherwise_has_its_contracts() -> None:
    assert with_function(abi=[None, TRANSFER, DEPOSIT])[0].functions[0].abi == TRANSFER
    assert with_function(abi={})[0].functions[0].abi is None


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        ({"amount": {"maxPerDay": 1}}, "amount: there is no rule 'maxPerDay' here"),
        ({"maxPerDay": 1}, "there is no rule and no parameter 'maxPerDay'"),
        ([1], "validation_rules is [1], no object"),
        ("{", "validation_rules is '{', no JSON"),
        ({"amount": {"default": "much"}}, "amount: default_value is 'much', no uint256"),
    ],
)
def test_rules_that_are_not_understood_refuse_the_function_and_not_the_agent(
    rules: object, problem: str
) -> None:
    found, line = with_function(validation_rules=rules)
    assert (found.id, found.functions) == ("a", ())
    assert line.problem == problem


@pytest.mark.parametrize(
    "rules", [None, "", "{}", {}, [], "[]", "null", {"to": {}, "amount": None}]
)
def test_rules_that_say_nothing_are_none(rules: object) -> None:
    assert with_function(validation_rules=rules)[0].functions[0].parameters == ()


def with_params(rules: object = None, **more: Any) -> tuple[Reading, Line]:
    param = {"param_id": "p", "function_id": "f", "param_name": "amount"} | more
    reading = read(
        contracts=[contract()],
        agents=[agent()],
        agent_functions=[function(validation_rules=rules)],
        agent_function_params=[param],
    )
    return reading, one(reading, "agent_function_params")


def test_rules_of_the_function_and_of_the_parameter_add_up() -> None:
    rules = {"amount": {"min": 1, "max": 5, "required": False}}
    reading, _ = with_params(rules, validation_rules={"max": "5", "default": 3})
    [parameter] = reading.agents[0].functions[0].parameters
    assert (parameter.rules.minimum, parameter.rules.maximum, parameter.default) == (1, 5, "3")
    assert "means nothing" in one(reading, "agent_functions").text


def test_rules_of_the_function_and_of_the_parameter_that_differ_refuse_the_function() -> None:
    reading, _ = with_params({"amount": {"max": 5}}, validation_rules={"max": 6})
    assert reading.agents[0].functions == ()
    assert "two rules for maximum: 6 and 5" in one(reading, "agent_functions").problem


@pytest.mark.parametrize(
    "more",
    [
        {"param_name": "nobody"},
        {"param_name": ""},
        {"default_value": "much"},
        {"validation_rules": {"nobody": 1}},
        {"param_name": "\udc80"},
        {"paramName": "to"},
    ],
)
def test_a_parameter_that_is_refused_takes_its_function_with_it(more: dict[str, Any]) -> None:
    reading, line = with_params(**more)
    assert line.verdict is Verdict.REFUSED
    assert reading.agents[0].functions == ()
    assert one(reading, "agent_functions").problem == "a row of its parameters was refused"


def test_a_parameter_without_name_in_the_abi_is_called_by_its_position() -> None:
    reading = read(
        contracts=[contract()],
        agents=[agent()],
        agent_functions=[
            function(abi=TRANSFER | {"inputs": [{"type": "address"}, {"type": "uint256"}]})
        ],
        agent_function_params=[{"function_id": "f", "param_name": 1, "default_value": 5}],
    )
    [parameter] = reading.agents[0].functions[0].parameters
    assert (parameter.name, parameter.default) == ("1", "5")


def test_rows_that_belong_to_nothing_are_refused() -> None:
    reading = read(
        agent_functions=[function()],
        agent_function_params=[{"param_id": "p", "function_id": ""}, None],
        agent_schedules=[{"schedule_id": "s", "agent_id": "nobody"}],
    )
    assert {line.verdict for line in reading.report.lines} == {Verdict.REFUSED}
    assert len(reading.report.lines) == 4


# --- schedules -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"schedule_type": "moon"}, "schedule_type is 'moon'"),
        ({"schedule_type": "cron"}, "cron_expression is empty, and its type is cron"),
        (
            {"schedule_type": "interval", "interval_seconds": 0},
            "interval_seconds is 0, and its type is interval",
        ),
        (
            {"schedule_type": "interval", "interval_seconds": "soon"},
            "interval_seconds is 'soon', no",
        ),
    ],
)
def test_a_schedule_that_does_not_say_when_is_refused(row: dict[str, Any], problem: str) -> None:
    reading = read(agents=[agent()], agent_schedules=[{"agent_id": "a"} | row])
    assert reading.agents[0].schedules == ()
    assert one(reading, "agent_schedules").problem.startswith(problem)


def test_a_schedule_is_kept_in_one_form() -> None:
    row = {"scheduleId": "s", "agentId": "a", "scheduleType": "cron", "cronExpression": "* * * * *"}
    reading = read(agents=[agent()], agent_schedules=[row | {"isActive": "1"}])
    assert reading.agents[0].schedules == (
        {
            "schedule_id": "s",
            "schedule_type": "cron",
            "cron_expression": "* * * * *",
            "is_active": True,
        },
    )
