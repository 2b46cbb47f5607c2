"""The demo's token: our own contract, compiled in advance, put on the embedded chain."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any, Final

from ..evm.embedded import EmbeddedChain
from ..model import Contract

CONTRACT_ID: Final = "demo-token"
"""Id of the token's contract in the demo's repository."""
SYMBOL: Final = "ZDEMO"
"""What its amounts are called."""
DECIMALS: Final = 18
"""Decimal places of its amounts."""


async def deploy_token(chain: EmbeddedChain) -> Contract:
    """Put the token on the chain, minted by its first account, and return its contract.

    Raises:
        TransactionRejected: The chain refused.
        ChainUnavailable: The chain does not answer.
    """
    artifact = token_artifact()
    return Contract(
        id=CONTRACT_ID,
        address=await chain.deploy(artifact["bytecode"]),
        chain_id=chain.chain_id,
        name="DemoToken",
        type="ERC20",
        abi=tuple(artifact["abi"]),
    )


def token_artifact() -> dict[str, Any]:
    """Return `abi` and `bytecode` of the token, as compiled from `contracts/DemoToken.sol`."""
    file = resources.files(__package__) / "contracts" / "DemoToken.json"
    artifact: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return artifact
