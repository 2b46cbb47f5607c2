"""The test contract on a real node, put there by our own transactions."""

from __future__ import annotations

import asyncio
import json
from functools import cache
from pathlib import Path
from typing import Any

import rlp
from eth_utils.address import to_canonical_address, to_checksum_address
from eth_utils.crypto import keccak

from zephyrus_exec.evm import EvmChain
from zephyrus_exec.interfaces.chain import Call, Receipt
from zephyrus_exec.interfaces.signer import Signer
from zephyrus_exec.model import Contract, FunctionType

CONTRACTS = Path(__file__).parent / "contracts"


@cache
def kitchen() -> dict[str, Any]:
    """Return the compiled test contract: `abi` and `bytecode`."""
    artifact: dict[str, Any] = json.loads((CONTRACTS / "Kitchen.json").read_text("utf-8"))
    return artifact


def kitchen_contract(address: str, chain_id: int) -> Contract:
    """Return the test contract as an agent's contract."""
    return Contract("kitchen", address, chain_id, name="Kitchen", abi=tuple(kitchen()["abi"]))


async def mine(chain: EvmChain) -> None:
    """Mine one block, on a node for tests."""
    await chain._request("evm_mine", [])


async def reset(chain: EvmChain) -> None:
    """Bring a node for tests back to its first block."""
    await chain._request("anvil_reset", [])


async def settled(chain: EvmChain, transaction_hash: str, *, sender: str) -> Receipt:
    """Return the receipt as soon as the node has it: it mines after it has answered."""
    async with asyncio.timeout(10):
        while True:
            view = await chain.lookup([transaction_hash], sender=sender)
            if transaction_hash in view.receipts:
                return view.receipts[transaction_hash]
            await asyncio.sleep(0.01)


async def deploy_kitchen(chain: EvmChain, signer: Signer, *, mining: bool = False) -> Contract:
    """Create the test contract with a transaction built, signed and decoded by our own code.

    Args:
        chain: A node for tests.
        signer: Of a funded account.
        mining: Whether a block must be asked for.
    """
    address = await deploy(chain, signer, kitchen()["bytecode"], mining=mining)
    return kitchen_contract(address, chain.chain_id)


async def deploy(chain: EvmChain, signer: Signer, bytecode: str, *, mining: bool = False) -> str:
    """Create a contract of this bytecode (`0x…`), and return its address."""
    account = await chain.account(signer.address)
    creation = Call(
        chain_id=chain.chain_id,
        to="",
        data=bytes.fromhex(bytecode[2:]),
        function="constructor()",
        type=FunctionType.WRITE,
        arguments={},
        abi={},
    )
    unsigned = chain.build(creation, nonce=account.nonce, gas=5_000_000, fees=await chain.quote())
    signed = chain.assemble(unsigned, await signer.sign(unsigned.payload))
    assert chain.decode(signed.raw).to == ""
    await chain.broadcast(signed.raw)
    if mining:
        await mine(chain)
    receipt = await settled(chain, signed.hash, sender=signer.address)
    assert receipt.success
    slot = rlp.encode([to_canonical_address(signer.address), account.nonce])
    return str(to_checksum_address(keccak(slot)[12:]))
