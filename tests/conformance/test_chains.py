"""Both chains keep the promises of `Chain`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from tests.anvil import KEYS, Anvil, running_anvil
from tests.kitchen import deploy_kitchen, mine, reset
from zephyrus_exec.evm import EvmChain, KeySigner
from zephyrus_exec.model import AgentFunction, Contract, FunctionType, Json, JsonObject
from zephyrus_exec.testing.chain import ModelChain, ModelSigner
from zephyrus_exec.testing.chains import ChainBench, ChainConformance, Deed
from zephyrus_exec.testing.ledger import ModelCall, reverting

READ = Deed(AgentFunction("add"), {"a": "2", "b": "3"}, "5")
WRITE = Deed(AgentFunction("cook", type=FunctionType.WRITE), {"amount": "1"})
PAY = Deed(AgentFunction("pay", type=FunctionType.PAYABLE))
REFUSE = Deed(AgentFunction("cookOrFail", type=FunctionType.WRITE), {"amount": "1000"})
REFUSAL = "too much"


def _entry(name: str, *inputs: str) -> JsonObject:
    return {
        "type": "function",
        "name": name,
        "inputs": [{"name": one, "type": "uint256"} for one in inputs],
    }


def _cook(call: ModelCall) -> Json:
    call.storage["meals"] = int(str(call.storage.get("meals", 0))) + 1
    return None


class TestModelChain(ChainConformance):
    def bench(self) -> AbstractAsyncContextManager[ChainBench]:
        return self._bench()

    @asynccontextmanager
    async def _bench(self) -> AsyncIterator[ChainBench]:
        chain, signer = ModelChain(automine=False), ModelSigner()
        chain.fund(signer.address, 10**18)
        address = "0x" + "c0" * 20
        chain.deploy(
            address,
            {"add": "5", "cook": _cook, "pay": None, "cookOrFail": reverting(REFUSAL)},
        )
        abi = (
            _entry("add", "a", "b"),
            _entry("cook", "amount"),
            _entry("pay"),
            _entry("cookOrFail", "amount"),
        )

        async def mine_one() -> None:
            chain.mine()

        contract = Contract("kitchen", address, chain.chain_id, abi=abi)
        yield ChainBench(chain, signer, contract, READ, WRITE, PAY, REFUSE, REFUSAL, mine_one)
        await chain.aclose()


@pytest.fixture(scope="module")
def node() -> Iterator[Anvil]:
    with running_anvil("--no-mining") as anvil:
        yield anvil


class TestEvmChainOnAnvil(ChainConformance):
    endpoints = 1

    @pytest.fixture(autouse=True)
    def _on(self, node: Anvil) -> None:
        self.node = node

    def bench(self) -> AbstractAsyncContextManager[ChainBench]:
        return self._bench()

    @asynccontextmanager
    async def _bench(self) -> AsyncIterator[ChainBench]:
        chain = EvmChain(
            self.node.chain_id,
            [self.node.url] * self.endpoints,
            finality=8,
            request_timeout=1.0,
            poll_interval=0.5,
        )
        await reset(chain)
        contract = await deploy_kitchen(chain, KeySigner.from_key(KEYS[1]), mining=True)

        async def mine_one() -> None:
            await mine(chain)

        yield ChainBench(
            chain,
            KeySigner.from_key(KEYS[0]),
            contract,
            READ,
            WRITE,
            PAY,
            REFUSE,
            REFUSAL,
            mine_one,
        )
        await chain.aclose()


class TestEvmChainOfSeveralEndpoints(TestEvmChainOnAnvil):
    endpoints = 3
