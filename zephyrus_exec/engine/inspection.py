"""What would keep an agent from running, found without running it."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import InvocationError, RepositoryError, ZephyrusError
from ..interfaces.planner import Planner
from ..interfaces.repositories import ContractRepository
from ..interfaces.runner import Runner
from ..model import Agent, AgentFunction, AgentStatus, Contract, FunctionType
from .cycle import CycleRunner
from .invoker import Invoker
from .registry import runner_of
from .rehearsal import rehearse


async def find_problems(
    agent: Agent,
    *,
    contracts: ContractRepository,
    runners: Mapping[str, Runner],
    invoker: Invoker,
) -> list[str]:
    """Return what is wrong, a sentence each; none: nothing was found.

    Asks the configured chains: whether there is code at the contract's address, and what the
    calls would do that are planned whatever happens. Nothing is sent.
    """
    problems: list[str] = []
    if agent.status is AgentStatus.STOPPED:
        problems.append("its status is stopped; set it to active")
    planner: Planner | None = None
    try:
        _, runner = runner_of(agent, runners)
        if isinstance(runner, CycleRunner):
            planner = runner.planner_of(agent)
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
        problems += await _contract_problems(agent, agent.contract_id, contracts, invoker, planner)
    return problems


async def _contract_problems(
    agent: Agent,
    contract_id: str,
    contracts: ContractRepository,
    invoker: Invoker,
    planner: Planner | None,
) -> list[str]:
    try:
        contract = await contracts.get_contract(contract_id)
        invoker.chain_of(contract.chain_id)
    except (RepositoryError, InvocationError) as error:
        return [error.message]
    misfits = {function.name: _misfits(function, contract, invoker) for function in agent.functions}
    problems = [problem for found in misfits.values() for problem in found]
    nowhere = await _missing_code(contract, invoker)
    if nowhere:
        return [*problems, *nowhere]
    faulty = {name for name, found in misfits.items() if found}
    return problems + await rehearse(agent, contract, planner, invoker, faulty=faulty)


# --- functions and the ABI -----------------------------------------------------------------------


def _misfits(function: AgentFunction, contract: Contract, invoker: Invoker) -> list[str]:
    """Return where a function and the ABI do not agree; asks no node."""
    if not function.enabled:
        return []
    try:
        shape = invoker.chain_of(contract.chain_id).shape(contract, function)
    except InvocationError as error:
        return [error.message]
    problems = [
        f"the parameter {parameter.name!r} of function {function.name} is none of "
        f"{shape.signature}, which has: {', '.join(shape.parameters) or 'none'}; correct its name"
        for parameter in function.parameters
        if parameter.name not in shape.parameters
    ]
    if not _allows(shape.type, function.type):
        problems.append(
            f"the type of function {function.name} is {function.type.value}, but by the ABI "
            f"{shape.signature} is {shape.type.value}; set it to {shape.type.value}"
        )
    return problems


def _allows(real: FunctionType, declared: FunctionType) -> bool:
    """Return whether a function of one type can be called as one of the other."""
    return declared is real or (declared, real) == (FunctionType.WRITE, FunctionType.PAYABLE)


# --- code ----------------------------------------------------------------------------------------


async def _missing_code(contract: Contract, invoker: Invoker) -> list[str]:
    """Return why there is nothing to call at the contract's address; none: there is."""
    try:
        account = await invoker.chain_of(contract.chain_id).account(contract.address)
    except InvocationError as error:
        return [error.message]
    if account.has_code:
        return []
    missing = f"there is no contract at {contract.address} on chain {contract.chain_id}"
    elsewhere: list[str] = []
    unknown: list[str] = []
    for chain_id, chain in sorted(invoker.chains.items()):
        if chain_id != contract.chain_id:
            try:
                if (await chain.account(contract.address)).has_code:
                    elsewhere.append(str(chain_id))
            except InvocationError as error:
                unknown.append(error.message)
    if elsewhere:
        remedy = f"but there is one on chain {' and '.join(elsewhere)}; correct its chain_id"
    else:
        remedy = "nor on another configured chain; correct its address, or its chain_id"
    return [f"{missing}, {remedy}", *unknown]
