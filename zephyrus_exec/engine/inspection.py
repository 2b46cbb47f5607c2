"""What would keep an agent from running, found without running it."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import InvocationError, NoCodeAtAddress, RepositoryError, ZephyrusError
from ..interfaces.repositories import ContractRepository
from ..interfaces.runner import Runner
from ..model import Agent, AgentStatus, FunctionType
from .cycle import CycleRunner
from .invoker import Invoker
from .registry import runner_of


async def find_problems(
    agent: Agent,
    *,
    contracts: ContractRepository,
    runners: Mapping[str, Runner],
    invoker: Invoker,
) -> list[str]:
    """Return what is wrong, a sentence each; none: nothing was found.

    Asks the contract's chain, where it is configured, whether there is code at the address.
    """
    problems: list[str] = []
    if agent.status is AgentStatus.STOPPED:
        problems.append("its status is stopped")
    try:
        _, runner = runner_of(agent, runners)
        if isinstance(runner, CycleRunner):
            runner.planner_of(agent)
    except ZephyrusError as error:
        problems.append(error.message)
    for function in agent.functions:
        if function.enabled and function.type is not FunctionType.READ:
            try:
                invoker.signer_of(agent, function)
            except InvocationError as error:
                problems.append(error.message)
                break
    if agent.contract_id is not None:
        problems += await _contract_problems(agent.contract_id, contracts, invoker)
    return problems


async def _contract_problems(
    contract_id: str, contracts: ContractRepository, invoker: Invoker
) -> list[str]:
    try:
        contract = await contracts.get_contract(contract_id)
        account = await invoker.chain_of(contract.chain_id).account(contract.address)
        if not account.has_code:
            raise NoCodeAtAddress(
                f"there is no contract at {contract.address} on chain {contract.chain_id}",
                address=contract.address,
                chain_id=contract.chain_id,
            )
    except (RepositoryError, InvocationError) as error:
        return [error.message]
    return []
