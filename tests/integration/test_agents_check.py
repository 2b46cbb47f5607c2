"""`agents check` on real chains: a node, and the demo's chain beside it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.anvil import CHAIN_ID, KEYS, Anvil, running_anvil
from tests.kitchen import deploy_kitchen
from zephyrus_exec.conversion import unstructure
from zephyrus_exec.evm import EvmChain, KeySigner
from zephyrus_exec.evm.embedded import CHAIN_ID as DEMO_CHAIN_ID
from zephyrus_exec.model import Contract

from .commands import run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def node() -> Iterator[Anvil]:
    with running_anvil() as anvil:
        yield anvil


@pytest.fixture(scope="module")
def kitchen(node: Anvil) -> Contract:
    async def deployed() -> Contract:
        chain = EvmChain(CHAIN_ID, [node.url])
        # The first account has put a token at its first address of the demo's chain.
        contract = await deploy_kitchen(chain, KeySigner.from_key(KEYS[1]))
        await chain.aclose()
        return contract

    return asyncio.run(deployed())


def agent(name: str, contract_id: str, *functions: dict[str, Any], **more: Any) -> dict[str, Any]:
    steps = [{"function": one["name"], "parameters": one.pop("call", {})} for one in functions]
    return {
        "id": name,
        "contract_id": contract_id,
        "signer": "main",
        "planner": {"name": "steps", "settings": {"steps": steps}},
        "functions": list(functions),
    } | more


def cook(**more: Any) -> dict[str, Any]:
    return {"name": "cook", "type": "write", "call": {"amount": 1}} | more


def test_each_agent_is_told_what_the_chains_say(
    node: Anvil, kitchen: Contract, tmp_path: Path
) -> None:
    there: dict[str, Any] = dict(unstructure(kitchen))  # type: ignore[arg-type]
    agents = [
        agent("good", "kitchen", cook(), gas_limit=300_000),
        agent("elsewhere", "misplaced", cook()),
        agent("nowhere", "lost", cook()),
        agent("thirsty", "kitchen", cook(), gas_limit=21_500),
        agent("reader", "kitchen", cook(type="read")),
        agent("ruled", "kitchen", cook(parameters=[{"name": "amounts", "rules": {"minimum": 1}}])),
    ]
    contracts = [
        there,
        there | {"id": "misplaced", "chain_id": DEMO_CHAIN_ID},
        there | {"id": "lost", "address": "0x" + "00" * 19 + "ff"},
    ]
    file = tmp_path / "agents.json"
    file.write_text(json.dumps({"agents": agents, "contracts": contracts}))
    ended = run(
        *("agents", "check", "--demo", "--agents", str(file)),
        *("--rpc", f"{CHAIN_ID}={node.url}"),
        env={"COLUMNS": "400", "ZEPHYRUS_KEY_MAIN": KEYS[0]},
    )
    assert ended.code == 1
    rows = [[cell.strip() for cell in line.split("│")] for line in ended.out.splitlines()]
    found = {row[1]: row[3] for row in rows if len(row) > 3}
    assert found["good"] == "ok"
    assert f"but there is one on chain {CHAIN_ID}; correct its chain_id" in found["elsewhere"]
    assert "nor on another configured chain; correct its address" in found["nowhere"]
    assert "cook(uint256) needs about" in found["thirsty"]
    assert "the limit is 21500; raise the agent's gas_limit" in found["thirsty"]
    assert "by the ABI cook(uint256) is write; set it to write" in found["reader"]
    assert "which has: amount; correct its name" in found["ruled"]


def test_a_chain_that_cannot_be_asked_is_told(kitchen: Contract, tmp_path: Path) -> None:
    file = tmp_path / "agents.json"
    document = {"agents": [agent("good", "kitchen", cook())], "contracts": [unstructure(kitchen)]}
    file.write_text(json.dumps(document))
    ended = run(
        *("agents", "check", "--agents", str(file), "--rpc", f"{CHAIN_ID}=http://127.0.0.1:1"),
        env={"COLUMNS": "400", "ZEPHYRUS_KEY_MAIN": KEYS[0]},
    )
    assert ended.code == 1
    assert f"the node of chain {CHAIN_ID} cannot be reached" in ended.out
