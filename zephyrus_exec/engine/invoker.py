"""From an action to a call: everything that is checked before a node is asked."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from ..errors import ChainNotConfigured, ContractNotFound, SignerNotConfigured
from ..interfaces.chain import Call, Chain
from ..interfaces.signer import Signer
from ..model import Action, Agent, AgentFunction, Contract, FunctionType
from .policy import allowed_function, check_rules, with_defaults


@frozen
class Invocation:
    """An action that may be performed."""

    function: AgentFunction
    chain: Chain
    call: Call
    signer: Signer | None
    """Who signs; null: it is a read."""
    confirmations: int


@frozen
class Invoker:
    """Knows the configured chains and signers."""

    chains: Mapping[int, Chain]
    """By chain id."""
    signers: Mapping[str, Signer]
    """By name."""

    def prepare(self, agent: Agent, contract: Contract | None, action: Action) -> Invocation:
        """Return the invocation, valid by ABI, rules and configuration; no node was asked.

        Raises:
            InvocationError: It is not valid; the message says what to change.
            ContractNotFound: The agent has no contract.
        """
        function = allowed_function(agent, action)
        if contract is None:
            raise ContractNotFound(
                f"agent {agent.id} is bound to no contract, so it cannot call {function.name}; "
                "give it a contract_id",
                contract_id=agent.contract_id,
            )
        chain = self.chain_of(contract.chain_id)
        call = chain.encode(
            contract,
            function,
            with_defaults(function, action.parameters),
            value_wei=action.value_wei,
        )
        check_rules(function, call.arguments)
        signer = None if function.type is FunctionType.READ else self.signer_of(agent, function)
        return Invocation(
            function, chain, call, signer, function.confirmations or chain.confirmations
        )

    def chain_of(self, chain_id: int) -> Chain:
        """Return the chain.

        Raises:
            ChainNotConfigured: There is none of that id.
        """
        chain = self.chains.get(chain_id)
        if chain is None:
            raise ChainNotConfigured(
                f"no RPC URL is configured for chain {chain_id}; set ZEPHYRUS_RPC_{chain_id}",
                chain_id=chain_id,
            )
        return chain

    def signer_of(self, agent: Agent, function: AgentFunction) -> Signer:
        """Return who signs for the agent.

        Raises:
            SignerNotConfigured: It names nobody, or nobody who is configured.
        """
        signer = self.signers.get(agent.signer) if agent.signer is not None else None
        if signer is None:
            named = f"{agent.signer!r}, which is not configured" if agent.signer else "no signer"
            known = ", ".join(sorted(self.signers)) or "none"
            raise SignerNotConfigured(
                f"{function.name} must be signed, but agent {agent.id} names {named}; "
                f"configured signers: {known}",
                signer=agent.signer,
            )
        return signer
