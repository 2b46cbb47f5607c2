"""Everything the demo runs on: an embedded chain, a token, agents, and a signer for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING

from attrs import frozen

from ..evm import require_packages
from ..evm.embedded import CHAIN_ID, EmbeddedChain, embedded_chain
from ..interfaces.chain import Chain
from ..interfaces.runner import Runner
from ..interfaces.signer import Signer
from ..model import Agent, AgentFunction, Contract
from .agents import (
    IDLE_AGENT,
    LOST_AGENT,
    MINTED,
    MINTING_AGENT,
    PATIENT_AGENT,
    PLAIN_AGENT,
    REVERTING_AGENT,
    SIGNER,
    demo_agents,
)
from .deploy import DECIMALS, SYMBOL, deploy_token
from .runners import demo_runners

if TYPE_CHECKING:
    from ..evm import EvmChain, KeySigner

__all__ = [
    "DECIMALS",
    "IDLE_AGENT",
    "LOST_AGENT",
    "MINTED",
    "MINTING_AGENT",
    "PATIENT_AGENT",
    "PLAIN_AGENT",
    "REVERTING_AGENT",
    "SIGNER",
    "SYMBOL",
    "DemoWorld",
    "demo_agents",
    "demo_runners",
    "demo_world",
]


@frozen
class DemoWorld:
    """What an engine needs to run the demo's agents."""

    chains: Mapping[int, Chain]
    """The embedded chain, by its chain id."""
    signers: Mapping[str, Signer]
    """The agents' signer, by its name; it may mint."""
    agents: tuple[Agent, ...]
    contracts: tuple[Contract, ...]
    runners: Mapping[str, Runner]
    """Runners the agents name, besides the shipped `cycle`."""
    token: Contract
    """The deployed token."""
    holder: str
    """Checksummed address whose balance the minting agent raises."""
    embedded: EmbeddedChain
    """The chain's process."""

    async def balance_of(self, account: str) -> int:
        """Return how much of the token an address owns, in its smallest unit.

        Raises:
            ChainUnavailable: The chain does not answer.
        """
        chain = self.chains[self.token.chain_id]
        function = AgentFunction("balanceOf", "balanceOf(address)")
        call = chain.encode(self.token, function, {"account": account})
        return int(str((await chain.read(call)).value))


@asynccontextmanager
async def demo_world(*, chain_id: int = CHAIN_ID) -> AsyncIterator[DemoWorld]:
    """Run the demo's chain for the length of a block, the token deployed.

    Args:
        chain_id: EIP-155 chain id of the embedded chain.

    Raises:
        MissingExtra: The extra `demo` is not installed; nothing was started.
        ConfigurationError: The chain did not come up.
    """
    require_packages("demo", "web3", "eth_account", "eth_tester", "eth")
    # web3 takes about as long to import as the chain to start: both at once.
    importing = asyncio.ensure_future(asyncio.to_thread(_import_evm))
    try:
        async with embedded_chain(chain_id=chain_id, accounts=2) as embedded:
            evm_chain, key_signer = await importing
            chain = evm_chain(chain_id, [embedded.url])
            try:
                yield await _world(chain, key_signer, embedded)
            finally:
                await chain.aclose()
    finally:
        await asyncio.gather(importing, return_exceptions=True)


def _import_evm() -> tuple[type[EvmChain], type[KeySigner]]:
    evm = import_module("..evm", __package__)
    return evm.EvmChain, evm.KeySigner


async def _world(
    chain: EvmChain, key_signer: type[KeySigner], embedded: EmbeddedChain
) -> DemoWorld:
    token = await deploy_token(embedded)
    minter, holder = embedded.accounts
    return DemoWorld(
        chains={chain.chain_id: chain},
        signers={SIGNER: key_signer.from_key(minter.private_key)},
        agents=demo_agents(token, holder=holder.address),
        contracts=(token,),
        runners=demo_runners(),
        token=token,
        holder=holder.address,
        embedded=embedded,
    )
