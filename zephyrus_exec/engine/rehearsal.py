"""Planned calls, made as far as that changes nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ..errors import (
    CallReverted,
    ChainUnavailable,
    InvocationError,
    PlannerError,
    ReferenceNotFound,
    SignerNotConfigured,
)
from ..interfaces.planner import Planner, PlanRequest
from ..model import Action, Agent, Contract, FunctionType
from .includable import check_gas
from .invoker import Invocation, Invoker


async def rehearse(
    agent: Agent,
    contract: Contract,
    planner: Planner | None,
    invoker: Invoker,
    *,
    faulty: Collection[str],
) -> list[str]:
    """Return what is wrong with the calls the agent would begin with, a sentence each.

    Reads are made, transactions are simulated and their gas compared with the agent's limit. After
    the first transaction the chain would be another one, so that from then on only the gas counts.

    Args:
        agent: Whose calls.
        contract: Its contract, which is there.
        planner: Asked if its answers cost nothing and depend on the request alone; null: none.
        invoker: Knows the chains and signers.
        faulty: Names of functions that are known not to work: left out.
    """
    problems = _low_limit(agent, contract, invoker)
    if problems or planner is None or not getattr(planner, "pure", False):
        return problems
    try:
        plan = await planner.plan(PlanRequest(agent, contract, None, 1, ()))
    except ReferenceNotFound as error:
        # What a request brings along is not known here.
        return [] if str(error.details["reference"]).startswith("input") else [error.message]
    except PlannerError as error:
        return [error.message]
    actions = [action for action in plan.actions if action.function not in faulty]
    return await _rehearse(agent, contract, actions, invoker)


def _low_limit(agent: Agent, contract: Contract, invoker: Invoker) -> list[str]:
    """Return whether no transaction at all fits the agent's gas limit."""
    writes = [
        function
        for function in agent.functions
        if function.enabled and function.type is not FunctionType.READ
    ]
    signer = invoker.signers.get(agent.signer or "")
    if not writes or signer is None or agent.gas_limit is None:
        return []
    chain = invoker.chain_of(contract.chain_id)
    least = chain.intrinsic_gas(chain.blank(signer.address))
    if agent.gas_limit >= least:
        return []
    return [f"its gas_limit is {agent.gas_limit}, and every transaction needs {least}; raise it"]


async def _rehearse(
    agent: Agent, contract: Contract, actions: Iterable[Action], invoker: Invoker
) -> list[str]:
    problems: list[str] = []
    changed = False
    for action in actions:
        step = f"step {action.name or action.function}"
        try:
            invocation = invoker.prepare(agent, contract, action)
            await _try(agent, invocation)
        except SignerNotConfigured:
            continue  # told already, for the agent as a whole
        except CallReverted as error:
            if not changed:
                problems.append(f"{step}: as things are now, {error.message}")
        except ChainUnavailable as error:
            return [*problems, error.message]
        except InvocationError as error:
            problems.append(f"{step}: {error.message}")
        else:
            changed = changed or invocation.signer is not None
            continue
        changed = True
    return list(dict.fromkeys(problems))


async def _try(agent: Agent, invocation: Invocation) -> None:
    """Return if the call would go through now, within the agent's gas limit.

    Raises:
        InvocationError: It would not.
    """
    chain, call = invocation.chain, invocation.call
    if invocation.signer is None:
        await chain.read(call)
        return
    simulation = await chain.simulate(call, sender=invocation.signer.address)
    block = await chain.head()
    check_gas(call, chain, estimate=simulation.gas, gas_limit=agent.gas_limit, block=block)
