"""A database as a deployed Zephyrus system has it, with everything in it that can be wrong."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE contracts (
    contract_id TEXT PRIMARY KEY, address TEXT NOT NULL, chain_id INTEGER, name TEXT NOT NULL,
    type TEXT NOT NULL, abi JSON, deployed_at TIMESTAMP, owner_address TEXT,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE agents (
    agent_id TEXT PRIMARY KEY, contract_id TEXT, name TEXT NOT NULL, description TEXT,
    status TEXT DEFAULT 'paused', gas_limit TEXT, max_priority_fee TEXT, owner TEXT,
    contract_state JSON,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE agent_functions (
    function_id TEXT PRIMARY KEY, agent_id TEXT NOT NULL, function_name TEXT NOT NULL,
    function_signature TEXT NOT NULL, function_type TEXT NOT NULL, is_enabled BOOLEAN DEFAULT true,
    validation_rules JSON, abi JSON,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE agent_function_params (
    param_id TEXT PRIMARY KEY, function_id TEXT NOT NULL, param_name TEXT NOT NULL,
    param_type TEXT NOT NULL, default_value TEXT, validation_rules JSON,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE agent_schedules (
    schedule_id TEXT PRIMARY KEY, agent_id TEXT NOT NULL, schedule_type TEXT NOT NULL,
    interval_seconds INTEGER, cron_expression TEXT, next_execution TIMESTAMP,
    last_execution TIMESTAMP, is_active BOOLEAN DEFAULT true,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
"""

TOKEN = "0xa199dadb19440efdd5d9f19de435d070b9c05c94"
BOOK = "0x" + "b0" * 20
BARE = "0x" + "ba" * 20
ROWLESS = "0x" + "c0" * 20
OWNER = "0xaB6E247B25463F76E81aBAbBb6b0b86B40d45D38"


def function(name: str, *inputs: tuple[str, str], view: str = "nonpayable") -> dict[str, Any]:
    """Return an ABI entry; inputs are (name, type)."""
    return {
        "type": "function",
        "name": name,
        "inputs": [{"name": label, "type": kind} for label, kind in inputs],
        "outputs": [],
        "stateMutability": view,
    }


TRANSFER = function("transfer", ("to", "address"), ("amount", "uint256"))
ALLOWANCE = function("allowance", ("owner", "address"), ("spender", "address"), view="view")
SUM = function("sum", ("a", "uint256"), view="pure")
PLACE: dict[str, Any] = {
    **function("place", ("order", "tuple"), ("amount", "uint256")),
    "inputs": [
        {
            "name": "order",
            "type": "tuple",
            "components": [{"name": "to", "type": "address"}, {"name": "side", "type": "uint8"}],
        },
        {"name": "amount", "type": "uint256"},
    ],
}
DEPOSIT = function("deposit", view="payable")
GET_A, GET_B = function("get", view="view"), function("get", ("key", "uint256"), view="view")

ROWS: dict[str, list[dict[str, Any]]] = {
    "contracts": [
        {  # an ABI as a string, with nulls in it; its id is its address
            "contract_id": TOKEN,
            "address": TOKEN,
            "chain_id": "11155111",
            "name": "Token",
            "type": "ERC20",
            "abi": json.dumps([TRANSFER, None, ALLOWANCE, SUM, DEPOSIT, None, GET_A, GET_B]),
        },
        {  # an empty ABI: functions bring their own
            "contract_id": BOOK,
            "address": "",
            "chain_id": 1,
            "name": "Book",
            "type": "",
            "abi": "[]",
        },
        {  # no chain
            "contract_id": BARE,
            "address": BARE,
            "chain_id": "",
            "name": "",
            "type": "",
            "abi": "",
        },
        {  # no address at all
            "contract_id": "shop",
            "address": "somewhere",
            "chain_id": 1,
            "name": "",
            "type": "",
            "abi": None,
        },
        {  # an ABI that is none
            "contract_id": "torn",
            "address": TOKEN,
            "chain_id": 1,
            "name": "",
            "type": "",
            "abi": '[{"type": "func',
        },
    ],
    "agents": [
        {
            "agent_id": "good",
            "contract_id": TOKEN,
            "name": "Good",
            "description": None,
            "status": "active",
            "gas_limit": "300000",
            "max_priority_fee": "1.5",
            "owner": OWNER,
            "contract_state": '{"paused": false}',
        },
        {  # empty strings for absent values, another spelling of its contract's id
            "agent_id": "empty",
            "contract_id": TOKEN.upper().replace("0X", "0x"),
            "name": "",
            "description": "",
            "status": "",
            "gas_limit": "",
            "max_priority_fee": "",
            "owner": "",
        },
        {"agent_id": "book", "contract_id": BOOK, "name": "Book", "status": "Active"},
        {"agent_id": "rowless", "contract_id": ROWLESS, "name": "R", "status": "paused"},
        {"agent_id": "lost", "contract_id": "nowhere", "name": "Lost", "status": "paused"},
        {"agent_id": "gasless", "contract_id": TOKEN, "name": "", "gas_limit": "plenty"},
        {"agent_id": "wei", "contract_id": TOKEN, "name": "", "max_priority_fee": "1500000000"},
        {"agent_id": "asleep", "contract_id": TOKEN, "name": "", "status": "asleep"},
    ],
    "agent_functions": [
        {
            "function_id": "good-transfer",
            "agent_id": "good",
            "function_name": "transfer",
            "function_signature": "transfer(address,uint256)",
            "function_type": "write",
            "is_enabled": 1,
            "validation_rules": "{}",
            "abi": json.dumps(TRANSFER),
        },
        {  # rules by parameter, all of them empty, as the deployed sample data has them
            "function_id": "good-allowance",
            "agent_id": "good",
            "function_name": "allowance",
            "function_signature": "allowance(address,address)",
            "function_type": "read",
            "is_enabled": 0,
            "validation_rules": json.dumps({"owner": {}, "spender": {}}),
            "abi": "",
        },
        {  # pure, stored as write
            "function_id": "good-sum",
            "agent_id": "good",
            "function_name": "sum",
            "function_signature": "sum(uint)",
            "function_type": "write",
            "is_enabled": "1",
            "validation_rules": "",
            "abi": json.dumps([SUM]),
        },
        {  # a rule nobody knows
            "function_id": "good-deposit",
            "agent_id": "good",
            "function_name": "deposit",
            "function_signature": "deposit()",
            "function_type": "payable",
            "is_enabled": True,
            "validation_rules": json.dumps({"onlyOnFridays": True}),
            "abi": None,
        },
        {  # overloaded, and nothing tells which
            "function_id": "good-get",
            "agent_id": "good",
            "function_name": "get",
            "function_signature": "get",
            "function_type": "read",
        },
        {  # the same function again
            "function_id": "good-transfer-2",
            "agent_id": "good",
            "function_name": "transfer",
            "function_signature": "transfer(address,uint)",
            "function_type": "write",
        },
        {  # a read that would send
            "function_id": "empty-transfer",
            "agent_id": "empty",
            "function_name": "transfer",
            "function_signature": "transfer(address,uint256)",
            "function_type": "read",
        },
        {  # a signature nobody computed, the ABI only here
            "function_id": "book-place",
            "agent_id": "book",
            "function_name": "place",
            "function_signature": "place(tuple,uint256)",
            "function_type": "write",
            "is_enabled": "true",
            "validation_rules": None,
            "abi": json.dumps(json.dumps(PLACE)),
        },
        {  # no ABI anywhere
            "function_id": "book-cancel",
            "agent_id": "book",
            "function_name": "cancel",
            "function_signature": "cancel(uint256)",
            "function_type": "write",
        },
        {  # an ABI of something else
            "function_id": "book-settle",
            "agent_id": "book",
            "function_name": "settle",
            "function_signature": "settle()",
            "function_type": "write",
            "abi": json.dumps(DEPOSIT),
        },
        {  # one of its parameters has a rule nobody knows
            "function_id": "empty-sum",
            "agent_id": "empty",
            "function_name": "sum",
            "function_signature": "sum(uint256)",
            "function_type": "read",
        },
        {
            "function_id": "rowless-deposit",
            "agent_id": "rowless",
            "function_name": "deposit",
            "function_signature": "",
            "function_type": "payable",
            "abi": json.dumps(DEPOSIT),
        },
        {
            "function_id": "orphan",
            "agent_id": "nobody",
            "function_name": "deposit",
            "function_signature": "deposit()",
            "function_type": "payable",
        },
        {
            "function_id": "gasless-deposit",
            "agent_id": "gasless",
            "function_name": "deposit",
            "function_signature": "deposit()",
            "function_type": "payable",
        },
    ],
    "agent_function_params": [
        {
            "param_id": "p-amount",
            "function_id": "good-transfer",
            "param_name": "amount",
            "param_type": "uint256",
            "default_value": "25000000000000000000",
            "validation_rules": json.dumps({"min": "1", "max": 10**21}),
        },
        {
            "param_id": "p-to",
            "function_id": "good-transfer",
            "param_name": "to",
            "param_type": "string",
            "default_value": "",
            "validation_rules": json.dumps({"enum": [OWNER], "required": True}),
        },
        {
            "param_id": "p-a",
            "function_id": "empty-sum",
            "param_name": "a",
            "param_type": "uint256",
            "validation_rules": json.dumps({"min": 0, "maxPerDay": 3}),
        },
        {
            "param_id": "p-order",
            "function_id": "book-place",
            "param_name": "order",
            "param_type": "tuple",
            "default_value": json.dumps({"to": OWNER, "side": 1}),
            "validation_rules": "null",
        },
        {  # of a function that is refused anyway
            "param_id": "p-cancel",
            "function_id": "book-cancel",
            "param_name": "id",
            "param_type": "uint256",
        },
        {
            "param_id": "p-orphan",
            "function_id": "nothing",
            "param_name": "id",
            "param_type": "uint256",
        },
    ],
    "agent_schedules": [
        {
            "schedule_id": "daily",
            "agent_id": "good",
            "schedule_type": "cron",
            "cron_expression": "0 0 * * *",
            "is_active": 1,
        },
        {
            "schedule_id": "often",
            "agent_id": "book",
            "schedule_type": "interval",
            "interval_seconds": "60",
            "cron_expression": "",
            "is_active": 0,
        },
        {"schedule_id": "never", "agent_id": "book", "schedule_type": "interval"},
    ],
}
"""By table. Columns that are left out have the value the table gives them."""


def make_database(
    path: Path, rows: Mapping[str, Sequence[Mapping[str, Any]]] = ROWS, *, journal: str = "delete"
) -> Path:
    """Make a database of these rows and return its path."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"PRAGMA journal_mode = {journal}")
        connection.executescript(SCHEMA)
        for table, every in rows.items():
            for row in every:
                columns = ", ".join(row)
                marks = ", ".join("?" * len(row))
                statement = f"INSERT INTO {table} ({columns}) VALUES ({marks})"
                connection.execute(statement, list(row.values()))
    return path
