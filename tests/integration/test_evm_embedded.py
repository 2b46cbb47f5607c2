"""The EVM chain on the chain that demos run on."""

from __future__ import annotations

import pytest

from tests.kitchen import deploy_kitchen, settled
from zephyrus_exec.errors import CallReverted, NoCodeAtAddress
from zephyrus_exec.evm import EvmChain, KeySigner
from zephyrus_exec.evm.embedded import embedded_chain
from zephyrus_exec.model import AgentFunction, Contract, FunctionType


async def test_the_embedded_chain_reads_writes_and_refuses_like_a_node() -> None:
    async with embedded_chain() as embedded:
        chain = EvmChain(embedded.chain_id, [embedded.url])
        signer = KeySigner.from_key(embedded.accounts[0].private_key)
        try:
            await _try_out(chain, signer)
        finally:
            await chain.aclose()


async def _try_out(chain: EvmChain, signer: KeySigner) -> None:
    contract = await deploy_kitchen(chain, signer)
    cook = AgentFunction("cook", type=FunctionType.WRITE)
    call = chain.encode(contract, cook, {"amount": 2**60})
    simulation = await chain.simulate(call, sender=signer.address)
    account = await chain.account(signer.address)
    unsigned = chain.build(call, nonce=account.nonce, gas=simulation.gas, fees=await chain.quote())
    signed = chain.assemble(unsigned, await signer.sign(unsigned.payload))
    await chain.broadcast(signed.raw)
    receipt = await settled(chain, signed.hash, sender=signer.address)
    assert receipt.success
    count = chain.encode(contract, AgentFunction("count"), {})
    result = await chain.read(count, min_block=receipt.block_number)
    assert (result.value, result.block_number) == (str(2**60), receipt.block_number)
    refusing = chain.encode(contract, AgentFunction("failCustom"), {"wanted": 5})
    with pytest.raises(CallReverted, match="OutOfStock"):
        await chain.read(refusing, sender=signer.address)
    nobody = Contract("x", signer.address, chain.chain_id, abi=contract.abi)
    with pytest.raises(NoCodeAtAddress):
        await chain.read(chain.encode(nobody, AgentFunction("count"), {}))
