"""The counter on a real node: what shows every call that was missed or made twice."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from tests.kitchen import CONTRACTS, deploy
from zephyrus_exec.evm import EvmChain
from zephyrus_exec.interfaces.signer import Signer
from zephyrus_exec.model import Contract


@cache
def counter() -> dict[str, Any]:
    """Return the compiled counter: `abi` and `bytecode`."""
    artifact: dict[str, Any] = json.loads((CONTRACTS / "Counter.json").read_text("utf-8"))
    return artifact


def counter_contract(address: str, chain_id: int) -> Contract:
    """Return the counter as an agent's contract."""
    return Contract("counter", address, chain_id, name="Counter", abi=tuple(counter()["abi"]))


async def deploy_counter(chain: EvmChain, signer: Signer) -> Contract:
    """Put a counter on a node for tests."""
    return counter_contract(await deploy(chain, signer, counter()["bytecode"]), chain.chain_id)
